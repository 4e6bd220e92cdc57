//! The share's identity: `lanpost.json` in its root, made once by O_EXCL and never changed.
//!
//! Before anything is believed or written, this file must say what it said before: an unmounted mount point (no
//! file) and a swapped share (another id) are not an empty mailbox.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The format of the share this crate reads and writes.
pub const FORMAT: u64 = 1;

/// The content of `lanpost.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// A UUID, made by whoever ran the first `lanpost init` on the share.
    pub share: String,
    /// The format version.
    pub format: u64,
    /// When it was made (RFC 3339), for people.
    #[serde(default)]
    pub created: String,
    /// What a newer version adds.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Identity {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// A sentence for people: not ours, or a newer format.
    pub fn parse(bytes: &[u8]) -> Result<Identity, String> {
        let identity: Identity = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not a share's identity ({error})"))?;
        match identity.format {
            FORMAT => Ok(identity),
            other => Err(format!("its format is {other}; this lanpost knows format {FORMAT}")),
        }
    }

    /// Whether a later version wrote these bytes, whatever else it changed.
    pub fn is_newer(bytes: &[u8]) -> bool {
        let value: Option<Value> = serde_json::from_slice(bytes).ok();
        value.is_some_and(|value| value["format"].as_u64().is_some_and(|format| format > FORMAT))
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
    fn a_newer_format_and_noise_are_refused_in_words() {
        assert!(Identity::parse(b"{\"share\":\"x\",\"format\":2}").unwrap_err().contains("format is 2"));
        assert!(Identity::parse(b"").unwrap_err().contains("not a share's identity"));
        assert!(Identity::is_newer(b"{\"id\":\"x\",\"format\":2}") && !Identity::is_newer(b"{\"format\":1}"));
        let identity = Identity::parse(b"{\"share\":\"x\",\"format\":1,\"more\":true}").unwrap();
        assert_eq!(Identity::parse(&identity.to_bytes()), Ok(identity));
    }
}
