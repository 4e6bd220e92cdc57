//! Time in a world: who is next, whose step it is, who lives while another's call lasts, and who hears of what.

use std::time::Duration;

use lanpost::model::layout::{self, MessagesEntry};
use lanpost::model::name::Name;
use lanpost::sys::clock::Clock as _;

use super::{DEPTH, STRANGER, World};
use crate::clock::SimClock;
use crate::server::Eye;
use crate::site::Hint;
use crate::stage;

impl World {
    /// What the others do while a call of `node` lasts, until its clock's now; then it is that late for all.
    pub fn meanwhile(&mut self, node: usize, clock: &SimClock) {
        let until = clock.now().min(self.bound.unwrap_or(Duration::MAX));
        if self.depth >= DEPTH || self.broken.is_some() || until < self.now {
            return;
        }
        self.log.note(|| format!("{:>9.3} n{node} ( meanwhile", self.now.as_secs_f64()));
        self.log.count("steps between two calls of another's step");
        let bound = self.bound.replace(until);
        self.depth += 1;
        if let Err(why) = self.live(until) {
            self.broken.get_or_insert(why);
        }
        self.depth -= 1;
        self.bound = bound;
        self.log.note(|| format!("{:>9.3} n{node} ) goes on", self.now.as_secs_f64()));
    }

    fn live(&mut self, until: Duration) -> Result<(), String> {
        if self.suffers {
            self.stir(100, 60, 60)?;
            if let Some(node) = self.any()
                && self.rng.per_mille(500)
            {
                // Somebody rings: it steps at this very moment.
                let now = self.now;
                self.site_mut(node).hint(Hint::Mailbox, now);
            }
        }
        self.run(until)
    }

    /// Lets time pass until `end`.
    pub fn run(&mut self, end: Duration) -> Result<(), String> {
        loop {
            if let Some(why) = self.broken.take() {
                return Err(why);
            }
            let next = self.next_site();
            let hints = self.hints.iter().filter(|(_, node, _)| self.is_free(*node));
            let hint = hints.map(|(at, ..)| *at).min();
            let over = self.ends.iter().map(|(at, _)| *at).min();
            let parcel = self.network.next(|node| self.is_free(node));
            let first = [next.map(|(at, _)| at), hint, over, parcel].into_iter().flatten().min();
            let Some(at) = first.filter(|at| *at <= end) else {
                self.reach(end);
                return Ok(());
            };
            self.reach(at);
            if over.is_some_and(|over| over <= at) {
                self.end_mishaps();
            } else if hint.is_some_and(|hint| hint <= at) {
                self.deliver_hints();
            } else if parcel.is_some_and(|parcel| parcel <= at) {
                self.carry()?;
            } else if let Some((_, node)) = next {
                self.turn(node)?;
            }
        }
    }

    /// The server's time is everybody's, and not that of a node whose call hangs.
    pub(super) fn reach(&mut self, at: Duration) {
        self.now = self.now.max(at);
        for server in [&self.server, &self.wrong[0], &self.wrong[1]] {
            server.lock().unwrap().reach(self.now);
        }
    }

    fn deliver_hints(&mut self) {
        let now = self.now;
        let (come, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut self.hints)
            .into_iter()
            .partition(|(at, node, _)| *at <= now && self.is_free(*node));
        self.hints = wait;
        for (_, node, hint) in come {
            self.site_mut(node).hint(hint, now);
        }
    }

    /// Who is next of those that are not in a step; the twin's number is after all others.
    fn next_site(&self) -> Option<(Duration, usize)> {
        let twin = self.twin.as_ref().and_then(|twin| {
            let site = twin.site.try_borrow().ok()?;
            Some((site.next()?.min(twin.until), self.sites.len()))
        });
        let sites = self.sites.iter().enumerate();
        let sites = sites.filter_map(|(node, site)| Some((site.try_borrow().ok()?.next()?, node)));
        sites.chain(twin).min()
    }

    fn turn(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        if node == self.sites.len() {
            return self.turn_of_twin();
        }
        if self.site(node).restart.is_some() {
            self.site(node).note("START");
            return self.site_mut(node).start(now);
        }
        let site = self.sites[node].clone();
        if !stage::perform(self, || site.borrow_mut().step(now))? {
            let over = self.site(node).next().unwrap_or(now).max(now);
            let again = over + self.rng.time(100, 20_000);
            self.site_mut(node).crash(again);
        }
        self.tell();
        self.collect(node);
        self.write_back(node)?;
        self.holds_no_lock(node)
    }

    fn turn_of_twin(&mut self) -> Result<(), String> {
        let now = self.now;
        let Some(twin) = &self.twin else { return Ok(()) };
        if now >= twin.until {
            self.end_twin();
            return Ok(());
        }
        let site = twin.site.clone();
        if !stage::perform(self, || site.borrow_mut().step(now))? {
            self.end_twin();
        }
        self.tell();
        Ok(())
    }

    /// A step that made a lockfile, and whose calls on it were all answered, leaves none behind.
    fn holds_no_lock(&mut self, node: usize) -> Result<(), String> {
        let site = self.site(node);
        let (locked, stuck) = site
            .view
            .with(|inner| (std::mem::take(&mut inner.locked), std::mem::take(&mut inner.lock_stuck)));
        // A copy of the state folder writes lockfiles in the same name.
        if !locked || stuck || !site.is_up() || self.has_twin(node) {
            return Ok(());
        }
        let server = self.server.lock().unwrap();
        let ours = format!("0 lanpost {} ", site.holder());
        let eye = Eye { node: STRANGER, lag: Duration::ZERO };
        let mut locks =
            server.files().into_iter().map(|(path, _)| path).filter(|path| path.ends_with(".lock"));
        let left = locks.find(|path| {
            let bytes = server.bytes(path, eye, Duration::ZERO).unwrap_or_default();
            bytes.starts_with(ours.as_bytes())
        });
        left.map_or(Ok(()), |path| Err(format!("{} left its lockfile {path} standing", site.name)))
    }

    /// A site that died outside a step is dead all the same.
    pub(super) fn bury(&mut self, node: usize) {
        let dead = self.views[node].with(|inner| inner.life.is_over());
        if dead && self.site(node).is_up() {
            let again = self.now + self.rng.time(100, 20_000);
            self.site_mut(node).crash(again);
        }
    }

    /// Events of the server become hints, or don't.
    pub(super) fn tell(&mut self) {
        let events = std::mem::take(&mut self.server.lock().unwrap().events);
        if self.plan.deaf && self.plan.errors {
            return;
        }
        for (by, path) in events {
            if by == usize::MAX && self.plan.unheard {
                continue;
            }
            for node in 0..self.sites.len() {
                let Some(hint) = concerns(&path, &self.names[node]) else { continue };
                let (lost, late, twice) = match self.plan.deaf {
                    true => (self.rng.per_mille(300), self.rng.per_mille(300), self.rng.per_mille(200)),
                    false => (false, false, false),
                };
                let at = self.now + if late { self.rng.time(100, 8_000) } else { Duration::from_millis(20) };
                if !lost {
                    self.hints.push((at, node, hint));
                }
                if twice {
                    self.hints.push((at + self.rng.time(1, 3_000), node, Hint::Everything));
                }
            }
        }
    }
}

fn concerns(path: &str, us: &Name) -> Option<Hint> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["messages", file] => match layout::parse_messages(file)? {
            MessagesEntry::OpenSlot(name) if name == *us => Some(Hint::Slot),
            _ => None,
        },
        ["messages", folder, _] => match layout::parse_messages(folder)? {
            MessagesEntry::Mailbox(name) if name == *us => Some(Hint::Mailbox),
            _ => None,
        },
        ["status", _] => Some(Hint::Status),
        _ => None,
    }
}
