//! The mishaps of a run: what goes wrong, who does something odd, and how it ends.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lanpost::model::layout;
use lanpost::model::name::Name;
use lanpost::model::state::State;
use lanpost::model::text::{Encoding, encode};

use super::{PLAIN, STRANGER, Twin, World};
use crate::clock::SimClock;
use crate::life::Moment;
use crate::rng::Rng;
use crate::server::{Eye, What};
use crate::stage;
use crate::view::{Mount, View, Weather};
use crate::world::Foreign;

#[derive(Clone, Copy)]
pub(super) enum End {
    Cut(usize),
    Swap(usize),
    Full,
    /// A stranger who holds the lockfile of somebody's slot, or of the plain peer's, lets go.
    Unlock(Option<usize>),
    /// A person gives a node back the lease that somebody forged.
    Evict(usize),
}

impl World {
    pub(super) fn change_weather(&mut self) {
        let plan = self.plan;
        for node in 0..self.sites.len() {
            let mut some = |wanted: bool, most: usize| match wanted && self.rng.per_mille(700) {
                true => 1 + self.rng.below(most) as u32,
                false => 0,
            };
            let weather = Weather {
                refuse: some(plan.errors, 150),
                lose: some(plan.lost_answers, 100),
                tear: some(plan.torn, 80),
                hang: some(plan.hangs, 8),
                stale: some(plan.stale, 800),
                holes: plan.holes,
                races: if plan.races { 150 } else { 0 },
                misses: some(plan.misses, 300),
                careless: some(plan.careless, 900),
                cut: false,
            };
            self.views[node].with(|inner| inner.weather = Weather { cut: inner.weather.cut, ..weather });
        }
    }

    /// Something goes wrong, or somebody does something.
    pub(super) fn mishap(&mut self) -> Result<(), String> {
        let Some(node) = self.any() else { return Ok(()) };
        let plan = self.plan;
        let how_long = self.rng.time(1_000, plan.seconds * 300);
        match self.rng.below(if plan.backups { 18 } else { 16 }) {
            0 | 1 if plan.crashes => self.doom(node, 30),
            2 if plan.crashes && self.site(node).is_up() => {
                let again = self.now + self.rng.time(100, 20_000);
                self.site_mut(node).crash(again);
            }
            3 if plan.cuts => {
                self.log.count("a node that is cut off");
                self.site(node).note("CUT OFF");
                self.views[node].with(|inner| inner.weather.cut = true);
                self.ends.push((self.now + how_long, End::Cut(node)));
            }
            4 if plan.power_cuts => {
                self.log.count("a power cut");
                let undone = self.server.lock().unwrap().power_cut(&mut self.rng);
                self.power_cuts += 1;
                self.note(&format!("POWER CUT, {undone} undone"));
            }
            5 if plan.restores => match self.snapshot.take() {
                None => self.snapshot = Some(self.server.lock().unwrap().snapshot()),
                Some(snapshot) => {
                    self.log.count("a restored backup");
                    self.note("RESTORED FROM A BACKUP");
                    self.server.lock().unwrap().restore(&snapshot);
                    self.restored = true;
                    self.robbed = true;
                }
            },
            6 if plan.swaps => {
                let mount = if self.rng.per_mille(500) { Mount::Nothing } else { Mount::Other };
                self.log.count("another share, or none, mounted");
                self.site(node).note(&format!("SWAP {mount:?}"));
                self.views[node].with(|inner| inner.mount = mount);
                self.ends.push((self.now + how_long, End::Swap(node)));
            }
            7 if plan.full => {
                self.log.count("a full disk");
                self.note("FULL");
                self.server.lock().unwrap().room = Some(self.rng.below(3_000));
                self.ends.push((self.now + how_long, End::Full));
            }
            8 if plan.clock_jumps => {
                let by = self.rng.time(0, 7_200_000).as_millis() as i64 - 3_600_000;
                self.log.count("a wall clock that jumps");
                self.site(node).note(&format!("CLOCK {by} ms"));
                self.views[node].clock.jump(by);
            }
            9 | 10 if plan.strangers => self.scribble(node),
            11 if plan.twins && self.twin.is_none() && self.site(node).is_up() => self.clone_site(node)?,
            12 if plan.stops && self.site(node).is_up() => {
                let again = self.now + self.rng.time(1_000, 30_000);
                self.site_mut(node).stop(again);
                if !self.site(node).is_up() {
                    let (site, now) = (self.sites[node].clone(), self.now);
                    stage::perform(self, || site.borrow_mut().pass(now))?;
                    self.tell();
                }
            }
            13 if plan.gone && self.site(node).is_up() => {
                self.log.count("a node that does not start again");
                self.site(node).note("GONE");
                self.site_mut(node).crash(Duration::MAX);
            }
            15 if plan.plain_peer => self.lock_plain()?,
            14 if plan.deletions => self.delete(),
            16 | 17 if self.site(node).is_up() => self.back_up_or_restore(node)?,
            _ => self.change_weather(),
        }
        Ok(())
    }

    /// A node dies within its next durable steps.
    fn doom(&mut self, node: usize, most: usize) {
        let steps = self.rng.below(most) as u64;
        let how = [Moment::Before, Moment::During, Moment::After][self.rng.below(3)];
        self.site(node).note(&format!("DOOM in {steps} {how:?}"));
        self.site_mut(node).doom(steps, how);
    }

    /// Makes a backup of a node's state folder, or restores the one that was made.
    fn back_up_or_restore(&mut self, node: usize) -> Result<(), String> {
        let ours = self.sent.iter().filter(|one| one.from == node).count();
        let Some((_, accepted)) = self.site(node).backup else {
            self.site_mut(node).back_up(ours)?;
            self.bury(node);
            return Ok(());
        };
        // What was accepted since the backup and never written to the share is nobody's any more.
        let mut at = 0;
        let sites = &self.sites;
        self.sent.retain(|one| {
            at += usize::from(one.from == node);
            let is_there = |step: &String| step.starts_with("sent") && !step.contains("directly");
            let was_sent = || sites[node].borrow().journey(&one.message).iter().any(is_there);
            one.from != node || at <= accepted || was_sent()
        });
        // What it told them directly, it is not told of again by anybody.
        let is_remembered = |state: Option<State>| state >= Some(State::Read) && !self.plan.direct;
        let mut known = HashSet::new();
        for one in self.sent.iter_mut() {
            let Ok(sender) = self.sites[one.from].try_borrow() else { continue };
            let state = sender.state_of(&one.message).map(|message| message.state);
            if one.from == node {
                one.seen = State::Scheduled;
            } else if one.to == Some(node) && is_remembered(state) {
                known.insert((self.names[one.from].fold(), one.message.id.to_string()));
            }
        }
        // Longer than a look may be old.
        let again = self.now + self.rng.time(10_000, 30_000);
        self.site_mut(node).restore(again, &known)?;
        self.went_back.insert(node);
        Ok(())
    }

    fn slot_owner(&self, node: Option<usize>) -> Name {
        node.map_or_else(|| Name::parse(PLAIN).unwrap(), |node| self.names[node].clone())
    }

    /// A script holds the lockfile of the plain peer's slot for a while.
    fn lock_plain(&mut self) -> Result<(), String> {
        let lock = layout::open_slot_lock(&self.slot_owner(None));
        let mut server = self.server.lock().unwrap();
        if server.what(lock.as_str()) != What::Gone
            || server.write(STRANGER, lock.as_str(), b"4711\n") != Ok(true)
        {
            return Ok(());
        }
        server.rules.lock(STRANGER, lock.as_str(), self.now);
        drop(server);
        self.log.count("a stranger's lockfile in the way");
        self.ends.push((self.now + self.rng.time(100, 40_000), End::Unlock(None)));
        if let Some(from) = self.any() {
            // Somebody wants to write there meanwhile.
            self.send_from(from, true, 1)?;
        }
        Ok(())
    }

    /// Somebody tidies up: a lane's file is gone, read or not.
    fn delete(&mut self) {
        let mut server = self.server.lock().unwrap();
        let mut lanes: Vec<String> = server.files().into_iter().map(|(path, _)| path).collect();
        lanes.retain(|path| path.rsplit('/').next().is_some_and(|file| layout::parse_lane(file).is_some()));
        if lanes.is_empty() {
            return;
        }
        let path = lanes.swap_remove(self.rng.below(lanes.len()));
        server.remove(STRANGER, &path);
        drop(server);
        self.log.count("a lane's file that somebody deletes");
        self.robbed = true;
        self.note(&format!("DELETED {path}"));
    }

    /// A person or a script appends a line to an open slot, in some encoding, under the lockfile.
    fn scribble(&mut self, node: usize) {
        let again =
            self.foreign.iter().rfind(|foreign| foreign.to == node).map(|foreign| foreign.text.clone());
        let text = match again.filter(|_| self.rng.per_mille(250)) {
            Some(text) => text,
            None => {
                self.counter += 1;
                format!("by hand {} 你好", self.counter)
            }
        };
        let line = format!("{{\"from\":\"hand\",\"content\":\"{text}\"}}");
        let name = self.names[node].clone();
        let (slot, lock) = (layout::open_slot(&name), layout::open_slot_lock(&name));
        let mut server = self.server.lock().unwrap();
        server.reach(self.now);
        if server.what(lock.as_str()) != What::Gone {
            return;
        }
        let encoding = Encoding::ALL[self.rng.below(Encoding::ALL.len())];
        let newline = if self.rng.per_mille(500) { "\r\n" } else { "\n" };
        let bytes = encode(&format!("{line}{newline}"), encoding, self.rng.per_mille(700));
        if server.what(slot.as_str()) == What::Gone && server.write(STRANGER, slot.as_str(), b"") != Ok(true)
        {
            return;
        }
        let What::File { inode, len } = server.what(slot.as_str()) else { return };
        let eye = Eye { node: STRANGER, lag: Duration::ZERO };
        let before = server.bytes(slot.as_str(), eye, Duration::ZERO).unwrap_or_default();
        // Whoever wrote last may have been cut off in the middle of a line.
        let bytes = match len > 0 && before.last() != Some(&b'\n') && before.last() != Some(&0) {
            true => [b"\n", &bytes[..]].concat(),
            false => bytes,
        };
        let Some(fits) = server.append(STRANGER, slot.as_str(), inode, &bytes) else { return };
        if fits == bytes.len() {
            if self.foreign.iter().any(|foreign| foreign.to == node && foreign.text == text) {
                self.log.count("the same line by hand again");
            }
            self.log.count("a line by hand");
            self.foreign.push(Foreign { to: node, text });
        }
        if self.rng.per_mille(200) && server.write(STRANGER, lock.as_str(), b"4711\n") == Ok(true) {
            server.rules.lock(STRANGER, lock.as_str(), self.now);
            // It forgets its lock for a while.
            self.ends.push((self.now + self.rng.time(100, 20_000), End::Unlock(Some(node))));
        }
        drop(server);
        self.note(&format!("BY HAND to {name}"));
        self.tell();
        // Nobody writes such a line a second time: it must survive a crash while it is taken in.
        if self.plan.crashes && self.rng.per_mille(400) {
            self.doom(node, 12);
        }
    }

    /// A second daemon with the same identity, for a while.
    fn clone_site(&mut self, node: usize) -> Result<(), String> {
        let clock = Arc::new(SimClock::new(self.rng.next() | 0x8000_0000));
        clock.reach(self.now);
        let servers = [self.server.clone(), self.wrong[0].clone(), self.wrong[1].clone()];
        let view = View::new(50 + node, clock, servers, Rng::new(self.rng.next()), self.log.clone());
        let rng = Rng::new(self.rng.next());
        let twin = self.site(node).copy(view, rng, self.now)?;
        self.log.count("a second daemon");
        self.site(node).note("TWIN");
        let until = self.now + self.rng.time(5_000, 120_000);
        self.twin = Some(Twin { of: node, site: Rc::new(RefCell::new(twin)), until });
        self.twinned.insert(node);
        // The older one has something to say at once, before it looked around.
        for _ in 0..2 {
            let plain = self.plan.plain_peer && self.rng.per_mille(200);
            self.send_from(node, plain, 1)?;
        }
        Ok(())
    }

    pub(super) fn end_mishaps(&mut self) {
        let now = self.now;
        let (over, left) = std::mem::take(&mut self.ends).into_iter().partition(|(at, _)| *at <= now);
        self.ends = left;
        let over: Vec<(Duration, End)> = over;
        for (_, end) in over {
            self.end(end);
        }
    }

    pub(super) fn end(&mut self, end: End) {
        match end {
            End::Cut(node) => {
                self.note("CUT ENDS");
                self.views[node].with(|inner| inner.weather.cut = false);
            }
            End::Swap(node) => {
                self.note("SWAP ENDS");
                self.views[node].with(|inner| inner.mount = Mount::Right);
            }
            End::Evict(node) => self.evict(node),
            End::Full => self.server.lock().unwrap().room = None,
            End::Unlock(node) => {
                let lock = layout::open_slot_lock(&self.slot_owner(node));
                let mut server = self.server.lock().unwrap();
                server.rules.unlock(STRANGER, lock.as_str(), Duration::ZERO, self.now);
                server.remove(STRANGER, lock.as_str());
            }
        }
    }
}
