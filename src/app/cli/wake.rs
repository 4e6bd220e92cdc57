//! `lanpost wake`: holds wakes, lets them go, shows them, and tries one. Exit codes: 0, 1, 2; `test`: 5 if the agent was
//! not woken for good, 75 if it may work later.

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::out::{self, Out};
use super::{Cx, exit};
use crate::adapt::wake::Adapter;
use crate::app::{locate, print};
use crate::engine::node::Node;
use crate::engine::ops::{self, WakeView};
use crate::engine::wake::{Held, Outcome, WakeResult, held};
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::model::name::Name;

/// Try, hold, resume or list the wakes: what starts an agent here when there is mail for it
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost wake test\n  \
    lanpost wake hold --for 2h\n  \
    lanpost wake resume\n  \
    lanpost wake log --limit 50 --json")]
pub struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand, Debug)]
enum Deed {
    /// Wake an agent once, for a made-up message that is in nobody's inbox, and tell how it went
    #[command(after_help = "Examples:\n  lanpost wake test\n  lanpost wake test --agent main --json")]
    Test {
        /// Which of the config's agents [default: the instance itself]
        #[arg(long)]
        agent: Option<Name>,
    },
    /// Wake nobody until this is over; the mail waits, and wakes then
    #[command(after_help = "Example:\n  lanpost wake hold --for 2h")]
    Hold {
        /// For how long, as in 2h [default: until `lanpost wake resume`]
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        time: Option<Duration>,
    },
    /// Wake again: for what waited, whoever asked for it, and for mail whose wakes had failed for good
    #[command(after_help = "Example:\n  lanpost wake resume")]
    Resume,
    /// List the last wakes: why, for what, and how they went; and what holds further ones up
    #[command(after_help = "Examples:\n  \
        lanpost wake log --limit 50\n  \
        lanpost wake log --json | jq -r '.[-1].detail'")]
    Log {
        /// At most so many, the newest
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    match args.deed {
        Deed::Test { agent } => test(agent.as_ref(), cx),
        Deed::Hold { time } => {
            let mut node = cx.open()?;
            let held = ops::wake_hold(&mut node, time)?;
            tell(cx, held.as_ref())
        }
        Deed::Resume => {
            let mut node = cx.open()?;
            let resumed = ops::wake_resume(&mut node)?;
            if cx.json {
                cx.out.json(&resumed)?;
                return Ok(exit::DONE);
            }
            if resumed.due_again > 0 {
                let plural = if resumed.due_again == 1 { " is" } else { "s are" };
                cx.out.say(format!("{} message{plural} due again", resumed.due_again));
            }
            tell(cx, resumed.wakes_held.as_ref())
        }
        Deed::Log { limit } => {
            let node = cx.open()?;
            let wakes = ops::wake_log(&node, limit)?;
            if cx.json {
                cx.out.array(&wakes)?;
            } else {
                let lines: Vec<_> = wakes.iter().map(|wake| shown(wake, &cx.out)).collect();
                lines.iter().for_each(|line| cx.out.line(print::line(line)));
                if let Some(held) = held(&node)? {
                    cx.out.say(format!("wakes held: {held}"));
                }
            }
            Ok(exit::DONE)
        }
    }
}

/// Says what holds wakes now.
fn tell(cx: &mut Cx, held: Option<&Held>) -> Result<u8> {
    if cx.json {
        cx.out.json(&json!({"wakes_held": held}))?;
    } else {
        cx.out.say(held.map_or_else(|| "wakes are free".to_owned(), |held| format!("wakes held: {held}")));
    }
    Ok(exit::DONE)
}

fn shown(view: &WakeView, out: &Out) -> String {
    let wake = &view.wake;
    let agent = if wake.agent.is_empty() { String::new() } else { out.word(&format!(" of {}", wake.agent)) };
    let sender = match wake.sender.as_str() {
        "" => String::new(),
        sender => out.word(&format!(" for {sender}'s mail")),
    };
    let reason = wake.reason.as_deref().map(|reason| format!(" ({})", out.word(reason))).unwrap_or_default();
    let detail = wake.detail.as_deref().map(|detail| format!(": {}", out.word(detail))).unwrap_or_default();
    let messages: Vec<String> = view
        .messages
        .iter()
        .map(|message| out.word(&format!("{} from {}", message.id, print::sender(&message.from))))
        .collect();
    let messages = match messages.join(", ").as_str() {
        "" => String::new(),
        messages => out.word(&format!("; for {messages}")),
    };
    format!(
        "{}  {}{agent}{sender}{reason}, {}{detail}{messages}",
        wake.n,
        print::local_time(&wake.at),
        wake.state
    )
}

/// Wakes once, as the daemon would.
fn test(agent: Option<&Name>, cx: &mut Cx) -> Result<u8> {
    let (config, path) = locate::load(cx.config.as_deref())?;
    let node = Node::open(config, std::sync::Arc::new(crate::sys::clock::SystemClock::new()))?;
    if !node.config.wake.is_on() {
        let error = Error::usage("wake", node.instance(), "the config names no way to wake anybody");
        return Err(error.next("set `command` under [wake], as in docs/wake.md"));
    }
    if let Some(agent) = agent.filter(|agent| node.config.agent(agent).is_none()) {
        let cause = "it is no agent of the config";
        return Err(
            Error::new(Kind::NotFound, "wake", agent, cause).next("add it to `agents`, or name another")
        );
    }
    let order = ops::wake_test(&node, agent);
    let adapter = Adapter::new(&node.config, &path, node.clock.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Io, "start", "the wake", error))?;
    let result = runtime.block_on(adapter.run(&order));
    runtime.shutdown_background();
    verdict(cx, &result)
}

fn verdict(cx: &mut Cx, result: &WakeResult) -> Result<u8> {
    let (word, code, what) = match result.outcome {
        Outcome::Done => ("done", exit::DONE, "the agent was woken"),
        Outcome::Accepted => {
            ("accepted", exit::DONE, "the wake was accepted; whether the agent looks, is not known")
        }
        Outcome::Temporary => ("temporary", exit::TRY_LATER, "not now; the daemon would try again"),
        Outcome::Permanent => {
            ("permanent", exit::ENDED, "it can't be woken so; the daemon would not try again")
        }
    };
    if cx.json {
        cx.out.json(&json!({"outcome": word, "detail": result.in_full()}))?;
    } else {
        let (what, how) = (cx.out.word(what), cx.out.word(&result.in_full()));
        cx.out.line(print::line(&format!("{what}: {how}")));
    }
    if code != exit::DONE {
        out::complain(cx.json, "wake", &format!("the test wake failed: {}", result.detail));
    }
    Ok(code)
}
