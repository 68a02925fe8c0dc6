//! Every request: written, read, kept.

use wsc_core::StreamName;
use wsc_core::frame::{ClientFrame, Query, Request, decode_client, encode_client, is_request};

/// The query after this one in the list of all. A new one does not compile until it has its place in it.
fn after(query: &Query<'_>) -> Option<Query<'static>> {
    Some(match query {
        Query::Ping => Query::Read { stream: StreamName::Inbox, peer: "bob".into(), seq: 7 },
        Query::Read { .. } => Query::GroupJoin { group: "team".into() },
        Query::GroupJoin { .. } => Query::GroupLeave { group: "team".into() },
        Query::GroupLeave { .. } => Query::GroupRemove { group: "team".into(), user: "bob".into() },
        Query::GroupRemove { .. } => Query::GroupDisband { group: "team".into() },
        Query::GroupDisband { .. } => {
            Query::Kick { user: "bob".into(), device: "phone".into(), reason: "spam".into() }
        }
        Query::Kick { .. } => Query::GroupMembers { group: "team".into(), limit: 5, after: "bob".into() },
        Query::GroupMembers { .. } => {
            Query::Fetch { stream: StreamName::Broadcast, from: Some(3), limit: 5, reverse: true }
        }
        Query::Fetch { .. } => Query::Receipts { message_ids: vec!["1".into(), "2".into()] },
        Query::Receipts { .. } => Query::Conversations { limit: 5, after: "user:bob".into() },
        Query::Conversations { .. } => Query::CheckUserStatus { users: vec!["bob".into()] },
        Query::CheckUserStatus { .. } => {
            Query::GetOnlineUsers { group: "team".into(), limit: 5, after: "bob".into() }
        }
        Query::GetOnlineUsers { .. } => Query::Watch { users: vec!["bob".into()], group: "team".into() },
        Query::Watch { .. } => Query::Unwatch { users: vec!["bob".into()], group: "team".into() },
        Query::Unwatch { .. } => Query::SetStatus { status: "busy".into() },
        Query::SetStatus { .. } => Query::Observe { group: "team".into() },
        Query::Observe { .. } => Query::Unobserve { group: "team".into() },
        Query::Unobserve { .. } => Query::Refresh { token: "token".into() },
        Query::Refresh { .. } => Query::GetUserInfo { user: "bob".into() },
        Query::GetUserInfo { .. } => Query::HealthCheck,
        Query::HealthCheck => return None,
    })
}

#[test]
fn every_request_is_read_as_it_was_written_and_outlives_its_frame() {
    for query in std::iter::successors(Some(Query::Ping), after) {
        let request = ClientFrame::Request(Request { id: "r1".into(), query });
        let mut text = String::new();
        encode_client(&request, &mut text);
        assert!(is_request(&text), "{text}");
        let read = decode_client(&text).unwrap();
        assert_eq!(read, request, "{text}");
        let ClientFrame::Request(read) = read else { unreachable!() };
        assert_eq!(ClientFrame::Request(read.into_owned()), request, "{text}");
    }
}
