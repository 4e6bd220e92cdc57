//! Requests to peers' gateways: one POST, or one look whether it is ready; and how that went.
//!
//! No connection is kept: on one that the other side gave up meanwhile nobody could tell whether a request was seen. The
//! token is read anew each time, so that a changed one counts; it is in no word that leaves this file.

use std::time::Duration;

use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

use crate::adapt::http::{Answer, Ask, Http};
use crate::engine::envoy::{EnvoyOrder, EnvoyResult, Heard};
use crate::model::secret::SecretRef;
use crate::model::url::HttpUrl;
use crate::sys::secret;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest answer that is read: an agent may have much to say.
const MOST: usize = 4 << 20;
/// Where a gateway says whether it can be used.
const READY: &str = "/readyz";

/// The client.
#[derive(Clone)]
pub struct A2a {
    http: Http,
}

impl Default for A2a {
    fn default() -> A2a {
        A2a { http: Http::new(CONNECT, false, None).reading(MOST) }
    }
}

impl A2a {
    /// Asks for what the order says; how that went is known within its time.
    pub async fn ask(&self, order: EnvoyOrder) -> EnvoyResult {
        let peer = order.peer.clone();
        let heard = match self.send(order).await {
            Ok(heard) => heard,
            Err(why) => Heard::Unsent(why),
        };
        EnvoyResult { peer, heard }
    }

    /// The error says why nothing was sent.
    async fn send(&self, order: EnvoyOrder) -> Result<Heard, String> {
        let EnvoyOrder { gateway, request, timeout, .. } = order;
        // No probe goes well without a token, though it shows it to nobody.
        let bearer = bearer(gateway.token.clone()).await?;
        let ready: HttpUrl;
        let ask = match request {
            Some(request) => Ask {
                method: Method::POST,
                url: &gateway.url,
                headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json")), bearer],
                body: request.to_string().into_bytes(),
                timeout,
            },
            None => {
                ready = gateway.url.at(READY).ok_or("has an address without a place for /readyz")?;
                Ask { method: Method::GET, url: &ready, headers: vec![], body: vec![], timeout }
            }
        };
        Ok(match self.http.send(ask).await {
            Ok(Answer { cut: true, .. }) => Heard::Lost("broke off its answer, or it was too long".into()),
            Ok(Answer { status, headers, body, .. }) => {
                let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Heard::Answered { status, retry_after: seconds.map(Duration::from_secs), body }
            }
            Err(failure) => {
                // Where it is, is said beside it.
                let at = format!("{}: ", gateway.url.origin());
                let words = failure.words.strip_prefix(&at).unwrap_or(&failure.words).to_owned();
                if failure.is_unsent() { Heard::Unsent(words) } else { Heard::Lost(words) }
            }
        })
    }
}

/// The header that says who we are.
async fn bearer(token: SecretRef) -> Result<(HeaderName, HeaderValue), String> {
    let of = token.to_string();
    let read = tokio::task::spawn_blocking(move || secret::resolve(&token)).await;
    let token = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| format!("has a token that can't stand in a header: store another one at {of}"))?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}
