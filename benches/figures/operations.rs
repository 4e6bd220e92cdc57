//! (c) Operations on the share: per send, per delivered message, per idle look. Counted, not timed, on a clock that
//! moves when it is told to.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::wake::{Outcome as Woken, WakeResult};
use lanpost::engine::{Action, Engine, Hints, ops};
use lanpost::model::layout;
use lanpost::sys::clock::ManualClock;

use crate::counting::{CountingShare, Counts};
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
        if round == 1 {
            ops::send(office.engine.node_mut(), letter("lab"))?;
        }
        for _ in 0..2 {
            for side in [&mut office, &mut lab] {
                take_in(&mut side.engine, everything())?;
                settle(&mut side.engine, everything())?;
            }
        }
        clock.advance(Duration::from_secs(3));
    }
    let send =
        office.cost(|engine| Ok(ops::send_all(engine.node_mut(), vec![letter("lab"); batch]).map(drop)?))?;
    let append = office.cost(|engine| settle(engine, Hints::default()))?;
    let take = lab.cost(|engine| take_in(engine, mailbox()))?;
    let tell = lab.cost(|engine| settle(engine, Hints::default()))?;
    let hear = office.cost(|engine| settle(engine, mailbox()))?;
    clock.advance(Duration::from_secs(2));
    let again = lab.cost(|engine| settle(engine, Hints::default()))?
        + office.cost(|engine| settle(engine, Hints::default()))?;

    let whose = if batch == 1 { "one message".into() } else { format!("a batch of {batch} messages") };
    let mut row = |what: &str, counts: Counts, limit: &str| {
        table.row(format!("share operations, {whose}: {what}"), counts.to_string(), limit, "", "");
    };
    row("`send` itself", send, "0");
    row("into the recipient's lane", append, "2 (write, sync)");
    row("taken in by the recipient", take, "3 (open, read, close)");
    row("receipt back, written", tell, "2 (write, sync)");
    row("receipt, taken in by the sender", hear, "3 (open, read, close)");
    row("both sides' second look, 2 s after traffic", again, "0 if listings told the truth");
    let all = append + take + tell + hear;
    row("in all, without the second look", all, "10");
    if batch > 1 {
        let each = all.total() as f64 / batch as f64;
        table.row(format!("share operations for each message of {whose}"), format!("{each:.2}"), "", "", "");
    }
    Ok(())
}

/// Looks once; if that orders a wake, it ends well.
fn take_in(engine: &mut Engine, hints: Hints) -> Outcome<()> {
    let step = engine.step(&hints)?;
    if let Some(problem) = step.problems.into_iter().next() {
        return Err(problem.into());
    }
    let orders = step.actions.into_iter().filter_map(|action| match action {
        Action::Wake(order) => Some(order),
        Action::Rearm => None,
    });
    for order in orders {
        let outcome = Woken::Done;
        let result = WakeResult { wake: order.wake, agent: order.agent, outcome, detail: String::new() };
        lanpost::engine::wake::ended(engine.node_mut(), &result)?;
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
    let all = lab.cost(|_| Ok(()))?;
    let mut sum = all;
    while time < Duration::from_secs(seconds) {
        let cost = lab.cost(|engine| {
            time += rest(engine)?;
            Ok(())
        })?;
        sum = sum + cost;
        if cost.total() > 0 {
            looks.push(cost);
        }
    }
    looks.sort_by_key(Counts::total);
    let look = looks[looks.len() / 2];
    let what = format!(
        "share operations of an idle look, {senders} {}",
        if senders == 1 { "sender" } else { "senders" }
    );
    table.row(what, look.to_string(), "1 (stat)", format!("{}", look.total()), aim("1", look.total() == 1));
    let minute = sum.total() as f64 * 60.0 / time.as_secs_f64();
    let what =
        format!("share operations of an idle minute, heartbeats and full looks included, {senders} online");
    table.row(what, format!("{minute:.0}"), "", "", "");
    Ok(())
}
