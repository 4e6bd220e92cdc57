//! The heartbeat: what an instance says of itself in `status/<instance>.json`.
//!
//! Written by the instance alone, replaced atomically, read by everybody. Readers judge presence by seeing the
//! file change on their own clock ([`super::presence`]); `timestamp` is for people. A foreign status file (the
//! plain protocol's) is any JSON without `lanpost`: its instance gets its mail in the open slot.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::Name;

/// The version of the heartbeat this crate writes.
pub const VERSION: u64 = 1;

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The lanpost version that wrote it.
    pub lanpost: String,
    /// The heartbeat's own version.
    pub v: u64,
    /// Who writes.
    pub instance: Name,
    /// `online` while a daemon runs; `stopped` after a clean stop, and between passes of a CLI without a daemon.
    pub state: Activity,
    /// Why it stopped, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts the heartbeats; only grows.
    pub beat: u64,
    /// When, on the writer's clock (RFC 3339).
    pub timestamp: String,
    /// Seconds between heartbeats.
    pub interval: u64,
    /// The agents behind the instance.
    #[serde(default)]
    pub agents: Vec<Name>,
    /// The lease it writes under.
    pub lease: u64,
    /// Its public key, `ed25519:<64 hex>`.
    pub key: String,
    /// The PC.
    pub host: String,
    /// The largest line it takes, in bytes.
    pub max_message: u64,
    /// What a newer version adds.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Whether a daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// A daemon is at work.
    Online,
    /// No daemon; mail waits in the lane.
    Stopped,
}

impl Heartbeat {
    /// Reads a status file; `None` if it is not lanpost's (then its owner speaks the plain protocol).
    pub fn parse(bytes: &[u8]) -> Option<Heartbeat> {
        serde_json::from_slice(bytes).ok()
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_status_file_is_not_a_heartbeat() {
        assert_eq!(Heartbeat::parse(b"{\"instance\":\"a\",\"status\":\"online\"}"), None);
        assert_eq!(Heartbeat::parse(b"\0\0\0"), None);
        assert_eq!(Heartbeat::parse(b""), None);
    }
}
