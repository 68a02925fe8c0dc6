//! Scripts for the client machine: read, run, compared. The format stands in `tests/vectors/README.md`; TypeScript and
//! Java run the same files against the machine inside their SDKs.

use serde_json::{Map, Value, json};
use wsc_core::client::{
    Action, Change, Client, Config, Event, Gap, Identity, Link, Outcome, Presence, RequestError, Saved,
    SavedMark, SendId, State, Storage, TokenError,
};
use wsc_core::frame::{ClientFrame, Frame, HubFrame, decode_client, encode_hub};
use wsc_core::{CloseCode, StreamName, Timestamp};

/// Runs one script; gives it back with what really happened in place of what is expected.
///
/// # Errors
/// A text that says what the script has that cannot be run.
pub fn run(script: &Value) -> Result<Value, String> {
    let seed = script["seed"].as_u64().unwrap_or(1);
    let mut client = Client::new(config(&script["config"])?, seed);
    let mut script = script.clone();
    let mut now = 0;
    for step in script["steps"].as_array_mut().ok_or("steps: missing")? {
        now = match &step["now"] {
            Value::String(word) if word == "timeout" => {
                client.poll_timeout().ok_or("no timeout is set")?.max(now)
            }
            Value::Number(number) => number.as_u64().ok_or("now: no whole number")?,
            _ => now,
        };
        let mut expect = Map::new();
        if let Some(result) = perform(&mut client, now, step, &script_config(seed))? {
            expect.insert("result".to_owned(), result);
        }
        let mut events = Vec::new();
        while let Some(found) = client.poll_event() {
            events.push(event(found));
        }
        let mut actions = Vec::new();
        while let Some(found) = client.poll_action() {
            actions.push(action(found)?);
        }
        expect.insert("events".to_owned(), Value::Array(events));
        expect.insert("actions".to_owned(), Value::Array(actions));
        expect.insert("timeout".to_owned(), client.poll_timeout().map_or(Value::Null, Value::from));
        step["expect"] = Value::Object(expect);
    }
    Ok(script)
}

/// A restarted process has another seed.
fn script_config(seed: u64) -> u64 {
    seed.wrapping_add(1)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn config(value: &Value) -> Result<Config, String> {
    let known = [
        "device_id",
        "token",
        "token_provider",
        "user_id",
        "groups",
        "start_at_head",
        "auto_acknowledge",
        "storage",
        "outbox_count",
        "flight_count",
        "receipts",
        "client",
    ];
    if let Some(unknown) =
        value.as_object().and_then(|map| map.keys().find(|key| !known.contains(&key.as_str())))
    {
        return Err(format!("config: unknown {unknown}"));
    }
    let size = |name: &str, default: usize| {
        value[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    let groups = value["groups"].as_array();
    let base = Config::default();
    Ok(Config {
        client: text(value, "client").to_owned(),
        device_id: text(value, "device_id").to_owned(),
        token: value["token"].as_str().map(str::to_owned),
        token_provider: value["token_provider"].as_bool().unwrap_or(false),
        identity: Identity { user_id: text(value, "user_id").to_owned(), ..Identity::default() },
        groups: groups.map(|all| all.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()),
        start_at_head: value["start_at_head"].as_bool().unwrap_or(false),
        auto_acknowledge: value["auto_acknowledge"].as_bool().unwrap_or(true),
        storage: match text(value, "storage") {
            "durable" => Storage::Durable,
            "behind" => Storage::Behind,
            _ => Storage::None,
        },
        outbox_count: size("outbox_count", base.outbox_count),
        flight_count: size("flight_count", base.flight_count),
        receipts: size("receipts", base.receipts),
        ..base
    })
}

fn perform(client: &mut Client, now: Timestamp, step: &Value, seed: &u64) -> Result<Option<Value>, String> {
    let link = Link(
        step["link"].as_u64().and_then(|link| u32::try_from(link).ok()).unwrap_or_else(|| client.link().0),
    );
    let number = |name: &str| step[name].as_u64().unwrap_or(0);
    let stream = || {
        StreamName::parse(text(step, "stream"))
            .map(StreamName::into_owned)
            .ok_or("stream: none, or no stream's name")
    };
    match text(step, "do") {
        "connect" => client.connect(now),
        "close" => client.close(now),
        "send" => {
            let frame = step["message"].to_string();
            let Ok(ClientFrame::Message(message)) = decode_client(&frame) else {
                return Err(format!("message: {frame}"));
            };
            return Ok(Some(match client.send(now, &message) {
                Ok(send) => json!({ "send": send.0 }),
                Err(error) => json!({ "error": error.to_string() }),
            }));
        }
        "cancel" => return Ok(Some(Value::Bool(client.cancel(now, SendId(number("send")))))),
        "acknowledge" => {
            let generation = u32::try_from(number("generation")).unwrap_or(0);
            client.acknowledge(now, &stream()?, generation, number("seq_no"));
        }
        "request" => {
            let frame = step["query"].to_string();
            let Ok(ClientFrame::Request(request)) = decode_client(&frame) else {
                return Err(format!("query: {frame}"));
            };
            return Ok(Some(json!({ "request": client.request(now, request.query.into_owned()).0 })));
        }
        "mark_read" => client.mark_read(now, &stream()?, text(step, "peer"), number("seq_no")),
        "supply_token" => client.supply_token(
            now,
            match (&step["token"], text(step, "error")) {
                (Value::String(token), _) => Ok(token.clone()),
                (_, "denied") => Err(TokenError::Denied),
                _ => Err(TokenError::temporary("not now")),
            },
        ),
        "network" => client.handle_network(now, step["online"].as_bool().unwrap_or(true)),
        "open" => client.handle_open(now, link),
        "frame" => {
            let frame = step["frame"].as_str().map_or_else(|| step["frame"].to_string(), str::to_owned);
            client.handle_text(now, link, &frame);
        }
        "closed" => {
            let code =
                step["code"].as_u64().and_then(|code| u16::try_from(code).ok()).map(CloseCode::from_number);
            client.handle_close(now, link, code, text(step, "reason"));
        }
        "life" => client.handle_life(now, link),
        "stored" => client.handle_stored(now, SendId(number("send"))),
        "timeout" => client.handle_timeout(now),
        "restart" => {
            let saved = Saved::decode(&client.encode()).ok_or("snapshot: unreadable")?;
            let mut config = config(&step["config"])?;
            config.device_id.clone_from(&saved.device_id);
            *client = Client::new(config, *seed);
            client.restore(saved);
        }
        other => return Err(format!("do: unknown {other}")),
    }
    Ok(None)
}

fn frame(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

fn action(action: Action) -> Result<Value, String> {
    Ok(match action {
        Action::Open { link } => json!({ "action": "open", "link": link.0 }),
        Action::Send { link, frame: Frame::Text(text) } => {
            json!({ "action": "send", "link": link.0, "frame": frame(&text)? })
        }
        Action::Send { link, frame: Frame::Binary(bytes) } => {
            json!({ "action": "send_binary", "link": link.0, "length": bytes.len() })
        }
        Action::Close { link, code, .. } => {
            json!({ "action": "close", "link": link.0, "code": code.number() })
        }
        Action::FetchToken => json!({ "action": "fetch_token" }),
        Action::Persist(change) => match change {
            Change::Put(send) => {
                let Frame::Text(text) = &send.frame else { return Err("a binary send".to_owned()) };
                json!({ "action": "put", "send": send.id.0, "message_id": send.message_id, "frame": frame(text)? })
            }
            Change::Sent { up_to, at } => json!({ "action": "sent", "up_to": up_to.0, "at": at }),
            Change::Settled { send } => json!({ "action": "settled", "send": send.0 }),
            Change::Cursor(cursor) => json!({
                "action": "cursor", "stream": cursor.stream.to_string(), "epoch": cursor.epoch, "seq_no": cursor.seq,
            }),
            Change::Forget { stream } => json!({ "action": "forget", "stream": stream.to_string() }),
            Change::Mark(mark) => self::mark("mark", &mark),
            Change::Marked(mark) => self::mark("marked", &mark),
            Change::Owner(owner) => json!({ "action": "owner", "owner": owner.as_str() }),
        },
    })
}

fn mark(action: &str, mark: &SavedMark) -> Value {
    json!({ "action": action, "stream": mark.stream.to_string(), "peer": mark.peer, "seq_no": mark.seq })
}

fn event(event: Event) -> Value {
    // As the codec reads and writes it, not as it came.
    let message_value = |message: &Frame| {
        let Ok(message) = message.message() else { return Value::Null };
        let mut text = String::new();
        encode_hub(&HubFrame::Message(message), &mut text);
        frame(&text).unwrap_or(Value::Null)
    };
    let data = |text: &str| frame(text).unwrap_or(Value::Null);
    match event {
        Event::StateChanged(state) => match state {
            State::Idle => json!({ "event": "state", "state": "idle" }),
            State::Connecting => json!({ "event": "state", "state": "connecting" }),
            State::Connected => json!({ "event": "state", "state": "connected" }),
            State::Waiting { until } => json!({ "event": "state", "state": "waiting", "until": until }),
            State::Closed(why) => {
                use wsc_core::client::Closed;
                match why {
                    Closed::Application => {
                        json!({ "event": "state", "state": "closed", "why": "application" })
                    }
                    Closed::NoToken => json!({ "event": "state", "state": "closed", "why": "no_token" }),
                    Closed::Hub { code, .. } => {
                        json!({ "event": "state", "state": "closed", "why": "hub", "code": code.number() })
                    }
                }
            }
        },
        Event::CaughtUp => json!({ "event": "caught_up" }),
        Event::Message(entry) => {
            json!({ "event": "message", "generation": entry.generation, "message": message_value(&entry.frame) })
        }
        Event::Volatile(frame) => json!({ "event": "volatile", "message": message_value(&frame) }),
        Event::Gap(Gap { stream, generation, from, to, reason }) => json!({
            "event": "gap", "stream": stream.to_string(), "generation": generation, "from": from, "to": to,
            "reason": reason,
        }),
        Event::StreamOpened { stream, generation, from, head } => json!({
            "event": "stream_opened", "stream": stream.to_string(), "generation": generation, "from": from, "head": head,
        }),
        Event::StreamClosed { stream, reason } => {
            json!({ "event": "stream_closed", "stream": stream.to_string(), "reason": reason })
        }
        Event::Settled { send, message_id, outcome } => {
            let mut value = json!({ "event": "settled", "send": send.0, "message_id": message_id });
            match outcome {
                Outcome::Accepted { stream, position, duplicate, .. } => {
                    value["outcome"] = "accepted".into();
                    value["stream"] = stream.map_or(Value::Null, |stream| stream.to_string().into());
                    value["seq_no"] = position.into();
                    value["duplicate"] = duplicate.into();
                }
                Outcome::Refused { code, .. } => {
                    value["outcome"] = "refused".into();
                    value["code"] = code.number().into();
                }
                Outcome::Unknown => value["outcome"] = "unknown".into(),
                Outcome::Expired => value["outcome"] = "expired".into(),
                Outcome::Cancelled => value["outcome"] = "cancelled".into(),
                Outcome::Dropped => value["outcome"] = "dropped".into(),
                Outcome::Sent => value["outcome"] = "sent".into(),
            }
            value
        }
        Event::Receipt { send, message_id, stage, .. } => json!({
            "event": "receipt", "send": send.map(|send| send.0), "message_id": message_id, "stage": stage.as_str(),
        }),
        Event::ReceiptEnded { send, message_id } => {
            json!({ "event": "receipt_ended", "send": send.0, "message_id": message_id })
        }
        Event::Fetched { request, frame } => {
            json!({ "event": "fetched", "request": request.0, "message": message_value(&frame) })
        }
        Event::Answer { request, answer } => match answer.frame.decode() {
            Ok(HubFrame::Answer(answer)) => json!({
                "event": "answer", "request": request.0, "message_type": answer.message_type,
                "data": data(&answer.data),
            }),
            _ => json!({
                "event": "answer", "request": request.0, "message_type": "group_changed", "data": null,
            }),
        },
        Event::RequestFailed { request, error } => {
            let (error, code) = match error {
                RequestError::Refused { code, .. } => ("refused", Some(code.number())),
                RequestError::Disconnected => ("disconnected", None),
                RequestError::Timeout => ("timeout", None),
                RequestError::TooMany => ("too_many", None),
            };
            json!({ "event": "request_failed", "request": request.0, "error": error, "code": code })
        }
        Event::MarkRefused { stream, peer, code } => json!({
            "event": "mark_refused", "stream": stream.to_string(), "peer": peer, "code": code.number(),
        }),
        Event::GroupChanged(frame) | Event::Presence(Presence { frame }) | Event::Notice(frame) => {
            match frame.decode() {
                Ok(HubFrame::GroupChanged(changed)) => json!({
                    "event": "group_changed", "group": changed.group, "change": changed.action, "user": changed.user,
                }),
                Ok(HubFrame::Presence { message_type, data: text }) => {
                    json!({ "event": "presence", "message_type": message_type, "data": data(&text) })
                }
                Ok(HubFrame::Notice { message_type, data: text, .. }) => {
                    json!({ "event": "notice", "message_type": message_type, "data": data(&text) })
                }
                _ => Value::Null,
            }
        }
        Event::Fault(_) => json!({ "event": "fault" }),
    }
}

/// Writes scripts as the files have them: a step a line, the time first and what is expected last.
#[must_use]
pub fn write(scripts: &[Value]) -> String {
    let mut out = String::from("[\n");
    for (index, script) in scripts.iter().enumerate() {
        let field = |name: &str| script[name].to_string();
        out.push_str(&format!(
            " {{\n  \"name\": {},\n  \"config\": {},\n  \"seed\": {},\n  \"steps\": [\n",
            field("name"),
            field("config"),
            field("seed"),
        ));
        let steps = script["steps"].as_array().cloned().unwrap_or_default();
        for (place, step) in steps.iter().enumerate() {
            let mut parts = Vec::new();
            for name in ["now", "do"] {
                if !step[name].is_null() {
                    parts.push(format!("\"{name}\": {}", step[name]));
                }
            }
            for (name, value) in step.as_object().into_iter().flatten() {
                if !["now", "do", "expect"].contains(&name.as_str()) {
                    parts.push(format!("\"{name}\": {value}"));
                }
            }
            out.push_str(&format!("   {{{},\n    \"expect\": {}}}", parts.join(", "), step["expect"]));
            out.push_str(if place + 1 < steps.len() { ",\n" } else { "\n" });
        }
        out.push_str("  ]\n }");
        out.push_str(if index + 1 < scripts.len() { ",\n" } else { "\n" });
    }
    out.push_str("]\n");
    out
}
