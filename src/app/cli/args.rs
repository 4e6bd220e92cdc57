//! Arguments that several commands share: a duration, who speaks, and what is said.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta, Utc};
use clap::builder::{PossibleValue, TypedValueParser};
use serde_json::Value;

use super::Cx;
use super::bar::Bar;
use crate::engine::node::Node;
use crate::engine::ops::{self, Attached, Author, Call, Draft};
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::json;
use crate::model::name::Name;
use crate::model::state::{self, State};
use crate::model::text::{Document, decode_document};
use crate::model::when;
use crate::sys::dirs;

/// The environment variable that says which agent speaks; a wake sets it.
const AGENT: &str = "LANPOST_AGENT";
/// The variables that name a wake, and whose it is.
const WAKE: &str = "LANPOST_WAKE";
const INSTANCE: &str = "LANPOST_INSTANCE";
/// Variables set where no person types: in the shells of agents, which may have a terminal, and in jobs.
const NOBODY: [&str; 8] = [
    "OPENCLAW_SHELL",
    "CLAUDECODE",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "OPENCODE",
    "CI",
];

/// A parser that names the words it takes, for the shells that complete them; it judges as `parse` does, in its words.
#[derive(Clone)]
pub struct Fixed<T> {
    parse: fn(&str) -> Result<T, String>,
    words: Vec<&'static str>,
}

/// How urgent it is.
pub fn priority() -> Fixed<Priority> {
    Fixed { parse: str::parse, words: Priority::ALL.map(Priority::as_str).into() }
}

/// How far a message is.
pub fn state() -> Fixed<State> {
    Fixed { parse: str::parse, words: state::ALL.map(State::as_str).into() }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Fixed<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}

/// Who speaks.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Speaker {
    /// The agent that speaks, one of the config's [default: LANPOST_AGENT, else the instance itself]
    #[arg(long = "as", value_name = "AGENT")]
    agent: Option<Name>,
}

impl Speaker {
    /// The agent as the config spells it; `None`: the instance itself.
    ///
    /// # Errors
    /// The config has agents, but not this one.
    pub fn resolve(&self, node: &Node) -> Result<Option<Name>> {
        match (&self.agent, dirs::env(AGENT)) {
            (Some(agent), _) => known(agent, &node.config.agents, "--as").map(Some),
            (None, Some(text)) => {
                let agent =
                    Name::parse(&text).map_err(|cause| Error::usage("take the agent from", AGENT, cause))?;
                known(&agent, &node.config.agents, AGENT).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

impl Speaker {
    /// What the message comes of: within a wake of this instance, that wake; else a person, if one looks at a terminal.
    /// A program that sets the wake to nothing says that it begins anew, as a person does.
    pub fn author(&self, node: &Node) -> Author {
        if dirs::is_env_empty(WAKE) {
            return Author::Person;
        }
        let terminal = io::stdin().is_terminal() || io::stderr().is_terminal();
        author(node.instance(), &dirs::env, terminal)
    }

    /// The same where no person types, whatever terminal this process was started from.
    pub fn program(&self, node: &Node) -> Author {
        if dirs::is_env_empty(WAKE) {
            return Author::Person;
        }
        author(node.instance(), &dirs::env, false)
    }
}

fn author(us: &Name, env: &dyn Fn(&str) -> Option<String>, terminal: bool) -> Author {
    let wake = env(WAKE);
    let ours = env(INSTANCE).is_none_or(|name| us.as_str() == name);
    if let Some(wake) = wake.as_ref().filter(|_| ours).and_then(|wake| wake.parse().ok()) {
        return Author::Wake(wake);
    }
    let is_set =
        |variable: &&str| env(variable).is_some_and(|value| !matches!(value.as_str(), "0" | "false"));
    let nobody = wake.is_some() || NOBODY.iter().any(is_set);
    if terminal && !nobody { Author::Person } else { Author::Program }
}

fn known(agent: &Name, agents: &[Name], origin: &str) -> Result<Name> {
    match agents.iter().find(|known| known.same_as(agent)) {
        Some(known) => Ok(known.clone()),
        None if agents.is_empty() => Ok(agent.clone()),
        None => {
            let list: Vec<_> = agents.iter().map(Name::as_str).collect();
            let cause = format!("{origin} names no agent of the config, which has {}", list.join(", "));
            Err(Error::usage("speak as", agent, cause)
                .next("add it to `agents` in the config, or name another"))
        }
    }
}

/// A moment to come, as a time or as a duration from now.
pub struct Later {
    /// The time, as `model::when` takes it.
    pub at: Option<String>,
    /// The duration.
    pub after: Option<Duration>,
}

impl Later {
    /// The moment, if one was given; what is to be known of it is told.
    ///
    /// # Errors
    /// It is none, over, or beyond the calendar.
    pub fn resolve(&self, cx: &mut Cx, node: &Node, deed: &str) -> Result<Option<DateTime<Utc>>> {
        let now = node.clock.wall();
        if let Some(text) = &self.at {
            let when = when::parse(text, now, &Local).map_err(|cause| Error::usage(deed, "", cause))?;
            when.note.iter().for_each(|note| cx.note(note));
            return Ok(Some(when.at));
        }
        let end = |after| now.checked_add_signed(TimeDelta::from_std(after).ok()?);
        let late = || Error::usage(deed, "", "the time ends beyond the calendar").next("give a shorter one");
        self.after.map(|after| end(after).ok_or_else(late)).transpose()
    }
}

/// When something is due, as `engine::ops` takes it; what is to be known of it is told.
///
/// # Errors
/// It is no day and no time.
pub fn due(cx: &mut Cx, node: &Node, text: String) -> Result<String> {
    let (due, note) = when::due(&text, node.clock.wall(), &Local).map_err(|cause| {
        Error::usage("take the time", text, cause).next("a day does, too: 2026-02-14, today, tomorrow")
    })?;
    note.iter().for_each(|note| cx.note(note));
    Ok(due)
}

/// What is attached.
#[derive(clap::Args, Debug, Default)]
pub struct Files {
    /// A file or folder to send along; may be given several times
    #[arg(long = "attach", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Files {
    /// Attaches them; returns what was left out of folders, in words.
    pub fn attach(&self, node: &mut Node, draft: &mut Draft) -> Result<Vec<String>> {
        if self.paths.is_empty() {
            return Ok(vec![]);
        }
        let mut bar = Bar::new("copies", node);
        ops::attach(node, draft, &self.paths, &mut |done, all| bar.tell(done, all))
    }

    /// Keeps them for the copies of a broadcast; returns what was left out of folders, too.
    pub fn attach_to_all(&self, node: &mut Node, call: &Call) -> Result<(Attached, Vec<String>)> {
        if self.paths.is_empty() {
            return Ok((Attached::default(), vec![]));
        }
        let mut bar = Bar::new("copies", node);
        ops::attach_to_all(node, call, &self.paths, &mut |done, all| bar.tell(done, all))
    }
}

/// What is said.
#[derive(clap::Args, Debug)]
pub struct Body {
    /// The content; `-`, or nothing while standard input is piped: read it from there
    #[arg(value_name = "TEXT|-")]
    text: Option<String>,
    /// TEXT is JSON, and is sent as such
    #[arg(long)]
    json_content: bool,
}

impl Body {
    /// The content; waits for the end of standard input if it comes from there, and tells how that was written if
    /// it had to be guessed.
    ///
    /// # Errors
    /// There is none; it can't be decoded; it is over `limit` bytes; it is no JSON though it should be.
    pub fn content(&self, cx: &mut Cx, limit: u64) -> Result<Value> {
        let mut from_pipe = |stdin: &io::Stdin| {
            let Document { text, note, .. } = piped(&mut stdin.lock(), limit)?;
            if let Some(note) = note {
                cx.note(&format!("standard input: {note}"));
            }
            Ok::<_, Error>(text)
        };
        let text = match self.text.as_deref() {
            Some("-") => from_pipe(&io::stdin())?,
            Some(text) => text.to_owned(),
            None => {
                let stdin = io::stdin();
                let text = if stdin.is_terminal() { String::new() } else { from_pipe(&stdin)? };
                if text.is_empty() {
                    let error = Error::usage("send", "", "TEXT is missing, and nothing is piped in");
                    return Err(error.next("give TEXT, `-` to read standard input, or \"\" to send nothing"));
                }
                text
            }
        };
        if self.json_content { strict(&text) } else { Ok(Value::String(text)) }
    }
}

/// All of standard input as text, without its last newline. PowerShell pipes what it likes: UTF-16, GBK, a BOM.
pub(super) fn piped(from: &mut dyn Read, limit: u64) -> Result<Document> {
    // UTF-16 takes twice the room of the ASCII that it may hold; the exact limit is checked on the message.
    let most = limit.saturating_mul(2).saturating_add(4);
    let mut bytes = vec![];
    let deed = "read standard input";
    from.take(most + 1).read_to_end(&mut bytes).map_err(|error| Error::usage(deed, "", error))?;
    if bytes.len() as u64 > most {
        let error = Error::usage(deed, "", format!("it is longer than a message may be ({limit} bytes)"));
        return Err(error.next("put the bulk into a file and attach it (`--attach`)"));
    }
    let mut document = decode_document(&bytes).map_err(|damage| {
        Error::usage(deed, "", damage).next(
            "pipe whole text in UTF-8, or in UTF-16 with a BOM; put what is no text into a file and attach it",
        )
    })?;
    let text = &mut document.text;
    let end = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).map(str::len);
    text.truncate(end.unwrap_or(text.len()));
    Ok(document)
}

/// JSON of any kind that every reader will accept: as strict as the other end is.
fn strict(text: &str) -> Result<Value> {
    let fail = |cause: String| {
        Error::usage("read the content as JSON", "", cause)
            .next("leave out --json-content to send it as text")
    };
    let value: Value = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    json::parse(&format!("{{\"content\":{text}}}"), json::Limits::default())
        .map_err(|reject| fail(reject.reason()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_who_types_where_no_agent_does() {
        let us = Name::parse("lab").unwrap();
        let said = |set: &[(&str, &str)], terminal| {
            let env = |name: &str| {
                set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
            };
            author(&us, &env, terminal)
        };
        assert_eq!((said(&[], true), said(&[], false)), (Author::Person, Author::Program));
        for variable in NOBODY {
            assert_eq!(said(&[(variable, "1")], true), Author::Program, "{variable}");
        }
        assert_eq!(said(&[("OPENCLAW_SHELL", "exec")], true), Author::Program, "on a terminal of its own");
        assert_eq!(said(&[("CI", "false")], true), Author::Person);
        assert_eq!(said(&[(WAKE, "7"), (INSTANCE, "lab"), ("CLAUDECODE", "1")], true), Author::Wake(7));
        assert_eq!(said(&[(WAKE, "7"), (INSTANCE, "other")], true), Author::Program, "another's wake");
    }
    use crate::model::text::{Encoding, encode};

    #[test]
    fn piped_text_loses_one_newline_and_its_encoding() {
        let text = |bytes: &[u8]| piped(&mut &*bytes, 100).map(|document| document.text);
        for encoding in Encoding::ALL {
            assert_eq!(text(&encode("你好\n\n", encoding, true)).unwrap(), "你好\n", "{encoding:?}");
        }
        assert_eq!(text(b"a\r\n").unwrap(), "a");
        assert_eq!(text(b"").unwrap(), "");
        assert!(piped(&mut &[b'x'; 25][..], 10).unwrap_err().to_string().contains("10 bytes"));
        for bad in ["a 你好\0b\0c".as_bytes(), b"a\0b\0\0", &"你好".as_bytes()[..5]] {
            assert!(text(bad).unwrap_err().next_step().unwrap().contains("UTF-8"));
        }
    }

    #[test]
    fn json_content_is_as_strict_as_its_reader() {
        assert_eq!(strict(" [1,\n 2] ").unwrap(), serde_json::json!([1, 2]));
        assert_eq!(strict("\"x\"").unwrap(), "x");
        for (bad, why) in [
            ("{\"a\":", "column"),
            ("{\"a\":1,\"a\":2}", "twice"),
            ("1}{\"a\":2", "column"),
            ("", "column"),
            (&"[".repeat(100_000), "column"),
            (&format!("{}{}", "[".repeat(70), "]".repeat(70)), "deeper"),
        ] {
            let text = strict(bad).unwrap_err().to_string();
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn an_agent_must_be_one_of_the_config() {
        let agents = ["Main".parse().unwrap()];
        assert_eq!(known(&"main".parse().unwrap(), &agents, "--as").unwrap().as_str(), "Main");
        assert!(known(&"other".parse().unwrap(), &agents, "--as").unwrap_err().to_string().contains("Main"));
        assert!(known(&"other".parse().unwrap(), &[], "--as").is_ok());
    }
}
