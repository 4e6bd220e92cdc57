//! The way in which agents are woken, as far as it is worth knowing that it changed: then mail whose wakes failed is due
//! again.

use std::fmt::Write;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::config::WakeConfig;
use crate::model::secret::SecretRef;
use crate::sys::secret;

/// Where its digest is remembered.
const KEY: &str = "wake way";

/// Remembers the way of the config; if it is another than the last one, what was not woken for is due again.
pub(super) fn remember(node: &mut Node) -> Result<()> {
    let (way, last) = (digest(&node.config.wake), node.db.meta(KEY)?);
    if last.as_ref() == Some(&way) {
        return Ok(());
    }
    if last.is_some() {
        node.db.wake_unwoken("agents are woken in another way", node.clock.wall_ms())?;
    }
    node.db.set_meta(KEY, &way)
}

/// 32 bits: enough to notice a change, and too few to be sure of a guess at the secret. A keyring, which may ask a person,
/// is not asked at a start.
fn digest(config: &WakeConfig) -> String {
    let mut way = format!("{:?} {:?} {:?}", config.command, config.webhook, config.openclaw);
    let mut secrets = vec![];
    if let Some(webhook) = &config.webhook {
        // What is shown of it leaves out the path, which may be a secret.
        let _ = write!(way, " {}", webhook.url.uri());
        secrets.extend([&webhook.bearer, &webhook.hmac]);
    }
    secrets.extend(config.openclaw.as_ref().map(|gateway| &gateway.token));
    for reference in secrets.into_iter().flatten().filter(|it| !matches!(it, SecretRef::Keyring(_))) {
        way.push('\0');
        way += secret::resolve(reference).as_ref().map_or("", |secret| secret.expose());
    }
    let hash = blake3::hash(way.as_bytes());
    hash.to_hex().chars().take(8).collect()
}
