//! Who holds which task, as the server alone can see it: a claim is made only when the one before it is over.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;

/// What a view may be behind the truth, and some.
const SLACK: Duration = Duration::from_secs(20);
/// Nobody is taken for dead sooner.
const TERM: Duration = Duration::from_secs(120);

#[derive(Debug)]
struct Claim {
    by: String,
    term: Duration,
    made: Duration,
}

/// What was written of claims so far.
#[derive(Debug, Default)]
pub struct Holders {
    claims: HashMap<(String, u64), Claim>,
    /// Claims that their holders spoke of, and those that they ended.
    spoken: HashSet<(String, u64)>,
    over: HashSet<(String, u64)>,
    beats: HashMap<String, Duration>,
    /// Files came back, or went: who holds what is anybody's guess.
    pub blind: bool,
}

impl Holders {
    /// A file was made or replaced at `now`; what is wrong with that.
    pub fn wrote(&mut self, path: &str, bytes: &[u8], now: Duration) -> Option<String> {
        if let Some(name) = path.strip_prefix("status/").and_then(|file| file.strip_suffix(".json")) {
            self.beats.insert(name.to_owned(), now);
        }
        let (task, file) = path.strip_prefix("tasks/claims/")?.split_once('/')?;
        let number: u64 = file.strip_suffix(".json")?.parse().ok()?;
        let claim: Value = serde_json::from_slice(bytes).ok()?;
        let by = claim["by"].as_str()?.split('/').next()?.to_owned();
        let term = Duration::from_secs(claim["term"].as_u64()?).max(TERM);
        let before = (task.to_owned(), number - 1);
        let wrong = self.claims.get(&before).and_then(|held| self.is_held(&before, held, &by, now));
        self.claims.insert((task.to_owned(), number), Claim { by: by.clone(), term, made: now });
        wrong.filter(|_| !self.blind).map(|who| format!("{by} claimed {task} ({number}) at {now:?}, {who}"))
    }

    /// Why a claim stands in the way of another one.
    fn is_held(&self, key: &(String, u64), held: &Claim, by: &str, now: Duration) -> Option<String> {
        let beat = self.beats.get(&held.by).copied().unwrap_or_default();
        let dead = now + SLACK >= beat + held.term;
        let silent = !self.spoken.contains(key) && now + SLACK >= held.made + held.term;
        let free = held.by == by || self.over.contains(key) || dead || silent;
        (!free).then(|| {
            format!("which {} held since {:?} and whose last beat was at {beat:?}", held.by, held.made)
        })
    }

    /// Something was appended to a file.
    pub fn appended(&mut self, path: &str, bytes: &[u8]) {
        if !path.starts_with("tasks/") {
            return;
        }
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for event in lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()) {
            let (Some(task), Some(token)) = (event["task"].as_str(), event["token"].as_u64()) else {
                continue;
            };
            let key = (task.to_owned(), token);
            match event["deed"].as_str() {
                Some("claim") => drop(self.spoken.insert(key)),
                Some("done" | "fail" | "release" | "lapse") => drop(self.over.insert(key)),
                _ => {}
            }
        }
    }
}
