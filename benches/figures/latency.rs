//! (a) From just before the sender's commit to the moment the wake command runs at the recipient: real daemons of this
//! binary, with and without notifications. The window that batches wakes is zero here, the same words wake each time, and as
//! often as they come: what is timed is the way.
//! A ratio is to the better of both measurements of the limit: what was possible before the run was possible in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lanpost::engine::node::Node;
use lanpost::engine::ops;
use lanpost::model::id::MessageId;
use lanpost::store::db::Way;
use lanpost::sys::share::Share;

use crate::agent::Agent;
use crate::raw::{self, Bell, Watched};
use crate::stage::{Stage, letter, name, until};
use crate::table::{Table, aim, ms, percentile};
use crate::{Outcome, peers};

/// Pauses between messages: never the same, so that nothing falls into step with the looks.
#[derive(Clone, Copy)]
pub struct Gaps(Duration, Duration);

impl Gaps {
    /// Pauses before the sample of this number.
    pub fn pause(self, n: usize) {
        let part = (n as f64 * 0.618_034).fract();
        std::thread::sleep(self.0 + (self.1 - self.0).mul_f64(part));
    }
}

/// As in a conversation.
pub const TALK: Gaps = Gaps(Duration::from_millis(60), Duration::from_millis(260));
/// Long enough for polling to have slowed down all the way.
const QUIET: Gaps = Gaps(Duration::from_secs(7), Duration::from_secs(11));

pub fn run(quick: bool, table: &mut Table) -> Outcome<()> {
    let (samples, quiet) = if quick { (8, 0) } else { (200, 12) };
    let bell = Bell::new()?;
    let stage = Stage::new()?;
    let before = limits(&stage, &bell, samples)?;
    let (notified, rows) = notified(&bell, samples)?;
    let (talking, silent) = polled(&bell, samples / 2, quiet)?;
    let after = limits(&stage, &bell, samples)?;

    let chain = twice("write + fdatasync, event, new process, its first word", &before.chain, &after.chain);
    let limit = seconds(&before.chain).min(seconds(&after.chain));
    let mut row = |what: &str, times: &[Duration], aim: String| {
        let ratio = format!("{:.1}×", seconds(times) / limit);
        table.row(
            format!("append to wake (`wake.window` 0), p50 / p99: {what}"),
            both(times),
            &chain,
            ratio,
            aim,
        );
    };
    let met = percentile(&notified, 0.5) < Duration::from_millis(20);
    row("with notifications", &notified, aim("p50 < 20 ms", met));
    row("without, in a conversation (a message every 60-260 ms)", &talking, String::new());
    if quiet > 0 {
        row("without, after 7-11 s of silence", &silent, String::new());
    }
    let events = twice("write + fdatasync to event", &before.event, &after.event);
    let limit = seconds(&before.event).min(seconds(&after.event));
    let ratio = format!("{:.1}×", seconds(&rows) / limit);
    table.row("lane append to inbox row, p50 / p99, with notifications", both(&rows), events, ratio, "");
    let spawn = twice("the new process alone, to its first word", &before.spawn, &after.spawn);
    table.row("of a wake, the part that is the agent's own start, p50 / p99", "", spawn, "", "");
    Ok(())
}

/// The raw times.
struct Limits {
    /// A durable write, until its event is heard in another thread.
    event: Vec<Duration>,
    /// Starting the command, until its word is heard.
    spawn: Vec<Duration>,
    /// All of it: a durable write, its event, the command, its word.
    chain: Vec<Duration>,
}

fn limits(stage: &Stage, bell: &Bell, samples: usize) -> Outcome<Limits> {
    let line = peers::line(&name("office"), &name("lab"), &peers::id(1), 1, &"x".repeat(1024));
    let command = bell.command()?;
    let mut found = Limits { event: vec![], spawn: vec![], chain: vec![] };
    let mut watched = Watched::new(&stage.raw(), || {})?;
    for _ in 0..samples {
        found.event.push(watched.event(&line)?);
        let start = Instant::now();
        let mut child = raw::start(&command)?;
        bell.heard()?;
        found.spawn.push(start.elapsed());
        child.wait()?;
    }
    drop(watched);
    let (event, heard) = std::sync::mpsc::sync_channel(16);
    let mut watched = Watched::new(&stage.raw(), move || {
        let _ = event.try_send(());
    })?;
    for _ in 0..samples {
        heard.try_iter().for_each(drop);
        let start = watched.append(&line)?;
        heard.recv()?;
        let mut child = raw::start(&command)?;
        bell.heard()?;
        found.chain.push(start.elapsed());
        child.wait()?;
    }
    Ok(found)
}

/// Wakes with notifications, and the way into the inbox without the new process.
fn notified(bell: &Bell, samples: usize) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let stage = Stage::new()?;
    let (mut office, lab) = pair(&stage, bell, true, "")?;
    // A third instance, whose lane this bench writes itself. Its mail wakes, too: that is waited for each time.
    let share: Arc<dyn Share> = stage.share();
    let (from, to) = (name("pc"), name("lab"));
    peers::beat(&*share, &from, 0)?;
    let _daemons = (stage.daemon("office")?, stage.daemon("lab")?);
    let wakes = wakes(&mut office, &lab, bell, samples, TALK)?;
    until("lab's knowing pc", Duration::from_millis(5), || Ok(lab.db.peer("pc")?.is_some()))?;
    let mut lane = share.open_append(&peers::lane(&from, &to, 1))?;
    let mut rows = vec![];
    for n in 0..samples {
        let id = peers::id(n as u64);
        let line = peers::line(&from, &to, &id, n as u64 + 1, &"x".repeat(1024));
        let start = Instant::now();
        lane.append(&line)?;
        until("the row", Duration::from_micros(50), || Ok(lab.db.message(Way::In, "pc", &id)?.is_some()))?;
        rows.push(start.elapsed());
        bell.heard()?;
        woken(&lab, "pc", &id)?;
        TALK.pause(n);
    }
    Ok((wakes, rows))
}

/// Wakes without notifications: in a conversation, and after silence.
fn polled(bell: &Bell, talk: usize, quiet: usize) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let stage = Stage::new()?;
    let (mut office, lab) = pair(&stage, bell, false, "")?;
    let _daemons = (stage.daemon("office")?, stage.daemon("lab")?);
    let talking = wakes(&mut office, &lab, bell, talk, TALK)?;
    Ok((talking, wakes(&mut office, &lab, bell, quiet, QUIET)?))
}

/// Two instances with `more` in both configs; `agent` is lab's.
pub fn pair(stage: &Stage, agent: &dyn Agent, notify: bool, more: &str) -> Outcome<(Node, Node)> {
    let look = format!("[look]\nnotify = {notify}\n{more}");
    let way = agent.config()?;
    let wake = format!("[wake]\nwindow = \"0s\"\ndedupe = \"0s\"\nbudget = 1000\n{way}\n");
    Ok((stage.join("office", &look)?, stage.join("lab", &(look.clone() + &wake))?))
}

/// Sends messages one after the other and times each until its wake command runs.
pub fn wakes(
    office: &mut Node,
    lab: &Node,
    agent: &dyn Agent,
    samples: usize,
    gaps: Gaps,
) -> Outcome<Vec<Duration>> {
    until("office's knowing lab", Duration::from_millis(5), || {
        Ok(office.db.peer("lab")?.is_some_and(|peer| peer.heartbeat.is_some()))
    })?;
    let mut times = vec![];
    // The first ones, which find both daemons starting, are not counted.
    const FIRST: usize = 3;
    for n in 0..FIRST + samples {
        if n < FIRST { TALK } else { gaps }.pause(n);
        let draft = letter("lab");
        let start = Instant::now();
        let message = ops::send(office, draft)?;
        agent.wait()?;
        times.push(start.elapsed());
        woken(lab, "office", &message.id)?;
    }
    Ok(times.split_off(FIRST))
}

/// Waits until lab's daemon knows that the wake ended: one is in flight at a time.
fn woken(lab: &Node, peer: &str, id: &MessageId) -> Outcome<()> {
    until("the end of the wake", Duration::from_millis(2), || {
        let wake = lab.db.message(Way::In, peer, id)?.and_then(|message| message.wake);
        Ok(matches!(wake.as_deref(), Some("woken" | "accepted")))
    })
}

/// The middle one, in seconds.
pub fn seconds(times: &[Duration]) -> f64 {
    percentile(times, 0.5).as_secs_f64()
}

/// A limit measured before and after.
pub fn twice(what: &str, before: &[Duration], after: &[Duration]) -> String {
    format!("{what}: {}; after: {}", both(before), both(after))
}

/// The middle one, and what almost all keep within.
pub fn both(times: &[Duration]) -> String {
    format!("{} / {}", ms(seconds(times)), ms(percentile(times, 0.99).as_secs_f64()))
}
