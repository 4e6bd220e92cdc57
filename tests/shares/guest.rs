//! What this program does inside a guest: sends much mail through the library, as a long-lived agent would.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanpost::app::locate;
use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::model::name::{Address, Name};
use lanpost::sys::clock::SystemClock;

use crate::Outcome;

/// The first argument of a program that plays a part.
pub const PART: &str = "in-guest";

/// Plays the part that the arguments name.
pub fn play(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["send", config, to, count, pause, log] => send(config, to, (count, pause), log),
        other => Err(format!("there is no part {other:?}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("in-guest: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends `count` messages, each by itself, `pause` ms apart. Their contents are their numbers from 1. After each one
/// the log has a line more, on the host's disk: its number, and when `send` returned (ms since 1970).
fn send(config: &str, to: &str, (count, pause): (&str, &str), log: &str) -> Outcome<()> {
    let (config, _) = locate::load(Some(Path::new(config)))?;
    let mut node = Node::open(config, Arc::new(SystemClock::new()))?;
    let mut log = File::create(log)?;
    let (count, pause): (u64, u64) = (count.parse()?, pause.parse()?);
    for number in 1..=count {
        let to = Address { instance: Name::parse(to)?, agent: None };
        ops::send(&mut node, Draft { create: true, ..Draft::new(to, number.to_string()) })?;
        writeln!(log, "{number} {}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        // What was accepted has to be known even if this machine loses its power now.
        log.sync_data()?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}
