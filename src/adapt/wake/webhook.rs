//! Waking by a webhook: the mail is posted as JSON to a server, and its status says how that went.
//!
//! - Body: `instance`, `agent`, `wake`, `attempt`, `count`, `text`, and `messages` as `lanpost inbox --json` shows them,
//!   or, if the config says so, what is ours of them and nothing that strangers wrote (`bare`). Documented in docs/wake.md; it only ever grows.
//! - Headers: `Idempotency-Key` (the same for all attempts at the same mail), `Authorization: Bearer` and the signature of
//!   [`signature`] if the config names secrets for them.
//! - 2xx: accepted. 408, 425, 429, 5xx and no answer: try again, after the pause that `Retry-After` asks for. All else: never.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{self, Verdict, bearer, resolve};
use crate::adapt::http::{Ask, Http};
use crate::engine::wake::{Outcome, WakeOrder, WakeResult};
use crate::model::config::WebhookConfig;
use crate::model::secret::Secret;
use crate::model::signature;
use crate::model::wake::told;
use crate::store::db::Message;
use crate::sys::clock::Clock;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(10);

/// A server that is told of mail.
pub struct Webhook {
    config: WebhookConfig,
    instance: String,
    http: Http,
    clock: Arc<dyn Clock>,
}

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    instance: &'a str,
    agent: &'a str,
    wake: i64,
    attempt: u32,
    count: usize,
    text: &'a str,
    verified: bool,
    test: bool,
    messages: Vec<Value>,
}

impl Webhook {
    /// The webhook of `config`, for mail to `instance`.
    pub fn new(config: WebhookConfig, instance: String, clock: Arc<dyn Clock>) -> Webhook {
        let connect = CONNECT.min(config.timeout);
        Webhook { config, instance, http: Http::new(connect, false, None), clock }
    }

    /// Posts one order, and waits for the answer until its deadline.
    pub async fn run(&self, order: &WakeOrder) -> WakeResult {
        self.post(order).await.of(order)
    }

    async fn post(&self, order: &WakeOrder) -> Verdict {
        let (token, key) = match (resolve(&self.config.bearer).await, resolve(&self.config.hmac).await) {
            (Ok(token), Ok(key)) => (token, key),
            (Err(verdict), _) | (_, Err(verdict)) => return verdict,
        };
        let body = self.body(order);
        let mut headers = answer::json(&answer::key(&self.instance, order));
        if let Some(token) = &token {
            match bearer(token) {
                Some(header) => headers.push(header),
                None => {
                    let words =
                        "the secret of `wake.webhook.bearer` can't stand in a header: store another one";
                    return Verdict::new(Outcome::Permanent, words);
                }
            }
        }
        if let Some(key) = &key {
            let signed = signature::sign(key.expose().as_bytes(), self.clock.wall().timestamp(), &body);
            let header = HeaderName::from_bytes(self.config.header.as_bytes());
            if let (Ok(name), Ok(value)) = (header, HeaderValue::from_str(&signed)) {
                headers.push((name, value));
            }
        }
        let (url, timeout) = (&self.config.url, self.config.timeout);
        let secrets: Vec<&Secret> = [&token, &key].into_iter().flatten().collect();
        match self.http.send(Ask { method: Method::POST, url, headers, body, timeout }).await {
            Err(failure) => Verdict::unanswered(&failure),
            Ok(answer) => {
                let verdict = judge(answer.status, &url.origin());
                let said = match verdict.outcome {
                    Outcome::Accepted => String::new(),
                    _ => answer::quoted(&answer, &secrets, url),
                };
                Verdict { retry_after: answer::pause(&answer.headers, self.clock.wall()), said, ..verdict }
            }
        }
    }

    fn body(&self, order: &WakeOrder) -> Vec<u8> {
        let contents = self.config.contents;
        let shown = order.messages.iter().map(|message| match contents {
            true => serde_json::to_value(message).unwrap_or_default(),
            false => bare(message, &self.instance, &order.agent),
        });
        let body = Body {
            instance: &self.instance,
            agent: &order.agent,
            wake: order.wake,
            attempt: order.attempt,
            count: order.messages.len(),
            text: if contents { &order.text } else { &order.note },
            verified: told::is_verified(&order.marks()),
            test: order.is_test(),
            messages: shown.collect(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// A message without what was written: of somebody who is verified, its words on the envelope stay; of anybody else nothing
/// but a name does, and what we made of it.
fn bare(message: &Message, instance: &str, agent: &str) -> Value {
    const OURS: [&str; 7] = ["way", "state", "at", "priority", "verdict", "sealed", "wake"];
    const THEIRS: [&str; 6] = ["type", "timestamp", "thread", "in_reply_to", "expires", "hops"];
    let theirs = if message.mark().verified { &THEIRS[..] } else { &[] };
    let shown = serde_json::to_value(message).unwrap_or_default();
    let mut bare: Map<String, Value> = OURS
        .iter()
        .chain(theirs)
        .filter_map(|key| Some(((*key).to_owned(), shown.get(*key)?.clone())))
        .collect();
    let to = if agent.is_empty() { instance.to_owned() } else { format!("{instance}/{agent}") };
    for (key, text) in [("id", message.handle()), ("from", told::name(&message.from)), ("to", to)] {
        bare.insert(key.to_owned(), text.into());
    }
    Value::Object(bare)
}

/// What a status means.
fn judge(status: u16, whom: &str) -> Verdict {
    let (outcome, next) = match status {
        200..=299 => return Verdict::new(Outcome::Accepted, format!("{whom} took it ({status})")),
        300..=399 => {
            (Outcome::Permanent, "; redirects are not followed: name the new address in `wake.webhook.url`")
        }
        401 | 403 => (
            Outcome::Permanent,
            "; look at the secrets that `wake.webhook` names: `lanpost secret check`, and what the server expects",
        ),
        404 | 410 => (Outcome::Permanent, "; look at `wake.webhook.url`"),
        413 => (Outcome::Permanent, "; `contents = false` makes it small, a smaller `wake.batch`, too"),
        408 | 425 | 429 | 500.. => (Outcome::Temporary, ""),
        _ => (Outcome::Permanent, ""),
    };
    Verdict::new(outcome, format!("{whom} answers {status}{next}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_says_whether_to_try_again() {
        for (status, outcome) in [
            (200, Outcome::Accepted),
            (204, Outcome::Accepted),
            (301, Outcome::Permanent),
            (400, Outcome::Permanent),
            (401, Outcome::Permanent),
            (403, Outcome::Permanent),
            (404, Outcome::Permanent),
            (408, Outcome::Temporary),
            (413, Outcome::Permanent),
            (425, Outcome::Temporary),
            (429, Outcome::Temporary),
            (500, Outcome::Temporary),
            (503, Outcome::Temporary),
            (599, Outcome::Temporary),
            (100, Outcome::Permanent),
        ] {
            let verdict = judge(status, "http://x");
            assert_eq!(verdict.outcome, outcome, "{status}");
            assert!(verdict.words.contains(&status.to_string()), "{}", verdict.words);
            assert_eq!(verdict.words.contains("secret check"), [401, 403].contains(&status));
        }
    }
}
