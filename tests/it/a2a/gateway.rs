//! A made-up OpenClaw gateway: its A2A channel as it was measured, traps included, without a model behind it.
//!
//! - A message that comes again in its context gets a task that never ends, and takes the context's next answer.
//! - Tasks live in memory: [`Gateway::restart`] forgets them; which messages it had is remembered.
//! - 30 requests in a minute, then -32000.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use lanpost::engine::envoy::Heard;
use serde_json::{Value, json};

/// What is wrong with it, or with the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Nobody listens.
    Down,
    /// It does what it is asked, and its answer gets lost.
    Mute,
    /// The request gets lost on its way, and so there is no answer.
    Deaf,
    /// It listens, and is not ready.
    Starting,
    /// It answers everything with this status.
    Status(u16),
    /// It refuses messages.
    Refuses,
    /// Its agent's turns fail.
    Fails,
    /// What it says of this task is cut off.
    Cuts(String),
}

pub struct Gateway {
    pub mood: Mood,
    /// What its agent got: the message's id, its context, its text.
    pub turns: Vec<(String, String, String)>,
    /// Turns end when they are told to.
    pub holds: bool,
    /// What the agent says to a message.
    pub says: fn(&str) -> Option<String>,
    /// The most requests in a minute.
    pub peak: usize,
    /// Requests that were refused since there were too many.
    pub limited: usize,
    seen: BTreeSet<(String, String)>,
    tasks: BTreeMap<String, (String, Option<Value>)>,
    /// The tasks of a context that wait for an answer.
    waiting: BTreeMap<String, VecDeque<String>>,
    running: VecDeque<(String, String)>,
    made: VecDeque<Duration>,
    count: u64,
}

impl Gateway {
    pub fn new() -> Gateway {
        Gateway {
            mood: Mood::Well,
            turns: vec![],
            holds: false,
            says: |id| Some(format!("re {id}")),
            peak: 0,
            limited: 0,
            seen: BTreeSet::new(),
            tasks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            running: VecDeque::new(),
            made: VecDeque::new(),
            count: 0,
        }
    }

    /// Its process ends and begins anew.
    pub fn restart(&mut self) {
        self.tasks.clear();
        self.waiting.clear();
        self.running.clear();
        self.made.clear();
    }

    /// Ends the oldest turn.
    pub fn finish(&mut self) {
        let Some((id, context)) = self.running.pop_front() else { return };
        let end = match (&self.mood, (self.says)(&id)) {
            (Mood::Fails, _) => {
                json!({"state": "TASK_STATE_FAILED", "message": {"parts": [{"text": "no model"}]}})
            }
            (_, Some(text)) => json!({"state": "TASK_STATE_COMPLETED", "text": text}),
            (_, None) => json!({"state": "TASK_STATE_COMPLETED"}),
        };
        // Answers go to whoever waits first in the context.
        if let Some(task) = self.waiting.get_mut(&context).and_then(VecDeque::pop_front)
            && let Some((_, ended)) = self.tasks.get_mut(&task)
        {
            *ended = Some(end);
        }
    }

    /// What becomes of a request at `now`; none: whether it is ready.
    pub fn hear(&mut self, request: Option<&Value>, now: Duration) -> Heard {
        let answered = |status, body: Value| Heard::Answered {
            status,
            retry_after: None,
            body: body.to_string().into_bytes(),
        };
        match (&self.mood, request) {
            (Mood::Down, _) => Heard::Unsent("connection refused".into()),
            (Mood::Deaf, _) => Heard::Lost("no answer within 15s".into()),
            (Mood::Starting, _) => answered(503, json!({"ready": false})),
            (_, None) => answered(200, json!({"ready": true})),
            (Mood::Status(status), _) => answered(*status, json!({"error": "no"})),
            (Mood::Mute, Some(request)) => {
                self.answer(request, now);
                Heard::Lost("the connection broke".into())
            }
            (Mood::Cuts(task), Some(request)) if request["params"]["id"] == *task => {
                Heard::Lost("broke off its answer, or it was too long".into())
            }
            (_, Some(request)) => answered(200, self.answer(request, now)),
        }
    }

    fn answer(&mut self, request: &Value, now: Duration) -> Value {
        let error = |code: i64, words: &str| json!({"jsonrpc": "2.0", "id": "1", "error": {"code": code, "message": words}});
        while self.made.front().is_some_and(|made| *made + Duration::from_secs(60) <= now) {
            self.made.pop_front();
        }
        if self.made.len() >= 30 {
            self.limited += 1;
            return error(-32_000, "Peer is rate limited");
        }
        self.made.push_back(now);
        self.peak = self.peak.max(self.made.len());
        let result = match request["method"].as_str() {
            Some("SendMessage") if self.mood == Mood::Refuses => return error(-32_000, "draining"),
            Some("SendMessage") => json!({"task": self.take(&request["params"]["message"])}),
            Some("GetTask") => match request["params"]["id"].as_str().and_then(|id| self.task(id)) {
                Some(task) => task,
                None => return error(-32_001, "Task not found"),
            },
            _ => return error(-32_601, "Method not found"),
        };
        json!({"jsonrpc": "2.0", "id": "1", "result": result})
    }

    fn take(&mut self, message: &Value) -> Value {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, context) = (word(&message["messageId"]), word(&message["contextId"]));
        let text = word(&message["parts"][0]["text"]);
        assert!(!text.starts_with('/') && text.len() <= 64 << 10, "{text}");
        self.count += 1;
        let task = format!("task-{}", self.count);
        self.tasks.insert(task.clone(), (context.clone(), None));
        self.waiting.entry(context.clone()).or_default().push_back(task.clone());
        if self.seen.insert((context.clone(), id.clone())) {
            self.turns.push((id.clone(), context.clone(), text));
            self.running.push_back((id, context));
        }
        let shown = self.task(&task).unwrap();
        if !self.holds {
            self.finish();
        }
        shown
    }

    fn task(&self, id: &str) -> Option<Value> {
        let (context, ended) = self.tasks.get(id)?;
        let mut task = json!({"id": id, "contextId": context, "status": {"state": "TASK_STATE_WORKING"}});
        if let Some(ended) = ended {
            task["status"] = ended.clone();
            if let Some(text) = ended.get("text") {
                task["artifacts"] = json!([{"parts": [{"text": text}]}]);
            }
        }
        Some(task)
    }
}
