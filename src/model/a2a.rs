//! A2A ("agent to agent"), as far as OpenClaw's channel of that name speaks it: JSON-RPC 2.0 over `POST <peer>/a2a/v1`.
//!
//! ```text
//! request  := {"jsonrpc": "2.0", "id": ID, "method": "SendMessage" | "GetTask", "params": …}
//! answer   := {"result": {"task": TASK}} | {"result": TASK} | {"error": {"code": NUMBER, "message": TEXT}}
//! TASK     := {"id", "contextId", "status": {"state": "TASK_STATE_WORKING" | "TASK_STATE_COMPLETED" | …,
//!              "message": MESSAGE}, "artifacts": [{"parts": [{"text"}]}]}
//! ```
//! Measured on OpenClaw 2026.9.6, and what follows from it here:
//! - A message that is sent twice in one context is dropped without a word, its task never ends, and the next answer of
//!   that context goes to it. So a context is one thread's, holds one unanswered message at a time, and is given up for a
//!   fresh one when it is not known whether a message was taken; no message is sent twice.
//! - Tasks live in the gateway's memory: after its restart each is unknown (-32001), and nobody can tell whether its turn ran.
//! - A text that begins with `/` is refused, and one over 64 KiB; ours begins with a header, and longer ones go elsewhere.
//! - 30 requests a minute are served to a peer, questions about tasks among them; then -32000.
//!
//! Pure. What comes from a peer is data: nothing in it is believed beyond the task that it answers.

pub mod letter;

use serde_json::{Value, json};

use super::id::MessageId;
use super::name::Name;
use super::visible::line;

/// The longest text that is taken, in bytes of UTF-8.
pub const MOST_TEXT: usize = 64 << 10;
/// Requests that one peer serves us within [`MINUTE`].
pub const REQUESTS: usize = 30;
/// The window of [`REQUESTS`], in milliseconds.
pub const MINUTE: i64 = 60_000;

/// The longest id of a task, in bytes, and the most characters of a reason, that are believed to be one.
const MOST_ID: usize = 256;
const MOST_SAID: usize = 300;

/// Codes of errors.
const LIMITED: i64 = -32_000;
const NO_SUCH_TASK: i64 = -32_001;

/// How far the peer's agent is with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its turn waits or runs.
    Working,
    /// Its turn ended; what the agent said, if it said something.
    Done(Option<String>),
    /// Its turn failed, was refused or cancelled; why.
    Failed(String),
}

/// A task: one message at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What to ask for it by.
    pub id: String,
    /// How far it is.
    pub progress: Progress,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The message was taken, or stands so.
    Task(Task),
    /// Too many requests in a minute: nothing was done.
    Limited,
    /// The gateway knows no such task (any more).
    Unknown,
    /// Nothing was done, and why.
    Refused(String),
}

/// The context of a thread of ours; each `generation` is a fresh one, of which the agent remembers nothing.
pub fn context(instance: &Name, thread: &str, generation: u64) -> String {
    // It becomes part of a session's key, where case and punctuation may count for nothing.
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let thread = match thread.len() <= 64 && thread.bytes().all(plain) {
        true => thread.to_owned(),
        false => MessageId::derived("a2a", thread, 0).to_string(),
    };
    format!("lanpost-{}-{thread}-{generation}", instance.fold())
}

/// The request that sends `text` as the message `id` in `context`, and does not wait for the turn's end.
pub fn send(id: &str, context: &str, text: &str) -> Value {
    let message =
        json!({"messageId": id, "role": "ROLE_USER", "contextId": context, "parts": [{"text": text}]});
    request("SendMessage", json!({"message": message, "configuration": {"returnImmediately": true}}))
}

/// The request that asks how far a task is.
pub fn get(task: &str) -> Value {
    request("GetTask", json!({"id": task}))
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
}

/// Reads the body of an answer.
///
/// # Errors
/// It is none, in words: whether anything was done, is not known.
pub fn read(body: &[u8]) -> Result<Answer, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("its answer is no JSON: {error}"))?;
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let words = said(error.get("message").and_then(Value::as_str).unwrap_or("no reason was given"));
        return Ok(match error.get("code").and_then(Value::as_i64) {
            Some(LIMITED) if words.contains("limit") => Answer::Limited,
            Some(NO_SUCH_TASK) => Answer::Unknown,
            code => Answer::Refused(format!("{words} ({})", code.unwrap_or_default())),
        });
    }
    let result = answer.get("result").ok_or("its answer has neither a result nor an error")?;
    let task = result.get("task").unwrap_or(result);
    let id = task.get("id").and_then(Value::as_str).filter(|id| (1..=MOST_ID).contains(&id.len()));
    let id = id.ok_or("its answer names no task")?.to_owned();
    Ok(Answer::Task(Task { id, progress: progress(task)? }))
}

fn progress(task: &Value) -> Result<Progress, String> {
    let status = &task["status"];
    let state = status["state"].as_str().ok_or("its answer does not say how far the task is")?;
    let why = || said(text(&status["message"]).as_deref().unwrap_or(state));
    Ok(match state {
        "TASK_STATE_COMPLETED" => Progress::Done(
            task["artifacts"]
                .as_array()
                .into_iter()
                .flatten()
                .find_map(text)
                .or_else(|| text(&status["message"])),
        ),
        "TASK_STATE_FAILED" | "TASK_STATE_REJECTED" | "TASK_STATE_CANCELED" => Progress::Failed(why()),
        _ => Progress::Working,
    })
}

/// The beginning of a peer's reason, in one line.
fn said(words: &str) -> String {
    line(words).chars().take(MOST_SAID).collect()
}

/// The text of an artifact or a message, its parts joined.
fn text(of: &Value) -> Option<String> {
    let parts: Vec<&str> = of["parts"].as_array()?.iter().filter_map(|part| part["text"].as_str()).collect();
    Some(parts.join("\n")).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(value: Value) -> Result<Answer, String> {
        read(value.to_string().as_bytes())
    }

    fn task(state: &str, more: Value) -> Value {
        let mut task = json!({"id": "t", "contextId": "c", "status": {"state": state}});
        if let (Value::Object(task), Value::Object(more)) = (&mut task, more) {
            task.extend(more);
        }
        task
    }

    #[test]
    fn a_task_is_read_as_it_is_sent_and_as_it_is_asked_for() {
        let working = Answer::Task(Task { id: "t".into(), progress: Progress::Working });
        let submitted = task("TASK_STATE_SUBMITTED", json!({}));
        assert_eq!(answer(json!({"result": {"task": submitted}})), Ok(working.clone()));
        assert_eq!(answer(json!({"result": task("TASK_STATE_WORKING", json!({}))})), Ok(working));
        let said = json!({"artifacts": [{"parts": [{"text": "hello"}, {"data": 1}, {"text": "there"}]}]});
        let done = |text: Option<&str>| {
            Ok(Answer::Task(Task { id: "t".into(), progress: Progress::Done(text.map(str::to_owned)) }))
        };
        assert_eq!(answer(json!({"result": task("TASK_STATE_COMPLETED", said)})), done(Some("hello\nthere")));
        assert_eq!(answer(json!({"result": task("TASK_STATE_COMPLETED", json!({}))})), done(None));
    }

    #[test]
    fn what_went_wrong_is_told_apart() {
        let failed = |state: &str, why: &str| {
            let mut task = task(state, json!({}));
            task["status"]["message"] = json!({"parts": [{"text": why}]});
            answer(json!({"result": {"task": task}}))
        };
        let refused = Answer::Task(Task { id: "t".into(), progress: Progress::Failed("no".into()) });
        assert_eq!(failed("TASK_STATE_REJECTED", "no"), Ok(refused));
        let error = |code: i64, words: &str| answer(json!({"error": {"code": code, "message": words}}));
        assert_eq!(error(-32_000, "Peer is rate limited"), Ok(Answer::Limited));
        assert_eq!(error(-32_000, "draining"), Ok(Answer::Refused("draining (-32000)".into())));
        assert_eq!(error(-32_001, "Task not found"), Ok(Answer::Unknown));
        assert_eq!(
            error(-32_601, "Method not found"),
            Ok(Answer::Refused("Method not found (-32601)".into()))
        );
    }

    #[test]
    fn each_thread_has_a_context_of_its_own_in_each_generation() {
        let office = Name::parse("Office").unwrap();
        assert_eq!(context(&office, "t-1", 2), "lanpost-office-t-1-2");
        assert_ne!(context(&office, "Deploy", 0), context(&office, "deploy", 0));
        let odd = context(&office, "a:b/c d", 0);
        assert!(odd.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{odd}");
    }

    #[test]
    fn what_is_no_answer_proves_nothing() {
        for body in [
            "<html>",
            "{}",
            "[]",
            r#"{"result": 1}"#,
            r#"{"result": {"task": {"id": ""}}}"#,
            r#"{"result": {"id": "t"}}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, state in ".{0,20}", code: i64) {
            let _ = read(&body);
            let _ = answer(json!({"result": task(&state, json!({"artifacts": [code, {"parts": code}]}))}));
            let _ = answer(json!({"error": {"code": code, "message": state}}));
        }
    }
}
