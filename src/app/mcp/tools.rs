//! The tools: their names, what they say of themselves, what they may change, and what does their work.
//!
//! Each has its say in every request that an agent's model is asked, so all of them together are kept short.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::call::{Answer, Call};
use super::{ask, look, mail, schema, tasks};
use crate::error::{Error, Result};

/// What does a tool's work.
pub type Work = Arc<dyn Fn(&mut Call, JsonObject) -> Result<Answer> + Send + Sync>;

/// A tool.
pub struct Entry {
    /// As it is announced.
    pub tool: Tool,
    /// What does its work.
    pub work: Work,
}

/// What a tool may change.
enum Changes {
    /// Nothing.
    Nothing,
    /// It adds; the same again adds once more.
    Adds,
    /// It adds; the same again changes nothing.
    AddsOnce,
}

/// All of them.
pub fn all() -> Vec<Entry> {
    use Changes::{Adds, AddsOnce, Nothing};
    vec![
        entry("inbox", "List your mail that is not dealt with, the oldest first", Nothing, look::inbox),
        entry("read", "Show a message and mark it read, which its sender sees", AddsOnce, look::read),
        entry(
            "reply",
            "Answer a message, in its conversation; with ack it is dealt with, too",
            Adds,
            mail::reply,
        ),
        entry(
            "ack",
            "Say that messages are dealt with, or can't be; their senders see it",
            AddsOnce,
            mail::ack,
        ),
        entry(
            "send",
            "Send a message to an agent on this or another PC; returns when it is stored, and it goes on by itself",
            Adds,
            mail::send,
        ),
        entry("ask", "Send a question or request, and wait for its answer", Adds, ask::ask),
        entry("wait", "Wait until there is unread mail, then list it", Nothing, ask::wait),
        entry("peers", "List who you can write to, and who is online", Nothing, look::peers),
        entry(
            "search",
            "Find mail by what it says, sent and received, the newest first",
            Nothing,
            look::search,
        ),
        entry("trace", "Show how far a message has come, with times", Nothing, look::trace),
        entry("tasks", "List the tasks that all instances share, or show one", Nothing, tasks::tasks),
        entry(
            "task",
            "Add a task, claim one before you work on it, say how far it is, end it",
            Adds,
            tasks::task,
        ),
    ]
}

fn entry<A: DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
    about: &'static str,
    changes: Changes,
    work: fn(&mut Call, A) -> Result<Answer>,
) -> Entry {
    let hints = match changes {
        Changes::Nothing => ToolAnnotations::new().read_only(true),
        Changes::Adds => ToolAnnotations::new().read_only(false).destructive(false).idempotent(false),
        Changes::AddsOnce => ToolAnnotations::new().read_only(false).destructive(false).idempotent(true),
    };
    let tool = Tool::new(name, about, schema::of::<A>()).with_annotations(hints);
    let work = move |call: &mut Call, given: JsonObject| {
        // The model that wrote them can mend them, so this is no error of the protocol.
        let given = serde_json::from_value(given.into())
            .map_err(|cause| Error::usage("take the arguments of", name, cause))?;
        work(call, given)
    };
    Entry { tool, work: Arc::new(work) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters of JSON, some 2,000 tokens: a model may be charged for them at every turn.
    const MOST: usize = 9_000;

    #[test]
    fn all_tools_together_are_short_and_each_says_what_it_takes() {
        let tools: Vec<Tool> = all().into_iter().map(|entry| entry.tool).collect();
        let size = serde_json::to_string(&tools).unwrap().len();
        assert!(size <= MOST, "{size} characters");
        for tool in &tools {
            let schema = tool.schema_as_json_value();
            assert_eq!((&schema["type"], &schema["additionalProperties"]), (&"object".into(), &false.into()));
            let text = schema.to_string();
            assert!(!text.contains("null") && !text.contains("$ref"), "{}: {text}", tool.name);
            assert!(tool.annotations.is_some());
        }
        let task = tools.iter().find(|tool| tool.name == "task").unwrap().schema_as_json_value();
        let percent = &task["properties"]["percent"];
        assert_eq!((&percent["minimum"], &percent["maximum"]), (&0.into(), &100.into()));
    }
}
