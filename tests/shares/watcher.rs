//! Who is told of mail from the other PC: on SMB the daemon, by the server; on NFS nobody, so it polls and says so.
//!
//! Looks are a minute apart once the watcher is believed, so mail that nobody announced would be found late, and counted.

use std::time::Duration;

use crate::bench::Kind;
use crate::pair::{ANN, BOB, Pair, until};
use crate::{Outcome, Run};

const RARELY: &str = "[look]\nrest = \"60s\"";
const APART: Duration = Duration::from_secs(2);

pub fn run(run: &Run) -> Outcome<()> {
    let count = if run.quick { 8 } else { 20 };
    let pairs = Pair::on_each_kind_as(run, "watcher", Some(RARELY))?;
    // The first mail makes the watcher believed: it was announced.
    exchange(&pairs, 2)?;
    announced(&pairs, count)?;
    // The questions that waited at the server are gone with it; they are asked again.
    run.bench.order(&["server", "restart"])?;
    exchange(&pairs, 2)?;
    announced(&pairs, count)?;
    pairs.iter().try_for_each(Pair::end)
}

/// Ann sends, and all of it arrives.
fn exchange(pairs: &[Pair], count: usize) -> Outcome<()> {
    for pair in pairs {
        pair.send_more(&ANN, count, APART)?;
    }
    for pair in pairs {
        pair.await_accepted(&ANN, count)?;
        until(&format!("the mail of ann on {} to be delivered", pair.kind.word()), || {
            let status = pair.status(&ANN)?;
            let states = status["outgoing"].as_object().ok_or("no counts")?;
            Ok(states.keys().all(|state| state == "delivered"))
        })?;
    }
    Ok(())
}

/// Mail comes, pause by pause: Bob knows who tells him of it, and on SMB none of it comes untold.
fn announced(pairs: &[Pair], count: usize) -> Outcome<()> {
    let missed = |pair: &Pair| -> Outcome<u64> {
        Ok(pair.status(&BOB)?["missed_events"].as_u64().ok_or("no count of missed events")?)
    };
    let watching = |pair: &Pair| -> Outcome<()> {
        let expected = match pair.kind {
            Kind::Smb => "notifications",
            Kind::Nfs => "polling",
        };
        // Only mail that was announced shows that the watcher is set up (again), so there has to be some.
        until(&format!("{} to be watched by {expected}", pair.share()), || {
            let watched = pair.status(&BOB)?["watching"] == expected;
            if !watched {
                exchange(std::slice::from_ref(pair), 1)?;
            }
            Ok(watched)
        })
    };
    pairs.iter().try_for_each(watching)?;
    let before = pairs.iter().map(missed).collect::<Outcome<Vec<_>>>()?;
    exchange(pairs, count)?;
    pairs.iter().try_for_each(watching)?;
    for (pair, before) in pairs.iter().zip(before).filter(|(pair, _)| pair.kind == Kind::Smb) {
        let untold = missed(pair)? - before;
        if untold > 0 {
            return Err(format!("{}: {untold} of {count} came without a word", pair.share()).into());
        }
    }
    Ok(())
}
