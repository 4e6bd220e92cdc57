//! `lanpost snooze`: puts a message off. Exit codes: 0, 2 (it is done, or the time is over), 3 (no such message).

use std::time::Duration;

use super::args::Later;
use super::look::refresh;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops;
use crate::error::Result;
use crate::model::config::parse_duration;

/// Put a message off: it leaves the inbox, and comes back as unread mail that wakes its agent
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost snooze 018f2b3c-4d5e --for 2h\n  \
    lanpost snooze 018f2b3c-4d5e --until \"tomorrow 9:00\"\n  \
    lanpost inbox --snoozed")]
#[command(group = clap::ArgGroup::new("when").required(true))]
pub struct Args {
    /// Its id, or a prefix that only it has
    id: String,
    /// For how long, as in 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, group = "when")]
    time: Option<Duration>,
    /// Until when: "9:00", "tomorrow 9:00", "2026-12-01 09:00" here, or RFC 3339
    #[arg(long, value_name = "TIME", group = "when")]
    until: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let until = Later { at: args.until, after: args.time }.resolve(cx, &node, "snooze")?;
    let until = until.unwrap_or_else(|| node.clock.wall());
    let message = ops::snooze(&mut node, &args.id, until)?;
    refresh(cx, &mut node, "snooze");
    if cx.json {
        cx.out.json(&message)?;
    } else {
        let until = print::local_time(message.snoozed.as_deref().unwrap_or_default());
        cx.out.say(format!("snoozed {} until {until}", message.id));
    }
    Ok(exit::DONE)
}
