//! The forger: somebody who can read and write everything on the share, and has no key.
//!
//! It says things in the names of others, and again what they said, where and when they did not. It destroys nothing, but
//! for files that it puts back as they were: other mishaps do that. Whatever it makes up holds [`MARK`], so that it is
//! known wherever it turns up.

use std::collections::BTreeMap;
use std::time::Duration;

use lanpost::model::layout::{self, LaneFile};
use lanpost::model::name::Name;
use lanpost::model::sign::{FIELD, Signer};
use serde_json::{Map, Value, json};

use crate::rng::Rng;
use crate::server::{Eye, Server, What};

/// The forger's number among the nodes.
pub const FORGER: usize = 98;
/// In everything that it makes up.
pub const MARK: &str = "FORGED";
/// What it says when it put a file back.
pub const PUT_BACK: &str = "an older file that is put back";
/// A name of its own, which has no key.
pub const NOBODY: &str = "mallory";
/// What it says under one id, again and again.
pub const SAME_ID: &str = "said-twice";

type Line = Map<String, Value>;

/// A line in a name that speaks signed, which must be refused wherever it is read.
pub struct Lie {
    pub to: usize,
    /// In whose name.
    pub from: usize,
    pub path: String,
    /// What tells it from all others.
    pub mark: String,
}

#[derive(Default)]
pub struct Forger {
    rng: Rng,
    counter: usize,
    pub lies: Vec<Lie>,
    /// True files as they were once.
    kept: BTreeMap<String, Vec<u8>>,
}

/// A lane's file on the share.
struct Lane {
    to: usize,
    from: usize,
    file: LaneFile,
    path: String,
}

impl Forger {
    pub fn new(rng: Rng) -> Forger {
        Forger { rng, ..Forger::default() }
    }

    /// Does one thing; says which. `destroys`: files may go back to what they were.
    pub fn act(&mut self, server: &mut Server, names: &[Name], destroys: bool) -> Option<&'static str> {
        self.keep(server);
        match self.rng.below(10) {
            0 => self.write_into_slot(server, names),
            1 | 2 => self.write_into_lane(server, names),
            3 => self.copy_line(server, names),
            4 => self.copy_lane(server, names),
            5 => self.say_twice(server, names),
            6 | 7 => self.receipt(server, names),
            8 if destroys => self.put_back(server),
            _ => self.heartbeat(server, names),
        }
    }

    /// A line of somebody who signs, in an open slot.
    fn write_into_slot(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let (to, from) = (self.rng.below(names.len()), self.rng.below(names.len()));
        let mut line = self.made_up(&names[from], &names[to]);
        line.remove("seq");
        self.disguise(&mut line);
        let path = layout::open_slot(&names[to]);
        self.lie(server, (to, from), path.as_str(), line).then_some("a forged line in an open slot")
    }

    /// A line of somebody who signs in a lane: a true one that was changed, or a new one; in its own file, in one that
    /// its writer did not begin yet, or under another name.
    fn write_into_lane(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let lane = self.lane(server, names)?;
        let mut line = self.true_line(server, &lane).unwrap_or_default();
        let made_up = self.made_up(&names[lane.from], &names[lane.to]);
        let keeps_id = self.rng.per_mille(700);
        for (field, value) in made_up {
            if field == "content" || !line.contains_key(&field) || field == "id" && !keeps_id {
                line.insert(field, value);
            }
        }
        self.disguise(&mut line);
        let mut file = lane.file.clone();
        match self.rng.below(6) {
            0 => file.segment += 1 + self.rng.below(3) as u64,
            1 => file.lease += 1 + self.rng.below(3) as u64,
            2 => file.from = Name::parse(NOBODY).unwrap(),
            _ => {}
        }
        let path = layout::lane(&names[lane.to], &file);
        self.lie(server, (lane.to, lane.from), path.as_str(), line).then_some("a forged line in a lane")
    }

    /// A true line again: where it stood, in another mailbox, under another lease, or in an open slot.
    fn copy_line(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let lane = self.lane(server, names)?;
        let line = self.true_line(server, &lane)?;
        let to = self.rng.below(names.len());
        let mut file = lane.file;
        let path = match self.rng.below(4) {
            0 => lane.path,
            1 => layout::open_slot(&names[to]).as_str().to_owned(),
            2 => {
                file.lease += 1 + self.rng.below(3) as u64;
                layout::lane(&names[lane.to], &file).as_str().to_owned()
            }
            _ => layout::lane(&names[to], &file).as_str().to_owned(),
        };
        append(server, &path, &line).then_some("a true line that is copied")
    }

    /// A whole lane's file under another name, or in another mailbox.
    fn copy_lane(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let lane = self.lane(server, names)?;
        let bytes = read(server, &lane.path)?;
        let (to, from) = (self.rng.below(names.len()), self.rng.below(names.len() + 1));
        let from = names.get(from).cloned().unwrap_or_else(|| Name::parse(NOBODY).unwrap());
        let lease = lane.file.lease + self.rng.below(3) as u64;
        let path = layout::lane(&names[to], &LaneFile { from, lease, segment: lane.file.segment });
        let free = server.what(path.as_str()) == What::Gone;
        (free && put(server, path.as_str(), &bytes)).then_some("a lane that is copied")
    }

    /// A name that has no key says two things under one id.
    fn say_twice(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let to = self.rng.below(names.len());
        self.counter += 1;
        let line = json!({"from": NOBODY, "id": SAME_ID, "content": self.mark()});
        let slot = layout::open_slot(&names[to]);
        append(server, slot.as_str(), line.as_object()?).then_some("an id that has two contents")
    }

    /// A receipt for mail that was sent: its recipient has it, dealt with it, or refuses it.
    fn receipt(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let lane = self.lane(server, names)?;
        let about = self.true_line(server, &lane)?;
        let (us, them) = (lane.to, lane.from);
        let states = ["delivered", "read", "processed", "failed", "expired", "wake_failed"];
        let state = states[self.rng.below(states.len())];
        let mut line = self.made_up(&names[us], &names[them]);
        let at = "2026-01-01T00:00:00.000Z";
        let item = json!({"id": about.get("id")?, "state": state, "at": at, "reason": self.mark()});
        let delivered = json!({"lease": lane.file.lease, "up_to": 100_000});
        line.insert("type".into(), "receipt".into());
        line.insert("content".into(), json!({"delivered": delivered, "items": [item]}));
        self.disguise(&mut line);
        let back = lanes(server, names).into_iter().rfind(|back| (back.from, back.to) == (us, them));
        let path = match back.filter(|_| self.rng.per_mille(800)) {
            Some(back) => back.path,
            None => layout::open_slot(&names[them]).as_str().to_owned(),
        };
        self.lie(server, (them, us), &path, line).then_some("a forged receipt")
    }

    /// A heartbeat that its name did not sign, or did once.
    fn heartbeat(&mut self, server: &mut Server, names: &[Name]) -> Option<&'static str> {
        let (of, other) = (self.rng.below(names.len()), self.rng.below(names.len()));
        let path = layout::status(&names[of]);
        let mut beat: Line = serde_json::from_slice(&read(server, path.as_str())?).ok()?;
        let ahead = beat.get("beat")?.as_u64()? + 1 + self.rng.next() % 1_000_000;
        let made_up = [
            ("beat", json!(ahead)),
            ("state", json!(["online", "stopped"][self.rng.below(2)])),
            ("lease", json!(layout::LAST)),
            ("max_message", json!(10)),
            ("host", json!(MARK)),
        ];
        beat.extend(made_up.map(|(field, value)| (field.to_owned(), value)));
        let bytes = match self.rng.below(5) {
            0 => read(server, layout::status(&names[other]).as_str())?,
            1 => self.kept.get(path.as_str()).cloned()?,
            2 => {
                beat.insert("key".into(), json!(stranger().key()));
                stranger().sign_object(&mut beat);
                serde_json::to_vec_pretty(&beat).ok()?
            }
            _ => {
                self.disguise(&mut beat);
                serde_json::to_vec_pretty(&beat).ok()?
            }
        };
        put(server, path.as_str(), &bytes).then_some("a forged heartbeat")
    }

    /// A file as it was once.
    fn put_back(&mut self, server: &mut Server) -> Option<&'static str> {
        let at = self.rng.below(self.kept.len().max(1));
        let (path, bytes) = self.kept.iter().nth(at).map(|(path, bytes)| (path.clone(), bytes.clone()))?;
        put(server, &path, &bytes).then_some(PUT_BACK)
    }

    /// Keeps some file for later.
    fn keep(&mut self, server: &Server) {
        let mut files = server.files();
        files.retain(|(path, _)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            path.starts_with("status/") || layout::parse_lane(name).is_some()
        });
        if files.is_empty() {
            return;
        }
        let (path, _) = files.swap_remove(self.rng.below(files.len()));
        let bytes = read(server, &path).unwrap_or_default();
        if bytes.ends_with(b"\n") && !String::from_utf8_lossy(&bytes).contains(MARK) {
            self.kept.entry(path).or_insert(bytes);
        }
    }

    /// What it would like to be believed.
    fn made_up(&mut self, from: &Name, to: &Name) -> Line {
        self.counter += 1;
        let (id, seq, lease) = (format!("made-up-{}", self.counter), self.rng.below(40), self.rng.below(4));
        let line = json!({"v": 1, "id": id, "from": from, "to": to, "timestamp": "2026-01-01T00:00:00.000Z",
                          "type": "message", "content": self.mark(), "seq": 1 + seq, "lease": 1 + lease});
        line.as_object().cloned().unwrap_or_default()
    }

    /// Plain, signed by a stranger, or with the signature that it had.
    fn disguise(&mut self, line: &mut Line) {
        match self.rng.below(3) {
            0 => drop(line.remove(FIELD)),
            1 => stranger().sign_object(line),
            _ => drop(line.entry(FIELD).or_insert_with(|| "0".repeat(128).into())),
        }
    }

    fn lie(&mut self, server: &mut Server, (to, from): (usize, usize), path: &str, line: Line) -> bool {
        let written = append(server, path, &line);
        if written {
            self.lies.push(Lie { to, from, path: path.to_owned(), mark: self.mark() });
        }
        written
    }

    /// In the content of what was made up last.
    fn mark(&self) -> String {
        format!("{MARK} {}.", self.counter)
    }

    fn lane(&mut self, server: &Server, names: &[Name]) -> Option<Lane> {
        let mut lanes = lanes(server, names);
        (!lanes.is_empty()).then(|| lanes.swap_remove(self.rng.below(lanes.len())))
    }

    /// A line that the lane's owner wrote.
    fn true_line(&mut self, server: &Server, lane: &Lane) -> Option<Line> {
        let bytes = read(server, &lane.path)?;
        let text = String::from_utf8_lossy(&bytes);
        let own = |line: &Line| line.get("from").and_then(Value::as_str) == Some(lane.file.from.as_str());
        let lines = text.lines().filter(|line| !line.contains(MARK));
        let lines = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok()).filter(own);
        let mut lines: Vec<Line> = lines.collect();
        (!lines.is_empty()).then(|| lines.swap_remove(self.rng.below(lines.len())))
    }
}

/// A key that nobody knows.
fn stranger() -> Signer {
    Signer::new(&[66; 32])
}

/// The files of all lanes between those names.
fn lanes(server: &Server, names: &[Name]) -> Vec<Lane> {
    let lane = |(path, _): (String, u64)| {
        let (folder, name) = path.rsplit_once('/')?;
        let to = names.iter().position(|name| layout::mailbox(name).as_str() == folder)?;
        let file = layout::parse_lane(name)?;
        let from = names.iter().position(|name| *name == file.from)?;
        Some(Lane { to, from, file, path })
    };
    server.files().into_iter().filter_map(lane).collect()
}

fn read(server: &Server, path: &str) -> Option<Vec<u8>> {
    server.bytes(path, Eye { node: FORGER, lag: Duration::ZERO }, Duration::ZERO)
}

/// Whether the disk has room: half a line is no forgery.
fn fits(server: &Server, len: usize) -> bool {
    server.room.is_none_or(|room| room > len)
}

fn put(server: &mut Server, path: &str, bytes: &[u8]) -> bool {
    fits(server, bytes.len()) && server.write(FORGER, path, bytes) == Ok(true)
}

/// A line of its own, whatever stands before it.
fn append(server: &mut Server, path: &str, line: &Line) -> bool {
    let before = read(server, path).unwrap_or_default();
    let start = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let line = format!("{start}{}\n", Value::Object(line.clone()));
    match server.what(path) {
        What::Gone => put(server, path, line.as_bytes()),
        What::File { inode, .. } if fits(server, line.len()) => {
            server.append(FORGER, path, inode, line.as_bytes()).is_some()
        }
        _ => false,
    }
}
