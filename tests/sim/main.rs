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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Runs many seeds on all cores; those that failed, with why.
fn run_many(from: u64, seeds: u64, enough: usize) -> Vec<(u64, String)> {
    let next = AtomicU64::new(from);
    let failed = Mutex::new(vec![]);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || failed.lock().unwrap().len() >= enough {
                        return;
                    }
                    if let (Err(why), _) = run(seed, false) {
                        println!("seed {seed} FAILED: {why}\n  replay: {}", replay(seed));
                        failed.lock().unwrap().push((seed, why));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
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
    let passed = seeds.saturating_sub(failed.len() as u64);
    println!("simulator: seeds {from} to {}, {:.1} s", from + seeds - 1, start.elapsed().as_secs_f64());
    // The line that the gate adds up.
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("test result: {word}. {passed} passed; {} failed; 0 ignored", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
