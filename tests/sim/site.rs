//! One instance at work: the only file of the simulator that names the engine.
//!
//! A site steps a real engine over a real store, on its own clock and its own view of the share. It may die at any
//! durable step (then the engine is dropped where it stands, and started again on the same state folder), and it
//! plays the agent, too: it is woken, reads and acknowledges.

mod asking;
pub mod files;
pub mod tasks;
mod wakes;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::courier::{Courier, Post, PostResult, Probe};
use lanpost::engine::listening::{self, Listening};
use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Asking, Author, Call, Draft};
use lanpost::engine::porter::Porter;
use lanpost::engine::reception::{Reception, Reply};
use lanpost::engine::wake::{Outcome, WakeOrder, WakeResult, Waker};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::ask::PROGRESS;
use lanpost::model::cancel::Order;
use lanpost::model::config::{AskConfig, Config, GroupConfig, Limits, Look, ShareConfig, Size, WakeConfig};
use lanpost::model::direct::Announcement;
use lanpost::model::envelope::Priority;
use lanpost::model::group::Group;
use lanpost::model::id::MessageId;
use lanpost::model::name::{Address, Name};
use lanpost::model::report::REPORT;
use lanpost::model::state::State;
use lanpost::model::trust::TRUST_REPORT;
use lanpost::store::db::{Filter, Message, Peer, RefusedCount, Way};
use lanpost::sys::clock::Clock as _;
use lanpost::sys::flock::LocalLock;
use tempfile::TempDir;

use crate::clock::SimClock;
use crate::forger::{MARK, NOBODY};
use crate::life::{self, Life, Moment};
use crate::rng::Rng;
use crate::view::View;

/// Steps without a rest after which an engine counts as one that never rests.
const RESTLESS: u32 = 2_000;

/// What the world may tell a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    Mailbox,
    Slot,
    Status,
    Everything,
}

/// How the agent takes being woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nobody is woken here.
    Absent,
    Prompt,
    Moody,
    /// Its wakes are queued; it reads when it gets to it, or never.
    Tardy,
}

struct Pending {
    at: Duration,
    order: WakeOrder,
    outcome: Outcome,
}

/// How often a message was handed to the agent, and how often it may have been more than once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handed {
    pub times: u32,
    /// A crash fell between the agent's run and the writing down of its end.
    pub excused: u32,
}

pub struct Site {
    pub name: String,
    pub clock: Arc<SimClock>,
    pub view: View,
    pub config: Config,
    /// When to step next; only while it runs.
    pub due: Duration,
    /// When to start again; `None`: it runs, or nobody starts it.
    pub restart: Option<Duration>,
    pub steps: u64,
    pub handed: HashMap<(String, String), Handed>,
    pub manner: Manner,
    /// What the steps reported last, for a failing seed.
    pub said: Vec<String>,
    pub rng: Rng,
    /// Whether it hands mail to others' daemons and takes theirs in, besides the share.
    pub direct: bool,
    /// Whether its agent writes back, and to whom next.
    pub chatty: bool,
    pub answers: Vec<String>,
    /// Whether its agent puts mail off, and which it did.
    pub snoozes: bool,
    pub put_off: HashSet<(String, String)>,
    /// Whether files are attached in this run, so that it has a porter.
    pub files: bool,
    /// What it ordered to be posted and probed.
    pub posts: Vec<Post>,
    pub probes: Vec<Probe>,
    /// How often it was started: an answer is for the run that asked.
    pub run: u64,
    posted: Vec<PostResult>,
    engine: Option<Engine>,
    waker: Option<Waker>,
    post: Option<(Courier, Reception)>,
    porter: Option<Porter>,
    /// Wakes that ended since the waker's last step.
    ended: Vec<WakeResult>,
    hints: Hints,
    pending: Vec<Pending>,
    /// Agents' runs whose end is not written down yet.
    unwritten: Vec<(String, String)>,
    /// Messages for which a wake failed for good; what is not written down yet.
    pub given_up: Vec<(String, String)>,
    giving_up: Vec<(String, String)>,
    orders: wakes::Orders,
    /// Its config was changed: the waker is to be made anew when nothing is in flight.
    renew: bool,
    /// What the agent means to read.
    reading: Vec<(String, String)>,
    /// Who waits for an answer.
    asking: Option<Asking>,
    /// Answers that were shown: nobody is to be woken for them.
    shown: HashSet<(String, String)>,
    life: Arc<Life>,
    restless: u32,
    lock: Option<LocalLock>,
    /// A backup of its state folder, if one was made, and how many messages were accepted by then.
    pub backup: Option<(PathBuf, usize)>,
    _state: TempDir,
}

impl Site {
    /// Sets the instance up and starts its daemon, in fair weather.
    pub fn new(name: &str, view: View, manner: Manner, mut rng: Rng) -> Result<Site, String> {
        let state = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut config = Config {
            file: "".into(),
            instance: Name::parse(name).unwrap(),
            agents: vec![],
            roles: Default::default(),
            state: state.path().join(name),
            share: ShareConfig::at("simulated"),
            look: Look::default(),
            wake: WakeConfig::default(),
            limits: Limits::default(),
            keep: Default::default(),
            log: Default::default(),
            trust: Default::default(),
            plain: Default::default(),
            peers: Default::default(),
            commands: Default::default(),
            direct: Default::default(),
            ask: AskConfig { abandoned_after: Some(Duration::from_secs(20 + rng.below(100) as u64)) },
            groups: Default::default(),
            files: Default::default(),
        };
        if manner != Manner::Absent {
            wakes::draw(&mut config.wake, manner, &mut rng);
        }
        if rng.per_mille(500) {
            config.limits.segment = Size(64 << 10);
        }
        ops::init(&config, &view, view.clock.clone(), false).map_err(|error| error.to_string())?;
        let mut site = Site {
            name: name.into(),
            clock: view.clock.clone(),
            view,
            config,
            due: Duration::ZERO,
            restart: None,
            steps: 0,
            handed: HashMap::new(),
            manner,
            said: vec![],
            rng,
            direct: false,
            chatty: false,
            answers: vec![],
            snoozes: false,
            files: false,
            put_off: HashSet::new(),
            posts: vec![],
            probes: vec![],
            run: 0,
            posted: vec![],
            engine: None,
            waker: None,
            post: None,
            porter: None,
            ended: vec![],
            hints: Hints::default(),
            pending: vec![],
            unwritten: vec![],
            given_up: vec![],
            giving_up: vec![],
            orders: Default::default(),
            renew: false,
            reading: vec![],
            asking: None,
            shown: HashSet::new(),
            life: Arc::default(),
            restless: 0,
            lock: None,
            backup: None,
            _state: state,
        };
        site.start(Duration::ZERO)?;
        Ok(site)
    }

    /// The same instance on a copy of the state folder: a backup that was started, a cloned machine.
    pub fn copy(&self, view: View, rng: Rng, now: Duration) -> Result<Site, String> {
        let state = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut config = self.config.clone();
        config.state = state.path().join("copy");
        (config.wake.command, config.wake.openclaw) = (vec![], None);
        std::fs::create_dir(&config.state).unwrap();
        for entry in std::fs::read_dir(&self.config.state).unwrap() {
            let entry = entry.unwrap();
            // A backup holds no files.
            if entry.file_name() != "daemon.lock" && entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), config.state.join(entry.file_name())).unwrap();
            }
        }
        let mut site = Site {
            name: format!("{}'", self.name),
            clock: view.clock.clone(),
            view,
            config,
            due: now,
            restart: None,
            steps: 0,
            handed: HashMap::new(),
            manner: Manner::Absent,
            said: vec![],
            rng,
            direct: false,
            chatty: false,
            answers: vec![],
            snoozes: false,
            files: self.files,
            put_off: HashSet::new(),
            posts: vec![],
            probes: vec![],
            run: 0,
            posted: vec![],
            engine: None,
            waker: None,
            post: None,
            porter: None,
            ended: vec![],
            hints: Hints::default(),
            pending: vec![],
            unwritten: vec![],
            given_up: vec![],
            giving_up: vec![],
            orders: Default::default(),
            renew: false,
            reading: vec![],
            asking: None,
            shown: HashSet::new(),
            life: Arc::default(),
            restless: 0,
            lock: None,
            backup: None,
            _state: state,
        };
        site.start(now)?;
        Ok(site)
    }

    pub fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    /// Starts the daemon.
    pub fn start(&mut self, now: Duration) -> Result<(), String> {
        self.clock.reach(now);
        (self.engine, self.waker, self.post, self.lock) = (None, None, None, None);
        self.porter = None;
        self.ended.clear();
        self.posts.clear();
        self.probes.clear();
        self.posted.clear();
        self.run += 1;
        (self.restart, self.renew) = (None, false);
        self.asking = None;
        self.hints = Hints::default();
        self.restless = 0;
        self.life = Arc::default();
        let life = self.life.clone();
        self.view.with(|inner| inner.life = life.clone());
        let share: Arc<dyn lanpost::sys::share::Share> = Arc::new(self.view.clone());
        let node = || Node::open(self.config.clone(), self.clock.clone());
        let all = life::play(&life, || {
            let mut own = node()?;
            let urls = vec![format!("http://{}", self.name)];
            let here = Listening::At(Announcement { urls, cert: None });
            listening::store(&mut own.db, if self.direct { &here } else { &Listening::Nowhere })?;
            own.db.clear_routes()?;
            let post = match self.direct {
                true => Some((Courier::new(node()?)?, Reception::new(node()?)?)),
                false => None,
            };
            let porter = match self.files {
                true => Some(Porter::new(node()?)?.at(files::PACE)),
                false => None,
            };
            Ok((Engine::new(share, own, Role::Daemon)?, Waker::new(node()?)?, post, porter))
        });
        self.lock = LocalLock::try_acquire(&self.config.state, "daemon", String::new())
            .map_err(|error| format!("{}: the lock: {error}", self.name))?;
        let (engine, waker, post, porter) =
            all.map_err(|error: lanpost::error::Error| format!("{} can't start: {error}", self.name))?;
        (self.engine, self.waker, self.post) = (Some(engine), Some(waker), post);
        self.porter = porter;
        self.due = self.clock.now();
        Ok(())
    }

    /// Arms a crash so many durable steps from now.
    pub fn doom(&mut self, steps: u64, how: Moment) {
        self.life.end_after(steps, how);
    }

    pub fn spare(&self) {
        self.life.spare();
    }

    /// kill -9, or the crash that was armed has come.
    pub fn crash(&mut self, restart: Duration) {
        self.view.count("a node that dies");
        self.note("CRASH");
        (self.engine, self.waker, self.post) = (None, None, None);
        (self.lock, self.porter) = (None, None);
        for key in std::mem::take(&mut self.unwritten) {
            self.handed.entry(key).or_default().excused += 1;
        }
        (self.giving_up, self.reading) = (vec![], vec![]);
        for wake in std::mem::take(&mut self.pending) {
            // The daemon's death does not always end the agent's run.
            if wake.outcome == Outcome::Done && self.rng.per_mille(500) {
                for message in &wake.order.messages {
                    let handed = self.handed.entry(key(message)).or_default();
                    handed.times += 1;
                    handed.excused += 1;
                }
            }
        }
        self.restart = Some(restart);
    }

    /// Makes a backup beside its work.
    pub fn back_up(&mut self, accepted: usize) -> Result<(), String> {
        let Some(mut engine) = self.engine.take() else { return Ok(()) };
        let file = self._state.path().join("backup");
        let life = self.life.clone();
        let none = self._state.path().join("no config");
        let made = life::play(&life, || ops::backup(engine.node_mut(), &none, &file));
        self.engine = Some(engine);
        self.note("BACKUP");
        if life.is_over() {
            return Ok(());
        }
        made.map_err(|error| format!("{}: a backup failed: {error}", self.name))?;
        self.backup = Some((file, accepted));
        Ok(())
    }

    /// Its state folder is restored from the backup, and it starts again at `restart`. Of the messages in `told` their
    /// senders know that they were dealt with: those must not be handed over again.
    pub fn restore(&mut self, restart: Duration, told: &HashSet<(String, String)>) -> Result<(), String> {
        let Some((file, _)) = self.backup.take() else { return Ok(()) };
        self.view.count("a state folder that is restored");
        self.crash(restart);
        for (_, handed) in self.handed.iter_mut().filter(|(key, _)| !told.contains(*key)) {
            handed.excused += handed.times;
        }
        self.given_up.clear();
        self.shown.clear();
        self.orders.forget();
        self.note("RESTORED");
        let clock: Arc<dyn lanpost::sys::clock::Clock> = self.clock.clone();
        let wanted = ops::Restore { file: &file, force: true };
        let done = life::play(&Arc::<Life>::default(), || ops::restore(&self.config, &clock, &wanted));
        done.map(drop).map_err(|error| format!("{}: a restore failed: {error}", self.name))
    }

    /// An orderly stop, if no wake is in flight; then a command's pass or nothing until the next start.
    pub fn stop(&mut self, restart: Duration) {
        if !self.pending.is_empty() || !self.unwritten.is_empty() {
            return;
        }
        if let Some(mut engine) = self.engine.take() {
            let life = self.life.clone();
            // Tries once; a share that is away hears nothing of it.
            let _ = life::play(&life, || engine.stop("stopped"));
        }
        self.note("STOP");
        (self.waker, self.lock, self.post, self.porter) = (None, None, None, None);
        self.restart = Some(restart);
    }

    /// What a command does that needs the share while no daemon runs.
    pub fn pass(&mut self, now: Duration) -> Result<(), String> {
        self.clock.reach(now);
        self.note("PASS");
        let life = Arc::<Life>::default();
        self.view.with(|inner| inner.life = life.clone());
        let share: Arc<dyn lanpost::sys::share::Share> = Arc::new(self.view.clone());
        let done = life::play(&life, || {
            let node = || Node::open(self.config.clone(), self.clock.clone());
            let mut porter = match self.files {
                true => Some(Porter::new(node()?)?.at(files::PACE)),
                false => None,
            };
            let mut engine = Engine::new(share, node()?, Role::Pass)?;
            let mut hints = Hints { everything: true, ..Hints::default() };
            for _ in 0..RESTLESS {
                let rests = !engine.step(&hints)?.rest.is_zero();
                hints = Hints::default();
                if !rests {
                    continue;
                }
                if let Some(porter) = &mut porter {
                    // What it finds ready goes with the next step.
                    while porter.step(&self.view)?.rest.is_zero() {}
                    engine.step(&hints)?;
                }
                break;
            }
            engine.end_pass()
        });
        done.map_err(|error: lanpost::error::Error| format!("{}: a pass failed: {error}", self.name))
    }

    pub fn hint(&mut self, hint: Hint, at: Duration) {
        match hint {
            Hint::Mailbox => self.hints.mailbox = true,
            Hint::Slot => self.hints.slot = true,
            Hint::Status => self.hints.status = true,
            Hint::Everything => self.hints.everything = true,
        }
        // One that hangs hears it when it is back.
        self.due = self.due.min(at.max(self.clock.now()));
    }

    /// When something happens here next.
    pub fn next(&self) -> Option<Duration> {
        match self.restart {
            Some(at) => Some(at),
            None if self.engine.is_some() => {
                let wakes = self.pending.iter().map(|wake| wake.at).min();
                Some(wakes.map_or(self.due, |at| at.min(self.due)))
            }
            None => None,
        }
    }

    /// One step of the engine at `now`. `Ok(false)`: it died in it.
    pub fn step(&mut self, now: Duration) -> Result<bool, String> {
        self.clock.reach(now);
        self.end_wakes(now);
        self.renew_waker()?;
        let (hints, ended) = (std::mem::take(&mut self.hints), std::mem::take(&mut self.ended));
        let (Some(mut engine), Some(mut waker)) = (self.engine.take(), self.waker.take()) else {
            return Ok(true);
        };
        let life = self.life.clone();
        self.steps += 1;
        let reading = std::mem::take(&mut self.reading);
        let (post, posted) = (&mut self.post, &mut self.posted);
        let (porter, view) = (&mut self.porter, &self.view);
        let all = life::play(&life, || {
            for (peer, id) in &reading {
                // Somebody may have been quicker.
                let _ = ops::read(engine.node_mut(), &format!("{peer}:{id}"));
            }
            let (step, woken) = (engine.step(&hints)?, waker.step(&ended)?);
            let handed = post.as_mut().map(|(courier, _)| courier.step(posted)).transpose()?;
            let carried = porter.as_mut().map(|porter| porter.step(view)).transpose()?;
            Ok((step, woken, handed.unwrap_or_default(), carried))
        });
        if life.is_over() {
            return Ok(false);
        }
        let (step, woken, handed, carried) =
            all.map_err(|error: lanpost::error::Error| format!("{}: a step failed: {error}", self.name))?;
        (self.engine, self.waker) = (Some(engine), Some(waker));
        for note in &handed.notes {
            self.note(note);
        }
        self.posts.extend(handed.posts);
        self.probes.extend(handed.probes);
        self.unwritten.clear();
        self.given_up.append(&mut self.giving_up);
        for problem in &step.problems {
            self.say(format!("problem: {problem}"));
        }
        for incident in &step.incidents {
            self.say(format!("incident: {incident}"));
        }
        self.restless = if step.rest.is_zero() { self.restless + 1 } else { 0 };
        if self.restless > RESTLESS {
            return Err(format!("{} never rests; it said {:?}", self.name, self.said.last()));
        }
        self.orders.sees(self.clock.wall());
        if let Some(order) = woken.order {
            // Nothing happens between a step and this.
            for message in &order.messages {
                let forged = message.content.to_string().contains(MARK) && message.peer != NOBODY;
                let needless = self.shown.contains(&key(message)) || message.kind == PROGRESS;
                if forged || needless || message.kind == TRUST_REPORT {
                    return Err(format!("{}: the agent is woken for {message:?}", self.name));
                }
                let state =
                    self.node().and_then(|node| node.db.message(Way::In, &message.peer, &message.id).ok()?);
                if state.as_ref().is_some_and(|now| now.state != State::Delivered) {
                    return Err(format!(
                        "{}: the agent is woken for {}, which it dealt with",
                        self.name, message.id
                    ));
                }
            }
            let wall = self.clock.wall();
            let kept = self.orders.check(&self.config.wake, &order, wall);
            kept.map_err(|why| format!("{}: {why}", self.name))?;
            let outcome = match self.manner {
                Manner::Tardy => Outcome::Accepted,
                Manner::Moody if self.rng.per_mille(300) => Outcome::Temporary,
                Manner::Moody if self.rng.per_mille(50) => Outcome::Permanent,
                _ => Outcome::Done,
            };
            let at = self.clock.now() + self.rng.time(5, 3_000);
            self.pending.push(Pending { at, order, outcome });
        }
        let rest = match (handed.fell_back, self.direct) {
            (true, _) => Duration::ZERO,
            (false, true) => step.rest.min(woken.rest).min(handed.rest),
            (false, false) => step.rest.min(woken.rest),
        };
        let rest = carried.map_or(rest, |carried| rest.min(self.carried(&carried)));
        self.due = self.clock.now() + rest;
        self.note(&format!("STEP rests {:?}", step.rest));
        Ok(true)
    }

    /// Lines are handed to it; `None` if nobody is there who answers.
    pub fn knock(
        &mut self,
        now: Duration,
        from: &Name,
        lease: u64,
        lines: &[u8],
    ) -> Result<Option<Reply>, String> {
        self.clock.reach(now);
        let Some((_, reception)) = &mut self.post else { return Ok(None) };
        let life = self.life.clone();
        let taken = life::play(&life, || reception.take(from, lease, lines, &mut || ()));
        if life.is_over() {
            return Ok(None);
        }
        self.due = self.due.min(self.clock.now());
        let taken = taken.map_err(|error| format!("{}: lines were not taken in: {error}", self.name))?;
        self.note(&format!(
            "KNOCK of {from}: {}",
            match &taken.reply {
                Reply::Taken(_) => "taken".to_owned(),
                Reply::Gap(_) => "a gap".to_owned(),
                Reply::Refused(status, why) | Reply::Later(status, _, why) => format!("{status} {why}"),
            }
        ));
        Ok(Some(taken.reply))
    }

    /// An order of the courier's ended.
    pub fn ended(&mut self, now: Duration, run: u64, result: PostResult) {
        if self.run == run && self.post.is_some() {
            self.posted.push(result);
            self.due = self.due.min(now.max(self.clock.now()));
        }
    }

    /// A person grants it all the wakes it wants: nobody waits an hour for the next one in the end.
    pub fn raise_budget(&mut self) {
        self.renew = self.config.wake.budget != wakes::AMPLE && self.is_up();
        self.config.wake.budget = wakes::AMPLE;
    }

    fn renew_waker(&mut self) -> Result<(), String> {
        let idle = self.pending.is_empty() && self.ended.is_empty() && self.unwritten.is_empty();
        if self.renew && idle {
            self.renew = false;
            let node = Node::open(self.config.clone(), self.clock.clone());
            let waker = node.and_then(Waker::new);
            self.waker = Some(waker.map_err(|error| format!("{}: a new waker: {error}", self.name))?);
        }
        Ok(())
    }

    /// Agents that are through with what they were woken for.
    fn end_wakes(&mut self, now: Duration) {
        let (over, pending) = std::mem::take(&mut self.pending).into_iter().partition(|wake| wake.at <= now);
        self.pending = pending;
        let over: Vec<Pending> = over;
        for Pending { order, outcome, .. } in over {
            if outcome == Outcome::Done || outcome == Outcome::Accepted {
                for message in &order.messages {
                    let handed = self.handed.entry(key(message)).or_default();
                    handed.times += 1;
                    // It will be handed over again, as long as nobody reads it.
                    handed.excused += u32::from(outcome == Outcome::Accepted);
                    self.unwritten.push(key(message));
                }
            }
            if self.chatty && outcome == Outcome::Done {
                self.answers.extend(order.messages.iter().map(|message| message.peer.clone()));
            }
            if outcome == Outcome::Accepted {
                self.view.count("a wake that is accepted");
                match self.rng.per_mille(400) {
                    true => self.reading.extend(order.messages.iter().map(key)),
                    false => {
                        self.orders.accepted(&order, self.clock.wall());
                        // Put off while the wake was on its way, it comes back all the same.
                        self.put_off.iter().for_each(|message| self.orders.put_off(message));
                    }
                }
            }
            if outcome == Outcome::Permanent {
                self.view.count("a wake that fails for good");
                self.giving_up.extend(order.messages.iter().map(key));
            }
            let (wake, detail) = (order.wake, format!("{outcome:?}").to_lowercase());
            let (reached, retry_after, said) = (true, None, String::new());
            self.ended.push(WakeResult { wake, outcome, reached, retry_after, detail, said });
        }
    }

    fn say(&mut self, what: String) {
        self.note(&what);
        if self.said.len() > 50 {
            self.said.remove(0);
        }
        self.said.push(what);
    }

    pub fn note(&self, what: &str) {
        self.view.note(|| format!("-- {}: {what}", self.name));
    }

    /// Hands texts over, with a file at the last; `None` if it died in it, so that nobody knows whether they were accepted.
    pub fn send(
        &mut self,
        to: &str,
        texts: &[String],
        ttl: Option<Duration>,
        later: Option<Duration>,
        file: Option<files::File>,
    ) -> Result<Option<Vec<Message>>, String> {
        let Some(mut engine) = self.engine.take() else { return Ok(None) };
        let life = self.life.clone();
        let priority = if self.rng.per_mille(100) { Priority::Urgent } else { Priority::Normal };
        let not_before = later.map(|later| self.clock.wall() + later);
        if not_before.is_some() {
            self.view.count("mail that is scheduled");
        }
        let draft = |text: &String| Draft {
            ttl,
            not_before,
            priority,
            create: true,
            ..Draft::new(to.parse().unwrap(), text.as_str())
        };
        let mut drafts: Vec<Draft> = texts.iter().map(draft).collect();
        let sent = life::play(&life, || {
            if let (Some(file), Some(draft)) = (file, drafts.last_mut()) {
                Site::attach(self._state.path(), engine.node_mut(), draft, file)?;
            }
            ops::send_all(engine.node_mut(), drafts)
        });
        self.engine = Some(engine);
        if life.is_over() {
            return Ok(None);
        }
        self.due = self.clock.now();
        sent.map(Some).map_err(|error| format!("{}: send failed: {error}", self.name))
    }

    /// Hands a text over for all of a group but itself, or for everybody who is known; `None` as of [`Site::send`]. Nobody may
    /// be known.
    pub fn broadcast(
        &mut self,
        group: Option<&[Name]>,
        id: &MessageId,
        text: &str,
    ) -> Result<Option<Vec<Message>>, String> {
        let Some(mut engine) = self.engine.take() else { return Ok(None) };
        let life = self.life.clone();
        let called = Name::parse("everybody").unwrap();
        if let Some(names) = group {
            let members = names.iter().cloned().map(Address::from).collect();
            let group = GroupConfig { name: called.clone(), members };
            engine.node_mut().config.groups.insert(called.fold(), group);
        }
        let author = if self.rng.per_mille(500) { Author::Person } else { Author::Program };
        let draft = |to: Address| Draft { create: true, author, ..Draft::new(to, text) };
        let group = group.map_or(Group::All, |_| Group::Named(called));
        let call = Call { group, id: Some(id.clone()), own: false, any: None };
        let sent = life::play(&life, || ops::broadcast(engine.node_mut(), &call, draft));
        self.engine = Some(engine);
        if life.is_over() {
            return Ok(None);
        }
        self.due = self.clock.now();
        match sent {
            Ok(sent) => {
                self.note(&format!("SENT {} copies to {}", sent.members.len(), sent.broadcast.group));
                Ok(Some(sent.members))
            }
            Err(nobody) if nobody.is_not_found() => Ok(Some(vec![])),
            Err(error) => Err(format!("{}: a broadcast failed: {error}", self.name)),
        }
    }

    /// The copies of a broadcast that its store has.
    pub fn copies(&self, id: &MessageId) -> usize {
        self.node().map_or(0, |node| node.db.copies(id).unwrap().len())
    }

    /// The agent reads, or finishes, or refuses some message by itself.
    pub fn use_mail(&mut self) -> Result<(), String> {
        let Some(mut engine) = self.engine.take() else { return Ok(()) };
        let life = self.life.clone();
        let pick = self.rng.next();
        let until = self.clock.wall() + Duration::from_millis(1_000 + (pick >> 16) % 60_000);
        let mut put_off = None;
        let done = life::play(&life, || {
            let node = engine.node_mut();
            let open = ops::inbox(node, &Filter::default())?;
            let open: Vec<_> = open.iter().filter(|message| message.kind != REPORT).collect();
            if open.is_empty() {
                return Ok(());
            }
            let message = open[(pick >> 8) as usize % open.len()];
            let id = format!("{}:{}", message.peer, message.id);
            match pick % 8 {
                0..2 if self.snoozes => {
                    put_off = Some(key(message));
                    ops::snooze(node, &id, until).map(drop)
                }
                0..4 => ops::read(node, &id).map(drop),
                7 => ops::ack(node, &[id], Some("the agent can't")).map(drop),
                _ => ops::ack(node, &[id], None).map(drop),
            }
        });
        self.engine = Some(engine);
        if let Some(key) = put_off {
            // It may have been done before the node died.
            self.view.count("mail that is put off");
            self.handed.entry(key.clone()).or_default().excused += 1;
            self.orders.put_off(&key);
            self.put_off.insert(key);
        }
        if life.is_over() {
            return Ok(());
        }
        self.due = self.clock.now();
        done.map_err(|error: lanpost::error::Error| format!("{}: reading failed: {error}", self.name))
    }

    fn node(&self) -> Option<&Node> {
        self.engine.as_ref().map(Engine::node)
    }

    /// Everything that ever arrived, oldest first; reports of our own apart, and without orders, which all say the same.
    pub fn arrived(&self) -> (Vec<Message>, Vec<Message>) {
        let is_mail = |message: &Message| {
            message.kind != TRUST_REPORT && Order::of(&message.kind).is_none() && !tasks::is_notice(message)
        };
        let all = self.all().into_iter().filter(is_mail);
        all.partition(|message| message.kind != REPORT)
    }

    /// What a person is told of forgeries.
    pub fn warnings(&self) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.kind == TRUST_REPORT).collect()
    }

    fn all(&self) -> Vec<Message> {
        let all = Filter { all: true, ..Filter::default() };
        self.node().map(|node| ops::inbox(node, &all).unwrap_or_default()).unwrap_or_default()
    }

    /// A message of ours as it stands.
    pub fn state_of(&self, message: &Message) -> Option<Message> {
        ops::state_of(self.node()?, message).ok()
    }

    /// What became of a message in our inbox.
    pub fn took(&self, peer: &str, message: &Message) -> Option<State> {
        Some(self.node()?.db.message(Way::In, peer, &message.id).ok()??.state)
    }

    /// What was refused as not from whom it claims to be.
    pub fn refused(&self) -> Vec<RefusedCount> {
        self.node().and_then(|node| node.db.refusals().ok()).unwrap_or_default()
    }

    /// What it believes of the others.
    pub fn peers(&self) -> Vec<Peer> {
        self.node().and_then(|node| node.db.peers().ok()).unwrap_or_default()
    }

    /// Whether it knows by which key a name speaks.
    pub fn has_pinned(&self, name: &Name) -> bool {
        let keys = self.node().and_then(|node| node.db.keys(&name.fold(), 0).ok());
        keys.is_some_and(|keys| keys.pinned().is_some())
    }

    /// What happened to a message of ours.
    pub fn journey(&self, message: &Message) -> Vec<String> {
        let Some(node) = self.node() else { return vec![] };
        let steps = node.db.transitions(Way::Out, &message.peer, &message.id).unwrap_or_default();
        steps.into_iter().map(|step| format!("{} {}", step.what, step.detail.unwrap_or_default())).collect()
    }

    /// Whether it says that another daemon has the instance.
    pub fn lost(&self) -> bool {
        let status = self.node().and_then(|node| ops::status(node).ok());
        status.is_some_and(|status| {
            status.problems.iter().any(|problem| problem.starts_with("another daemon runs"))
        })
    }

    /// The word that names this state folder in lockfiles.
    pub fn holder(&self) -> String {
        self.node().and_then(|node| node.db.meta("holder").ok().flatten()).unwrap_or_default()
    }

    /// What `status` says a person should look at, but for what the run itself explains.
    pub fn trouble(&self) -> Vec<String> {
        let Some(status) = self.node().and_then(|node| ops::status(node).ok()) else { return vec![] };
        // An agent that refuses a wake for good, or that never reads, leaves such mail behind.
        let moody = matches!(self.manner, Manner::Moody | Manner::Tardy);
        let explained = |problem: &String| {
            problem.starts_with("set aside as unreadable")
                || problem.starts_with("the last wake ended")
                || (moody && problem.starts_with("unread messages that nobody is woken for"))
        };
        status.problems.into_iter().filter(|problem| !explained(problem)).collect()
    }

    pub fn wakes_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

/// What tells a message in an inbox from all others.
pub fn key(message: &Message) -> (String, String) {
    (message.peer.clone(), message.id.to_string())
}
