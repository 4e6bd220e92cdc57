//! Remote commands: what a peer may have run on this PC, how it asks, and what it is told. Pure.
//!
//! ```toml
//! [commands.disk]
//! run = ["df", "-h", "{path}"]       # the program is fixed; {x} stands for the argument x
//! peers = ["lab"]                    # who may call it
//! args.path = { type = "choice", of = ["/", "/home"] }
//! ```
//! ```text
//! question := type "exec",        content {"command": name, "args"?: {name: text | integer}}
//! answer   := type "exec-result", content {"status": "ran" | "timeout" | "refused" | "lost", "exit"?: integer,
//!             "stdout"?: text, "stderr"?: text, "cut"?: true, "reason"?: text}, in_reply_to the question
//! ```
//! Invariants: no shell; a value never becomes a program, and never more than one word; a text that would begin a
//! word with `-` is refused, so that it is not taken for an option; values hold no control characters. A config that could
//! let one through is refused when it is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::name::Name;

/// The type of a question.
pub const EXEC: &str = "exec";
/// The type of its answer.
pub const RESULT: &str = "exec-result";

/// What is configured for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommand {
    /// The program and its words; `{x}` in a word stands for the argument `x`.
    pub run: Vec<String>,
    /// Where it runs; the daemon's own folder if none.
    pub folder: Option<PathBuf>,
    /// Who may call it.
    pub peers: Vec<Name>,
    /// Killed after this long.
    pub timeout: Duration,
    /// At most so many bytes of each of stdout and stderr are answered.
    pub output: u64,
    /// Its arguments.
    pub args: BTreeMap<String, Arg>,
}

/// One argument.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Arg {
    /// Any text of at most `max` characters.
    Text {
        /// Its greatest length.
        #[serde(default = "most")]
        max: usize,
        /// Taken if none is given; without it one must be given.
        default: Option<String>,
    },
    /// A whole number.
    Integer {
        /// The smallest.
        #[serde(default = "lowest")]
        min: i64,
        /// The largest.
        #[serde(default = "highest")]
        max: i64,
        /// Taken if none is given.
        default: Option<i64>,
    },
    /// One of a few words.
    Choice {
        /// The words.
        of: Vec<String>,
        /// Taken if none is given.
        default: Option<String>,
    },
}

/// The greatest length of a text argument that sets none.
const MOST: usize = 1_000;

fn most() -> usize {
    MOST
}

fn lowest() -> i64 {
    i64::MIN
}

fn highest() -> i64 {
    i64::MAX
}

/// A question.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Call {
    /// Which command.
    pub command: String,
    /// Its arguments by name: texts and whole numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, Value>,
}

/// How a question ended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The program ended.
    Ran,
    /// It was killed at its time limit.
    Timeout,
    /// It was not started.
    Refused,
    /// The daemon ended while it ran; nobody knows how far it came, and it is not run again.
    Lost,
}

/// An answer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub status: Status,
    /// The program's exit code; none if a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What it wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it complained of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// It wrote more than is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// What there is to say in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Characters of a reason.
const REASON: usize = 300;

impl Answer {
    /// Nothing was run, or nobody knows. The reason may quote what a stranger wrote, so it is cut.
    pub fn without(status: Status, reason: impl Into<String>) -> Answer {
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(REASON) {
            reason.truncate(end);
            reason.push('…');
        }
        Answer {
            status,
            exit: None,
            stdout: String::new(),
            stderr: String::new(),
            cut: false,
            reason: Some(reason),
        }
    }

    /// What became of it, in words for the trace and the log.
    pub fn outcome(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason was given");
        match (self.status, self.exit) {
            (Status::Ran, Some(code)) => format!("ran: exit code {code}"),
            (Status::Ran, None) => format!("ran, without an exit code: {reason}"),
            (Status::Timeout, _) => format!("timed out: {reason}"),
            (Status::Refused, _) => format!("refused: {reason}"),
            (Status::Lost, _) => format!("lost: {reason}"),
        }
    }

    /// Shortens what was written until the answer is no larger than `max` bytes of JSON.
    pub fn fit(&mut self, max: usize) {
        let size = |answer: &Answer| serde_json::to_string(answer).map_or(0, |json| json.len());
        while size(self) > max && !(self.stdout.is_empty() && self.stderr.is_empty()) {
            let longer =
                if self.stdout.len() >= self.stderr.len() { &mut self.stdout } else { &mut self.stderr };
            let half = (0..=longer.len() / 2).rev().find(|at| longer.is_char_boundary(*at));
            longer.truncate(half.unwrap_or(0));
            self.cut = true;
        }
    }
}

impl RemoteCommand {
    /// Whether it can be meant as it is configured, under this name.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err("its name is none: a letter, then letters, digits, _ and -".into());
        }
        let Some((program, words)) = self.run.split_first().filter(|(program, _)| !program.trim().is_empty())
        else {
            return Err("`run` names no program".into());
        };
        if self.run.iter().any(|word| word.contains('\0')) {
            return Err("a word of `run` holds NUL, which no program can be given".into());
        }
        if pieces(program).any(|piece| matches!(piece, Piece::Arg(_))) {
            return Err("the program, the first word of `run`, must be fixed".into());
        }
        if let Some(name) = self.args.keys().find(|name| !is_name(name)) {
            return Err(format!(
                "{name:?} is no name for an argument: a letter, then letters, digits, _ and -"
            ));
        }
        let used: Vec<&str> = words.iter().flat_map(|word| pieces(word)).filter_map(Piece::arg).collect();
        if let Some(unknown) = used.iter().find(|name| !self.args.contains_key(**name)) {
            return Err(format!("`run` uses {{{unknown}}}, which is no argument in `args`"));
        }
        if let Some(unused) = self.args.keys().find(|name| !used.contains(&name.as_str())) {
            return Err(format!("the argument {unused:?} is not used in `run`"));
        }
        for (name, arg) in &self.args {
            if matches!(arg, Arg::Choice { of, .. } if of.is_empty()) {
                return Err(format!("the argument {name:?} has nothing to choose from"));
            }
        }
        // With the defaults, or the first choice, in place of what is asked for: the same rules as for a caller.
        let defaults = |(name, arg): (&String, &Arg)| Some((name.clone(), arg.default()?));
        let args: BTreeMap<String, Value> = self.args.iter().filter_map(defaults).collect();
        for (name, value) in &args {
            self.value(name, Some(value)).map_err(|why| format!("the default of {name:?}: {why}"))?;
        }
        Ok(())
    }

    /// The words to run for a question.
    ///
    /// # Errors
    /// An argument is missing, unknown or not as it must be: in words for whoever asked.
    pub fn words(&self, args: &BTreeMap<String, Value>) -> Result<Vec<String>, String> {
        if let Some(unknown) = args.keys().find(|name| !self.args.contains_key(*name)) {
            let known: Vec<&str> = self.args.keys().map(String::as_str).collect();
            return Err(format!("it has no argument {unknown:?}; its arguments: {}", listed(&known)));
        }
        self.run.iter().map(|word| self.word(word, args)).collect()
    }

    fn word(&self, word: &str, args: &BTreeMap<String, Value>) -> Result<String, String> {
        let mut out = String::new();
        for piece in pieces(word) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Arg(name) => {
                    let value = self.value(name, args.get(name))?;
                    if out.is_empty() && value.starts_with('-') && self.is_free(name) {
                        return Err(format!("the argument {name:?} begins with -, like an option"));
                    }
                    out.push_str(&value);
                }
            }
        }
        Ok(out)
    }

    /// Whether a caller may write anything there.
    fn is_free(&self, name: &str) -> bool {
        matches!(self.args.get(name), Some(Arg::Text { .. }))
    }

    /// The text of an argument, if it is as it must be.
    fn value(&self, name: &str, given: Option<&Value>) -> Result<String, String> {
        let Some(arg) = self.args.get(name) else { return Err(format!("it has no argument {name:?}")) };
        let default = arg.default();
        let value = given.or(default.as_ref()).ok_or_else(|| format!("the argument {name:?} is missing"))?;
        match arg {
            Arg::Integer { min, max, .. } => match whole(value) {
                Some(number) if (*min..=*max).contains(&number) => Ok(number.to_string()),
                _ => Err(format!("the argument {name:?} must be a whole number from {min} to {max}")),
            },
            Arg::Choice { of, .. } => match value.as_str() {
                Some(text) if of.iter().any(|one| one == text) => Ok(text.to_owned()),
                _ => {
                    let of: Vec<&str> = of.iter().map(String::as_str).collect();
                    Err(format!("the argument {name:?} must be one of {}", listed(&of)))
                }
            },
            Arg::Text { max, .. } => match value.as_str() {
                Some(text) if text.chars().count() <= *max && !text.chars().any(char::is_control) => {
                    Ok(text.to_owned())
                }
                _ => Err(format!(
                    "the argument {name:?} must be a text of at most {max} characters on one line"
                )),
            },
        }
    }
}

impl Arg {
    fn default(&self) -> Option<Value> {
        match self {
            Arg::Text { default, .. } | Arg::Choice { default, .. } => default.clone().map(Value::from),
            Arg::Integer { default, .. } => default.map(Value::from),
        }
    }
}

/// A number, or a text that is one: a command line has only texts.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 64 && name.chars().all(rest)
}

/// A part of a word.
enum Piece<'a> {
    Text(&'a str),
    Arg(&'a str),
}

impl<'a> Piece<'a> {
    fn arg(self) -> Option<&'a str> {
        match self {
            Piece::Arg(name) => Some(name),
            Piece::Text(_) => None,
        }
    }
}

/// A word's parts: `{name}` where that could name an argument, else text as it stands, braces and all.
fn pieces(word: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(open) = rest[from..].find('{').map(|at| from + at) {
            let name = rest[open + 1..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
            match name {
                Some(name) if open == 0 => {
                    rest = &rest[name.len() + 2..];
                    return Some(Piece::Arg(name));
                }
                Some(_) => {
                    let (text, after) = rest.split_at(open);
                    rest = after;
                    return Some(Piece::Text(text));
                }
                None => from = open + 1,
            }
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

#[cfg(test)]
mod tests;
