//! (b) Durable messages per second, 1 KiB each, beside raw `write` + `fdatasync` of the same lines.

use std::sync::mpsc::channel;
use std::time::Instant;

use lanpost::engine::node::Node;
use lanpost::engine::{Hints, ops};
use lanpost::store::db::Filter;

use crate::stage::{Stage, everything, letter, mailbox, name, settle};
use crate::table::{Sandwich, Table, aim, per_second};
use crate::{Outcome, peers, raw};

/// Messages in a batch.
const BATCH: usize = 100;
const THREADS: usize = 4;

/// How much is sent in one repetition.
struct Load {
    /// Messages one by one.
    single: usize,
    /// Batches.
    batches: usize,
    repetitions: usize,
}

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let load = match quick {
        true => Load { single: 40, batches: 4, repetitions: 1 },
        false => Load { single: 1_000, batches: 100, repetitions: 5 },
    };
    let stage = Stage::new()?;
    let mut office = stage.join("office", "")?;
    stage.join("lab", "")?;
    // Both meet, and a first batch gives the lines as they stand on the share.
    let mut engine = stage.engine(stage.open("office")?, stage.share())?;
    settle(&mut engine, everything())?;
    ops::send_all(&mut office, vec![letter("lab"); BATCH])?;
    settle(&mut engine, Hints::default())?;
    drop(engine);
    let lane =
        stage.share().read(&peers::lane(&name("office"), &name("lab"), 1), 0, 1 << 20)?.unwrap_or_default();
    let lines: Vec<Vec<u8>> = lane.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();

    end_to_end(&stage, &load, &lines, table)?;
    one_by_one(&stage, &load, &lines, table)?;
    batched(&stage, &load, &lines, table)
}

fn one_by_one(stage: &Stage, load: &Load, lines: &[Vec<u8>], table: &mut Table) -> Outcome<()> {
    let singles: Vec<Vec<u8>> = lines.iter().cycle().take(load.single).cloned().collect();
    for threads in [1, THREADS] {
        let found = Sandwich::measure(
            load.repetitions,
            || together(threads, |_| raw::durable(&stage.raw(), &singles, singles.len())),
            || together(threads, |_| send_singles(&mut stage.open("office")?, load.single)),
        )?;
        let what = format!("durable sends of 1 KiB, one by one, {}", of(threads));
        let limit = format!("write + fdatasync of the same lines: {}", found.limits(per_second));
        table.row(what, per_second(found.reached), limit, format!("{:.2}", found.ratio()), "");
    }
    Ok(())
}

fn batched(stage: &Stage, load: &Load, lines: &[Vec<u8>], table: &mut Table) -> Outcome<()> {
    let batches = vec![lines.concat(); load.batches];
    let count = load.batches * BATCH;
    for threads in [1, THREADS] {
        let found = Sandwich::measure(
            load.repetitions,
            || together(threads, |_| raw::durable(&stage.raw(), &batches, count)),
            || together(threads, |_| send_batches(&mut stage.open("office")?, load.batches)),
        )?;
        let what = format!("durable sends in batches of {BATCH}, {}", of(threads));
        let limit = format!("write + fdatasync of the same batches: {}", found.limits(per_second));
        let aim = if threads == 1 { aim("> 0.5", found.ratio() > 0.5) } else { String::new() };
        table.row(what, per_second(found.reached), limit, format!("{:.2}", found.ratio()), aim);
    }
    // How much of the distance is SQLite's own: its rows are in B-trees, which a raw append has not.
    let bare = Sandwich::measure(
        load.repetitions,
        || raw::sqlite(&stage.raw(), &batches, count),
        || send_batches(&mut stage.open("office")?, load.batches),
    )?;
    let limit = format!("the same lines as rows of a bare SQLite table: {}", bare.limits(per_second));
    table.row(
        "the same, beside bare SQLite",
        per_second(bare.reached),
        limit,
        format!("{:.2}", bare.ratio()),
        "",
    );
    Ok(())
}

/// First, while the spool is empty: from `send_all` to the row in the recipient's store, each engine on its own thread.
fn end_to_end(stage: &Stage, load: &Load, lines: &[Vec<u8>], table: &mut Table) -> Outcome<()> {
    let mut office = stage.engine(stage.open("office")?, stage.share())?;
    let mut lab = stage.engine(stage.open("lab")?, stage.share())?;
    settle(&mut office, everything())?;
    settle(&mut lab, everything())?;
    settle(&mut office, everything())?;
    let batches = vec![lines.concat(); load.batches];
    let count = load.batches * BATCH;
    let found = Sandwich::measure(
        load.repetitions,
        || raw::durable(&stage.raw(), &batches, count),
        || {
            let last = lab.node().db.last_row()?;
            let (ring, bell) = channel();
            let start = Instant::now();
            std::thread::scope(|scope| {
                let lab = &mut lab;
                let receiver = scope.spawn(move || -> Outcome<()> {
                    while bell.recv().is_ok() {
                        // One look for all the rings that came meanwhile, as in the daemon.
                        bell.try_iter().for_each(drop);
                        settle(lab, mailbox())?;
                    }
                    Ok(())
                });
                for _ in 0..load.batches {
                    ops::send_all(office.node_mut(), vec![letter("lab"); BATCH])?;
                    settle(&mut office, Hints::default())?;
                    let _ = ring.send(());
                }
                drop(ring);
                receiver.join().map_err(|_| "the receiver panicked")?
            })?;
            let rate = count as f64 / start.elapsed().as_secs_f64();
            let arrived = ops::inbox(lab.node(), &Filter { after: last, ..Filter::default() })?.len();
            if arrived != count {
                return Err(format!("{arrived} of {count} messages arrived").into());
            }
            Ok(rate)
        },
    )?;
    let limit = format!("write + fdatasync of the same batches, once: {}", found.limits(per_second));
    let what = format!("sent in batches of {BATCH}, over the share, into the recipient's store");
    table.row(what, per_second(found.reached), limit, format!("{:.2}", found.ratio()), "");
    Ok(())
}

fn send_singles(node: &mut Node, count: usize) -> Outcome<f64> {
    let drafts = vec![letter("lab"); count];
    let start = Instant::now();
    for draft in drafts {
        ops::send(node, draft)?;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn send_batches(node: &mut Node, count: usize) -> Outcome<f64> {
    let batches = vec![vec![letter("lab"); BATCH]; count];
    let start = Instant::now();
    for batch in batches {
        ops::send_all(node, batch)?;
    }
    Ok((count * BATCH) as f64 / start.elapsed().as_secs_f64())
}

/// The same work on several threads at once; their rates add up.
fn together(threads: usize, work: impl Fn(usize) -> Outcome<f64> + Sync) -> Outcome<f64> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn({
                    let work = &work;
                    move || work(n)
                })
            })
            .collect();
        let rates = workers.into_iter().map(|worker| worker.join().map_err(|_| "a thread panicked")?);
        rates.sum()
    })
}

fn of(threads: usize) -> String {
    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") }
}
