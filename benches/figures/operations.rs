//! (c) Operations on the share: per send, per delivered message, per idle look. Counted, not timed, on a clock that
//! moves when it is told to.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::{Engine, Hints, ops};
use lanpost::model::layout;
use lanpost::sys::clock::ManualClock;

use crate::counting::{CountingShare, Counts, Op};
use crate::stage::{Stage, everything, letter, mailbox, name, settle};
use crate::table::{Table, aim};
use crate::{Outcome, peers};

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    for batch in [1, 100] {
        deliver(batch, table)?;
    }
    for senders in [1, 10, 100] {
        idle(senders, if quick { 60 } else { 600 }, table)?;
    }
    Ok(())
}

/// An engine whose operations are counted.
struct Side {
    engine: Engine,
    share: CountingShare,
}

impl Side {
    fn new(stage: &Stage, instance: &str, settings: &str) -> Outcome<Side> {
        let share = CountingShare::new(stage.share());
        let engine = stage.engine(stage.join(instance, settings)?, Arc::new(share.clone()))?;
        Ok(Side { engine, share })
    }

    /// What `work` costs.
    fn cost(&mut self, work: impl FnOnce(&mut Engine) -> Outcome<()>) -> Outcome<Counts> {
        let before = self.share.counts();
        work(&mut self.engine)?;
        Ok(self.share.counts() - before)
    }
}

/// One message, or a batch, from `send` to the sender's knowing that it was delivered.
fn deliver(batch: usize, table: &mut Table) -> Outcome<()> {
    let clock = Arc::new(ManualClock::new(1));
    let stage = Stage::with_clock(clock.clone())?;
    let mut office = Side::new(&stage, "office", "")?;
    // With somebody to wake, receipts go out in a step of their own and so can be told apart.
    let mut lab = Side::new(&stage, "lab", "[wake]\ncommand = [\"true\"]\n")?;
    // Meet, exchange one message so that the lanes are open, and let the looks that follow traffic pass.
    for round in 0..3 {
        clock.advance(Duration::from_secs(3));
        if round == 1 {
            ops::send(office.engine.node_mut(), letter("lab"))?;
        }
        for _ in 0..2 {
            for side in [&mut office, &mut lab] {
                take_in(&mut side.engine, everything())?;
                settle(&mut side.engine, everything())?;
            }
        }
    }
    let send =
        office.cost(|engine| Ok(ops::send_all(engine.node_mut(), vec![letter("lab"); batch]).map(drop)?))?;
    let append = office.cost(|engine| settle(engine, Hints::default()))?;
    let take = lab.cost(|engine| take_in(engine, mailbox()))?;
    let tell = lab.cost(|engine| settle(engine, Hints::default()))?;
    let hear = office.cost(|engine| settle(engine, mailbox()))?;
    clock.advance(Duration::from_secs(2));
    let again = lab.cost(|engine| settle(engine, Hints::default()))?;

    let whose = if batch == 1 { "one message".into() } else { format!("a batch of {batch} messages") };
    let mut row = |what: &str, counts: Counts, limit: &str| {
        table.row(format!("share operations, {whose}: {what}"), show(&counts), limit, "", "");
    };
    row("`send` itself", send, "0");
    row("into the recipient's lane", append, "2: write, sync");
    row("taken in by the recipient", take, "3: open, read, close");
    row("receipt back, written", tell, "2: write, sync");
    row("receipt, taken in by the sender", hear, "3: open, read, close");
    row("each side's second look, 2 s after traffic", again, "0, if listings told the truth");
    let all = [send, append, take, tell, hear].iter().map(Counts::total).sum::<u64>();
    let one_way = append.total() + take.total();
    let each = |operations: u64| match batch {
        1 => operations.to_string(),
        _ => format!("{operations}, {:.2} each", operations as f64 / batch as f64),
    };
    table.row(
        format!("share operations, {whose}: delivered"),
        each(one_way),
        "5",
        format!("{:.1}×", one_way as f64 / 5.0),
        "",
    );
    table.row(
        format!("share operations, {whose}: delivered and the sender knows it"),
        each(all),
        "10",
        format!("{:.1}×", all as f64 / 10.0),
        "",
    );
    Ok(())
}

/// `3: 1 write, 1 sync, 1 setattr`
fn show(counts: &Counts) -> String {
    let kinds = Op::ALL.into_iter().filter(|op| counts.op(*op) > 0);
    let list: Vec<_> =
        kinds.map(|op| format!("{} {}", counts.op(op), format!("{op:?}").to_lowercase())).collect();
    if list.is_empty() { "0".into() } else { format!("{}: {}", counts.total(), list.join(", ")) }
}

/// Looks once.
fn take_in(engine: &mut Engine, hints: Hints) -> Outcome<()> {
    let step = engine.step(&hints)?;
    if let Some(problem) = step.problems.into_iter().next() {
        return Err(problem.into());
    }
    Ok(())
}

/// What rest costs a mailbox that `senders` have written to: each idle look, and a minute with everything in it.
fn idle(senders: usize, seconds: u64, table: &mut Table) -> Outcome<()> {
    let clock = Arc::new(ManualClock::new(2));
    let stage = Stage::with_clock(clock.clone())?;
    let share = stage.share();
    let mut lab = Side::new(&stage, "lab", "")?;
    for n in 0..senders {
        let (from, to) = (name(&format!("peer-{n:03}")), name("lab"));
        peers::beat(&*share, &from, 0)?;
        share.open_append(&peers::lane(&from, &to, 1))?.append(&peers::line(
            &from,
            &to,
            &peers::id(n as u64),
            1,
            "hello",
        ))?;
    }
    share.touch(&layout::bell(&name("lab")))?;
    settle(&mut lab.engine, everything())?;
    // Until the pace has come to rest.
    let rest = |engine: &mut Engine| -> Outcome<Duration> {
        let step = engine.step(&Hints::default())?;
        clock.advance(step.rest);
        Ok(step.rest)
    };
    for _ in 0..60 {
        rest(&mut lab.engine)?;
    }
    let (mut looks, mut time) = (vec![], Duration::ZERO);
    let before = lab.share.counts();
    while time < Duration::from_secs(seconds) {
        let cost = lab.cost(|engine| {
            time += rest(engine)?;
            Ok(())
        })?;
        if cost.total() > 0 {
            looks.push(cost);
        }
    }
    let all = lab.share.counts() - before;
    looks.sort_by_key(Counts::total);
    let look = looks[looks.len() / 2];
    let whom = if senders == 1 { "1 sender".into() } else { format!("{senders} senders") };
    let what = format!("share operations, an idle look, {whom}");
    table.row(what, show(&look), "1: stat", format!("{}×", look.total()), aim("1", look.total() == 1));
    let minute = all.total() as f64 * 60.0 / time.as_secs_f64();
    let lists = all.op(Op::List) as f64 * 60.0 / time.as_secs_f64();
    let what = format!("share operations, an idle minute with heartbeats and full looks, {whom}");
    let stats = "a stat for every listed file is in it where listings carry no sizes (Linux)";
    table.row(what, format!("{minute:.0}, {lists:.0} of them lists"), stats, "", "");
    Ok(())
}
