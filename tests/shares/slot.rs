//! The open slot: two clients append to the slot of a third instance, which has no lanpost. None lost, none torn.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pair::{BOTH, Pair, until};
use crate::{Outcome, Run};

pub fn run(run: &Run) -> Outcome<()> {
    let count = if run.quick { 100 } else { 1_000 };
    for pair in Pair::on_each_kind(run, "slot")? {
        BOTH.iter().try_for_each(|from| pair.send_to(from, "guest", count, Duration::ZERO))?;
        BOTH.iter().try_for_each(|from| pair.await_accepted(from, count))?;
        let slot = format!("{}/messages/to-guest.jsonl", pair.share());
        until("the spools to be empty", || {
            let spooled = BOTH.iter().map(|at| Ok(pair.status(at)?["spooled"].as_u64().unwrap_or(u64::MAX)));
            Ok(spooled.collect::<Outcome<Vec<_>>>()?.iter().all(|waits| *waits == 0))
        })?;
        // As the server has it, whatever the clients believe.
        let lines = run
            .bench
            .on("S", &format!("cat /mnt/disk/share/{}", slot.splitn(4, '/').last().unwrap_or("")))?;
        let mut found: BTreeMap<(String, usize), usize> = BTreeMap::new();
        for line in lines.lines() {
            let message: serde_json::Value = serde_json::from_str(line)
                .map_err(|error| format!("{}: a torn line ({error}): {line}", pair.kind.word()))?;
            let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            *found.entry((text("from"), text("content").parse()?)).or_default() += 1;
        }
        for from in BOTH {
            for number in 1..=count {
                match found.get(&(from.name.to_owned(), number)) {
                    Some(1) => {}
                    other => {
                        let times = other.copied().unwrap_or(0);
                        return Err(format!(
                            "{}: message {number} of {} is there {times} times",
                            pair.kind.word(),
                            from.name
                        )
                        .into());
                    }
                }
            }
        }
        pair.end()?;
    }
    Ok(())
}
