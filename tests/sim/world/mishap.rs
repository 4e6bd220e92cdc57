//! The mishaps of a run: what goes wrong, who does something odd, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use lanpost::model::layout;
use lanpost::model::text::{Encoding, encode};

use super::{STRANGER, World};
use crate::clock::SimClock;
use crate::life::Moment;
use crate::rng::Rng;
use crate::server::{Eye, What};
use crate::view::{Mount, View, Weather};
use crate::world::Foreign;

#[derive(Clone, Copy)]
pub(super) enum End {
    Cut(usize),
    Swap(usize),
    Full,
    /// A stranger who holds a slot's lockfile lets go.
    Unlock(usize),
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
                cut: false,
            };
            self.sites[node].view.with(|inner| inner.weather = Weather { cut: inner.weather.cut, ..weather });
        }
    }

    /// Something goes wrong, or somebody does something.
    pub(super) fn mishap(&mut self) -> Result<(), String> {
        let node = self.rng.below(self.sites.len());
        let plan = self.plan;
        let how_long = self.rng.time(1_000, plan.seconds * 300);
        match self.rng.below(14) {
            0 | 1 if plan.crashes => {
                let steps = self.rng.below(30) as u64;
                let how = [Moment::Before, Moment::During, Moment::After][self.rng.below(3)];
                self.sites[node].note(&format!("DOOM in {steps} {how:?}"));
                self.sites[node].doom(steps, how);
            }
            2 if plan.crashes && self.sites[node].is_up() => {
                let again = self.now + self.rng.time(100, 20_000);
                self.sites[node].crash(again);
            }
            3 if plan.cuts => {
                self.sites[node].note("CUT OFF");
                self.sites[node].view.with(|inner| inner.weather.cut = true);
                self.ends.push((self.now + how_long, End::Cut(node)));
            }
            4 if plan.power_cuts => {
                let undone = self.server.lock().unwrap().power_cut(&mut self.rng);
                self.power_cuts += 1;
                self.note(&format!("POWER CUT, {undone} undone"));
            }
            5 if plan.restores => match self.snapshot.take() {
                None => self.snapshot = Some(self.server.lock().unwrap().snapshot()),
                Some(snapshot) => {
                    self.note("RESTORED FROM A BACKUP");
                    self.server.lock().unwrap().restore(&snapshot);
                    self.restored = true;
                }
            },
            6 if plan.swaps => {
                let mount = if self.rng.per_mille(500) { Mount::Nothing } else { Mount::Other };
                self.sites[node].note(&format!("SWAP {mount:?}"));
                self.sites[node].view.with(|inner| inner.mount = mount);
                self.ends.push((self.now + how_long, End::Swap(node)));
            }
            7 if plan.full => {
                self.note("FULL");
                self.server.lock().unwrap().room = Some(self.rng.below(3_000));
                self.ends.push((self.now + how_long, End::Full));
            }
            8 if plan.clock_jumps => {
                let by = self.rng.time(0, 7_200_000).as_millis() as i64 - 3_600_000;
                self.sites[node].note(&format!("CLOCK {by} ms"));
                self.sites[node].clock.jump(by);
            }
            9 | 10 if plan.strangers => self.scribble(node),
            11 if plan.twins && self.twin.is_none() && self.sites[node].is_up() => self.clone_site(node)?,
            12 if plan.stops && self.sites[node].is_up() => {
                let again = self.now + self.rng.time(1_000, 30_000);
                self.sites[node].stop(again);
                if !self.sites[node].is_up() {
                    self.sites[node].pass(self.now)?;
                    self.tell();
                }
            }
            13 if plan.gone && self.sites[node].is_up() => {
                self.sites[node].note("GONE");
                self.sites[node].crash(Duration::MAX);
            }
            _ => self.change_weather(),
        }
        Ok(())
    }

    /// A person or a script appends a line to an open slot, in some encoding, under the lockfile.
    fn scribble(&mut self, node: usize) {
        self.counter += 1;
        let text = format!("by hand {} 你好", self.counter);
        let line = format!("{{\"from\":\"hand\",\"content\":\"{text}\"}}");
        let name = self.sites[node].config.instance.clone();
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
            self.foreign.push(Foreign { to: node, text });
        }
        if self.rng.per_mille(200) && server.write(STRANGER, lock.as_str(), b"4711\n") == Ok(true) {
            // It forgets its lock for a while.
            self.ends.push((self.now + self.rng.time(100, 20_000), End::Unlock(node)));
        }
        drop(server);
        self.note(&format!("BY HAND to {name}"));
        self.tell();
    }

    /// A second daemon with the same identity, for a while.
    fn clone_site(&mut self, node: usize) -> Result<(), String> {
        let clock = Arc::new(SimClock::new(self.rng.next() | 0x8000_0000));
        clock.reach(self.now);
        let servers = [self.server.clone(), self.wrong[0].clone(), self.wrong[1].clone()];
        let view = View::new(50 + node, clock, servers, Rng::new(self.rng.next()), self.trace);
        let twin = self.sites[node].copy(view, Rng::new(self.rng.next()), self.now)?;
        self.sites[node].note("TWIN");
        let until = self.now + self.rng.time(5_000, 120_000);
        self.twin = Some((node, twin, until));
        self.twinned.insert(node);
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
                self.sites[node].note("CUT ENDS");
                self.sites[node].view.with(|inner| inner.weather.cut = false);
            }
            End::Swap(node) => {
                self.sites[node].note("SWAP ENDS");
                self.sites[node].view.with(|inner| inner.mount = Mount::Right);
            }
            End::Full => self.server.lock().unwrap().room = None,
            End::Unlock(node) => {
                let lock = layout::open_slot_lock(&self.sites[node].config.instance);
                self.server.lock().unwrap().remove(STRANGER, lock.as_str());
            }
        }
    }
}
