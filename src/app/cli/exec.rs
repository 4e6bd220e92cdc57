//! `lanpost exec`: has a peer run one of its commands and waits for the end. Exit codes: the program's own; 4 no answer in
//! time, 5 refused, timed out there or lost, 2 and 3 as of `send`.
//!
//! The program's stdout goes to stdout, its stderr to stderr. With --json the answer is one object on stdout, and the exit
//! code is the same.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::look::Watch;
use super::send::{accept, dispatch};
use super::{Cx, exit, out};
use crate::app::print;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::model::exec::{Answer, Status};
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;

/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(20);

/// Have a peer run one of the commands that its config offers to you; waits for its end
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost exec lab disk path=/home\n  \
    lanpost exec lab build target=release --timeout 20m --json")]
pub struct Args {
    /// Whose command it is: the name of an instance
    #[arg(value_name = "PEER")]
    to: Address,
    /// The command's name in the peer's config
    command: String,
    /// The arguments that the peer's config lets you give
    #[arg(value_name = "NAME=VALUE", value_parser = argument)]
    args: Vec<(String, String)>,
    /// How long to wait for the answer; it is not begun later than that
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2m")]
    timeout: Duration,
    /// Encrypt the question to the peer, or don't ask; the answer to a sealed question is sealed, too
    #[arg(long)]
    seal: bool,
}

fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What came of it.
#[derive(Serialize)]
struct Report {
    id: String,
    #[serde(flatten)]
    answer: Answer,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let mut given = BTreeMap::new();
    for (name, value) in args.args {
        if given.insert(name.clone(), Value::from(value)).is_some() {
            return Err(Error::usage("ask for", &args.command, format!("{name} is given twice")));
        }
    }
    let since = node.clock.now();
    let question = accept(cx, &mut node, |node| {
        ops::exec(node, args.to.clone(), &args.command, given.clone(), args.timeout, args.seal)
    })?;
    let sent = dispatch(cx, &mut node, question, "exec")?;
    let question = sent.message;
    if let Some(cause) = &sent.spooled {
        cx.note(&format!("{} waits in the spool; {cause}", question.id));
    }
    let mut watch = Watch::new(&node, "exec", STEP)?.told(sent.spooled);
    loop {
        if let Some((message, answer)) = ops::answer(&node, &question)? {
            if !message.state.is_final() {
                ops::ack(&mut node, &[format!("{}:{}", message.peer, message.id)], None)?;
            }
            return tell(cx, &question, answer);
        }
        let now = ops::state_of(&node, &question)?;
        if now.state.is_final() && now.state != State::Processed {
            let why = now.outcome.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            out::complain(cx.json, "ended", &format!("{} is {}{why}", question.id, now.state));
            return Ok(exit::ENDED);
        }
        if node.clock.now().saturating_sub(since) >= args.timeout {
            let cause = format!("no answer came in time; the question is {}", now.state);
            let error = Error::new(Kind::Timeout, "wait for the answer to", &question.id, cause);
            return Err(error.next(format!("see how far it came: `lanpost trace {}`", question.id)));
        }
        while !watch.step(cx, &mut node)? && node.clock.now().saturating_sub(since) < args.timeout {}
    }
}

/// Passes the answer on; returns the exit code.
fn tell(cx: &mut Cx, question: &Message, answer: Answer) -> Result<u8> {
    let code = match (answer.status, answer.exit) {
        (Status::Ran, Some(code)) => u8::try_from(code).unwrap_or(exit::FAILED),
        (Status::Ran, None) => exit::FAILED,
        (Status::Timeout | Status::Refused | Status::Lost, _) => exit::ENDED,
    };
    if cx.json {
        cx.out.json(&Report { id: question.id.to_string(), answer })?;
        return Ok(code);
    }
    cx.out.bytes(print::visible(&answer.stdout).as_bytes());
    cx.out.flush();
    let _ = std::io::stderr().write_all(print::visible(&answer.stderr).as_bytes());
    if answer.cut {
        cx.note(&format!("{} wrote more than is answered", question.to));
    }
    if (answer.status, answer.exit.is_some()) != (Status::Ran, true) {
        out::complain(cx.json, "ended", &format!("{} {}", question.id, answer.outcome()));
    }
    Ok(code)
}
