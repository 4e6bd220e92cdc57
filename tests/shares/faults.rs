//! What goes wrong with machines, disks and cables while mail flows both ways: nothing is lost, nothing comes twice.

use std::time::Duration;

use crate::bench::Bench;
use crate::pair::{ANN, BOTH, Instance, Pair, until};
use crate::{Case, Outcome, Run};

pub const CASES: [Case; 11] = [
    Case { name: "thousand", run: |run| thousand(run) },
    Case {
        name: "server-stop",
        run: |run| {
            through(run, "server-stop", |bench| {
                between(bench, ["server stop", "server start"], Duration::from_secs(10))
            })
        },
    },
    Case {
        name: "server-restart",
        run: |run| through(run, "server-restart", |bench| order(bench, "server restart")),
    },
    Case {
        name: "server-powercut",
        run: |run| through(run, "server-powercut", |bench| order(bench, "server powercut")),
    },
    Case {
        name: "freeze",
        run: |run| {
            through(run, "freeze", |bench| {
                between(bench, ["server freeze", "server thaw"], Duration::from_secs(30))
            })
        },
    },
    Case {
        name: "cut",
        run: |run| through(run, "cut", |bench| between(bench, ["cut A", "heal A"], Duration::from_secs(90))),
    },
    Case { name: "client-powercut", run: client_powercut },
    Case {
        name: "disk-full",
        run: |run| until_told(run, "disk-full", ["disk full", "disk free"], "make room on that disk"),
    },
    Case {
        name: "read-only",
        run: |run| until_told(run, "read-only", ["perm ro", "perm rw"], "let this user"),
    },
    Case {
        name: "clock-ahead",
        run: |run| {
            through(run, "clock-ahead", |bench| {
                between(bench, ["clock A +3600", "clock A -3600"], Duration::from_secs(10))
            })
        },
    },
    Case {
        name: "slow",
        run: |run| {
            through(run, "slow", |bench| {
                between(bench, ["slow A 40ms 1%", "slow A off"], Duration::from_secs(20))
            })
        },
    },
];

/// How many messages each side sends while something happens, and how far apart.
const MESSAGES: usize = 300;
const APART: Duration = Duration::from_millis(20);

fn order(bench: &Bench, order: &str) -> Outcome<()> {
    let words: Vec<&str> = order.split(' ').collect();
    bench.order(&words).map(drop)
}

/// Breaks something, leaves it broken for a while, mends it.
fn between(bench: &Bench, [before, after]: [&str; 2], pause: Duration) -> Outcome<()> {
    order(bench, before)?;
    // How long the fault lasts is the case itself; nothing is awaited here.
    std::thread::sleep(pause);
    order(bench, after)
}

/// Mail flows both ways on each kind of share; after a hundred messages `fault` happens.
fn through(run: &Run, case: &str, fault: impl Fn(&Bench) -> Outcome<()>) -> Outcome<()> {
    let pairs = in_full_flow(run, case, MESSAGES)?;
    fault(&run.bench)?;
    settled(&pairs, MESSAGES)
}

/// The same, with a fault that lasts until `status` on both ends tells of it and of the step to take. There is mail for
/// longer than it takes to break a thing: a heartbeat alone may live on the one block that its forerunner left.
fn until_told(run: &Run, case: &str, [before, after]: [&str; 2], step: &str) -> Outcome<()> {
    const MESSAGES: usize = 800;
    let pairs = in_full_flow(run, case, MESSAGES)?;
    order(&run.bench, before)?;
    let told = pairs.iter().try_for_each(|pair| {
        BOTH.iter().try_for_each(|at| {
            let what = format!("status of {} on {} to say {step:?}", at.name, pair.kind.word());
            let told = until(&what, || Ok(pair.status(at)?["problems"].to_string().contains(step)));
            told.map_err(|error| format!("{error}; it says {}", said(pair, at)))
        })
    });
    order(&run.bench, after)?;
    told?;
    for pair in &pairs {
        BOTH.iter().try_for_each(|from| pair.await_accepted(from, MESSAGES))?;
        BOTH.iter().try_for_each(|from| pair.settled(from, MESSAGES))?;
        for at in BOTH {
            let what = format!("status of {} on {} to forget {step:?}", at.name, pair.kind.word());
            until(&what, || Ok(!pair.status(at)?["problems"].to_string().contains(step)))?;
        }
    }
    pairs.iter().try_for_each(Pair::end)
}

/// What `status` tells of mail and of problems, for whoever looks for a cause.
fn said(pair: &Pair, at: &Instance) -> String {
    pair.status(at).map_or_else(
        |error| format!("nothing: {error}"),
        |status| format!("{} {}", status["outgoing"], status["problems"]),
    )
}

/// A pair on each kind of share, after a hundred of `count` messages each way.
fn in_full_flow<'a>(run: &'a Run, case: &str, count: usize) -> Outcome<Vec<Pair<'a>>> {
    let pairs = Pair::on_each_kind(run, case)?;
    for pair in &pairs {
        BOTH.iter().try_for_each(|from| pair.send(from, count, APART))?;
    }
    for pair in &pairs {
        BOTH.iter().try_for_each(|from| pair.await_accepted(from, 100))?;
    }
    Ok(pairs)
}

/// A thousand messages each way, as fast as `send` takes them.
fn thousand(run: &Run) -> Outcome<()> {
    const COUNT: usize = 1_000;
    let pairs = Pair::on_each_kind(run, "thousand")?;
    for pair in &pairs {
        BOTH.iter().try_for_each(|from| pair.send(from, COUNT, Duration::ZERO))?;
    }
    settled(&pairs, COUNT)
}

/// A loses its power while it sends and receives; its daemons start again on what its disk kept.
fn client_powercut(run: &Run) -> Outcome<()> {
    let pairs = in_full_flow(run, "client-powercut", MESSAGES)?;
    order(&run.bench, "kill A")?;
    order(&run.bench, "boot A")?;
    for pair in &pairs {
        pair.start(&ANN)?;
        pair.await_accepted(crate::pair::other(&ANN), MESSAGES)?;
    }
    settled(&pairs, 1)
}

/// The check of every case, then the daemons end.
fn settled(pairs: &[Pair], count: usize) -> Outcome<()> {
    for pair in pairs {
        if count > 1 {
            BOTH.iter().try_for_each(|from| pair.await_accepted(from, count))?;
        }
        BOTH.iter().try_for_each(|from| pair.settled(from, count))?;
    }
    pairs.iter().try_for_each(Pair::end)
}
