//! A claim: who works on something that one alone may work on. `…/<number>.json`; the highest number holds.
//!
//! Made once, with O_EXCL, and never changed. The number is the fencing token. A claim ends by its holder's own word, said
//! where everybody reads it, or when its holder's instance stood still for its term on our clock and on the share's; then
//! the next number may be made. It is signed as a heartbeat is, and says what it is a claim of: a copy of it elsewhere is
//! nobody's. One whose writer can't have been whom it names holds nothing once it has lain there for [`TERM`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lease::TERM;
use super::name::Address;
use super::sign::Signer;

/// The longest claim that is read.
pub const MAX: usize = 4 * 1024;

/// The content of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What is claimed: the folder that it lies in.
    pub claim: String,
    /// Its number.
    pub number: u64,
    /// Whose it is.
    pub by: Address,
    /// For how many seconds its instance must stand still before another one may take over.
    pub term: u64,
    /// A random word, by which its maker knows it again.
    pub word: String,
    /// The PC, for people.
    pub host: String,
    /// When it was made, on its maker's clock, for people.
    pub since: String,
}

impl Claim {
    /// The file's bytes, signed.
    pub fn to_signed_bytes(&self, signer: &Signer) -> Vec<u8> {
        let Ok(Value::Object(mut object)) = serde_json::to_value(self) else { return vec![] };
        signer.sign_object(&mut object);
        let mut bytes = serde_json::to_vec_pretty(&object).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the claim `number` of `what`, and the object that its writer's key is to verify; `None` if it is none.
    pub fn read(bytes: &[u8], what: &str, number: u64) -> Option<(Claim, Map<String, Value>)> {
        let object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let claim: Claim = serde_json::from_value(Value::Object(object.clone())).ok()?;
        (claim.claim == what && claim.number == number).then_some((claim, object))
    }

    /// For how long its holder must stand still.
    pub fn term(&self) -> Duration {
        patience(self.term)
    }
}

/// For how long a holder must stand still that claimed something for `term` seconds: at least as long as a share may be
/// cut off and come back.
pub fn patience(term: u64) -> Duration {
    Duration::from_secs(term).clamp(TERM, MOST)
}

/// The longest that anything is claimed for.
pub const MOST: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_good_in_its_own_place_alone() {
        let signer = Signer::new(&[7; 32]);
        let claim = Claim {
            claim: "tasks/claims/x".into(),
            number: 3,
            by: "lab/main".parse().unwrap(),
            term: 1,
            word: "w".into(),
            host: "pc".into(),
            since: "now".into(),
        };
        let bytes = claim.to_signed_bytes(&signer);
        let (read, object) = Claim::read(&bytes, "tasks/claims/x", 3).unwrap();
        assert!(read == claim && signer.key().verifies(&object));
        assert!(Claim::read(&bytes, "tasks/claims/x", 4).is_none());
        assert!(Claim::read(&bytes, "tasks/claims/y", 3).is_none());
        assert!(Claim::read(b"", "tasks/claims/x", 3).is_none());
        assert_eq!(claim.term(), TERM, "however short");
    }
}
