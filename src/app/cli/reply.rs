//! `lanpost reply`: answers a message in its thread. Exit codes: 0 stored, 2, 3 (no such id).

use super::args::{Body, Files, Speaker};
use super::send::{dispatch, send, show};
use super::{Cx, exit};
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Result};
use crate::model::state::State;
use crate::store::db::Message;

/// Answer a message: to whoever wrote it, in its thread
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost reply 018f2b3c-4d5e \"done, see the log\" --ack\n  \
    git log -5 | lanpost reply 018f2b3c-4d5e -")]
pub struct Args {
    /// The message's id, or a prefix that only it has
    id: String,
    #[command(flatten)]
    body: Body,
    /// Also acknowledge the message as processed
    #[arg(long)]
    ack: bool,
    /// Encrypt it to the recipient, or don't send it; an answer to sealed mail always is
    #[arg(long)]
    seal: bool,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let agent = args.speaker.resolve(&node)?;
    let answered = if args.ack { Some(to_finish(&node, &args.id)?) } else { None };
    let content = args.body.content(cx, node.config.limits.message.0)?;
    let id = answered.as_ref().map_or(args.id.as_str(), |message| message.id.as_str());
    let author = args.speaker.author(&node);
    let draft = ops::reply_draft(&node, id, content, agent, author, args.seal)?;
    let reply = send(cx, &mut node, draft, &args.files)?;
    if answered.is_some() {
        ops::ack(&mut node, &[id.to_owned()], None)?;
    }
    let sent = dispatch(cx, &mut node, reply, "reply")?;
    show(cx, &sent)?;
    Ok(exit::DONE)
}

/// A message that is to be answered and acknowledged in one: what could keep it from being acknowledged is found out before the
/// answer goes out.
///
/// # Errors
/// There is none; it has ended otherwise, or is held.
pub fn to_finish(node: &Node, id: &str) -> Result<Message> {
    let message = ops::peek(node, id)?;
    if message.state.is_final() && message.state != State::Processed {
        let cause = format!("it is {} already", message.state);
        return Err(Error::usage("acknowledge", &message.id, cause).next("leave out --ack; nothing was sent"));
    }
    if message.held {
        let error = ops::is_held("acknowledge", &message);
        return Err(error.or_next("leave out --ack; nothing was sent"));
    }
    Ok(message)
}
