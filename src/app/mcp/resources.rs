//! Mail as resources: `lanpost://message/ID` and `lanpost://thread/ID`. Looking at one marks nothing read.
//!
//! Those that are listed are the newest that are unread; any other can be named.

use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::shown;
use crate::app::cli::look::refresh;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::state::State;
use crate::store::db::{Filter, Message};

/// Messages that are listed.
const LISTED: usize = 20;
/// Messages of a conversation that are shown, the newest.
const THREAD: usize = 100;
/// Characters of a message.
const SHOWN: usize = 100_000;

const MESSAGE: &str = "lanpost://message/";
const CONVERSATION: &str = "lanpost://thread/";
const TYPE: &str = "text/plain";

/// What can be named.
pub fn templates() -> Vec<ResourceTemplate> {
    let one = |uri: &str, name: &str, about: &str| {
        ResourceTemplate::new(format!("{uri}{{id}}"), name).with_description(about).with_mime_type(TYPE)
    };
    vec![
        one(MESSAGE, "message", "A message that came; looking at it does not mark it read"),
        one(CONVERSATION, "thread", "The whole conversation of a message, sent and received"),
    ]
}

/// The newest unread messages.
pub fn unread(call: &mut Call) -> Result<Answer> {
    refresh(&mut call.cx, &mut call.node, "inbox");
    let mut messages = ops::inbox(&call.node, &Filter::default())?;
    messages.retain(|message| message.state == State::Delivered && !message.held);
    let newest = messages.iter().rev().take(LISTED);
    let each = |message: &Message| json!([message.handle(), shown::who(message), message.at]);
    Ok(Answer { text: String::new(), data: newest.map(each).collect() })
}

/// What [`unread`] found, as resources. Nothing that others wrote is in them but names.
pub fn of(data: &Value) -> Vec<Resource> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |row: &Value| {
        let (id, who, at) = (text(&row[0]), text(&row[1]), text(&row[2]));
        Resource::new(format!("{MESSAGE}{id}"), id)
            .with_title(format!("Mail {who}"))
            .with_description(format!("Unread, came {at}"))
            .with_mime_type(TYPE)
    };
    data.as_array().into_iter().flatten().map(each).collect()
}

/// What a resource says.
pub fn read(call: &mut Call, uri: &str) -> Result<Answer> {
    let Call { cx, node, .. } = call;
    refresh(cx, node, "read");
    let text = if let Some(id) = uri.strip_prefix(MESSAGE) {
        let message = ops::peek(node, id)?;
        shown::full(&message, &shown::part(&message.content, 0, SHOWN))
    } else if let Some(id) = uri.strip_prefix(CONVERSATION) {
        let conversation = ops::thread(node, id, THREAD)?;
        let mut text = shown::list(conversation.messages.iter().map(|post| &post.message));
        if conversation.more {
            text += "\n[older ones are not shown]";
        }
        text
    } else {
        let cause = format!("resources are {MESSAGE}ID and {CONVERSATION}ID");
        return Err(Error::new(Kind::NotFound, "read the resource", uri, cause));
    };
    Ok(Answer { text, data: Value::Null })
}

/// The same as the protocol wants it.
pub fn contents(text: String, uri: String) -> ReadResourceResult {
    ReadResourceResult::new(vec![ResourceContents::text(text, uri)])
}
