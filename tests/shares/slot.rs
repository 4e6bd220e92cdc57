//! The open slot: two clients append to the slot of a third instance, which has no lanpost. None lost, none torn.
//!
//! Once by two daemons, and by a daemon and a script that takes the lockfile, with O_EXCL and with `dotlockfile`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::pair::{ANN, BOB, BOTH, Instance, Pair, until};
use crate::{Outcome, Run};

/// The third instance.
const GUEST: &str = "guest";

/// Two daemons.
pub fn run(run: &Run) -> Outcome<()> {
    const COUNT: usize = 1_000;
    for pair in Pair::on_each_kind(run, "slot")? {
        BOTH.iter().try_for_each(|from| pair.send_to(from, GUEST, COUNT, Duration::ZERO))?;
        BOTH.iter().try_for_each(|from| spooled_out(&pair, from, COUNT))?;
        pair.end()?;
        all_there(run, &pair, COUNT)?;
    }
    Ok(())
}

/// Ann's daemon, and a script in Bob's name that makes the lockfile with the shell's own O_EXCL.
pub fn with_script(run: &Run) -> Outcome<()> {
    beside(
        run,
        "slot-script",
        "until (set -C; echo $$ >$lock) 2>/dev/null; do sleep 0.02; done",
        "rm -f $lock",
    )
}

/// Ann's daemon, and a script in Bob's name that takes the lockfile with liblockfile's `dotlockfile`.
pub fn with_dotlockfile(run: &Run) -> Outcome<()> {
    // A minute of tries: it pauses for 5 s and more after each.
    beside(run, "slot-dotlockfile", "until dotlockfile -l -r 12 $lock; do :; done", "dotlockfile -u $lock")
}

fn beside(run: &Run, case: &str, take: &str, give: &str) -> Outcome<()> {
    let count = lines(run);
    for pair in Pair::on_each_kind(run, case)? {
        pair.send_to(&ANN, GUEST, count, Duration::ZERO)?;
        let slot = format!("{}/messages/to-{GUEST}.jsonl", pair.share());
        run.bench.on(
            BOB.machine,
            &format!(
                r#"lock={slot}.lock; for n in $(seq {count}); do
                  {take}
                  echo "{{\"from\":\"bob\",\"to\":\"{GUEST}\",\"type\":\"message\",\"content\":\"$n\"}}" >>{slot}
                  {give}
                done"#
            ),
        )?;
        spooled_out(&pair, &ANN, count)?;
        pair.end()?;
        all_there(run, &pair, count)?;
    }
    Ok(())
}

/// What a script appends, a line and a lock at a time.
fn lines(run: &Run) -> usize {
    if run.quick { 100 } else { 1_000 }
}

/// Waits until `from` has had all accepted and none waits.
fn spooled_out(pair: &Pair, from: &Instance, count: usize) -> Outcome<()> {
    pair.await_accepted(from, count)?;
    until("the spool to be empty", || Ok(pair.status(from)?["spooled"] == 0))
}

/// Whether each line of both is there once, as the server has it.
fn all_there(run: &Run, pair: &Pair, count: usize) -> Outcome<()> {
    let told =
        run.bench.on("S", &format!("cat /mnt/disk/share/{}/messages/to-{GUEST}.jsonl", pair.folder()))?;
    let mut found: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let mut wrong = vec![];
    for line in told.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(message) => {
                let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
                *found.entry((text("from"), text("content").parse()?)).or_default() += 1;
            }
            Err(error) => wrong.push(format!("torn ({error}): {line:?}")),
        }
    }
    for from in BOTH {
        for number in 1..=count {
            match found.get(&(from.name.to_owned(), number)) {
                Some(1) => {}
                times => {
                    wrong.push(format!("{number} of {}: {} times", from.name, times.copied().unwrap_or(0)))
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let first = wrong.get(..wrong.len().min(5)).unwrap_or_default().join("; ");
    Err(format!("{}: {} lines are wrong: {first}", pair.kind.word(), wrong.len()).into())
}
