//! The model that the gateways think with: OpenAI's chat completions on loopback, with a mind that is a function.
//!
//! Each gateway calls it by a path of its own, `/NAME/v1`, so that it is known who asks. All that was asked is kept, so
//! that a test sees the turns of an agent as the model saw them. A request that is held stays unanswered.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The only model there is.
pub const NAME: &str = "stub";

/// What a model is asked in one request: the running turn of an agent as far as it has come.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose agent it is.
    pub who: String,
    /// What it is told beforehand.
    pub system: String,
    /// What it is told in this turn.
    pub told: String,
    /// What the tools said in this turn, one after the other.
    pub results: Vec<String>,
}

/// What a model answers.
pub enum Move {
    /// Run this command of the shell.
    Run(String),
    /// The turn is over.
    Say(String),
}

/// What a gateway tells the agent of a turn that died with it, which it begins again by itself.
const BEGUN_AGAIN: &str = "Your previous turn was interrupted by a gateway restart";

/// How a model decides.
pub type Mind = fn(&Asked) -> Move;

/// A model at work.
pub struct Model {
    heard: Arc<Mutex<Heard>>,
    address: SocketAddr,
}

#[derive(Default)]
struct Heard {
    requests: Vec<Asked>,
    held: BTreeSet<String>,
}

impl Model {
    /// A model with this mind, at work until the process ends.
    pub fn start(mind: Mind) -> Model {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = heard.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, mind, shared));
        });
        Model { heard, address }
    }

    /// Where the gateway of `who` finds it.
    pub fn url(&self, who: &str) -> String {
        format!("http://{}/{who}/v1", self.address)
    }

    /// The turns of the agent of `who`, by their first requests, but for those that its gateway began again by itself.
    pub fn turns(&self, who: &str) -> Vec<Asked> {
        let heard = lock(&self.heard);
        let begins = |asked: &&Asked| {
            asked.who == who && asked.results.is_empty() && !asked.told.contains(BEGUN_AGAIN)
        };
        heard.requests.iter().filter(begins).cloned().collect()
    }

    /// What the tools of the agent of `who` said to it.
    pub fn results(&self, who: &str) -> Vec<String> {
        let heard = lock(&self.heard);
        let of = heard.requests.iter().filter(|asked| asked.who == who);
        of.filter_map(|asked| asked.results.last().cloned()).collect()
    }

    /// Lets turns of `who` hang from here on, until [`Model::go_on`]; those that have begun go on.
    pub fn hold(&self, who: &str) {
        lock(&self.heard).held.insert(who.to_owned());
    }

    /// Lets turns of `who` go on.
    pub fn go_on(&self, who: &str) {
        lock(&self.heard).held.remove(who);
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, mind: Mind, heard: Arc<Mutex<Heard>>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let heard = heard.clone();
        let service = service_fn(move |request| answer(request, mind, heard.clone()));
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // A gateway that is killed breaks its connections.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    mind: Mind,
    heard: Arc<Mutex<Heard>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let Some((who, call)) = path.trim_start_matches('/').split_once('/') else {
        return Ok(reply(StatusCode::NOT_FOUND, "application/json", "{}".into()));
    };
    if call == "v1/models" {
        let models = json!({"object": "list", "data": [{"id": NAME, "object": "model", "created": 0, "owned_by": NAME}]});
        return Ok(reply(StatusCode::OK, "application/json", models.to_string()));
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return Ok(reply(StatusCode::BAD_REQUEST, "application/json", "{}".into()));
    };
    let asked = asked(who, &body);
    let number = {
        let mut heard = lock(&heard);
        heard.requests.push(asked.clone());
        heard.requests.len()
    };
    while asked.results.is_empty() && lock(&heard).held.contains(who) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(spoken(number, &mind(&asked), body["stream"] == true))
}

/// The running turn in a request. It begins after the last answer in words alone: a gateway splits what the user says
/// over several messages, some behind what a tool said.
fn asked(who: &str, body: &Value) -> Asked {
    let empty = vec![];
    let messages = body["messages"].as_array().unwrap_or(&empty);
    let is_end = |message: &Value| message["role"] == "assistant" && message["tool_calls"].is_null();
    let begin = messages.iter().rposition(is_end).map_or(0, |last| last + 1);
    let said = |messages: &[Value], role: &str| -> Vec<String> {
        messages
            .iter()
            .filter(|message| message["role"] == role)
            .map(|message| words(&message["content"]))
            .collect()
    };
    let turn = messages.get(begin..).unwrap_or_default();
    Asked {
        who: who.to_owned(),
        system: [said(messages, "system"), said(messages, "developer")].concat().join("\n"),
        told: said(turn, "user").join("\n"),
        results: said(turn, "tool"),
    }
}

/// The text of a content, which may be in parts.
fn words(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|part| words(&part["text"])).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// A move as chat completions have it, in one piece or as a stream of events.
fn spoken(number: usize, made: &Move, stream: bool) -> Response<Full<Bytes>> {
    let (message, reason) = match made {
        Move::Say(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Move::Run(command) => {
            let function = json!({"name": "exec", "arguments": json!({"command": command}).to_string()});
            let call =
                json!({"index": 0, "id": format!("call_{number}"), "type": "function", "function": function});
            (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
    };
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
    let all = |object: &str, choices: Value, usage: &Value| json!({"id": format!("chat-{number}"), "object": object, "created": 0, "model": NAME, "choices": choices, "usage": usage});
    if !stream {
        let choices = json!([{"index": 0, "message": message, "finish_reason": reason}]);
        return reply(
            StatusCode::OK,
            "application/json",
            all("chat.completion", choices, &usage).to_string(),
        );
    }
    let chunk =
        |choices: Value, usage: &Value| format!("data: {}\n\n", all("chat.completion.chunk", choices, usage));
    let events = [
        chunk(json!([{"index": 0, "delta": message, "finish_reason": null}]), &Value::Null),
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), &Value::Null),
        chunk(json!([]), &usage),
        "data: [DONE]\n\n".to_owned(),
    ];
    reply(StatusCode::OK, "text/event-stream", events.concat())
}

fn reply(status: StatusCode, kind: &str, body: String) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("content-type", kind);
    answer.body(Full::new(Bytes::from(body))).unwrap()
}
