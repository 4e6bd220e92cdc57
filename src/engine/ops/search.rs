//! Searching mail of both directions by what it says. Changes nothing.

use serde::Serialize;

use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::search::{Query, Snippet};
use crate::store::db::{Message, Scope};

/// What a search found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// There are older ones.
    pub more: bool,
}

/// A message that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// The message as it stands.
    #[serde(flatten)]
    pub message: Message,
    /// Where the first of the words is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
}

/// The newest `limit` messages in `scope` that hold all of the `words` and quoted phrases, and that `also` wants.
///
/// # Errors
/// There are no words; the local store's.
pub fn search(
    node: &Node,
    words: &str,
    scope: &Scope,
    limit: usize,
    also: impl Fn(&Message) -> bool,
) -> Result<Found> {
    let query = Query::parse(words).ok_or_else(|| {
        Error::usage("search", "", "there is nothing to look for")
            .next("give a word, or a \"phrase\" in quotes")
    })?;
    let is_wanted = |message: &Message| also(message) && query.is_in(&message.content);
    let mut found = node.db.search(query.to_match().as_deref(), scope, limit.saturating_add(1), is_wanted)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let hit = |message: Message| Hit { snippet: query.snippet(&message.content), message };
    Ok(Found { hits: found.into_iter().map(hit).collect(), more })
}
