//! What the adapters that ask a server have in common: its secret, its pause, and what it said.
//!
//! Invariants: nothing that is told here holds a secret, though the server may repeat it, in whatever form. What it said
//! stays apart from our own words: those go to the senders, too.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::adapt::http::{Answer, Failure};
use crate::engine::wake::{Outcome, WakeOrder, WakeResult};
use crate::model::retry;
use crate::model::secret::{Secret, SecretRef};
use crate::model::text::{masked, said};
use crate::model::url::HttpUrl;
use crate::sys::secret;

/// How much of an answer is told, in bytes of UTF-8.
const TOLD: usize = 300;

/// How an attempt ended, before it is known of which wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How it went.
    pub outcome: Outcome,
    /// Whether the server may have heard of it.
    pub reached: bool,
    /// In our words.
    pub words: String,
    /// What the server said to it, for our own log.
    pub said: String,
    /// The pause that was asked for.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    pub(super) fn new(outcome: Outcome, words: impl Into<String>) -> Verdict {
        Verdict { outcome, reached: true, words: words.into(), said: String::new(), retry_after: None }
    }

    /// It may work later, and the server heard nothing of it.
    pub(super) fn unreached(words: impl Into<String>) -> Verdict {
        Verdict { reached: false, ..Verdict::new(Outcome::Temporary, words) }
    }

    /// There is no answer.
    pub(super) fn unanswered(failure: &Failure) -> Verdict {
        Verdict { reached: !failure.is_unsent(), ..Verdict::new(Outcome::Temporary, failure.to_string()) }
    }

    /// The result of `order`.
    pub(super) fn of(self, order: &WakeOrder) -> WakeResult {
        let Verdict { outcome, reached, words, said, retry_after } = self;
        WakeResult { wake: order.wake, outcome, reached, retry_after, detail: words, said }
    }
}

/// The secret that the config names, if it names one; read anew each time, so that a new one counts at once.
pub(super) async fn resolve(reference: &Option<SecretRef>) -> Result<Option<Secret>, Verdict> {
    let Some(reference) = reference.clone() else { return Ok(None) };
    // A keyring may take its time.
    let asked = tokio::task::spawn_blocking(move || secret::resolve(&reference)).await;
    match asked {
        Ok(secret) => secret.map(Some).map_err(|error| Verdict::unreached(error.to_string())),
        Err(error) => Err(Verdict::unreached(format!("could not read the secret: {error}"))),
    }
}

/// The name by which a server knows a request again: the same for all attempts at the same mail in one row, so that one
/// whose answer was lost does nothing twice; another when the agent is woken for it again.
pub(super) fn key(instance: &str, order: &WakeOrder) -> String {
    let ids = order.messages.iter().map(|message| message.id.as_str());
    let mut hasher = blake3::Hasher::new();
    for text in [instance, &order.agent, &order.sender].into_iter().chain(ids) {
        hasher.update(text.as_bytes()).update(&[0]);
    }
    format!("lanpost-{}-{}", order.first, &hasher.finalize().to_hex()[..32])
}

/// What stands above every body of ours.
pub(super) fn json(key: &str) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    headers.extend(HeaderValue::from_str(key).map(|key| (HeaderName::from_static("idempotency-key"), key)));
    headers
}

/// The header that shows a secret to the server.
pub(super) fn bearer(secret: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok()?;
    value.set_sensitive(true);
    Some((AUTHORIZATION, value))
}

/// The pause that the answer asks for.
pub(super) fn pause(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    retry::asked(text(RETRY_AFTER)?, text(DATE), now)
}

/// The beginning of what the server said, in one line, without the secrets and what of them `url` may be.
pub(super) fn quoted(answer: &Answer, secrets: &[&Secret], url: &HttpUrl) -> String {
    let secrets = secrets.iter().map(|secret| secret.expose());
    let text = masked::masked(&said::text(&answer.body), secrets.chain([url.target()]));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = (0..=TOLD.min(words.len())).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
    let more = !words.is_empty() && (answer.cut || end < words.len());
    format!("{}{}", &words[..end], if more { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> String {
        let secret = Secret::new("hunter2".to_owned()).unwrap();
        let answer = Answer { status: 500, headers: HeaderMap::new(), body: body.into(), cut: false };
        quoted(&answer, &[&secret], &HttpUrl::parse("http://x/services/T00/SECRETPATH?key=a%2fb+c").unwrap())
    }

    #[test]
    fn what_it_said_is_short_and_holds_no_secret() {
        assert_eq!(said(""), "");
        assert_eq!(said(" \r\n"), "");
        assert_eq!(said("no such\n  token hunter2"), "no such token …");
        assert_eq!(said("Cannot POST /services/T00/SECRETPATH?key=a%2fb+c"), "Cannot POST …");
        let long = said(&"好".repeat(4000));
        assert!(long.len() <= TOLD + 10 && long.ends_with("好…"), "{long}");
        // The cut must not leave the beginning of a secret.
        assert!(!said(&format!("{}hunter2", "x".repeat(TOLD - 3))).contains("hun"));
    }

    #[test]
    fn a_secret_in_a_header_is_not_shown() {
        for text in ["hunter2", "hunter 密码"] {
            let (_, value) = bearer(&Secret::new(text.to_owned()).unwrap()).unwrap();
            assert!(value.is_sensitive() && !format!("{value:?}").contains("hunter"));
        }
    }
}
