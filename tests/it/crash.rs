//! Two instances exchange mail while their daemons, and the commands that send, are killed at random moments.
//!
//! Every message that was accepted is in the other's inbox exactly once, each sender's in its order, and its sender
//! learns that it was delivered. The moments come from a seed: `LANPOST_SEED=N` repeats a run as far as the machine's
//! own timing allows.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lanpost::engine::ops::{self, Draft};
use lanpost::store::db::Filter;
use lanpost::store::db::Way;
use lanpost::sys::clock;

use crate::common::process::{Daemon, Lan, Pc, Settings, begin, until};

/// Messages each way.
const EACH: usize = 1_000;
/// Daemons killed on each side; only those count that were alive and at work.
const KILLS: usize = 100;
/// Messages that are accepted between two kills.
const BATCH: usize = EACH / KILLS;
/// How long both may take to come to rest at the end. Half a line that a killed writer left is waited for 30 s.
const QUIET: Duration = Duration::from_secs(120);

/// Numbers that repeat with their seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// Names the seed when a test fails.
struct Seed(u64);

impl Seed {
    fn draw() -> Seed {
        let given = std::env::var("LANPOST_SEED").ok();
        let seed =
            given.map_or_else(|| u64::from_le_bytes(clock::secret().unwrap()), |text| text.parse().unwrap());
        Seed(seed.max(1))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "repeat it with LANPOST_SEED={}", self.0);
        }
    }
}

/// One instance, its daemon, and what it sent.
struct Side {
    pc: Pc,
    to: &'static str,
    chance: Chance,
    daemon: Option<Daemon>,
    /// Accepted messages, in order.
    accepted: Vec<String>,
    /// Messages whose sender was killed: they may have been accepted or not.
    doubtful: HashSet<String>,
}

impl Side {
    fn new(pc: Pc, to: &'static str, seed: u64) -> Side {
        let (daemon, doubtful) = (Some(pc.daemon()), HashSet::new());
        Side { pc, to, chance: Chance(seed), daemon, accepted: vec![], doubtful }
    }

    /// Sends everything, and kills the daemon between and behind.
    fn play(&mut self) {
        let mut kills = 0;
        while kills < KILLS {
            if self.accepted.len() < EACH {
                self.send(BATCH.min(EACH - self.accepted.len()));
            }
            if self.chance.below(8) == 0 {
                self.kill_a_sender();
            }
            kills += usize::from(self.kill());
        }
        self.send(EACH.saturating_sub(self.accepted.len()));
    }

    /// Sends a batch as a library user does: it is accepted when this returns.
    fn send(&mut self, count: usize) {
        let mut node = self.pc.node();
        let first = self.accepted.len();
        let drafts = (first..first + count).map(|i| {
            let text = format!("{i} {}", "x".repeat(i % 700));
            Draft { create: true, ..Draft::new(self.to.parse().unwrap(), text) }
        });
        let sent = ops::send_all(&mut node, drafts.collect()).unwrap();
        self.accepted.extend(sent.iter().map(|message| message.id.to_string()));
    }

    /// Starts `lanpost send` and kills it after a moment. Half of them are sent again by their id.
    fn kill_a_sender(&mut self) {
        let id = format!("{}-killed-{}", self.pc.name, self.accepted.len() + self.doubtful.len());
        let args = ["send", self.to, &id, "--id", &id, "--create"];
        let mut command = self.pc.command(&args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = begin(&mut command);
        self.moment(30);
        drop(child);
        if self.chance.below(2) == 0 {
            self.pc.ok(&args);
            self.accepted.push(id);
        } else {
            self.doubtful.insert(id);
        }
    }

    /// Kills the daemon, mostly in the middle of its work, and starts it anew; whether it counts.
    fn kill(&mut self) -> bool {
        if self.chance.below(8) > 0 {
            let daemon = self.daemon.as_mut().unwrap();
            until("a daemon at work", || {
                assert_eq!(daemon.ended(), None, "{}", daemon.log());
                daemon.is_at_work().then_some(())
            });
        }
        self.moment(40);
        let daemon = self.daemon.take().unwrap();
        let counts = daemon.is_at_work();
        let alive = daemon.kill();
        self.daemon = Some(self.pc.spawn_daemon());
        alive && counts
    }

    fn moment(&mut self, most_ms: u64) {
        std::thread::sleep(Duration::from_micros(self.chance.below(most_ms * 1_000)));
    }

    /// What is not there yet of what `from` sent, in words; `None` when all is.
    fn lacks(&self, from: &Side) -> Option<String> {
        let inbox = ops::inbox(&self.pc.node(), &Filter { all: true, ..Filter::default() }).unwrap();
        let there: HashSet<String> = inbox.iter().map(|message| message.id.to_string()).collect();
        let lacking = from.accepted.iter().filter(|id| !there.contains(*id)).count();
        let node = from.pc.node();
        let mut states = BTreeMap::new();
        for (way, state, count) in node.db.counts().unwrap() {
            if way == Way::Out.as_str() {
                states.insert(state, count);
            }
        }
        let told = states.len() == 1 && states.contains_key("delivered");
        (lacking > 0 || !told)
            .then(|| format!("{} lacks {lacking} of {}: {states:?}", self.pc.name, from.pc.name))
    }

    /// Everything accepted is there, once, in order, and nothing that nobody sent.
    fn check(&self, from: &Side) {
        let inbox = ops::inbox(&self.pc.node(), &Filter { all: true, ..Filter::default() }).unwrap();
        let ids: Vec<String> = inbox.iter().map(|message| message.id.to_string()).collect();
        let unique: HashSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "something is twice in the inbox of {}", self.pc.name);
        let certain: Vec<&String> = ids.iter().filter(|id| !from.doubtful.contains(*id)).collect();
        assert!(certain.len() >= EACH);
        if let Some(at) = (0..certain.len().max(from.accepted.len()))
            .find(|i| certain.get(*i) != from.accepted.iter().collect::<Vec<_>>().get(*i))
        {
            let near = |ids: &[&String]| format!("{:?}", &ids[at.min(ids.len())..(at + 5).min(ids.len())]);
            let accepted: Vec<_> = from.accepted.iter().collect();
            panic!(
                "at {at}, {} has {} and {} sent {}",
                self.pc.name,
                near(&certain),
                from.pc.name,
                near(&accepted)
            );
        }
    }
}

/// Waits until nothing is lacking.
fn until_within(patience: Duration, mut lacking: impl FnMut() -> Option<String>) {
    let since = Instant::now();
    while let Some(what) = lacking() {
        assert!(since.elapsed() < patience, "after {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_is_lost_doubled_or_reordered_while_daemons_are_killed() {
    let seed = Seed::draw();
    let lan = Lan::new();
    let settings = Settings { look: "full = \"200ms\"".into(), ..Settings::default() };
    let (office, lab) = (lan.join_with("office", &settings), lan.join_with("lab", &settings));
    let mut a = Side::new(office, "lab", seed.0);
    let mut b = Side::new(lab, "office", seed.0 ^ 0x9E37_79B9_7F4A_7C15);
    let since = Instant::now();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| b.play());
        a.play();
        other.join().unwrap();
    });
    let played = since.elapsed();
    let quiet = Instant::now();
    until_within(QUIET, || a.lacks(&b).or_else(|| b.lacks(&a)));
    println!("seed {}: {played:?} of kills, {:?} until quiet", seed.0, quiet.elapsed());
    a.check(&b);
    b.check(&a);
    for side in [&mut a, &mut b] {
        let daemon = side.daemon.as_mut().unwrap();
        assert_eq!(daemon.ended(), None, "{}", daemon.log());
    }
}
