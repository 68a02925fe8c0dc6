//! Sessions of other languages against a hub that a test plays over a real socket on the loopback address.
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::time::Duration;

use futures_util::StreamExt;
use hub::{Hub, Link, message_id, soon};
use tokio::time::timeout;
use wsc_client::session::{Command, Kind, Report, Session, Snapshot};

struct ReportListener {
    session: Session,
    reports: Vec<Report>,
}

impl ReportListener {
    fn new(session: Session) -> Self {
        Self { session, reports: Vec::new() }
    }

    /// The next report of this kind; those before it are kept for whoever asks for them.
    async fn next_of(&mut self, kind: Kind) -> Report {
        loop {
            if let Some(index) = self.reports.iter().position(|report| report.kind == kind) {
                return self.reports.remove(index);
            }
            let more = soon(self.session.next(16)).await;
            assert!(!more.is_empty(), "ended before {kind:?}");
            self.reports.extend(more);
        }
    }

    async fn state(&mut self, state: u64) -> Report {
        loop {
            let report = self.next_of(Kind::State).await;
            if report.numbers[0] == state {
                return report;
            }
        }
    }

    async fn quiet(&mut self, kind: Kind) {
        while let Ok(more) = timeout(Duration::from_millis(150), self.session.next(16)).await {
            self.reports.extend(more);
        }
        assert!(self.reports.iter().all(|report| report.kind != kind), "{:?}", self.reports);
    }

    fn command(&self, command: Command) {
        self.session.submit([command]);
    }

    fn send(&self, id: &str, more: &str) {
        let object = format!(r#"{{"message_type":"text","message_id":"{id}","receiver":"bob"{more}}}"#);
        self.command(Command::Send { message_id: id.into(), object, payload: None });
    }

    fn read(&self, stream: &str) {
        self.command(Command::Read { streams: vec![stream.into()] });
    }

    fn acknowledge(&self, report: &Report) {
        let (stream, generation) =
            (report.texts[0].clone(), u32::try_from(report.numbers[0]).expect("small"));
        self.command(Command::Acknowledge { stream, generation, position: report.numbers[1] });
    }
}

async fn connected(hub: &Hub, head: u64) -> (ReportListener, Link) {
    let (session, _) = hub.client().session().await.expect("built");
    let mut listener = ReportListener::new(session);
    listener.command(Command::Connect);
    let (link, _) = hub.greet(1, head).await;
    assert_eq!(listener.state(2).await.texts[1], "alice");
    (listener, link)
}

#[tokio::test]
async fn a_message_is_taken_settled_and_its_receipts_told() {
    let hub = Hub::new().await;
    let (mut listener, mut link) = connected(&hub, 0).await;
    listener.send("a", r#","require_ack":true,"mine":[1]"#);
    assert_eq!(listener.next_of(Kind::Saved).await.texts[0], "a");
    let frame = link.next().await;
    assert!(frame.contains(r#""mine":[1]"#), "what stands in a message goes out as it is: {frame}");
    link.accept(&frame, 7).await;
    let settled = listener.next_of(Kind::Settled).await;
    assert_eq!((settled.numbers[1], settled.numbers[2], &*settled.texts[1]), (0, 7, "inbox"));
    link.say(r#"{"message_type":"delivered","receiver":"bob","message_ids":["a"]}"#).await;
    assert_eq!(listener.next_of(Kind::Receipt).await.numbers[1], 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_said() {
    let hub = Hub::new().await;
    let (mut listener, _link) = connected(&hub, 0).await;
    let wrong = [
        ("", r#"{"message_type":7}"#),
        ("b", "nonsense"),
        ("c", r#"{"message_type":"text","message_id":"c","receiver":"bob","seq_no":"x"}"#),
    ];
    for (id, object) in wrong {
        listener.command(Command::Send { message_id: id.into(), object: object.into(), payload: None });
        let refused = listener.next_of(Kind::Rejected).await;
        assert!(refused.texts[0] == id && !refused.texts[1].is_empty(), "{refused:?}");
        assert!(matches!(refused.numbers[0], 3 | 4), "{refused:?}");
    }
    listener.send("d", "");
    listener.send("d", "");
    assert_eq!(listener.next_of(Kind::Rejected).await.numbers[0], 5);
    listener.command(Command::MarkRead { stream: "no stream".into(), peer: String::new(), position: 1 });
    listener.command(Command::Acknowledge { stream: "group:".into(), generation: 9, position: 1 });
    listener.command(Command::Cancel { message_id: "unknown".into() });
    listener.command(Command::Request { ticket: 5, object: "nonsense".into() });
    listener.send("e", "");
    while listener.next_of(Kind::Saved).await.texts[0] != "e" {}
}

#[tokio::test]
async fn entries_of_streams_that_are_read_come_and_are_acknowledged_by_orders_only() {
    let hub = Hub::new().await;
    let (mut listener, mut link) = connected(&hub, 2).await;
    link.entry(1).await;
    listener.quiet(Kind::Message).await;
    listener.read("inbox");
    let first = listener.next_of(Kind::Message).await;
    assert_eq!((&*first.texts[0], first.numbers[1]), ("inbox", 1));
    link.entry(2).await;
    let second = listener.next_of(Kind::Message).await;
    assert!(second.texts[2].contains(r#""content":"c2""#));
    assert!(
        timeout(Duration::from_millis(100), link.socket.next()).await.is_err(),
        "nothing is acknowledged yet"
    );
    listener.acknowledge(&second);
    assert!(link.next().await.contains(r#""seq_no":2"#));
    listener.read("broadcast");
    link.entry(3).await;
    listener.quiet(Kind::Message).await;
}

#[tokio::test]
async fn who_acknowledges_nothing_holds_back_the_hub_and_not_the_memory() {
    const ALL: u64 = 60_000;
    let hub = Hub::new().await;
    let (mut listener, mut link) = connected(&hub, ALL).await;
    listener.read("*");
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = sent.clone();
    let writing = tokio::spawn(async move {
        for seq in 1..=ALL {
            link.entry(seq).await;
            counted.store(seq, std::sync::atomic::Ordering::Relaxed);
        }
        link
    });
    let mut last = listener.next_of(Kind::Message).await;
    while let Ok(more) = timeout(Duration::from_millis(500), listener.session.next(1024)).await {
        last = more.into_iter().rfind(|report| report.kind == Kind::Message).unwrap_or(last);
    }
    let (given, written) = (last.numbers[1], sent.load(std::sync::atomic::Ordering::Relaxed));
    assert!((8192..10_000).contains(&given), "{given} given");
    assert!(written < ALL, "the writer must have been held back by the full socket");
    listener.reports.clear();
    let mut expected = given + 1;
    listener.acknowledge(&last);
    while expected <= ALL {
        let report = listener.next_of(Kind::Message).await;
        assert_eq!(report.numbers[1], expected);
        expected += 1;
        listener.acknowledge(&report);
    }
    drop(writing.await.expect("written"));
}

#[tokio::test]
async fn a_request_is_answered_under_its_ticket() {
    let hub = Hub::new().await;
    let (mut listener, mut link) = connected(&hub, 0).await;
    listener.command(Command::Request {
        ticket: 77,
        object: r#"{"message_type":"fetch","stream":"inbox"}"#.into(),
    });
    let asked = link.next().await;
    let id = message_id(&asked);
    link.say(&format!(r#"{{"message_type":"text","message_id":"x","sender":"bob","receiver":"alice","stream":"inbox","seq_no":3,"content":"c","request_id":"{id}"}}"#)).await;
    link.say(&format!(
        r#"{{"message_type":"fetched","request_id":"{id}","data":{{"from":3,"to":3,"floor":1,"head":3}}}}"#
    ))
    .await;
    assert_eq!(listener.next_of(Kind::Fetched).await.numbers[0], 77);
    let answer = listener.next_of(Kind::Answer).await;
    assert!(answer.numbers[0] == 77 && answer.texts[2].contains(r#""head":3"#), "{answer:?}");
    drop(link);
    assert_eq!(listener.next_of(Kind::SocketClosed).await.numbers[0], 1);
    listener.command(Command::Request { ticket: 78, object: r#"{"message_type":"conversations"}"#.into() });
    let failed = listener.next_of(Kind::RequestFailed).await;
    assert_eq!(failed.numbers[..2], [78, 1]);
}

#[tokio::test]
async fn tokens_are_asked_for_and_a_denial_closes() {
    let hub = Hub::new().await;
    let (session, _) = hub.client().asks_for_tokens().session().await.expect("built");
    let mut listener = ReportListener::new(session);
    listener.command(Command::Connect);
    listener.next_of(Kind::FetchToken).await;
    listener.command(Command::Token { token: Ok("e30.e30.t1".into()) });
    let (_link, connect) = hub.greet(1, 0).await;
    assert!(connect.contains(r#""token":"e30.e30.t1""#), "{connect}");
    let (session, _) = hub.client().asks_for_tokens().session().await.expect("built");
    let mut listener = ReportListener::new(session);
    listener.command(Command::Connect);
    listener.next_of(Kind::FetchToken).await;
    listener.command(Command::Token { token: Err(wsc_client::TokenError::Denied) });
    assert_eq!(listener.state(4).await.numbers[1], 1);
}

#[tokio::test]
async fn a_file_keeps_messages_and_places_for_the_next_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let (session, snapshot) = hub.client().outbox(&path).session().await.expect("built");
    assert!(snapshot.pending.is_empty() && snapshot.device.len() == 32);
    let mut listener = ReportListener::new(session);
    listener.read("*");
    listener.command(Command::Connect);
    let (mut link, _) = hub.greet(1, 1).await;
    link.entry(1).await;
    let entry = listener.next_of(Kind::Message).await;
    listener.acknowledge(&entry);
    listener.send("a", "");
    assert_eq!(listener.next_of(Kind::Saved).await.texts[0], "a");
    drop(link);
    listener.next_of(Kind::SocketClosed).await;
    listener.command(Command::Close);
    listener.next_of(Kind::Ended).await;
    assert!(soon(listener.session.next(1)).await.is_empty());
    listener.send("b", "");
    listener.quiet_end().await;
    let Snapshot { device, cursors, pending } = {
        let (_session, snapshot) = hub.client().outbox(&path).session().await.expect("built");
        snapshot
    };
    assert_eq!((device, cursors), (snapshot.device, vec![("inbox".to_owned(), 1)]));
    assert_eq!(message_id(&pending[0]), "a");
    assert_eq!(pending.len(), 1);
}

impl ReportListener {
    async fn quiet_end(&self) {
        assert!(soon(self.session.next(1)).await.is_empty(), "after the end nothing comes");
    }
}

#[tokio::test]
async fn closing_says_how_everything_ended_and_hands_over_nothing_that_waits() {
    let hub = Hub::new().await;
    let (mut listener, mut link) = connected(&hub, 1).await;
    listener.read("*");
    link.entry(1).await;
    listener.send("a", "");
    let frame = link.next().await;
    listener.command(Command::Close);
    // It waits for the answer to what was sent; entries that come meanwhile are for the next time.
    link.entry(2).await;
    link.accept(&frame, 3).await;
    assert_eq!(listener.next_of(Kind::Settled).await.texts[0], "a");
    assert_eq!(listener.state(4).await.numbers[1], 0);
    listener.next_of(Kind::Ended).await;
    assert!(listener.reports.iter().all(|report| report.kind != Kind::Message));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_told_as_what_it_is() {
    let hub = Hub::new().await;
    let (session, _) = hub.client().session().await.expect("built");
    drop(hub);
    let mut listener = ReportListener::new(session);
    listener.command(Command::Connect);
    let parted = listener.next_of(Kind::SocketClosed).await;
    assert!(parted.numbers[0] == 0 && !parted.texts[0].is_empty(), "{parted:?}");
    assert!(listener.state(3).await.numbers[2] >= 1);
}
