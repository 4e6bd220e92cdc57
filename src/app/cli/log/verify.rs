//! `lanpost log verify`: whether the log is as it was written. Exit codes: 0 it is, 6 it is not.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops::{self, Verdict};
use crate::error::{Error, Result};
use crate::model::chain::Head;
use crate::sys::{files, seek};

/// The longest line of an export; ours are far shorter.
const LONGEST: u64 = 1 << 20;

/// Check that no entry was changed, removed, inserted or moved; names the first one that was
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost log verify\n  \
    lanpost log verify --expect 1234:5f0c…\n  \
    lanpost log verify --file log.jsonl --json")]
pub struct Args {
    /// An exported log instead of this PC's; needs no config
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// An entry that must be in it, as `log head`, `status` or `backup` printed it: so a removed end is found, too
    #[arg(long, value_name = "HEAD")]
    expect: Option<Head>,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let verdict = match &args.file {
        Some(path) => of_file(path, args.expect)?,
        None => ops::verify_log(&cx.open()?, args.expect)?,
    };
    let code = if verdict.is_sound() { exit::DONE } else { exit::UNSOUND };
    if cx.json {
        cx.out.json(&verdict)?;
        return Ok(code);
    }
    match &verdict {
        Verdict::Sound { instance, found, .. } => {
            let first = found.first;
            cx.out.say(format!(
                "{}: {} entries from {first} on are as they were written; head {}",
                print::line(instance),
                found.entries,
                found.head
            ));
            if let Some(until) = &found.aged_until {
                let until = print::local_time(until);
                cx.out.say(format!("{} of them aged out, the youngest of {until}", found.aged_out));
            }
        }
        Verdict::Broken { entry, why, .. } => {
            cx.out.say(format!("NOT as it was written, from entry {entry} on: {}", print::line(why)));
        }
    }
    Ok(code)
}

fn of_file(path: &Path, expect: Option<Head>) -> Result<Verdict> {
    let mut file = files::open(path)?;
    let mut first = true;
    ops::verify_export(expect, &mut || {
        let mut line = vec![];
        let read = (&mut file).take(LONGEST).read_until(b'\n', &mut line);
        read.map_err(|error| Error::io("read", path, error))?;
        if std::mem::take(&mut first) {
            if line.starts_with(&[0xFF, 0xFE]) || line.starts_with(&[0xFE, 0xFF]) {
                return Err(Error::usage(
                    "read",
                    seek::shown(path),
                    "it is UTF-16, as PowerShell's `>` writes",
                )
                .next("export with `lanpost log export | Set-Content -Encoding utf8 FILE`"));
            }
            if line.starts_with(b"\xEF\xBB\xBF") {
                line.drain(..3);
            }
        }
        Ok((!line.is_empty()).then_some(line))
    })
}
