//! The conformance suite of `Share` (`tests/it/share_suite.rs`), run by a client on its mount of each kind.

use crate::{Outcome, Run};

/// The suite's program, built by `tests/shares/run`.
const PROGRAM: &str = "LANPOST_IT";

pub fn run(run: &Run) -> Outcome<()> {
    let program =
        std::env::var(PROGRAM).map_err(|_| format!("{PROGRAM} names no program: use tests/shares/run"))?;
    let mut failed = vec![];
    for kind in &run.kinds {
        let folder = format!("/mnt/{}/suite", kind.word());
        let told = run.bench.on(
            "A",
            &format!("mkdir -p {folder} && TMPDIR=/mnt/disk TEST_SHARE={folder} {program} share_suite 2>&1"),
        );
        match told {
            Ok(told) if told.contains("SKIPPED") => failed.push(format!("on {}: SKIPPED", kind.word())),
            // Its closing line must be there: a suite that did not run has not passed.
            Ok(told) => match told.lines().find(|line| line.starts_with("test result: ok. ")) {
                Some(line) => println!("  {}: {line}", kind.word()),
                None => failed.push(format!("on {}: no result: {told}", kind.word())),
            },
            Err(error) => failed.push(format!("on {}: {error}", kind.word())),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}
