//! What each operation costs in round trips, and how long mail takes: prints the table of `docs/shares.md`.
//!
//! Round trips are counted by the client's TCP, on its connection to the server: segments that carry data, in the
//! direction that has fewer of them. A request and its answer are one each way; only what is long takes several
//! segments, and only in its own direction. So several operations that SMB sends in one frame count once, as they
//! cost once. What a daemon does anyway is measured before and subtracted.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Kind};
use crate::pair::{ANN, BOB, BOTH, Instance, Pair, until};
use crate::{Outcome, Run};

/// Looks at a steady pace and heartbeats out of the way, so that each can be counted apart. No notifications.
const STEADY: &str =
    "[look]\nnotify = false\nbusy = \"1s\"\nidle = \"1s\"\nrest = \"1s\"\nfull = \"1h\"\nheartbeat = \"5m\"";

/// Segments with data, to the server and from it.
#[derive(Clone, Copy)]
struct Traffic {
    out: f64,
    back: f64,
}

impl Traffic {
    fn now(bench: &Bench, machine: &str, kind: Kind) -> Outcome<Traffic> {
        let port = match kind {
            Kind::Smb => 445,
            Kind::Nfs => 2049,
        };
        let told = bench.on(machine, &format!("/run/modprobe tcp_diag; ss -Htin 'dport = :{port}'"))?;
        let sum = |key: &str| -> Outcome<f64> {
            let counts = told.split_whitespace().filter_map(|word| word.strip_prefix(key));
            let counts: Vec<f64> = counts.map(str::parse).collect::<Result<_, _>>()?;
            if counts.is_empty() {
                Err(format!("{machine} has no connection: {told}").into())
            } else {
                Ok(counts.iter().sum())
            }
        };
        Ok(Traffic { out: sum("data_segs_out:")?, back: sum("data_segs_in:")? })
    }

    fn round_trips_since(self, before: Traffic) -> f64 {
        (self.out - before.out).min(self.back - before.back)
    }
}

/// A pair whose traffic is counted.
struct Meter<'a> {
    bench: &'a Bench,
    pair: &'a Pair<'a>,
}

impl Meter<'_> {
    /// Round trips of `at`'s machine while `deed` runs, and how long that took in seconds.
    fn count(&self, at: &Instance, deed: impl FnOnce() -> Outcome<()>) -> Outcome<(f64, f64)> {
        let kind = self.pair.kind;
        let (before, since) = (Traffic::now(self.bench, at.machine, kind)?, Instant::now());
        deed()?;
        let after = Traffic::now(self.bench, at.machine, kind)?;
        Ok((after.round_trips_since(before), since.elapsed().as_secs_f64()))
    }
}

/// A quiet time is the measurement itself: nothing is awaited.
fn rest(seconds: u64) -> Outcome<()> {
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(())
}

pub fn run(run: &Run) -> Outcome<()> {
    let mut table = String::from("| | share | measured |\n|---|---|---|\n");
    for kind in &run.kinds {
        let only = Run { bench: run.bench.clone(), kinds: vec![*kind], quick: run.quick };
        operations(&only, &mut table)?;
        latency(&only, &mut table)?;
        spool(&only, &mut table)?;
    }
    println!("\n{table}");
    Ok(())
}

/// Fails if a count is more than half again what is aimed at: retransmissions and a busy machine cost some.
fn keeps(what: &str, figure: f64, aim: f64) -> Outcome<()> {
    match figure <= 1.5 * aim {
        true => Ok(()),
        false => Err(format!("{what} costs {figure:.2} round trips; {aim} are aimed at").into()),
    }
}

fn operations(run: &Run, table: &mut String) -> Outcome<()> {
    let quiet = if run.quick { 10 } else { 30 };
    let pairs = Pair::on_each_kind_as(run, "operations", Some(STEADY))?;
    for pair in &pairs {
        let meter = Meter { bench: &run.bench, pair };
        let mut row = |what: &str, figure: f64| {
            let _ = writeln!(table, "| {what}, round trips | {} | {figure:.2} |", pair.kind.word());
        };
        // Everybody has met everybody, and the lanes are there.
        BOTH.iter().try_for_each(|from| pair.send(from, 1, Duration::ZERO))?;
        BOTH.iter().try_for_each(|from| pair.settled(from, 1))?;
        rest(5)?;
        let (trips, seconds) = meter.count(&ANN, || rest(quiet))?;
        let idle = trips / seconds;
        row("idle look", idle);
        keeps("an idle look", idle, 1.0)?;
        for (count, apart, what) in [(10, 1_500, "one message"), (1_000, 0, "1,000 at once, each")] {
            let ((sent, _), (got, seconds)) = {
                let mut received = (0.0, 0.0);
                let sent = meter.count(&ANN, || {
                    received = meter.count(&BOB, || {
                        pair.send_more(&ANN, count, Duration::from_millis(apart))?;
                        until("the mail to arrive", || {
                            let status = pair.status(&ANN)?;
                            let out = status["outgoing"].as_object().ok_or("no counts")?;
                            Ok(pair.accepted(&ANN) >= count && out.keys().all(|state| state == "delivered"))
                        })
                    })?;
                    Ok(())
                })?;
                (sent, received)
            };
            let each = (sent - idle * seconds) / count as f64;
            row(&format!("send, {what}, with its receipt"), each);
            if count == 1_000 {
                keeps("a message of a thousand at once", each, 1.2)?;
            }
            row(&format!("receive, {what}, with its receipt"), (got - idle * seconds) / count as f64);
        }
        // Nobody answers: what is left is the sending itself. The first one opens the lane.
        pair.stop(&BOB)?;
        let count = if run.quick { 10 } else { 30 };
        let send = |count: usize| {
            pair.send_more(&ANN, count, Duration::from_millis(1_500))?;
            until("the mail to be on the share", || {
                Ok(pair.accepted(&ANN) >= count && pair.status(&ANN)?["spooled"] == 0)
            })
        };
        send(1)?;
        let (trips, seconds) = meter.count(&ANN, || send(count))?;
        let each = (trips - idle * seconds) / count as f64;
        row("send, one message made durable (lease, write, sync), and ring", each);
        keeps("sending one message, with the bell", each, 4.0)?;
        pair.start(&BOB)?;
    }
    pairs.iter().try_for_each(Pair::end)?;
    heartbeat(run, table)
}

/// What a heartbeat adds: the same quiet time with one each second.
fn heartbeat(run: &Run, table: &mut String) -> Outcome<()> {
    let quiet = if run.quick { 10 } else { 30 };
    let often = STEADY.replace("\"5m\"", "\"1s\"");
    let mut rates = [0.0; 2];
    for (rate, config) in rates.iter_mut().zip([STEADY, &often]) {
        let case = if config == STEADY { "no-beat" } else { "beat" };
        let pairs = Pair::on_each_kind_as(run, case, Some(config))?;
        for pair in &pairs {
            rest(5)?;
            let (trips, seconds) = Meter { bench: &run.bench, pair }.count(&ANN, || rest(quiet))?;
            *rate = trips / seconds;
        }
        pairs.iter().try_for_each(Pair::end)?;
    }
    let [without, with] = rates;
    for kind in &run.kinds {
        let _ = writeln!(
            table,
            "| heartbeat, with a look at one peer's, round trips | {} | {:.2} |",
            kind.word(),
            with - without
        );
    }
    Ok(())
}

/// From `send` returning to being in the other inbox, by polling alone, with the default intervals.
fn latency(run: &Run, table: &mut String) -> Outcome<()> {
    let count = if run.quick { 30 } else { 200 };
    let polling = "[look]\nnotify = false";
    for pair in &Pair::on_each_kind_as(run, "latency", Some(polling))? {
        pair.send(&ANN, count, Duration::from_millis(150))?;
        pair.await_accepted(&ANN, count)?;
        pair.settled(&ANN, count)?;
        let sent = pair.sent_at(&ANN)?;
        let ahead = run.bench.clock_ahead(BOB.machine)? - run.bench.clock_ahead(ANN.machine)?;
        let mut times = vec![];
        for (sent, message) in sent.iter().zip(pair.inbox(&BOB)?) {
            let at = chrono::DateTime::parse_from_rfc3339(message["at"].as_str().ok_or("no time")?)?;
            times.push(at.timestamp_millis() - ahead - sent);
        }
        times.sort_unstable();
        let at =
            |share: usize| times.get((times.len() * share).div_ceil(100).max(1) - 1).copied().unwrap_or(0);
        let (half, most) = (at(50), at(99));
        let _ = writeln!(
            table,
            "| `send` to inbox, polling, {count} messages 150 ms apart, p50 / p99 | {} | {half} / {most} ms |",
            pair.kind.word()
        );
        pair.end()?;
    }
    Ok(())
}

/// Much mail waits while the server is away; how soon after its return has all of it arrived?
fn spool(run: &Run, table: &mut String) -> Outcome<()> {
    let count = if run.quick { 1_000 } else { 10_000 };
    let away = if run.quick { 20 } else { 60 };
    let seconds: u64 = std::env::var("SHARES_AWAY").map_or(Ok(away), |text| text.parse())?;
    for pair in &Pair::on_each_kind(run, "spool")? {
        run.bench.order(&["server", "stop"])?;
        let since = Instant::now();
        pair.send(&ANN, count, Duration::ZERO)?;
        pair.await_accepted(&ANN, count)?;
        let left = Duration::from_secs(seconds).saturating_sub(since.elapsed());
        std::thread::sleep(left);
        let away = since.elapsed().as_secs();
        run.bench.order(&["server", "start"])?;
        let back = Instant::now();
        pair.settled(&ANN, count)?;
        let took = back.elapsed().as_secs();
        let _ = writeln!(
            table,
            "| {count} messages, server away for {away} s: all in the inbox after its return | {} | {took} s |",
            pair.kind.word()
        );
        pair.end()?;
    }
    Ok(())
}
