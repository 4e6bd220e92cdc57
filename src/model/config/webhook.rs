//! The table `wake.webhook`: a server that is told of mail.

use std::time::Duration;

use hyper::header::HeaderName;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::fields::reference;
use super::value::*;
use crate::model::secret::SecretRef;
use crate::model::url::HttpUrl;

/// The header of the signature, if the config names no other.
const HEADER: &str = "x-lanpost-signature";

/// The table `wake.webhook`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it is posted to.
    pub url: HttpUrl,
    /// A secret that is sent along as it is: `Authorization: Bearer …`.
    #[serde(default, deserialize_with = "reference")]
    pub bearer: Option<SecretRef>,
    /// A secret that the body is signed with.
    #[serde(default, deserialize_with = "reference")]
    pub hmac: Option<SecretRef>,
    /// The header that the signature stands in.
    #[serde(default = "header", deserialize_with = "header_name")]
    pub header: String,
    /// Whether the contents of the messages are sent, or only what they are.
    #[serde(default = "contents")]
    pub contents: bool,
    /// Given up after this.
    #[serde(default = "timeout", deserialize_with = "duration::<_, { ANSWER.0 }, { ANSWER.1 }>")]
    pub timeout: Duration,
}

fn header() -> String {
    HEADER.to_owned()
}

fn contents() -> bool {
    true
}

pub(super) fn timeout() -> Duration {
    Duration::from_secs(30)
}

fn header_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    /// They mean something to the transport, or stand in every request of ours.
    const TAKEN: [&str; 8] = [
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "authorization",
        "idempotency-key",
        "user-agent",
    ];
    let name = String::deserialize(from)?.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() || TAKEN.contains(&name.as_str()) {
        return Err(D::Error::custom(format!("{name:?} is no name for a header of one's own")));
    }
    Ok(name)
}
