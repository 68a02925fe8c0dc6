//! WebSocket conformance over a raw socket: what Autobahn's groups 2 to 7, 9 and 10 ask, as tables. A message to a user
//! whose device listens is the echo, for the hub has no other.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::Server;
use support::raw::Answer::{self, Close, Echo, Pong};
use support::raw::{CLOSE, CONTINUATION, FIN, PING, PONG, Raw, TEXT, frame};

const PROTOCOL: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// The message whose echo has this content, which may be no UTF-8.
fn message(content: &[u8]) -> Vec<u8> {
    let head = br#"{"message_type":"text","message_id":"1","receiver":"echo","content":""#;
    [head, content, br#""}"#].concat()
}

fn text(content: &[u8]) -> Vec<u8> {
    frame(FIN | TEXT, &message(content))
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// One message in frames of at most `size` bytes, with other frames between them.
fn fragments(payload: &[u8], size: usize, between: &[u8]) -> Vec<u8> {
    let count = payload.len().div_ceil(size);
    let pieces = payload.chunks(size).enumerate().map(|(index, piece)| {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        if index + 1 == count {
            frame(FIN | opcode, piece)
        } else {
            [&frame(opcode, piece), between].concat()
        }
    });
    pieces.collect::<Vec<_>>().concat()
}

/// A name, and steps: what is sent, and what must come of it before the next. Where the last is no Close, the connection
/// must still live afterwards.
struct Case {
    name: String,
    steps: Vec<(Vec<u8>, Vec<Answer>)>,
}

fn case(name: impl Into<String>, sent: impl IntoIterator<Item = Vec<u8>>, expected: &[Answer]) -> Case {
    let sent: Vec<_> = sent.into_iter().collect();
    Case { name: name.into(), steps: vec![(sent.concat(), expected.to_vec())] }
}

impl Case {
    /// The same on a connection that is in use.
    fn after(mut self, sent: Vec<u8>, expected: Answer) -> Self {
        self.steps.insert(0, (sent, vec![expected]));
        self
    }
}

fn echo(content: &str) -> Answer {
    Echo(content.to_owned())
}

async fn check_in(cases: Vec<Case>, segments: &[usize], frame_limit: Option<usize>) {
    let change = |settings: &mut wsc_server::Settings| {
        settings.limits.connects_per_address = 0;
        settings.limits.pending_per_address = 10_000;
        settings.peer.frame = frame_limit.unwrap_or(settings.peer.frame);
    };
    let server = Server::with(change, |builder| builder).await;
    let mut listener = server.connect("echo", "e1").await;
    let mut count = 0;
    for Case { name, mut steps } in cases {
        let closes = steps.last().is_some_and(|(_, expected)| matches!(expected.last(), Some(Close(_))));
        if !closes {
            let end = r#"{"message_type":"text","message_id":"end","receiver":"echo","content":"end"}"#;
            steps.push((frame(FIN | TEXT, end.as_bytes()), vec![echo("end")]));
        }
        for segment in segments {
            count += 1;
            let mut raw = Raw::connect(&server, &format!("u{count}")).await;
            for (sent, expected) in &steps {
                raw.write(sent, *segment).await;
                let mut answers = Vec::new();
                while answers.len() < expected.len() {
                    let Some(answer) = raw.answer(&mut listener).await else { break };
                    answers.push(answer);
                }
                assert_eq!(&answers, expected, "{name}, in segments of {segment}");
            }
            if closes {
                let more = raw.frame().await;
                assert_eq!(more, None, "{name}, in segments of {segment}: after its Close");
            }
        }
    }
}

/// Each case at once and octet by octet.
async fn check(cases: Vec<Case>) {
    check_in(cases, &[usize::MAX, 1], None).await;
}

#[tokio::test]
async fn group_2_pings_are_answered_and_pongs_are_not() {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let mut cases: Vec<Case> = (0..=125)
        .map(|length| {
            let payload = vec![0xfe; length];
            case(format!("a ping of {length} bytes"), [ping(&payload)], &[Pong(payload)])
        })
        .collect();
    let ten: Vec<_> = (0..10_u8).map(|number| vec![number; 8]).collect();
    let pongs: Vec<_> = ten.iter().cloned().map(Pong).collect();
    cases.extend([
        case("a ping of 126 bytes", [ping(&[0xfe; 126])], &[Close(Some(PROTOCOL))]),
        case("a pong nobody asked for", [frame(FIN | PONG, b"")], &[]),
        case("the same with a payload", [frame(FIN | PONG, b"unasked")], &[]),
        case("a pong and a ping", [frame(FIN | PONG, b"unasked"), ping(b"asked")], &[Pong(b"asked".into())]),
        case("ten pings", ten.iter().map(|payload| ping(payload)), &pongs),
    ]);
    check(cases).await;
}

#[tokio::test]
async fn group_3_reserved_bits_are_refused() {
    let mut cases = Vec::new();
    for bits in 1..=7_u8 {
        for (what, opcode, payload) in
            [("text", TEXT, message(b"x")), ("ping", PING, Vec::new()), ("close", CLOSE, vec![3, 0xe8])]
        {
            let bad = frame(FIN | bits << 4 | opcode, &payload);
            let name = format!("reserved bits {bits:03b} on a {what} frame");
            cases.push(case(name.clone(), [bad.clone()], &[Close(Some(PROTOCOL))]));
            cases.push(case(name, [bad, text(b"b")], &[Close(Some(PROTOCOL))]).after(text(b"a"), echo("a")));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn group_4_reserved_opcodes_are_refused() {
    let mut cases = Vec::new();
    for opcode in (3..=7).chain(11..=15_u8) {
        for payload in [&b""[..], b"reserved"] {
            let name = format!("opcode {opcode} with {} bytes", payload.len());
            let bad = frame(FIN | opcode, payload);
            cases.push(case(name.clone(), [bad.clone()], &[Close(Some(PROTOCOL))]));
            cases.push(case(name, [bad, text(b"b")], &[Close(Some(PROTOCOL))]).after(text(b"a"), echo("a")));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn group_5_fragments_make_one_message_and_only_in_order() {
    let (whole, ping) = (message(b"fragmented"), frame(FIN | PING, b"p"));
    let (head, tail) = whole.split_at(20);
    let protocol = &[Close(Some(PROTOCOL))];
    let first = frame(TEXT, head);
    let last = frame(FIN | CONTINUATION, tail);
    let (one, pong) = ([echo("fragmented")], Pong(b"p".into()));
    let many = whole.len().div_ceil(7) - 1;
    let pongs = [vec![pong.clone(); many], one.to_vec()].concat();
    check(vec![
        case("a ping in two fragments", [frame(PING, b"a"), frame(FIN | CONTINUATION, b"b")], protocol),
        case("a pong in two fragments", [frame(PONG, b"a"), frame(FIN | CONTINUATION, b"b")], protocol),
        case("a close in two fragments", [frame(CLOSE, &[3]), frame(FIN | CONTINUATION, &[232])], protocol),
        case("two fragments", [first.clone(), last.clone()], &one),
        case("fragments of one byte", [fragments(&whole, 1, b"")], &one),
        case("empty fragments", [frame(TEXT, b""), frame(CONTINUATION, b""), last_of(&whole)], &one),
        case("a ping between", [first.clone(), ping.clone(), last.clone()], &[pong, echo("fragmented")]),
        case("a ping between each two", [fragments(&whole, 7, &ping)], &pongs),
        case("a pong between each two", [fragments(&whole, 7, &frame(FIN | PONG, b""))], &one),
        case("a close between", [first.clone(), close(1000, b""), last.clone()], &[Close(Some(1000))]),
        case("a last fragment without a first", [last.clone()], protocol),
        case("a middle fragment without a first", [frame(CONTINUATION, tail), text(b"x")], protocol),
        case("one fragment too many", [last.clone()], protocol)
            .after([&*first, &last].concat(), echo("fragmented")),
        case("a text between", [first.clone(), text(b"x")], protocol),
        case("a binary frame between", [first.clone(), frame(FIN | 2, b"x")], protocol),
        case("two firsts", [first.clone(), first], protocol),
    ])
    .await;
}

fn last_of(payload: &[u8]) -> Vec<u8> {
    frame(FIN | CONTINUATION, payload)
}

#[tokio::test]
async fn group_6_text_is_utf_8() {
    const VALID: &[&str] = &[
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{feff}",
        "\u{10000}",
        "\u{1ffff}",
        "\u{3ffff}",
        "\u{10ffff}",
    ];
    const INVALID: &[&[u8]] = &[
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc3",
        b"\xe1\xbd",
        b"\xf0\x90\x80",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80ed",
    ];
    let mut cases = Vec::new();
    for valid in VALID {
        let name = format!("valid: {}", valid.escape_unicode());
        cases.push(case(name.clone(), [text(valid.as_bytes())], &[echo(valid)]));
        for size in 1..=3 {
            let cut = fragments(&message(valid.as_bytes()), size, b"");
            cases.push(case(format!("{name}, in fragments of {size}"), [cut], &[echo(valid)]));
        }
    }
    for invalid in INVALID {
        let name = format!("invalid: {}", invalid.escape_ascii());
        let refused = [Close(Some(INVALID_DATA))];
        cases.push(case(name.clone(), [text(invalid)], &refused));
        cases.push(case(format!("{name}, alone"), [frame(FIN | TEXT, invalid)], &refused));
        for size in 1..=3 {
            let cut = fragments(&message(invalid), size, b"");
            cases.push(case(format!("{name}, in fragments of {size}"), [cut], &refused));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn group_7_a_close_is_answered_once_and_ends_everything() {
    let done = &[Close(Some(1000))];
    let mut cases = vec![
        case("no code", [frame(FIN | CLOSE, b"")], &[Close(None)]),
        case("a close after a message", [close(1000, b"")], done).after(text(b"x"), echo("x")),
        case("two closes", [close(1000, b""), close(1001, b"")], done),
        case("a ping after a close", [close(1000, b""), frame(FIN | PING, b"p")], done),
        case("a message after a close", [close(1000, b""), text(b"x")], done),
        case("garbage after a close", [close(1000, b""), vec![0xff; 64]], done),
        case("a payload of one byte", [frame(FIN | CLOSE, &[3])], &[Close(Some(PROTOCOL))]),
        case("a reason of 123 bytes", [close(1000, &[b'*'; 123])], done),
        case("a reason of 124 bytes", [close(1000, &[b'*'; 124])], &[Close(Some(PROTOCOL))]),
        case("an invalid reason", [close(1000, b"\xce\xba\xed\xa0\x80")], &[Close(Some(INVALID_DATA))]),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(case(format!("code {code}"), [close(code, b"bye")], &[Close(Some(code))]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        for reason in [&b""[..], b"bye"] {
            cases.push(case(format!("code {code}"), [close(code, reason)], &[Close(Some(PROTOCOL))]));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn group_9_the_limit_is_exact() {
    const LIMIT: usize = 8192;
    let of = |length: usize| "*".repeat(length - message(b"").len());
    let (most, over) = (of(LIMIT), of(LIMIT + 1));
    let (whole, long) = (message(most.as_bytes()), message(over.as_bytes()));
    let too_big = &[Close(Some(TOO_BIG))];
    let cases = vec![
        case("exactly the limit", [text(most.as_bytes())], &[echo(&most)]),
        case("exactly the limit, in fragments", [fragments(&whole, 1000, b"")], &[echo(&most)]),
        case("one over", [text(over.as_bytes())], too_big),
        case("one over, in fragments", [fragments(&long, 1000, b"")], too_big),
        case(
            "a header that promises more than memory holds",
            [vec![FIN | TEXT, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]],
            too_big,
        ),
    ];
    check_in(cases, &[usize::MAX, 997], Some(LIMIT)).await;
}

#[tokio::test]
async fn group_10_segments_do_not_matter() {
    let mut cases = Vec::new();
    for length in [1, 125, 126, 127, 1300] {
        let content = "*".repeat(length);
        let rest = [frame(FIN | PING, b"p"), close(1000, b"")];
        let ended = case(format!("{length} bytes"), rest, &[Pong(b"p".into()), Close(Some(1000))]);
        cases.push(ended.after(text(content.as_bytes()), echo(&content)));
    }
    let segments: Vec<usize> = (1..=32).chain([64, 125, 126, 127, 128, 256, 1023, 1024, 1300]).collect();
    check_in(cases, &segments, None).await;
}

/// The first frame is read by other hands than all later ones.
#[tokio::test]
async fn the_same_holds_before_the_connect_frame() {
    let protocol = Close(Some(PROTOCOL));
    let table = [
        ("a ping", frame(FIN | PING, b"p"), Pong(b"p".into())),
        (
            "a ping after a pong",
            [frame(FIN | PONG, b"x"), frame(FIN | PING, b"p")].concat(),
            Pong(b"p".into()),
        ),
        ("a ping of 126 bytes", frame(FIN | PING, &[0; 126]), protocol.clone()),
        ("reserved bits", frame(FIN | 0x40 | TEXT, b"x"), protocol.clone()),
        ("a reserved opcode", frame(FIN | 3, b"x"), protocol.clone()),
        ("a last fragment without a first", frame(FIN | CONTINUATION, b"x"), protocol.clone()),
        ("invalid UTF-8", frame(FIN | TEXT, b"\xff"), Close(Some(INVALID_DATA))),
        ("too much", frame(FIN | TEXT, &[b' '; 70_000]), Close(Some(TOO_BIG))),
        ("a close", close(1000, b""), Close(Some(1000))),
        ("a close with another code", close(4999, b"bye"), Close(Some(4999))),
        ("a close of one byte", frame(FIN | CLOSE, &[3]), protocol.clone()),
        ("a close with code 1005", close(1005, b""), protocol),
    ];
    let server = Server::start().await;
    let mut listener = server.connect("echo", "e1").await;
    for (name, sent, expected) in table {
        let mut raw = Raw::open(&server).await;
        raw.write(&sent, usize::MAX).await;
        let closes = matches!(expected, Close(_));
        assert_eq!(raw.answer(&mut listener).await, Some(expected), "{name}");
        if closes {
            assert_eq!(raw.frame().await, None, "{name}: after its Close");
        }
    }
}
