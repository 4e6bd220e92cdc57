//! How messages are listed: `inbox`, `inbox --follow` and `wait` show them alike.
//!
//! A short id is the shortest prefix that no other listed message has, of 13 characters at least: that far a UUIDv7
//! is its millisecond.

use super::Cx;
use super::out::Out;
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::envelope::Priority;
use crate::model::name::{Address, Name};
use crate::model::trust::Verdict;
use crate::store::db::{Filter, Message};

/// Characters of an id that are shown at least.
const SHORT: usize = 13;
/// Columns of any cell but the last.
const CELL: usize = 24;

/// Which messages are asked for.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Which {
    /// Only from this INSTANCE, INSTANCE/AGENT, or stranger as it names itself
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
    /// Only of this conversation
    #[arg(long)]
    pub thread: Option<String>,
}

impl Which {
    /// The sender as the store keys it: an instance's folded name, or a stranger's own word.
    pub fn peer(&self) -> Option<String> {
        self.from.as_deref().map(peer)
    }

    /// The agent that must have written it, if one was named.
    pub fn agent(&self) -> Option<Name> {
        agent(self.from.as_ref()?)
    }
}

/// A sender or recipient as the store keys it.
pub fn peer(name: &str) -> String {
    name.parse::<Address>().map_or_else(|_| name.to_owned(), |address| address.instance.fold())
}

/// The agent that it names, if it names one.
pub fn agent(name: &str) -> Option<Name> {
    name.parse::<Address>().ok()?.agent
}

/// Leaves only what `agent` wrote.
pub fn keep(messages: &mut Vec<Message>, agent: Option<&Name>) {
    if let Some(agent) = agent {
        messages.retain(|message| {
            let from = message.from.parse::<Address>().ok().and_then(|from| from.agent);
            from.is_some_and(|from| from.same_as(agent))
        });
    }
}

/// The newest messages that `filter` asks for, and `agent` wrote if one is named, at most so many; and whether there are older
/// ones.
///
/// # Errors
/// The local store's.
pub fn newest(
    node: &Node,
    filter: Filter,
    agent: Option<&Name>,
    limit: Option<usize>,
) -> Result<(Vec<Message>, bool)> {
    // The store doesn't know agents apart, so all have to be looked at to find the newest of one; and one more than is
    // shown tells whether there are more.
    let asked = limit.filter(|_| agent.is_none()).map(|limit| limit.saturating_add(1));
    let mut messages = ops::inbox(node, &Filter { limit: asked, ..filter })?;
    keep(&mut messages, agent);
    let older = limit.map_or(0, |limit| messages.len().saturating_sub(limit));
    messages.drain(..older);
    Ok((messages, older > 0))
}

/// Prints messages as a table with a heading.
pub fn table(cx: &mut Cx, messages: &[Message]) {
    let heading = cx.out.heading(["ID", "STATE", "FROM", "TYPE", "TIME", "CONTENT"]);
    let rows: Vec<_> = std::iter::once(heading).chain(rows(messages, &cx.out)).collect();
    for line in print::table(&rows, CELL.max(longest(&rows)), cx.out.columns) {
        cx.out.line(line);
    }
}

/// Prints messages that came later: as JSON lines, or as rows without a heading.
pub fn more(cx: &mut Cx, messages: &[Message]) -> Result<()> {
    if cx.json {
        messages.iter().try_for_each(|message| cx.out.json(message))?;
    } else {
        let rows: Vec<_> = rows(messages, &cx.out).collect();
        for line in print::table(&rows, CELL.max(longest(&rows)), cx.out.columns) {
            cx.out.line(line);
        }
    }
    cx.out.flush();
    Ok(())
}

/// An id that was cut is of no use.
fn longest(rows: &[[String; 6]]) -> usize {
    rows.iter().map(|row| row[0].len()).max().unwrap_or(0)
}

fn rows(messages: &[Message], out: &Out) -> impl Iterator<Item = [String; 6]> {
    let length = short(messages.iter());
    messages.iter().map(move |message| {
        let id = message.id.as_str();
        [
            id.get(..length).unwrap_or(id).to_owned(),
            state(message),
            sender(message),
            kind(message),
            print::local_time(&message.at),
            format!("{}{}", files(message, out), print::summary(&message.content)),
        ]
    })
}

/// How many files and folders are attached. It stands before the words, since these are cut where they don't fit.
fn files(message: &Message, out: &Out) -> String {
    match message.attachments.len() {
        0 => String::new(),
        files => format!("{} ", out.word(&format!("[{files} attached]"))),
    }
}

/// Its type, and its priority if that is any.
fn kind(message: &Message) -> String {
    let priority = match message.priority {
        Priority::Normal => String::new(),
        other => format!(", {}", other.as_str()),
    };
    format!("{}{priority}", print::cut(&print::line(&message.kind), CELL - priority.len()))
}

/// How far a message has come, or what keeps it.
pub fn state(message: &Message) -> String {
    match (message.held, &message.snoozed) {
        (true, _) => "held".to_owned(),
        (_, Some(_)) => "snoozed".to_owned(),
        _ => message.state.to_string(),
    }
}

/// The sender; one that no key proves is followed by a question mark.
pub fn sender(message: &Message) -> String {
    let doubt = if message.verdict == Some(Verdict::Unverified) { " ?" } else { "" };
    format!("{}{doubt}", print::cut(&print::sender(&message.from), CELL - doubt.len()))
}

/// How long ids must be so that no two of the list look alike.
pub fn short<'a>(messages: impl Iterator<Item = &'a Message>) -> usize {
    let mut ids: Vec<&str> = messages.map(|message| message.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    distinct(&ids)
}

fn distinct(sorted: &[&str]) -> usize {
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    let shared = pairs.map(|(a, b)| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count());
    shared.max().map_or(SHORT, |shared| SHORT.max(shared + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_differ() {
        assert_eq!(distinct(&[]), 13);
        assert_eq!(distinct(&["a"]), 13);
        assert_eq!(distinct(&["018f0000-0000-7a", "018f0000-0000-7b"]), 16);
        assert_eq!(distinct(&["a", "ab", "b"]), 13);
    }

    #[test]
    fn a_sender_is_an_instance_an_agent_or_a_stranger() {
        let which = |from: &str| Which { from: Some(from.into()), thread: None };
        assert_eq!(which("Lab").peer().unwrap(), "lab");
        assert_eq!(which("Lab/Main").peer().unwrap(), "lab");
        assert_eq!(which("Lab/Main").agent().unwrap().as_str(), "Main");
        assert_eq!(which("a: stranger").peer().unwrap(), "a: stranger");
    }
}
