//! Waking agents behind an OpenClaw gateway, over its hooks (docs/wake.md). Its CLI is never called.
//!
//! - One order, one request. With a mapping, or `/hooks/agent`, an order is for the mail of one sender
//!   ([`by_sender`](crate::model::config::WakeConfig::by_sender)), which has a session of its own with the agent;
//!   `/hooks/wake` is a short note of everybody's mail.
//! - A mapping is given names, counts, and what our own texts call each letter; what it tells the agent stands in the
//!   gateway's own config, and says whether senders are verified. The words of others reach the agent by `lanpost read`, unless a mapping asks for `{{text}}`.
//! - 2xx is "queued": the gateway forgets it at a restart. Whether the agent read is seen by the engine.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::answer::{self, Verdict, bearer, resolve};
use crate::adapt::http::{Answer, Ask, Http};
use crate::engine::wake::{Outcome, WakeOrder, WakeResult};
use crate::model::config::{HookMode, OpenClawConfig};
use crate::model::envelope::Priority;
use crate::model::secret::Secret;
use crate::model::wake::told;
use crate::sys::clock::Clock;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest text that is sent along: the gateway takes 256 KiB, and JSON may double it.
const TEXT: usize = 96 * 1024;

/// A gateway.
pub struct OpenClaw {
    config: OpenClawConfig,
    instance: String,
    /// How the gateway's agents call our program.
    lanpost: String,
    http: Http,
    clock: Arc<dyn Clock>,
}

impl OpenClaw {
    /// The gateway of `config`, for mail to `instance`, whose agents call our program so.
    pub fn new(config: OpenClawConfig, instance: String, lanpost: String, clock: Arc<dyn Clock>) -> OpenClaw {
        let connect = CONNECT.min(config.timeout);
        OpenClaw { config, instance, lanpost, http: Http::new(connect, false, None), clock }
    }

    /// Tells the gateway of one order, and waits for its answer.
    pub async fn run(&self, order: &WakeOrder) -> WakeResult {
        let told = match resolve(&self.config.token).await {
            Err(verdict) => verdict,
            Ok(None) => Verdict::new(Outcome::Permanent, NO_TOKEN),
            Ok(Some(token)) => self.post(order, &token).await,
        };
        told.of(order)
    }

    async fn post(&self, order: &WakeOrder, token: &Secret) -> Verdict {
        let (path, body) = self.request(order);
        let (Some(url), Some(token_header)) = (self.config.url.at(&path), bearer(token)) else {
            let words = "the secret of `wake.openclaw.token` can't stand in a header: store another one";
            return Verdict::new(Outcome::Permanent, words);
        };
        let mut headers = answer::json(&answer::key(&self.instance, order));
        headers.push(token_header.clone());
        let (body, timeout) = (serde_json::to_vec(&body).unwrap_or_default(), self.config.timeout);
        let answer = self.http.send(Ask { method: Method::POST, url: &url, headers, body, timeout }).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Verdict::unanswered(&failure),
        };
        let said = answer::quoted(&answer, &[token], &self.config.url);
        let (outcome, words) = match answer.status {
            404 => (Outcome::Permanent, self.not_there(&path, token_header).await),
            status => judge(status, &said),
        };
        Verdict {
            outcome,
            reached: true,
            said: if outcome == Outcome::Accepted { String::new() } else { said },
            words: format!("{}{words}", self.config.url.origin()),
            retry_after: answer::pause(&answer.headers, self.clock.wall()),
        }
    }

    /// What is posted, and where.
    fn request(&self, order: &WakeOrder) -> (String, Value) {
        let OpenClawConfig { hooks, path, mode, .. } = &self.config;
        let agent = self.config.agent(&order.agent);
        let text = sendable(&order.text);
        let marks = order.marks();
        // The template asks for mail to be read: of a test there is none, and it says so.
        let (from, count, ids) = match order.is_test() {
            true => (TEST.to_owned(), 0, "none".to_owned()),
            false => (told::senders(&marks), marks.len(), told::ids(&marks)),
        };
        let mut body = match mode {
            HookMode::Mapping => json!({
                "session": session(order),
                "instance": self.instance,
                "agent": order.agent,
                "from": from,
                "verified": told::is_verified(&marks),
                "count": count,
                "ids": ids,
                "test": order.is_test(),
                "urgent": order.messages.iter().any(|message| message.priority == Priority::Urgent),
                "text": text,
            }),
            HookMode::Agent => json!({
                "message": if text.is_empty() { self.note(order) } else { text.to_owned() },
                "name": "lanpost",
                "sessionKey": session(order),
                "sessionMode": "persistent",
                "deliver": false,
            }),
            HookMode::Wake => json!({ "text": self.note(order), "mode": "now" }),
        };
        if let (Some(agent), Some(fields)) = (agent, body.as_object_mut()) {
            fields.insert("agentId".to_owned(), agent.into());
        }
        let own = agent.filter(|agent| self.config.agent.as_deref() != Some(agent));
        let path = match (mode, own) {
            // A mapping's agent is fixed, so each has a mapping.
            (HookMode::Mapping, Some(agent)) => format!("{hooks}/{path}/{agent}"),
            (HookMode::Mapping, None) => format!("{hooks}/{path}"),
            (HookMode::Agent, _) => format!("{hooks}/agent"),
            (HookMode::Wake, _) => format!("{hooks}/wake"),
        };
        (path, body)
    }

    /// A note of our own words alone.
    fn note(&self, order: &WakeOrder) -> String {
        if order.is_test() {
            return order.note.clone();
        }
        let (marks, instance, lanpost) = (order.marks(), &self.instance, &self.lanpost);
        let (count, from, ids) = (marks.len(), told::senders(&marks), told::ids(&marks));
        let plural = if count == 1 { "" } else { "s" };
        format!(
            "{count} new message{plural} from {from} in the lanpost mailbox of {instance}: {ids}. `{lanpost} read ID` shows \
             one, `{lanpost} reply ID TEXT` answers it, `{lanpost} ack ID` says that it is dealt with; `{lanpost} inbox` lists all."
        )
    }

    /// Why there is nothing at `path`: `/hooks/wake` is there wherever hooks are on, and takes no empty note.
    async fn not_there(
        &self,
        path: &str,
        token: (hyper::header::HeaderName, hyper::header::HeaderValue),
    ) -> String {
        let hooks = &self.config.hooks;
        let mut headers = answer::json("");
        headers.push(token);
        let (method, timeout, body) = (Method::POST, self.config.timeout, b"{}".to_vec());
        let on = match self.config.url.at(&format!("{hooks}/wake")) {
            Some(url) => self.http.send(Ask { method, url: &url, headers, body, timeout }).await,
            None => return String::new(),
        };
        match on {
            Ok(Answer { status: 400, .. }) => format!(
                " answers 404: its hooks are on, but none has the path {path}; `lanpost init --wake openclaw` shows what is \
                 to be added there"
            ),
            Ok(Answer { status: 404, .. }) => format!(
                " answers 404: its hooks are off, or have another path than {hooks}; `lanpost init --wake openclaw` shows what \
                 is to be added there"
            ),
            _ => format!(" answers 404: there is nothing at {path}"),
        }
    }
}

/// In the place of a sender's name.
const TEST: &str = "nobody (this is a test by `lanpost wake test`: no mail came, so do nothing of what follows, and reply NO_REPLY)";

const NO_TOKEN: &str = "`wake.openclaw.token` is not set: name the token of the gateway's hooks there, or run `lanpost init --wake openclaw`";

/// The session of an order's sender with the agent.
fn session(order: &WakeOrder) -> String {
    format!("hook:lanpost:{}", order.sender)
}

/// A text that has room in a request, or none.
fn sendable(text: &str) -> &str {
    if text.len() <= TEXT { text } else { "" }
}

/// What a status of the gateway means, in words that follow its address; `said` is what it said to it.
fn judge(status: u16, said: &str) -> (Outcome, String) {
    let unknown_agent = said.contains("unknown agentId");
    let sessions = said.contains("sessionKey") || said.contains("SessionKey");
    let (outcome, means) = match status {
        200..=299 => (Outcome::Accepted, " queued it"),
        400 if unknown_agent => (
            Outcome::Permanent,
            "; it knows no agent of that name: mend `wake.openclaw.agent` and `agents` (`openclaw agents list` there)",
        ),
        400 if said.contains("agentId") => (
            Outcome::Permanent,
            "; add that agent to `hooks.allowedAgentIds` there, or mend `wake.openclaw.agents`",
        ),
        400 if sessions => (
            Outcome::Permanent,
            "; it needs `hooks.allowRequestSessionKey: true` and `hooks.allowedSessionKeyPrefixes: [\"hook:\"]` there",
        ),
        401 | 403 => (
            Outcome::Permanent,
            "; the token is not that of its hooks (`hooks.token` there): store the right one under the name that \
             `wake.openclaw.token` has, with `lanpost secret set`",
        ),
        405 => (Outcome::Permanent, "; is it an OpenClaw gateway? look at `wake.openclaw.url`"),
        408 => (Outcome::Temporary, "; it did not get the whole request in time"),
        409 => (Outcome::Temporary, "; the sender's session there takes no work now"),
        413 => (Outcome::Permanent, "; a smaller `wake.batch` makes it small"),
        429 => {
            (Outcome::Temporary, "; it was asked with wrong tokens too often, and answers nobody for a while")
        }
        502 => (Outcome::Temporary, "; the agent could not be started: look at its model there"),
        503 => (Outcome::Temporary, "; it is starting, stopping, or busy with this sender's last mail"),
        425 | 500.. => (Outcome::Temporary, ""),
        300..=399 => {
            (Outcome::Permanent, "; redirects are not followed: name the new address in `wake.openclaw.url`")
        }
        _ => (Outcome::Permanent, ""),
    };
    match outcome {
        Outcome::Accepted => (outcome, means.to_owned()),
        _ => (outcome, format!(" answers {status}{means}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gateways_answer_is_told_apart() {
        // The words are those of OpenClaw 2026.9.6.
        for (status, said, outcome, word) in [
            (200, "", Outcome::Accepted, "queued"),
            (204, "", Outcome::Accepted, "queued"),
            (400, r#": {"ok":false,"error":"unknown agentId \"x\""}"#, Outcome::Permanent, "knows no agent"),
            (
                400,
                r#": {"error":"agentId \"x\" is not allowed by hooks.allowedAgentIds"}"#,
                Outcome::Permanent,
                "add that",
            ),
            (
                400,
                r#": {"error":"sessionKey must start with one of: hook:"}"#,
                Outcome::Permanent,
                "Prefixes",
            ),
            (400, r#": {"error":"hook mapping requires message"}"#, Outcome::Permanent, "400"),
            (401, ": Unauthorized", Outcome::Permanent, "secret set"),
            (409, "", Outcome::Temporary, "session"),
            (429, "", Outcome::Temporary, "wrong tokens"),
            (500, ": hook mapping failed", Outcome::Temporary, "500"),
            (502, "", Outcome::Temporary, "model"),
            (503, "", Outcome::Temporary, "starting"),
            (302, "", Outcome::Permanent, "redirects"),
            (418, "", Outcome::Permanent, "418"),
        ] {
            let (judged, words) = judge(status, said);
            assert_eq!(judged, outcome, "{status} {said}");
            assert!(words.contains(word), "{words}");
        }
    }
}
