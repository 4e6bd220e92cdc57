//! `lanpost read`: shows one message and marks it read. Exit codes: 0, 2 (several ids begin so), 3 (none does).

use std::io::Write;

use super::bar::short;
use super::look::refresh;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::Priority;
use crate::model::trust::Verdict;
use crate::store::db::Message;

/// Show a message that came, and mark it read, which its sender sees
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost read 018f2b3c-4d5e\n  lanpost read 018f2b3c-4d5e --peek --json")]
pub struct Args {
    /// Its id, or a prefix that only it has
    id: String,
    /// Show it without marking it read
    #[arg(long)]
    peek: bool,
    /// Print its bytes as they came, for mail that was written into the open slot by hand
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let before = ops::peek(&node, &args.id)?;
    let raw = if args.raw { Some(raw(&node, &before)?) } else { None };
    let message = if args.peek { before.clone() } else { ops::read(&mut node, before.id.as_str())? };
    match raw {
        Some(bytes) => show_raw(cx, &bytes),
        None if cx.json => cx.out.json(&message)?,
        None => show(cx, &message),
    }
    if message.state != before.state {
        // Its sender is told.
        refresh(cx, &mut node, "read");
    }
    Ok(exit::DONE)
}

fn raw(node: &Node, message: &Message) -> Result<Vec<u8>> {
    node.db.raw(message.n)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "print the bytes of",
            &message.id,
            "they are kept only for mail of the open slot",
        )
    })
}

/// Bytes as they came, but for a terminal, which they could script.
fn show_raw(cx: &mut Cx, bytes: &[u8]) {
    if cx.out.terminal {
        cx.out.line(print::visible(&String::from_utf8_lossy(bytes)));
    } else {
        let _ = cx.out.write_all(bytes);
    }
}

fn show(cx: &mut Cx, message: &Message) {
    let mut header =
        |name: &str, value: &str| cx.out.line(format!("{:<10}{}", format!("{name}:"), print::line(value)));
    header("Id", message.id.as_str());
    header("From", &print::sender(&message.from));
    match message.verdict {
        Some(Verdict::Verified) => {
            header("Sender", "verified: signed by the key that was pinned for this name when it came")
        }
        Some(Verdict::Unverified) => {
            header("Sender", "unverified: anybody who can write to the share may have written this");
        }
        None => {}
    }
    if message.held {
        header("Held", "by the config's policy; `lanpost release` lets it in");
    }
    if message.sealed {
        header("Sealed", "on the share nobody but its recipient can read it");
    }
    header("To", &message.to);
    if let Some(broadcast) = &message.broadcast {
        header("Group", &broadcast.group);
    }
    header("Date", if message.timestamp.is_empty() { &message.at } else { &message.timestamp });
    header("Type", &message.kind);
    if message.priority != Priority::Normal {
        header("Priority", message.priority.as_str());
    }
    let answers = message.in_reply_to.as_ref().map(|id| id.as_str());
    let optional = [
        ("Thread", message.thread.as_deref()),
        ("Answers", answers),
        ("Expires", message.expires.as_deref()),
        ("Encoding", message.encoding.as_deref()),
        ("Outcome", message.outcome.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            header(name, value);
        }
    }
    for attachment in &message.attachments {
        let folder = attachment.folder.as_ref().map(|folder| format!("{} files, ", folder.files));
        let size = format!("({}{})", folder.unwrap_or_default(), short(attachment.size));
        header("Attached", &format!("{} {size}", attachment.name));
    }
    header("State", message.state.as_str());
    cx.out.line("");
    cx.out.line(print::content(&message.content));
    if let Some(likely) = message.likely() {
        cx.out.line("");
        cx.out.line("Likely, before it was decoded wrongly:");
        cx.out.line(print::content(&likely));
    }
}
