//! One run: the bad luck that the plan has in store, then healing, then the questions of `check`.
//!
//! Everything happens in virtual time on one thread; the earliest comes first. While a node is in a step, its calls on
//! the share may let the others live on (`stage`): they take whole steps between two calls of its. Nothing but the
//! seed decides, so a run repeats.

mod asking;
mod chores;
mod forging;
mod mishap;
pub mod network;
mod time;

use std::cell::{Ref, RefCell, RefMut};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanpost::model::id::MessageId;
use lanpost::model::name::Name;
use lanpost::model::state::State;
use lanpost::store::db::Message;

use crate::clock::SimClock;
use crate::forger::Forger;
use crate::life;
use crate::log::Log;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::server::{Server, Snapshot};
use crate::site::files::File;
use crate::site::{Hint, Manner, Site};
use crate::stage;
use crate::view::{Mount, View, Weather};

use mishap::End;
use network::Network;

/// A message that `send` answered for.
pub struct Sent {
    pub from: usize,
    /// `None`: a peer that speaks the plain protocol.
    pub to: Option<usize>,
    pub message: Message,
    pub text: String,
    pub ttl: bool,
    /// It was taken back before it left. A backup that is restored knows nothing of it.
    pub withdrawn: bool,
    /// What is attached to it.
    pub file: Option<File>,
    /// The furthest state that was seen.
    pub seen: State,
}

/// A line that a stranger wrote into an open slot.
pub struct Foreign {
    pub to: usize,
    pub text: String,
}

/// A message that a second daemon accepted; it says `sent` when it lay on the share before that daemon was gone.
pub struct Double {
    pub to: usize,
    pub text: String,
    pub sent: bool,
    message: Message,
}

/// A second daemon with the identity of a node.
pub struct Twin {
    pub of: usize,
    pub site: Rc<RefCell<Site>>,
    until: Duration,
}

#[derive(Default)]
pub struct World {
    pub plan: Plan,
    pub now: Duration,
    /// A site that is in a step is borrowed.
    pub sites: Vec<Rc<RefCell<Site>>>,
    pub views: Vec<View>,
    pub names: Vec<Name>,
    pub twin: Option<Twin>,
    pub twinned: HashSet<usize>,
    /// Whose state folder was restored from a backup.
    pub went_back: HashSet<usize>,
    pub forger: Forger,
    /// Whose lease the forger took.
    evicted: HashSet<usize>,
    pub server: Arc<Mutex<Server>>,
    pub wrong: [Arc<Mutex<Server>>; 2],
    pub sent: Vec<Sent>,
    pub foreign: Vec<Foreign>,
    pub doubles: Vec<Double>,
    /// Broadcasts that somebody began, whether or not they were answered for: by whom, and their ids.
    pub broadcasts: Vec<(usize, MessageId)>,
    pub chores: chores::Chores,
    pub restored: bool,
    /// Lines may have been taken off the share that nobody had read.
    pub robbed: bool,
    pub power_cuts: u32,
    pub log: Log,
    rng: Rng,
    pub network: Network,
    snapshot: Option<Snapshot>,
    /// Hints on their way: when, to whom, what.
    hints: Vec<(Duration, usize, Hint)>,
    /// Bad luck that ends: when, what.
    ends: Vec<(Duration, End)>,
    counter: usize,
    /// How often agents wrote back.
    answers: usize,
    suffers: bool,
    /// How many steps are begun and not over.
    depth: usize,
    /// Until when those within a step may live.
    bound: Option<Duration>,
    /// What went wrong within a step.
    broken: Option<String>,
}

pub const PLAIN: &str = "oldie";
const STRANGER: usize = 99;
/// Answers to one message, and some: two rounds have four, and after a crash an agent may be woken once more.
const ANSWERS: usize = 10;
const FEW_ANSWERS: usize = 50;
/// Steps within steps.
const DEPTH: usize = 3;

impl World {
    pub fn new(seed: u64, log: Log) -> Result<World, String> {
        life::watch_commits();
        stage::clear();
        let mut world = World { plan: Plan::of(seed), log: log.clone(), ..World::default() };
        world.server.lock().unwrap().log = log.clone();
        let mut rng = Rng::new(seed ^ 0xABCD_EF01);
        let servers = [world.server.clone(), world.wrong[0].clone(), world.wrong[1].clone()];
        let other: Arc<SimClock> = Arc::new(SimClock::new(seed ^ 0xEE));
        for node in 0..world.plan.nodes {
            let clock = Arc::new(SimClock::new(seed.wrapping_mul(31).wrapping_add(node as u64)));
            let view = View::new(node, clock, servers.clone(), Rng::new(rng.next()), log.clone());
            let manner = match rng.below(5) {
                0 => Manner::Absent,
                1 => Manner::Moody,
                2 => Manner::Tardy,
                _ => Manner::Prompt,
            };
            let name = ["anna", "bert", "cleo", "dora"][node];
            world.views.push(view.clone());
            let mut site = Site::new(name, view, manner, Rng::new(rng.next()))?;
            (site.direct, site.chatty) = (world.plan.direct, world.plan.chatty);
            (site.snoozes, site.files) = (world.plan.snoozes, world.plan.files);
            if site.direct || site.chatty || site.files {
                // Circles that go on for long are long for a simulator.
                site.config.wake.rounds = if site.chatty { 2 } else { site.config.wake.rounds };
                site.start(Duration::ZERO)?;
            }
            world.names.push(site.config.instance.clone());
            world.sites.push(Rc::new(RefCell::new(site)));
        }
        // The other share is lanpost's, too, and has mailboxes of the same names.
        let stranger = View::new(STRANGER, other, servers, Rng::new(1), Log::default());
        stranger.with(|inner| inner.mount = Mount::Other);
        for name in &world.names {
            drop(Site::new(name.as_str(), stranger.clone(), Manner::Absent, Rng::new(2))?);
        }
        world.wrong[1].lock().unwrap().rules.forget();
        world.rng = rng;
        world.network = Network::new(Rng::new(seed ^ 0x4E45_5457));
        world.forger = Forger::new(Rng::new(seed ^ 0x0F0F_0F0F));
        Ok(world)
    }

    /// A site that is not in a step.
    pub fn site(&self, node: usize) -> Ref<'_, Site> {
        self.sites[node].borrow()
    }

    fn site_mut(&self, node: usize) -> RefMut<'_, Site> {
        self.sites[node].borrow_mut()
    }

    /// All of them; none is in a step.
    pub fn all(&self) -> impl Iterator<Item = Ref<'_, Site>> {
        self.sites.iter().map(|site| site.borrow())
    }

    /// A node that is not in a step, if the one that chance picks is not.
    fn any(&mut self) -> Option<usize> {
        let node = self.rng.below(self.sites.len());
        self.is_free(node).then_some(node)
    }

    fn is_free(&self, node: usize) -> bool {
        self.sites[node].try_borrow().is_ok()
    }

    /// Whether that node's twin is about, perhaps in a step.
    fn has_twin(&self, node: usize) -> bool {
        self.twin.as_ref().is_some_and(|twin| twin.of == node)
    }

    /// How often a stranger wrote this line.
    pub fn by_hand(&self, to: usize, text: &str) -> usize {
        self.foreign.iter().filter(|foreign| foreign.to == to && foreign.text == text).count()
    }

    pub fn note(&self, what: &str) {
        self.log.note(|| format!("{:>9.3} ** {what}", self.now.as_secs_f64()));
    }

    /// Bad luck for as long as planned.
    pub fn suffer(&mut self) -> Result<(), String> {
        let end = Duration::from_secs(self.plan.seconds);
        self.run(Duration::from_secs(5))?;
        if self.plan.forger {
            self.acquaint()?;
        }
        self.change_weather();
        self.suffers = true;
        while self.now < end {
            let gap = self.plan.seconds * 1_000 / 60;
            let pause = self.rng.time(gap / 4, gap * 2);
            self.run((self.now + pause).min(end))?;
            self.stir(700, 400, 600)?;
            crate::check::so_far(self)?;
        }
        self.suffers = false;
        Ok(())
    }

    /// Somebody sends, somebody reads, something goes wrong: each so many times in a thousand.
    fn stir(&mut self, send: u32, read: u32, mishap: u32) -> Result<(), String> {
        let left = self.plan.messages.saturating_sub(self.sent.len());
        if left > 0 && self.rng.per_mille(send) {
            let burst = 1 + self.rng.below(4).min(left - 1);
            if let Some(from) = self.any() {
                let plain = self.plan.plain_peer && self.rng.per_mille(200);
                self.send_from(from, plain, burst)?;
            }
        }
        if self.plan.groups
            && left > 0
            && self.rng.per_mille(send / 4)
            && let Some(from) = self.any()
        {
            self.broadcast_from(from)?;
        }
        if self.rng.per_mille(send / 2) {
            self.send_from_twin()?;
        }
        if self.rng.per_mille(read)
            && let Some(node) = self.any()
        {
            self.site_mut(node).use_mail()?;
            self.bury(node);
        }
        if self.rng.per_mille(read) {
            self.stir_requests()?;
        }
        if self.rng.per_mille(mishap) {
            self.mishap()?;
        }
        if self.plan.tasks && self.rng.per_mille(send) {
            self.do_chores()?;
        }
        if self.plan.forger && self.rng.per_mille(mishap) {
            self.forge();
        }
        Ok(())
    }

    fn send_from(&mut self, from: usize, plain: bool, count: usize) -> Result<(), String> {
        let to = match plain {
            true => None,
            false => Some(self.rng.below(self.sites.len())),
        };
        self.write(from, to, count)
    }

    /// To everybody who is known, or to all nodes, which are a group.
    fn broadcast_from(&mut self, from: usize) -> Result<(), String> {
        self.counter += 1;
        let text = format!("message {} to all", self.counter);
        let id: MessageId = format!("all-{}", self.counter).parse().unwrap();
        // What the forger made up is known, too, and nobody is there to take mail.
        let known = !self.plan.forger && self.rng.per_mille(500);
        let group = if known { None } else { Some(self.names.as_slice()) };
        let copies = self.site_mut(from).broadcast(group, &id, &text)?;
        if !known {
            self.broadcasts.push((from, id));
        }
        for message in copies.unwrap_or_default() {
            let to = self.names.iter().position(|name| name.as_str() == message.to);
            if to.is_some() || message.to == PLAIN {
                self.log.count("a copy of a broadcast");
                let (text, seen) = (text.clone(), message.state);
                self.sent.push(Sent {
                    from,
                    to,
                    message,
                    text,
                    ttl: false,
                    withdrawn: false,
                    file: None,
                    seen,
                });
            }
        }
        self.bury(from);
        Ok(())
    }

    /// What the agent of a node writes to those for whose mail it was woken.
    fn write_back(&mut self, from: usize) -> Result<(), String> {
        let peers = std::mem::take(&mut self.site_mut(from).answers);
        for peer in peers {
            if let Some(to) = self.names.iter().position(|name| name.fold() == peer) {
                self.log.count("an agent that writes back");
                self.answers += 1;
                let begun = self.sent.len().saturating_sub(self.answers);
                if self.answers > FEW_ANSWERS + begun * ANSWERS {
                    return Err(format!("agents wrote back {} times, and {begun} began it", self.answers));
                }
                self.write(from, Some(to), 1)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, from: usize, to: Option<usize>, count: usize) -> Result<(), String> {
        let plain = to.is_none();
        let address = to.map_or(PLAIN, |to| self.names[to].as_str()).to_owned();
        let texts: Vec<String> = (0..count)
            .map(|_| {
                self.counter += 1;
                let bulk = if self.rng.per_mille(100) { self.rng.below(20_000) } else { self.rng.below(80) };
                format!("message {} {}", self.counter, "ü".repeat(bulk))
            })
            .collect();
        let ttl =
            (self.plan.expiry && !plain && self.rng.per_mille(300)).then(|| self.rng.time(1_000, 60_000));
        let later = (self.plan.scheduled && self.rng.per_mille(300)).then(|| self.rng.time(1_000, 120_000));
        let file =
            (self.plan.files && !plain && self.rng.per_mille(300)).then(|| self.rng.below(100) as File);
        let sent = self.site_mut(from).send(&address, &texts, ttl, later, file)?;
        if let Some(messages) = sent {
            self.site(from).note(&format!("SENT {} to {address}", texts.len()));
            for (message, text) in messages.into_iter().zip(texts) {
                let seen = message.state;
                let file = file.filter(|_| !message.attachments.is_empty());
                file.iter().for_each(|_| self.log.count("a file that is sent"));
                self.sent.push(Sent {
                    from,
                    to,
                    message,
                    text,
                    ttl: ttl.is_some(),
                    withdrawn: false,
                    file,
                    seen,
                });
            }
        }
        self.bury(from);
        Ok(())
    }

    /// The second daemon's PC has people and agents, too.
    fn send_from_twin(&mut self) -> Result<(), String> {
        let Some(site) = self.twin.as_ref().map(|twin| twin.site.clone()) else { return Ok(()) };
        let Ok(mut site) = site.try_borrow_mut() else { return Ok(()) };
        self.counter += 1;
        let (to, text) = (self.rng.below(self.sites.len()), format!("message {} of the twin", self.counter));
        for message in site
            .send(self.names[to].as_str(), std::slice::from_ref(&text), None, None, None)?
            .unwrap_or_default()
        {
            site.note(&format!("SENT 1 to {} by the twin", self.names[to]));
            self.log.count("mail of a second daemon");
            self.doubles.push(Double { to, text: text.clone(), sent: false, message });
        }
        Ok(())
    }

    /// The second daemon is gone, and its state folder with it: what it wrote must arrive.
    fn end_twin(&mut self) {
        let Some(twin) = self.twin.take() else { return };
        self.note("TWIN GONE");
        let site = twin.site.borrow();
        for double in &mut self.doubles {
            let state = site.state_of(&double.message).map(|message| message.state);
            double.sent |= state.is_some_and(|state| state >= State::Sent);
        }
    }

    /// The bad luck ends: everything is mended, and everybody runs.
    pub fn heal(&mut self) -> Result<(), String> {
        self.note("HEAL");
        self.network.heal();
        self.plan.deaf = false;
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end);
        }
        self.older_one_says_so()?;
        let skewed = self.plan.skewed;
        self.end_twin();
        self.server.lock().unwrap().settle();
        self.remove_forged_leases();
        for node in 0..self.sites.len() {
            let mut site = self.site_mut(node);
            site.spare();
            site.raise_budget();
            if !skewed {
                site.clock.set_right();
            }
            site.view.with(|inner| (inner.weather, inner.mount) = (Weather::default(), Mount::Right));
            let disputed = self.twinned.contains(&node) || self.evicted.contains(&node);
            if !site.is_up() || site.view.with(|inner| inner.life.is_over()) || disputed {
                if site.is_up() {
                    site.crash(self.now);
                }
                site.start(self.now)?;
            }
        }
        Ok(())
    }
}

impl World {
    /// Of two daemons of one instance the older one must say that it lost it.
    fn older_one_says_so(&mut self) -> Result<(), String> {
        let Some(twin) = &self.twin else { return Ok(()) };
        let (of, twin) = (twin.of, twin.site.clone());
        if let Some(twin) = &mut self.twin {
            twin.until = Duration::MAX;
        }
        for view in [&self.views[of], &twin.borrow().view] {
            view.with(|inner| (inner.weather, inner.mount) = (Weather::default(), Mount::Right));
        }
        self.site(of).spare();
        self.server.lock().unwrap().room = None;
        self.run(self.now + Duration::from_secs(90))?;
        let (both, lost) =
            (self.site(of).is_up() && twin.borrow().is_up(), [self.site(of).lost(), twin.borrow().lost()]);
        if both && self.twin.is_some() && lost.iter().filter(|lost| **lost).count() != 1 {
            return Err(format!(
                "of {} and its twin, those say that they lost the instance: {lost:?}",
                self.names[of]
            ));
        }
        if both {
            self.log.count("the older of two daemons says so");
        }
        Ok(())
    }
}
