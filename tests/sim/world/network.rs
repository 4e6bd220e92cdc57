//! The network between the daemons: it refuses, swallows, delays beyond any patience, loses answers, and carries twice.

use std::time::Duration;

use lanpost::engine::courier::{PostResult, Posted};
use lanpost::engine::reception::Reply;
use lanpost::model::direct::{Target, parse_lane_path};
use lanpost::model::name::Name;

use super::World;
use crate::rng::Rng;

/// How the network is for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Fine,
    Refuses,
    Swallows,
    /// Each post has a fate of its own.
    Moody,
}

/// What becomes of one post.
struct Fate {
    /// When it arrives, each time that it does.
    arrives: Vec<Duration>,
    /// The answer gets lost.
    unanswered: bool,
}

enum Load {
    /// Lines for a node.
    Lines { from: Name, lease: u64, body: Vec<u8>, back: Option<(usize, u64, Duration)> },
    /// What its courier is told.
    Result { run: u64, result: PostResult },
}

struct Parcel {
    at: Duration,
    node: usize,
    load: Load,
}

/// The network.
#[derive(Default)]
pub struct Network {
    rng: Option<Rng>,
    mood: Mood,
    until: Duration,
    healed: bool,
    parcels: Vec<Parcel>,
}

impl Network {
    pub fn new(rng: Rng) -> Network {
        Network { rng: Some(rng), ..Network::default() }
    }

    /// It stays as it is from now on: well, or, sometimes, down for good.
    pub fn heal(&mut self) {
        self.healed = true;
        let down = self.rng.as_mut().is_some_and(|rng| rng.per_mille(250));
        self.mood = if down { Mood::Refuses } else { Mood::Fine };
    }

    /// Whether it stays down for good.
    pub fn is_down(&self) -> bool {
        self.healed && matches!(self.mood, Mood::Refuses)
    }

    /// When the next parcel arrives somewhere that is free.
    pub fn next(&self, is_free: impl Fn(usize) -> bool) -> Option<Duration> {
        self.parcels.iter().filter(|parcel| is_free(parcel.node)).map(|parcel| parcel.at).min()
    }

    fn mood(&mut self, now: Duration) -> Mood {
        let Some(rng) = self.rng.as_mut().filter(|_| now >= self.until && !self.healed) else {
            return self.mood;
        };
        self.mood =
            [Mood::Fine, Mood::Fine, Mood::Refuses, Mood::Swallows, Mood::Moody, Mood::Moody][rng.below(6)];
        self.until = now + rng.time(500, 30_000);
        self.mood
    }

    /// `None`: refused.
    fn fate(&mut self, now: Duration, timeout: Duration) -> Option<Fate> {
        let mood = self.mood(now);
        let rng = self.rng.as_mut()?;
        let quick = now + rng.time(0, 20);
        let late = now + timeout + rng.time(0, 20_000);
        let fate = |arrives: &[Duration], unanswered| Some(Fate { arrives: arrives.to_vec(), unanswered });
        match (mood, rng.below(8)) {
            (Mood::Refuses, _) | (Mood::Moody, 0) => None,
            (Mood::Fine, _) => fate(&[quick], false),
            (Mood::Swallows, 0) | (Mood::Moody, 1) => fate(&[late], false),
            (Mood::Swallows, _) | (Mood::Moody, 2) => fate(&[], false),
            (Mood::Moody, 3 | 4) => fate(&[quick], true),
            (Mood::Moody, 5) => fate(&[quick, late], false),
            (Mood::Moody, _) => fate(&[quick], false),
        }
    }
}

impl World {
    /// Takes what a node's courier ordered.
    pub(super) fn collect(&mut self, node: usize) {
        let (posts, probes, run) = {
            let mut site = self.site_mut(node);
            (std::mem::take(&mut site.posts), std::mem::take(&mut site.probes), site.run)
        };
        let now = self.now.max(lanpost::sys::clock::Clock::now(&*self.site(node).clock));
        for post in posts {
            let to = self.node_of(&post.target);
            let over = now + post.timeout;
            let result = |outcome| PostResult { peer: post.peer.clone(), outcome };
            let Some((fate, to)) = self.network.fate(now, post.timeout).zip(to) else {
                self.log.count("a post that is refused");
                let load = Load::Result { run, result: result(Posted::Failed("refused".into())) };
                self.network.parcels.push(Parcel { at: now, node, load });
                continue;
            };
            let Some((from, lease)) = parse_lane_path(&post.path) else { continue };
            self.log.count(match (fate.arrives.as_slice(), fate.unanswered) {
                ([], _) => "a post that is swallowed",
                ([_], true) => "a post whose answer is lost",
                ([_, _], _) => "a post that comes twice",
                ([at], _) if *at > over => "a post that comes too late",
                _ => "a post that goes well",
            });
            for at in fate.arrives {
                let back = (!fate.unanswered && at <= over).then_some((node, run, over));
                let load = Load::Lines { from: from.clone(), lease, body: post.body.clone(), back };
                self.network.parcels.push(Parcel { at, node: to, load });
            }
            // The first word counts; this one, if there is no other.
            let load = Load::Result {
                run,
                result: result(Posted::Unanswered { why: "did not answer".into(), late: true }),
            };
            self.network.parcels.push(Parcel { at: over, node, load });
        }
        for probe in probes {
            let there = self.node_of(&probe.target).filter(|to| self.is_free(*to) && self.site(*to).is_up());
            let fate = self.network.fate(now, probe.timeout).zip(there);
            let goes_well = fate.is_some_and(|(fate, _)| {
                !fate.unanswered && fate.arrives.first().is_some_and(|at| *at <= now + probe.timeout)
            });
            let outcome = if goes_well { Posted::There } else { Posted::Absent("no answer".into()) };
            let load = Load::Result { run, result: PostResult { peer: probe.peer, outcome } };
            self.network.parcels.push(Parcel { at: now + Duration::from_millis(5), node, load });
        }
    }

    fn node_of(&self, target: &Target) -> Option<usize> {
        let host = &target.urls.first()?.host;
        self.names.iter().position(|name| name.as_str() == host)
    }

    /// Brings the parcels that are due.
    pub(super) fn carry(&mut self) -> Result<(), String> {
        let now = self.now;
        let (mut due, wait): (Vec<_>, Vec<_>) = std::mem::take(&mut self.network.parcels)
            .into_iter()
            .partition(|parcel| parcel.at <= now && self.is_free(parcel.node));
        self.network.parcels = wait;
        due.sort_by_key(|parcel| parcel.at);
        for Parcel { node, load, .. } in due {
            match load {
                Load::Result { run, result } => self.site_mut(node).ended(now, run, result),
                Load::Lines { from, lease, body, back } => {
                    let reply = self.site_mut(node).knock(now, &from, lease, &body)?;
                    self.bury(node);
                    let Some((asker, run, over)) = back else { continue };
                    let (status, body) = match reply {
                        None => continue,
                        Some(Reply::Taken(receipt)) => (200, receipt),
                        Some(Reply::Gap(receipt)) => {
                            self.log.count("lines that came before others");
                            (409, receipt)
                        }
                        Some(Reply::Refused(status, why) | Reply::Later(status, _, why)) => {
                            (status, why.into_bytes())
                        }
                    };
                    let url = format!("http://{}", self.names[node]);
                    let outcome = Posted::Answered { status, retry_after: None, body, url };
                    // It takes the place of the word that there was none.
                    let peer = self.names[node].fold();
                    let silence = self.network.parcels.iter().position(|parcel| {
                        let Load::Result { run: asked, result } = &parcel.load else { return false };
                        let failed = matches!(result.outcome, Posted::Unanswered { .. });
                        parcel.node == asker
                            && *asked == run
                            && parcel.at == over
                            && result.peer == peer
                            && failed
                    });
                    if let Some(silence) = silence {
                        self.network.parcels.remove(silence);
                        let load = Load::Result { run, result: PostResult { peer, outcome } };
                        self.network.parcels.push(Parcel { at: now, node: asker, load });
                    }
                }
            }
        }
        Ok(())
    }
}
