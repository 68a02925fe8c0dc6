//! What the answers to requests say, read from their `data`.

use alloc::string::String;
use alloc::vec::Vec;

use super::DecodeError;
use super::scan::{Kind, Scanner};
use super::string::unescape;
use crate::kind::UserStatus;
use crate::message::Text;
use crate::names::StreamName;

/// `fetched`: the end of a page of history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The first position looked at.
    pub from: u64,
    /// The last position looked at.
    pub to: u64,
    /// The oldest this user may fetch.
    pub floor: u64,
    /// The newest position.
    pub head: u64,
    /// Whether there is more in the direction asked for.
    pub more: bool,
}

/// `group_members`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberPage {
    /// User ids in order.
    pub users: Vec<String>,
    /// What to give as `after` for the next page; empty: this is the last.
    pub next: String,
    /// How many there are in all.
    pub total: u64,
}

/// One user's presence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceOf {
    /// The user.
    pub user: String,
    /// `online`, `offline`, `busy` or `away`; as text, so that a new one passes.
    pub status: String,
    /// How many devices are connected.
    pub devices: u64,
    /// When the user was last seen, in milliseconds; 0: never or unknown.
    pub last_seen_ms: u64,
}

impl PresenceOf {
    /// Whether the user counts as online.
    #[must_use]
    pub fn is_online(&self) -> bool {
        !self.status.is_empty() && self.status != UserStatus::Offline.as_str()
    }
}

/// `online_users_list`.
pub type UserPage = MemberPage;

/// How far one message got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptOf {
    /// The message.
    pub message_id: String,
    /// `accepted`, `delivered`, `read` or `unknown`.
    pub stage: String,
    /// In a group: how many members it was delivered to.
    pub delivered: Option<u64>,
    /// In a group: how many members have read it.
    pub read: Option<u64>,
}

/// One conversation of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationState {
    /// Its stream: the inbox, or a group.
    pub stream: StreamName<'static>,
    /// The other user; empty for a group.
    pub peer: String,
    /// The newest position.
    pub last: u64,
    /// Read up to here.
    pub read: u64,
    /// Messages of others after it.
    pub unread: u64,
}

/// `conversations`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversations {
    /// Newest first.
    pub conversations: Vec<ConversationState>,
    /// What to give as `after` for the next page; empty: this is the last.
    pub next: String,
}

/// Reads the `data` of `fetched`.
pub fn parse_fetched(data: &str) -> Result<Fetched, DecodeError> {
    let mut page = Fetched::default();
    Scanner::new(data).document(&mut |scanner, key| {
        match key {
            "from" => page.from = scanner.integer("from")?,
            "to" => page.to = scanner.integer("to")?,
            "floor" => page.floor = scanner.integer("floor")?,
            "head" => page.head = scanner.integer("head")?,
            "more" => page.more = scanner.boolean("more")?,
            _ => scanner.skip()?,
        }
        Some(())
    })?;
    Ok(page)
}

/// Reads the `data` of `group_members` and `online_users_list`.
pub fn parse_members(data: &str) -> Result<MemberPage, DecodeError> {
    let mut page = MemberPage::default();
    Scanner::new(data).document(&mut |scanner, key| {
        match key {
            "users" => page.users = scanner.list("users")?.into_iter().map(Text::into_owned).collect(),
            "next" => page.next = scanner.text("next")?.into_owned(),
            "total" => page.total = scanner.integer("total")?,
            _ => scanner.skip()?,
        }
        Some(())
    })?;
    Ok(page)
}

/// Reads the `data` of `user_status_response` and of the presence changes: `users`, or one user's fields alone.
pub fn parse_statuses(data: &str) -> Result<Vec<PresenceOf>, DecodeError> {
    let (mut users, mut alone) = (Vec::new(), PresenceOf::default());
    Scanner::new(data).document(&mut |scanner, key| {
        if key == "users" {
            return scanner.array("users", &mut |scanner| {
                let mut user = PresenceOf::default();
                scanner.object(&mut |scanner, key| presence_field(scanner, key, &mut user))?;
                users.push(user);
                Some(())
            });
        }
        presence_field(scanner, key, &mut alone)
    })?;
    if !alone.user.is_empty() {
        users.push(alone);
    }
    Ok(users)
}

fn presence_field(scanner: &mut Scanner<'_>, key: &str, user: &mut PresenceOf) -> Option<()> {
    match key {
        "user_id" => user.user = scanner.text("user_id")?.into_owned(),
        "status" => user.status = scanner.text("status")?.into_owned(),
        "devices" => user.devices = scanner.integer("devices")?,
        "last_seen_ms" => user.last_seen_ms = scanner.integer("last_seen_ms")?,
        _ => scanner.skip()?,
    }
    Some(())
}

/// Reads the `data` of `receipts`.
pub fn parse_receipts(data: &str) -> Result<Vec<ReceiptOf>, DecodeError> {
    let mut receipts = Vec::new();
    Scanner::new(data).document(&mut |scanner, key| {
        if key != "receipts" {
            return scanner.skip();
        }
        scanner.array("receipts", &mut |scanner| {
            let mut receipt = ReceiptOf::default();
            scanner.object(&mut |scanner, key| {
                match key {
                    "message_id" => receipt.message_id = scanner.text("message_id")?.into_owned(),
                    "stage" => receipt.stage = scanner.text("stage")?.into_owned(),
                    "delivered" => receipt.delivered = Some(scanner.integer("delivered")?),
                    "read" => receipt.read = Some(scanner.integer("read")?),
                    _ => scanner.skip()?,
                }
                Some(())
            })?;
            receipts.push(receipt);
            Some(())
        })
    })?;
    Ok(receipts)
}

/// Goes through the ids and stages in the `data` of `receipts`, up to what cannot be read: all that the client machine
/// wants of it.
pub(crate) fn each_stage(data: &str, each: &mut dyn FnMut(&str, &str)) {
    // What cannot be read is asked for again at the next connect.
    let _ = Scanner::new(data).document(&mut |scanner, key| {
        if key != "receipts" {
            return scanner.skip();
        }
        scanner.array("receipts", &mut |scanner| {
            let (mut message_id, mut stage) = ("", "");
            scanner.object(&mut |scanner, key| {
                match key {
                    "message_id" => message_id = scanner.value(Kind::Text, "message_id")?,
                    "stage" => stage = scanner.value(Kind::Text, "stage")?,
                    _ => scanner.skip()?,
                }
                Some(())
            })?;
            each(&unescape(message_id), &unescape(stage));
            Some(())
        })
    });
}

/// Reads the `data` of `conversations`.
pub fn parse_conversations(data: &str) -> Result<Conversations, DecodeError> {
    let mut page = Conversations::default();
    Scanner::new(data).document(&mut |scanner, key| {
        match key {
            "next" => page.next = scanner.text("next")?.into_owned(),
            "conversations" => scanner.array("conversations", &mut |scanner| {
                let mut found = ConversationState {
                    stream: StreamName::Inbox,
                    peer: String::new(),
                    last: 0,
                    read: 0,
                    unread: 0,
                };
                scanner.object(&mut |scanner, key| {
                    match key {
                        "peer" => found.peer = scanner.text("peer")?.into_owned(),
                        "group_id" => {
                            found.stream = StreamName::group(&scanner.text("group_id")?);
                        }
                        "last" => found.last = scanner.integer("last")?,
                        "read" => found.read = scanner.integer("read")?,
                        "unread" => found.unread = scanner.integer("unread")?,
                        _ => scanner.skip()?,
                    }
                    Some(())
                })?;
                page.conversations.push(found);
                Some(())
            })?,
            _ => scanner.skip()?,
        }
        Some(())
    })?;
    Ok(page)
}
