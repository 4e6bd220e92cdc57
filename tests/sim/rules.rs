//! Rules of the format that the server itself can see broken, whatever becomes of the mail: nobody appends to a torn
//! tail, no lane has two writers, and nothing is written to a share that is not the one.

use std::collections::HashMap;

use lanpost::model::layout;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Rules {
    writers: HashMap<String, usize>,
    broken: Vec<String>,
}

impl Rules {
    /// Node `by` appends to what stands at `path`.
    pub fn append(&mut self, by: usize, path: &str, before: &[u8]) {
        let lane = path.starts_with("messages/")
            && path.rsplit('/').next().is_some_and(|file| layout::parse_lane(file).is_some());
        if !lane {
            return;
        }
        if before.last().is_some_and(|last| *last != b'\n') {
            self.broken.push(format!("n{by} appended to the torn tail of {path}"));
        }
        let first = *self.writers.entry(path.to_owned()).or_insert(by);
        if first != by {
            self.broken.push(format!("n{by} and n{first} both wrote to {path}"));
        }
    }

    /// Node `by` writes where it must not.
    pub fn intrude(&mut self, by: usize, verb: &str, path: &str) {
        self.broken.push(format!("a write landed on a wrong share: n{by} {verb} {path}"));
    }

    /// The first rule that was broken.
    pub fn broken(&self) -> Option<&String> {
        self.broken.first()
    }

    /// What was written to set the scene does not count.
    pub fn forget(&mut self) {
        *self = Rules::default();
    }
}
