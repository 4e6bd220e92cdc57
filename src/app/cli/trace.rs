//! `lanpost trace`: a message's journey, on either side, or the copies of a broadcast. Exit codes: 0, 2 (several ids begin so), 3 (none does).

use chrono::DateTime;

use super::look::refresh;
use super::send::several;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops;
use crate::error::Result;

/// Show everything that happened to a message, with times, sent or received; of a broadcast, how far each copy has come
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost trace 018f2b3c-4d5e\n  \
    lanpost trace 018f2b3c-4d5e --json | jq -r '.transitions[] | \"\\(.at) \\(.what)\"'")]
pub struct Args {
    /// Its id, or a prefix that only it has; or the id of a broadcast
    id: String,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    refresh(cx, &mut node, "trace");
    if let Some(found) = ops::find_broadcast(&node, &args.id)? {
        match cx.json {
            true => cx.out.json(&found)?,
            false => several::tell(cx, &found, "broadcast"),
        }
        return Ok(exit::DONE);
    }
    let trace = ops::trace(&node, &args.id)?;
    if cx.json {
        cx.out.json(&trace)?;
        return Ok(exit::DONE);
    }
    let message = &trace.message;
    let (from, to, kind) =
        (print::sender(&message.from), print::line(&message.to), print::line(&message.kind));
    cx.out.line(format!("{}  {from} -> {to}  {kind}  {}", message.id, message.state));
    let first = trace.transitions.first().map(|first| first.at.clone()).unwrap_or_default();
    let rows: Vec<_> = trace
        .transitions
        .iter()
        .map(|step| {
            let what = print::line(&step.what).into_owned();
            let detail = cx.out.word(&print::line(step.detail.as_deref().unwrap_or_default()));
            [print::local_time(&step.at), offset(&first, &step.at), what, detail]
        })
        .collect();
    for line in print::table(&rows, 24, usize::MAX) {
        cx.out.line(format!("  {line}"));
    }
    let replies = trace.replies.iter().map(|reply| {
        let (kind, from) = (print::line(&reply.kind).into_owned(), print::sender(&reply.from).into_owned());
        [print::local_time(&reply.at), kind, from, reply.id.to_string(), print::summary(&reply.content)]
    });
    let replies: Vec<_> = replies.collect();
    for line in print::table(&replies, 36, cx.out.columns.saturating_sub(4)) {
        cx.out.line(format!("  < {line}"));
    }
    if let Some(note) = &trace.note {
        cx.out.say(format!("  note: {}", print::line(note)));
    }
    if let Some(outcome) = &message.outcome {
        cx.out.say(format!("  outcome: {}", print::line(outcome)));
    }
    Ok(exit::DONE)
}

/// The time since the first step, as in `+0.012s`; empty if either is no time.
fn offset(first: &str, at: &str) -> String {
    let parse = |text| DateTime::parse_from_rfc3339(text).ok();
    match (parse(first), parse(at)) {
        (Some(first), Some(at)) => {
            let ms = (at - first).num_milliseconds();
            // A wall clock may have been set back.
            let sign = if ms < 0 { '-' } else { '+' };
            format!("{sign}{}.{:03}s", ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_from_the_first_step() {
        let first = "2026-02-14T10:40:00.000Z";
        assert_eq!(offset(first, first), "+0.000s");
        assert_eq!(offset(first, "2026-02-14T10:41:01.012Z"), "+61.012s");
        assert_eq!(offset(first, "2026-02-14T10:39:59.900Z"), "-0.100s");
        assert_eq!(offset("", first), "");
    }
}
