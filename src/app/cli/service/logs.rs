//! `lanpost service logs`: the daemon's log file, also of a daemon that runs without a service. Exit code 3 if there is
//! none.

use std::time::Duration;

use serde::Serialize;

use super::Target;
use crate::app::cli::{Cx, exit};
use crate::app::{log, print};
use crate::error::{Error, Result};
use crate::sys::clock;
use crate::sys::rotating;

/// The time between two looks at a log that is followed.
const STEP: Duration = Duration::from_millis(200);

/// Show the end of the daemon's log
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost service logs\n  lanpost service logs --follow -n 0")]
pub struct Args {
    /// How many lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// Go on with new lines until stopped
    #[arg(long, short)]
    follow: bool,
}

/// A line, as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    /// When (RFC 3339), if the line says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
    text: &'a str,
}

pub fn run(args: Args, cx: &mut Cx, target: &Target) -> Result<u8> {
    let Some((config, _)) = &target.config else {
        let error = Error::usage("find the log of", target.service.name(), "its config is not known");
        return Err(error.next("name it with --config"));
    };
    let path = log::path(&config.state);
    let opened = rotating::tail(&path, args.lines);
    let (lines, mut tail) = opened
        .map_err(|error| error.or_next("the daemon writes it: `lanpost service start`, or `lanpost run`"))?;
    show(cx, &lines)?;
    while args.follow && !cx.out.is_shut() {
        cx.out.flush();
        clock::pause(STEP);
        let lines = tail.more()?;
        show(cx, &lines)?;
    }
    Ok(exit::DONE)
}

fn show(cx: &mut Cx, lines: &[String]) -> Result<()> {
    for line in lines {
        if cx.json {
            let (at, text) = match line.split_once(' ') {
                Some((at, text)) if at.ends_with('Z') => (Some(at), text),
                _ => (None, line.as_str()),
            };
            cx.out.json(&Line { at, text })?;
        } else {
            cx.out.line(print::line(line));
        }
    }
    Ok(())
}
