//! One run: the bad luck that the plan has in store, then healing, then the questions of `check`.
//!
//! Everything happens in virtual time, one thing after the other, on one thread; the earliest comes first. Nothing
//! but the seed decides, so a run repeats.

mod mishap;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanpost::model::layout::{self, MessagesEntry};
use lanpost::store::db::Message;

use crate::clock::SimClock;
use crate::life;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::server::{Eye, Server, Snapshot};
use crate::site::{Hint, Manner, Site};
use crate::view::{Mount, View, Weather};

use mishap::End;

/// A message that `send` answered for.
pub struct Sent {
    pub from: usize,
    /// `None`: a peer that speaks the plain protocol.
    pub to: Option<usize>,
    pub message: Message,
    pub text: String,
    /// The furthest state that was seen.
    pub seen: lanpost::model::state::State,
}

/// A line that a stranger wrote into an open slot.
pub struct Foreign {
    pub to: usize,
    pub text: String,
}

pub struct World {
    pub plan: Plan,
    pub now: Duration,
    pub sites: Vec<Site>,
    pub twin: Option<(usize, Site, Duration)>,
    pub twinned: HashSet<usize>,
    pub server: Arc<Mutex<Server>>,
    pub wrong: [Arc<Mutex<Server>>; 2],
    pub sent: Vec<Sent>,
    pub foreign: Vec<Foreign>,
    pub restored: bool,
    pub power_cuts: u32,
    pub trace: bool,
    rng: Rng,
    snapshot: Option<Snapshot>,
    /// Hints on their way: when, to whom, what.
    hints: Vec<(Duration, usize, Hint)>,
    /// Bad luck that ends: when, what.
    ends: Vec<(Duration, End)>,
    counter: usize,
}

pub const PLAIN: &str = "oldie";
const STRANGER: usize = 99;

impl World {
    pub fn new(seed: u64, trace: bool) -> Result<World, String> {
        life::watch_commits();
        let plan = Plan::of(seed);
        let mut rng = Rng::new(seed ^ 0xABCD_EF01);
        let servers = [(); 3].map(|()| Arc::new(Mutex::new(Server::default())));
        let other: Arc<SimClock> = Arc::new(SimClock::new(seed ^ 0xEE));
        let mut sites = vec![];
        for node in 0..plan.nodes {
            let clock = Arc::new(SimClock::new(seed.wrapping_mul(31).wrapping_add(node as u64)));
            let view = View::new(node, clock, servers.clone(), Rng::new(rng.next()), trace);
            let manner = match rng.below(4) {
                0 => Manner::Absent,
                1 => Manner::Moody,
                _ => Manner::Prompt,
            };
            let name = ["anna", "bert", "cleo", "dora"][node];
            sites.push(Site::new(name, view, manner, Rng::new(rng.next()))?);
        }
        // The other share is lanpost's, too, and has mailboxes of the same names.
        let stranger = View::new(STRANGER, other, servers.clone(), Rng::new(1), false);
        stranger.with(|inner| inner.mount = Mount::Other);
        let names: Vec<String> = sites.iter().map(|site| site.name.clone()).collect();
        for name in names {
            drop(Site::new(&name, stranger.clone(), Manner::Absent, Rng::new(2))?);
        }
        let [server, nothing, other] = servers;
        other.lock().unwrap().rules.forget();
        Ok(World {
            plan,
            now: Duration::ZERO,
            sites,
            twin: None,
            twinned: HashSet::new(),
            server,
            wrong: [nothing, other],
            sent: vec![],
            foreign: vec![],
            restored: false,
            power_cuts: 0,
            trace,
            rng,
            snapshot: None,
            hints: vec![],
            ends: vec![],
            counter: 0,
        })
    }

    pub fn note(&self, what: &str) {
        self.sites[0].view.with(|inner| {
            if let Some(trace) = &mut inner.trace {
                trace.push(format!("{:>9.3} ** {what}", self.now.as_secs_f64()));
            }
        });
    }

    /// Bad luck for as long as planned.
    pub fn suffer(&mut self) -> Result<(), String> {
        let end = Duration::from_secs(self.plan.seconds);
        self.run(Duration::from_secs(5))?;
        self.change_weather();
        let mut left = self.plan.messages;
        while self.now < end {
            let gap = self.plan.seconds * 1_000 / 60;
            let pause = self.rng.time(gap / 4, gap * 2);
            self.run((self.now + pause).min(end))?;
            if left > 0 && self.rng.per_mille(700) {
                let burst = 1 + self.rng.below(4).min(left - 1);
                left -= burst;
                self.send(burst)?;
            }
            if self.rng.per_mille(400) {
                let node = self.rng.below(self.sites.len());
                self.sites[node].use_mail()?;
                self.bury(node);
            }
            if self.rng.per_mille(600) {
                self.mishap()?;
            }
            crate::check::so_far(self)?;
        }
        Ok(())
    }

    fn send(&mut self, count: usize) -> Result<(), String> {
        let from = self.rng.below(self.sites.len());
        let plain = self.plan.plain_peer && self.rng.per_mille(200);
        self.send_from(from, plain, count)
    }

    fn send_from(&mut self, from: usize, plain: bool, count: usize) -> Result<(), String> {
        let to = match plain {
            true => None,
            false => Some(self.rng.below(self.sites.len())),
        };
        let address = to.map_or(PLAIN, |to| self.sites[to].config.instance.as_str()).to_owned();
        let texts: Vec<String> = (0..count)
            .map(|_| {
                self.counter += 1;
                let bulk = if self.rng.per_mille(100) { self.rng.below(20_000) } else { self.rng.below(80) };
                format!("message {} {}", self.counter, "ü".repeat(bulk))
            })
            .collect();
        let ttl =
            (self.plan.expiry && !plain && self.rng.per_mille(300)).then(|| self.rng.time(1_000, 60_000));
        let site = &mut self.sites[from];
        if let Some(messages) = site.send(&address, &texts, ttl)? {
            site.note(&format!("SENT {} to {address}", texts.len()));
            for (message, text) in messages.into_iter().zip(texts) {
                let seen = message.state;
                self.sent.push(Sent { from, to, message, text, seen });
            }
        }
        self.bury(from);
        Ok(())
    }

    /// Lets time pass until `end`.
    pub fn run(&mut self, end: Duration) -> Result<(), String> {
        loop {
            let next = self.next_site();
            let hint = self.hints.iter().map(|(at, ..)| *at).min();
            let over = self.ends.iter().map(|(at, _)| *at).min();
            let first = [next.map(|(at, _)| at), hint, over].into_iter().flatten().min();
            let Some(at) = first.filter(|at| *at <= end) else {
                self.now = self.now.max(end);
                return Ok(());
            };
            self.now = self.now.max(at);
            // The server's time is everybody's, and not that of a node whose call hangs.
            for server in [&self.server, &self.wrong[0], &self.wrong[1]] {
                server.lock().unwrap().reach(self.now);
            }
            if over.is_some_and(|over| over <= at) {
                self.end_mishaps();
            } else if hint.is_some_and(|hint| hint <= at) {
                let now = self.now;
                let (come, wait) =
                    std::mem::take(&mut self.hints).into_iter().partition(|(at, ..)| *at <= now);
                self.hints = wait;
                let come: Vec<(Duration, usize, Hint)> = come;
                for (_, node, hint) in come {
                    self.sites[node].hint(hint, now);
                }
            } else if let Some((_, node)) = next {
                self.turn(node)?;
            }
        }
    }

    fn next_site(&self) -> Option<(Duration, usize)> {
        let twin = self
            .twin
            .as_ref()
            .and_then(|(_, twin, until)| Some((twin.next()?.min(*until), self.sites.len())));
        let sites = self.sites.iter().enumerate().filter_map(|(node, site)| Some((site.next()?, node)));
        sites.chain(twin).min()
    }

    fn turn(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        if node == self.sites.len() {
            if let Some((of, mut twin, until)) = self.twin.take() {
                if now >= until {
                    self.sites[of].note("TWIN GONE");
                    return Ok(());
                }
                if twin.step(now)? {
                    self.twin = Some((of, twin, until));
                }
                self.tell();
            }
            return Ok(());
        }
        if self.sites[node].restart.is_some() {
            self.sites[node].note("START");
            return self.sites[node].start(now);
        }
        if !self.sites[node].step(now)? {
            let again = self.sites[node].next().unwrap_or(now).max(now) + self.rng.time(100, 20_000);
            self.sites[node].crash(again);
        }
        self.tell();
        self.holds_no_lock(node)
    }

    /// A step that made a lockfile, and whose calls on it were all answered, leaves none behind.
    fn holds_no_lock(&mut self, node: usize) -> Result<(), String> {
        let site = &self.sites[node];
        let (locked, stuck) = site
            .view
            .with(|inner| (std::mem::take(&mut inner.locked), std::mem::take(&mut inner.lock_stuck)));
        if !locked || stuck || !site.is_up() {
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
    fn bury(&mut self, node: usize) {
        let dead = self.sites[node].view.with(|inner| inner.life.is_over());
        if dead && self.sites[node].is_up() {
            let again = self.now + self.rng.time(100, 20_000);
            self.sites[node].crash(again);
        }
    }

    /// Events of the server become hints, or don't.
    fn tell(&mut self) {
        let events = std::mem::take(&mut self.server.lock().unwrap().events);
        if self.plan.deaf && self.plan.errors {
            return;
        }
        for (_, path) in events {
            for node in 0..self.sites.len() {
                let Some(hint) = concerns(&path, &self.sites[node].config.instance) else { continue };
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

    /// The bad luck ends: everything is mended, and everybody runs.
    pub fn heal(&mut self) -> Result<(), String> {
        self.note("HEAL");
        self.plan.deaf = false;
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end);
        }
        self.twin = None;
        self.server.lock().unwrap().settle();
        for node in 0..self.sites.len() {
            let site = &mut self.sites[node];
            site.spare();
            site.clock.set_right();
            site.view.with(|inner| (inner.weather, inner.mount) = (Weather::default(), Mount::Right));
            if !site.is_up() || site.view.with(|inner| inner.life.is_over()) || self.twinned.contains(&node) {
                if site.is_up() {
                    site.crash(self.now);
                }
                site.start(self.now)?;
            }
        }
        Ok(())
    }
}

fn concerns(path: &str, us: &lanpost::model::name::Name) -> Option<Hint> {
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
