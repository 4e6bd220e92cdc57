//! The seeded simulator: several instances with the real engine and the real store, over a share that lies.
//!
//! ```text
//! cargo test                                             a few seeds
//! cargo test --release --test sim -- --seeds 2000        what CI runs
//! cargo test --release --test sim -- --from 5000 --seeds 100000
//! cargo test --release --test sim -- --seed 1234 --trace replays one
//! cargo test --release --test sim -- --mutants           shows that it can fail
//! ```
//! A seed decides everything; `docs/testing.md` says what goes wrong in a run, and what is asked in the end.
#![allow(clippy::disallowed_methods, reason = "tests make files and look at clocks where src/ may not")]

mod check;
mod clock;
mod life;
mod mutants;
mod plan;
mod rng;
mod rules;
mod server;
mod site;
mod view;
mod world;

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use world::World;

/// Seeds of a plain `cargo test`.
const FEW: u64 = 20;
/// Failures after which a run stops.
const ENOUGH: usize = 10;

/// Runs one seed; what went wrong, and what happened if it was traced.
fn run(seed: u64, trace: bool) -> (Result<(), String>, Vec<String>) {
    let mut world = match World::new(seed, trace) {
        Ok(world) => world,
        Err(why) => return (Err(format!("it could not begin: {why}")), vec![]),
    };
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
    let mut lines: Vec<String> = vec![];
    if trace {
        lines.push(format!("{:?}", world.plan));
        let views = world.sites.iter().map(|site| &site.view);
        let views = views.chain(world.twin.as_ref().map(|(_, twin, _)| &twin.view));
        let mut all: Vec<String> =
            views.flat_map(|view| view.with(|i| i.trace.take().unwrap_or_default())).collect();
        all.sort_by(|a, b| a[..9].cmp(&b[..9]));
        lines.extend(all);
        for site in &world.sites {
            lines.extend(site.said.iter().map(|said| format!("{} said {said}", site.name)));
        }
    }
    (done, lines)
}

fn replay(seed: u64) -> String {
    format!("cargo test --release --test sim -- --seed {seed} --trace")
}

/// Runs every `stride`th of some seeds and tells which failed.
fn work(from: u64, to: u64, stride: usize) -> ExitCode {
    for seed in (from..to).step_by(stride) {
        if let (Err(why), _) = run(seed, false) {
            println!("seed {seed} FAILED: {why}\n  replay: {}", replay(seed));
        }
    }
    ExitCode::SUCCESS
}

/// Runs many seeds, a process on each core (SQLite's locks are a process's: threads would wait for each other), until
/// enough of them failed; returns how many did.
fn run_many(from: u64, seeds: u64, enough: usize) -> usize {
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
    for line in said {
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
    failed
}

fn main() -> ExitCode {
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
        let (done, lines) = run(seed, has("--trace"));
        lines.iter().for_each(|line| println!("{line}"));
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
        let caught = mutants::all_are_caught(number("--seeds").unwrap_or(600), number("--only"));
        return if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let (from, seeds) = (number("--from").unwrap_or(1), number("--seeds").unwrap_or(FEW));
    let failed = run_many(from, seeds, if has("--first") { 1 } else { ENOUGH });
    println!("simulator: seeds {from} to {}, {:.1} s", from + seeds - 1, start.elapsed().as_secs_f64());
    // The line that the gate adds up.
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {} passed; {failed} failed; 0 ignored",
        seeds.saturating_sub(failed as u64)
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
