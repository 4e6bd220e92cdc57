//! `lanpost read`: shows one message and marks it read. Exit codes: 0, 2 (several ids begin so), 3 (none does).

use std::io::Write;

use super::bar::short;
use super::fetch::count;
use super::look::refresh;
use super::out::Out;
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
    for (name, value) in headers(message, &cx.out) {
        let name = print::padded(&format!("{}:", cx.out.word(name)), 10);
        cx.out.line(format!("{name}{}", print::line(&value)));
    }
    cx.out.line("");
    cx.out.line(print::content(&message.content));
    if let Some(likely) = message.likely() {
        cx.out.line("");
        cx.out.say("Likely, before it was decoded wrongly:");
        cx.out.line(print::content(&likely));
    }
}

/// What is told above the content; sentences of ours in the person's language.
fn headers(message: &Message, out: &Out) -> Vec<(&'static str, String)> {
    let mut headers =
        vec![("Id", message.id.to_string()), ("From", print::sender(&message.from).into_owned())];
    let sender = message.verdict.map(|verdict| match verdict {
        Verdict::Verified => "verified: signed by the key that was pinned for this name when it came",
        Verdict::Unverified => "unverified: anybody who can write to the share may have written this",
    });
    headers.extend(sender.map(|sender| ("Sender", out.word(sender))));
    if message.held {
        headers.push(("Held", out.word("by the config's policy; `lanpost release` lets it in")));
    }
    if message.sealed {
        headers.push(("Sealed", out.word("on the share nobody but its recipient can read it")));
    }
    headers.push(("To", message.to.clone()));
    headers.extend(message.broadcast.as_ref().map(|broadcast| ("Group", broadcast.group.clone())));
    let written = Some(&message.timestamp).filter(|time| !time.is_empty());
    headers.push(("Date", written.unwrap_or(&message.at).clone()));
    headers.push(("Type", message.kind.clone()));
    if message.priority != Priority::Normal {
        headers.push(("Priority", message.priority.as_str().to_owned()));
    }
    let optional = [
        ("Thread", message.thread.clone()),
        ("Answers", message.in_reply_to.as_ref().map(ToString::to_string)),
        ("Expires", message.expires.clone()),
        ("Encoding", message.encoding.clone()),
        ("Outcome", message.outcome.as_deref().map(|outcome| out.word(outcome))),
    ];
    headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    for attachment in &message.attachments {
        let folder = attachment.folder.as_ref().map(|folder| out.word(&count(folder.files)));
        let size = format!("({}{})", folder.unwrap_or_default(), short(attachment.size));
        headers.push(("Attached", format!("{} {size}", attachment.name)));
    }
    if !message.attachments.is_empty() {
        headers.push(("To fetch", format!("lanpost fetch {}", message.handle())));
    }
    headers.push(("State", message.state.to_string()));
    headers
}
