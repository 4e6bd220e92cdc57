//! The seeded simulator: several instances with the real engine and the real store, over a share that lies.
//!
//! ```text
//! cargo test                                             a few seeds
//! cargo test --release --test sim -- --seeds 2000        what CI runs
//! cargo test --release --test sim -- --from 5000 --seeds 100000
//! cargo test --release --test sim -- --seed 1234 --trace replays one
//! cargo test --release --test sim -- --mutants           shows that it can fail; --all: in more ways
//! ```
//! A seed decides everything; `docs/testing.md` says what goes wrong in a run, and what is asked in the end.
#![allow(clippy::disallowed_methods, reason = "tests make files and look at clocks where src/ may not")]

mod check;
mod clock;
mod forger;
mod holders;
mod life;
mod log;
mod mutants;
mod plan;
mod rng;
mod rules;
mod server;
mod site;
mod stage;
mod view;
mod world;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

#[cfg(unix)]
use rusqlite::ffi;

use log::Log;
use world::World;

/// Seeds of a plain `cargo test`.
const FEW: u64 = 20;
/// Seeds after which everything in [`log::MUST`] must have happened.
const MANY: u64 = 2_000;
/// Failures after which a run stops.
const ENOUGH: usize = 10;

/// What happened: how often, and in how many seeds.
type Counts = BTreeMap<String, (u64, u64)>;

/// Has SQLite lock each store once, for the process, and no more with each statement: a fifth of a run was that. All
/// connections to a store of the simulator are of one process, and one thread.
#[cfg(unix)]
fn lock_stores_once() {
    // SAFETY: called before any connection is opened; what is found is SQLite's own, and stays.
    let set = unsafe {
        let vfs = ffi::sqlite3_vfs_find(c"unix-excl".as_ptr());
        !vfs.is_null() && ffi::sqlite3_vfs_register(vfs, 1) == ffi::SQLITE_OK
    };
    assert!(set, "SQLite knows no unix-excl");
}

#[cfg(not(unix))]
fn lock_stores_once() {}

/// Runs one seed; what went wrong.
fn run(seed: u64, log: &Log) -> Result<(), String> {
    let mut world = World::new(seed, log.clone()).map_err(|why| format!("it could not begin: {why}"))?;
    log.note(|| format!("{:?}", world.plan));
    let done = catch_unwind(AssertUnwindSafe(|| {
        world.suffer()?;
        world.heal()?;
        check::in_the_end(&mut world)
    }));
    let done = done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("PANIC: {}", text.unwrap_or_default()))
    });
    world
        .all()
        .for_each(|site| site.said.iter().for_each(|said| log.note(|| format!("{} said {said}", site.name))));
    done
}

fn replay(seed: u64) -> String {
    format!("cargo test --release --test sim -- --seed {seed} --trace")
}

/// Runs every `stride`th of some seeds and tells which failed.
fn work(from: u64, to: u64, stride: usize) -> ExitCode {
    let mut counts = BTreeMap::new();
    for seed in (from..to).step_by(stride) {
        let log = Log::default();
        if let Err(why) = run(seed, &log) {
            println!("seed {seed} FAILED: {why}\n  replay: {}", replay(seed));
        }
        for (what, times) in log.counts() {
            let (all, seeds): &mut (u64, u64) = counts.entry(what).or_default();
            (*all, *seeds) = (*all + times, *seeds + 1);
        }
    }
    for (what, (times, seeds)) in counts {
        println!("count {times} {seeds} {what}");
    }
    ExitCode::SUCCESS
}

/// Runs many seeds, a process on each core (SQLite's locks are a process's: threads would wait for each other), until
/// enough of them failed; returns how many did, and how often each mishap came, in how many seeds.
fn run_many(from: u64, seeds: u64, enough: usize) -> (usize, Counts) {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let me = std::env::current_exe().unwrap();
    let mut children: Vec<Child> = (0..workers)
        .map(|worker| {
            let given = [from + worker as u64, from + seeds, workers as u64].map(|n| n.to_string());
            Command::new(&me).arg("--worker").args(given).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let (say, said) = channel();
    for child in &mut children {
        let (lines, say) = (BufReader::new(child.stdout.take().unwrap()).lines(), say.clone());
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| say.send(line)));
    }
    drop(say);
    let mut failed = 0;
    let mut counts = Counts::new();
    for line in said {
        if let Some(count) = line.strip_prefix("count ") {
            let mut words = count.splitn(3, ' ');
            let mut number = || words.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
            let (times, seeds) = (number(), number());
            let all = counts.entry(words.next().unwrap_or_default().to_owned()).or_default();
            (all.0, all.1) = (all.0 + times, all.1 + seeds);
            continue;
        }
        println!("{line}");
        failed += usize::from(line.starts_with("seed "));
        if failed >= enough {
            children.iter_mut().for_each(|child| drop(child.kill()));
        }
    }
    for mut child in children {
        let ended = child.wait().unwrap();
        // One that did not come to its end ran not all of its seeds.
        failed += usize::from(!ended.success() && failed < enough);
    }
    (failed, counts)
}

/// Prints how often each mishap came; returns how many never did that must.
fn tell(counts: &Counts, seeds: u64) -> usize {
    println!("{:>9} {:>7}  what happened", "times", "seeds");
    for (what, (times, seeds)) in counts {
        println!("{times:>9} {seeds:>7}  {what}");
    }
    let never = log::MUST.iter().filter(|what| seeds >= MANY && !counts.contains_key(**what));
    never.inspect(|what| println!("NEVER happened in {seeds} seeds: {what}")).count()
}

fn main() -> ExitCode {
    lock_stores_once();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let number = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1).and_then(|n| n.parse::<u64>().ok())
    };
    if has("--list") {
        return ExitCode::SUCCESS;
    }
    if let Some(at) = args.iter().position(|arg| arg == "--worker") {
        let given: Vec<u64> = args[at + 1..].iter().map_while(|arg| arg.parse().ok()).collect();
        return match given[..] {
            [from, to, stride] => work(from, to, stride as usize),
            _ => ExitCode::FAILURE,
        };
    }
    let start = Instant::now();
    if let Some(seed) = number("--seed") {
        let log = Log::new(has("--trace"));
        let done = run(seed, &log);
        log.lines().iter().for_each(|line| println!("{line}"));
        return match done {
            Ok(()) => {
                println!("seed {seed}: all is well");
                ExitCode::SUCCESS
            }
            Err(why) => {
                println!("seed {seed} FAILED: {why}");
                ExitCode::FAILURE
            }
        };
    }
    if has("--mutants") {
        let only = args.iter().position(|arg| arg == "--only").and_then(|at| args.get(at + 1));
        let caught =
            mutants::all_are_caught(number("--seeds").unwrap_or(600), only.map(String::as_str), has("--all"));
        return if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // A mutant's own run lacks what the list names.
    if !has("--first") {
        mutants::are_up_to_date();
    }
    let (from, seeds) = (number("--from").unwrap_or(1), number("--seeds").unwrap_or(FEW));
    let (failed, counts) = run_many(from, seeds, if has("--first") { 1 } else { ENOUGH });
    let never = if failed == 0 && seeds > FEW && !has("--first") { tell(&counts, seeds) } else { 0 };
    let failed = failed + never;
    println!("simulator: seeds {from} to {}, {:.1} s", from + seeds - 1, start.elapsed().as_secs_f64());
    // The line that the gate adds up.
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {} passed; {failed} failed; 0 ignored",
        seeds.saturating_sub(failed as u64)
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
