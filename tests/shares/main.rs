//! lanpost on real SMB and NFS shares: `tests/shares/run` builds what is needed and runs this.
//!
//! `bench` brings up a file server and two PCs, A and B, which mount it both ways with default options. Each case sets
//! a pair of instances up on each kind of share, at the same time, does something to the machines while mail flows,
//! and ends with the one check of `pair.rs`: all that `send` accepted is in the other inbox exactly once, in order.
//! The same program, started inside a guest, plays the parts of `guest.rs`. Needs root; a case that can't run fails.

#![allow(clippy::disallowed_methods, reason = "tests make files, wait and look at clocks where src/ may not")]

mod bench;
mod faults;
mod figures;
mod files;
mod guest;
mod pair;
mod slot;
mod suite;
mod tasks;
mod watcher;

use std::process::ExitCode;
use std::time::Instant;

use bench::{Bench, Kind};

/// What fails a case: any error, told in words.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What a case is given.
struct Run {
    bench: Bench,
    kinds: Vec<Kind>,
    /// Fewer messages, and waits shortened.
    quick: bool,
}

struct Case {
    name: &'static str,
    run: fn(&Run) -> Outcome<()>,
}

fn cases() -> Vec<Case> {
    let mut cases = vec![Case { name: "suite", run: suite::run }];
    cases.extend(faults::CASES);
    cases.push(Case { name: "files", run: files::run });
    cases.push(Case { name: "slot", run: slot::run });
    cases.push(Case { name: "slot-script", run: slot::with_script });
    cases.push(Case { name: "slot-dotlockfile", run: slot::with_dotlockfile });
    cases.push(Case { name: "tasks", run: tasks::run });
    cases.push(Case { name: "watcher", run: watcher::run });
    cases.push(Case { name: "figures", run: figures::run });
    cases
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [part, rest @ ..] = arguments.as_slice()
        && part == guest::PART
    {
        return guest::play(rest);
    }
    match begin(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("shares: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases that the arguments name, or all; says whether all passed.
fn begin(arguments: &[String]) -> Outcome<bool> {
    let (mut quick, mut kinds, mut wanted) = (false, vec![], vec![]);
    let cases = cases();
    for argument in arguments {
        match argument.as_str() {
            "--quick" => quick = true,
            "smb" => kinds.push(Kind::Smb),
            "nfs" => kinds.push(Kind::Nfs),
            name if cases.iter().any(|case| case.name == name) => wanted.push(name.to_owned()),
            other => {
                let names: Vec<_> = cases.iter().map(|case| case.name).collect();
                return Err(format!(
                    "{other:?} is no case; there are {}, smb, nfs, --quick",
                    names.join(", ")
                )
                .into());
            }
        }
    }
    if kinds.is_empty() {
        kinds = vec![Kind::Smb, Kind::Nfs];
    }
    let machines = bench::Power::on()?;
    let run = Run { bench: machines.bench.clone(), kinds, quick };
    let mut failed = vec![];
    for case in cases.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|name| name == case.name)) {
        println!("shares: {} …", case.name);
        let since = Instant::now();
        let done = (case.run)(&run);
        let took = since.elapsed().as_secs();
        match done {
            Ok(()) => println!("shares: {} passed ({took} s)", case.name),
            Err(error) => {
                println!("shares: {} FAILED ({took} s): {error}", case.name);
                failed.push(case.name);
                // Whatever it left broken must not fail the next one.
                run.bench.renew()?;
            }
        }
    }
    match failed.as_slice() {
        [] => println!("shares: all passed"),
        failed => println!("shares: FAILED: {}", failed.join(", ")),
    }
    Ok(failed.is_empty())
}
