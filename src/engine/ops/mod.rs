//! One function per thing a user can do. The CLI, a library user and every later face call these and nothing else.
//!
//! They read and write the local store (and `backup` and `restore` a file) alone, so they answer at once whatever the share does; `doctor` alone, whose
//! matter is the share, touches it.

mod ack;
mod ask;
mod attach;
mod backup;
mod broadcast;
mod cancel;
mod dead;
mod doctor;
mod exec;
mod fetch;
mod inbox;
mod init;
mod log;
mod offers;
mod peers;
mod recipient;
mod routes;
mod sealing;
mod search;
mod send;
mod snooze;
mod status;
mod tasks;
mod thread;
mod trace;
mod trust;
mod wake;

pub use ack::{ack, ack_from, reply, reply_draft};
pub use ask::{Asking, News, is_awaited, progress};
pub use attach::{Attached, attach, attach_to_all};
pub use backup::{BackedUp, CONFIG, Restore, Restored, backup, look as look_at_backup, restore};
pub use broadcast::{Broadcasted, Call, LeftOut, broadcast, find_broadcast, is_no_group, meant};
pub use cancel::{Taken, Withdrawal, take_back, taken};
pub use dead::{DeadLetter, REDRIVE_OF, dead, drop_dead, redrive};
pub use doctor::{Patient, doctor};
pub use exec::{answer, exec};
pub use fetch::{Fetched, FetchedFile, fetch};
pub use inbox::{find_in, inbox, is_held, peek, quarantine, read, release, unread};
pub use init::{Init, init};
pub use log::{Verdict, export_log, log, log_head, verify_export, verify_log};
pub use peers::{PeerView, peers, request_scan, scan_done};
pub(super) use peers::{answer_scan, scan_wanted};
pub use routes::{RouteView, route, waits_for};
pub use search::{Found, Hit, search};
pub(super) use send::address;
pub use send::{Author, Draft, is_unseen, send, send_all};
pub use snooze::{scheduled, snooze};
pub use status::{ShareView, Status, status};
pub use tasks::{
    Claiming, NewTask, Said, Say, Shown, TERM, TaskEdit, TaskStep, TaskView, Which, Word, request_task_look,
    task_add, task_answer, task_claim, task_depend, task_edit, task_list, task_look_done, task_next,
    task_renew, task_say, task_show, task_word,
};
pub(super) use tasks::{answer_task_look, first_task_event, is_left, task_event, task_look_wanted};
pub use thread::{Conversation, Post, thread};
pub use trace::{Trace, overdue, state_of, trace};
pub use trust::{
    Exported, Imported, TrustView, trust_accept, trust_export, trust_forget, trust_import, trust_list,
    trust_pin, trust_revoke, trust_rotate, trust_show,
};
pub(super) use trust::{own_key, own_seal, own_seal_key};
pub use wake::{Resumed, TEST, WakeView, wake_hold, wake_log, wake_resume, wake_test};

use crate::error::{Error, Kind, Result};
use crate::model::id;
use crate::model::name::Name;
use crate::store::db::{Message, Way};

use super::node::Node;

/// The one message whose id begins with `prefix`, or that is called so here ([`handle`](id::MessageId::handle)).
///
/// # Errors
/// None, or several: the error lists them. A message that was sent to oneself exists twice under one id; then the
/// one of `prefer` is meant.
fn one(node: &Node, prefix: &str, way: Option<Way>, prefer: Way) -> Result<Message> {
    let deed = "find the message";
    if prefix.is_empty() {
        return Err(Error::usage(deed, "", "the id is empty").next("`lanpost inbox` lists the ids"));
    }
    if let Some(row) = id::row(prefix) {
        let cause = "no message has that number on this PC";
        let error = Error::new(Kind::NotFound, deed, prefix, cause);
        let step = "`lanpost inbox --all` lists the ids; one that looks like a number goes with its peer, as in lab:n1";
        return node.db.in_row(row, way)?.ok_or_else(|| error.next(step));
    }
    // Two senders may use the same id; `lab:build-42` is the one to or from lab. No id holds a colon.
    let (peer, prefix) = match prefix.split_once(':') {
        Some((peer, prefix)) => {
            (Some(Name::parse(peer).map_or(peer.to_lowercase(), |name| name.fold())), prefix)
        }
        None => (None, prefix),
    };
    let mut found = node.db.find(prefix, way)?;
    found.retain(|message| peer.as_ref().is_none_or(|peer| message.peer == *peer));
    // An id in full means that message, even if it begins another one.
    if found.iter().any(|message| message.id.as_str() == prefix) {
        found.retain(|message| message.id.as_str() == prefix);
    }
    if found.len() > 1 && found.iter().all(|message| message.id == found[0].id) {
        let preferred = found.iter().filter(|message| message.way == prefer).count();
        if preferred == 1 {
            found.retain(|message| message.way == prefer);
        }
    }
    match found.len() {
        0 => Err(Error::new(Kind::NotFound, deed, prefix, "no id begins so")
            .next("`lanpost inbox --all` lists the ids")),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let list: Vec<_> = found
                .iter()
                .map(|message| format!("{} ({} -> {})", message.id, message.from, message.to))
                .collect();
            let cause = format!("several ids begin so: {}", list.join(", "));
            let same = found.iter().all(|message| message.id == found[0].id);
            let step = match same {
                true => format!("say whose it is: {}:{prefix}", found[0].peer),
                false => "give more of the id".to_owned(),
            };
            Err(Error::usage(deed, prefix, cause).next(step))
        }
    }
}
