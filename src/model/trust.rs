//! Trust: which key speaks for a name, and what is made of a line that claims to.
//!
//! ```text
//! heartbeat with a key --first sight--> pinned --rotation--> retired     (good for a while: mail on its way)
//!        \--manual, or another key is pinned--> pending --by a person--> pinned, and the one before revoked
//! ```
//! A name is *bound* once a key was pinned for it, and stays so: from then on it speaks signed or not at all. A name
//! that is not bound may be used by anybody, and what it says is unverified.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sign::{self, Key};

/// The type of the report that a person finds in the inbox when something was refused; lanpost's own.
pub const TRUST_REPORT: &str = "trust-report";

/// How a key comes to be pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The first key that a name is seen with is the one that counts.
    #[default]
    FirstSight,
    /// Only by a person: `lanpost trust pin`.
    Manual,
}

/// What is done with mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It arrives.
    #[default]
    Allow,
    /// It arrives, and waits for a person to release it.
    Hold,
    /// It does not arrive.
    Deny,
}

/// What a key is to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It speaks for the name.
    Pinned,
    /// It was seen, and a person has to decide.
    Pending,
    /// It gave the name to the next key: its mail that is still on its way is good.
    Retired,
    /// It was given up, and what it signs is refused.
    Revoked,
}

impl Standing {
    /// The word in the store, on screen and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Pinned => "pinned",
            Standing::Pending => "pending",
            Standing::Retired => "retired",
            Standing::Revoked => "revoked",
        }
    }

    /// The standing behind a word.
    pub fn parse(word: &str) -> Option<Standing> {
        let all = [Standing::Pinned, Standing::Pending, Standing::Retired, Standing::Revoked];
        all.into_iter().find(|standing| standing.as_str() == word)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How sure it is who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Signed by the key that is pinned for its sender.
    Verified,
    /// Nobody's key stands behind it: anybody who can write to the share may have written it.
    Unverified,
}

impl Verdict {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Verified => "verified",
            Verdict::Unverified => "unverified",
        }
    }

    /// The verdict behind a word.
    pub fn parse(word: &str) -> Option<Verdict> {
        [Verdict::Verified, Verdict::Unverified].into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// Why something that bears a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A plain line in the name of somebody who signs.
    Unsigned,
    /// The signature is none of its sender.
    Forged,
    /// Signed by another key than the pinned one.
    ChangedKey,
    /// Signed by a key that was given up.
    RevokedKey,
    /// A signed line that was written for another mailbox, lane or slot.
    Copied,
    /// In the lane of somebody else.
    ForeignLane,
    /// The id of an earlier message, with another content.
    SameId,
    /// A heartbeat that its name did not sign.
    Heartbeat,
    /// Sealed mail that can't be opened, or was sealed for another message.
    Sealed,
    /// The config denies mail of this sender.
    Denied,
}

impl Cause {
    /// The word in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Unsigned => "unsigned",
            Cause::Forged => "forged",
            Cause::ChangedKey => "changed-key",
            Cause::RevokedKey => "revoked-key",
            Cause::Copied => "copied",
            Cause::ForeignLane => "foreign-lane",
            Cause::SameId => "same-id",
            Cause::Heartbeat => "heartbeat",
            Cause::Sealed => "sealed",
            Cause::Denied => "denied",
        }
    }

    /// What it means, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Cause::Unsigned => "a plain line in the name of somebody who signs",
            Cause::Forged => {
                "its signature is wrong: it was not written by whom it names, or was changed on its way"
            }
            Cause::ChangedKey => "signed by another key than the one that is pinned for its sender",
            Cause::RevokedKey => "signed by a key that was revoked",
            Cause::Copied => "signed, but written for another mailbox or lane, and copied here",
            Cause::ForeignLane => "in the lane of another sender",
            Cause::SameId => "the id of an earlier message, with another content",
            Cause::Heartbeat => "a heartbeat that its key did not sign",
            Cause::Sealed => "sealed mail that can't be opened here, or was sealed for another message",
            Cause::Denied => "the config denies mail of this sender",
        }
    }

    /// What a person can do about it.
    pub fn advice(self, name: &str) -> String {
        match self {
            Cause::ChangedKey => format!(
                "if {name} was set up anew, compare fingerprints with its owner (`lanpost trust show {name}`), then \
                 `lanpost trust accept {name} FINGERPRINT`; if not, somebody else writes in its name"
            ),
            Cause::Unsigned | Cause::Forged | Cause::Heartbeat | Cause::RevokedKey | Cause::ForeignLane => format!(
                "somebody who can write to the share may be writing in the name of {name}; the lines are kept: \
                 `lanpost inbox --quarantine`"
            ),
            Cause::Copied | Cause::SameId => {
                "somebody put an old or foreign message there again; the lines are kept: `lanpost inbox --quarantine`"
                    .to_owned()
            }
            Cause::Sealed => format!(
                "its sender was told. If the sealing key of this PC was lost, it has another one by now, to which {name} \
                 seals once it believes this PC's heartbeat: then have it sent again. `lanpost inbox --quarantine` tells what was wrong"
            ),
            Cause::Denied => format!("take `policy` out of [peers.{name}] or [plain] in the config to get its mail"),
        }
    }
}

/// One key of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The key.
    pub key: Key,
    /// What it is to the name.
    pub standing: Standing,
}

/// All keys that are known of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub Vec<Pin>);

impl Keys {
    /// The key that speaks for the name.
    pub fn pinned(&self) -> Option<Key> {
        self.0.iter().find(|pin| pin.standing == Standing::Pinned).map(|pin| pin.key)
    }

    /// Whether the name once had a key that counted, and so speaks signed for ever.
    pub fn is_bound(&self) -> bool {
        self.0.iter().any(|pin| pin.standing != Standing::Pending)
    }

    /// What `key` is to the name.
    pub fn standing(&self, key: Key) -> Option<Standing> {
        self.0.iter().find(|pin| pin.key == key).map(|pin| pin.standing)
    }

    /// What is made of an object that bears the name. Cost: one verification, more only for what is refused or was
    /// signed before a rotation.
    ///
    /// # Errors
    /// It is not from whom it claims to be.
    pub fn judge(&self, object: &Map<String, Value>) -> Result<Verdict, Cause> {
        if !self.is_bound() {
            return Ok(Verdict::Unverified);
        }
        if !sign::is_signed(object) {
            return Err(Cause::Unsigned);
        }
        let by = |standing| self.0.iter().any(|pin| pin.standing == standing && pin.key.verifies(object));
        if by(Standing::Pinned) || by(Standing::Retired) {
            Ok(Verdict::Verified)
        } else if by(Standing::Pending) {
            Err(Cause::ChangedKey)
        } else if by(Standing::Revoked) {
            Err(Cause::RevokedKey)
        } else {
            Err(Cause::Forged)
        }
    }

    /// What a key that a heartbeat proved to have means for the name; `former` are the keys that it succeeds.
    pub fn meet(&self, key: Key, former: &[Key], trust: Trust) -> Meeting {
        match self.standing(key) {
            Some(Standing::Pinned) => return Meeting::Known,
            Some(Standing::Retired) => return Meeting::Outdated,
            Some(Standing::Revoked) => return Meeting::Revoked,
            Some(Standing::Pending) | None => {}
        }
        match self.pinned() {
            Some(pinned) if former.contains(&pinned) => Meeting::Succeeds(pinned),
            None if !self.is_bound() && trust == Trust::FirstSight => Meeting::First,
            None if !self.is_bound() => Meeting::Waits,
            _ => Meeting::Changed,
        }
    }
}

/// What a key that was seen means for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// It is the pinned one.
    Known,
    /// The name had none: this one is pinned.
    First,
    /// The name had none, and a person pins.
    Waits,
    /// The pinned one gave the name to it.
    Succeeds(Key),
    /// It is an earlier one, so this is an old heartbeat.
    Outdated,
    /// It was given up.
    Revoked,
    /// Another one is pinned, or was.
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sign::Signer;
    use serde_json::json;

    fn signer(n: u8) -> Signer {
        Signer::new(&[n; 32])
    }

    fn keys(pins: &[(u8, Standing)]) -> Keys {
        Keys(pins.iter().map(|(n, standing)| Pin { key: signer(*n).key(), standing: *standing }).collect())
    }

    fn line(by: Option<u8>) -> Map<String, Value> {
        let Value::Object(mut map) = json!({"from": "lab", "content": 1}) else { panic!() };
        if let Some(n) = by {
            signer(n).sign_object(&mut map);
        }
        map
    }

    #[test]
    fn a_line_is_judged_by_what_its_key_is_to_the_name() {
        use Standing::*;
        let all = keys(&[(1, Pinned), (2, Pending), (3, Retired), (4, Revoked)]);
        let judged =
            |keys: &Keys| [None, Some(1), Some(2), Some(3), Some(4), Some(5)].map(|by| keys.judge(&line(by)));
        let (good, plain) = (Ok(Verdict::Verified), Ok(Verdict::Unverified));
        assert_eq!(
            judged(&all),
            [
                Err(Cause::Unsigned),
                good,
                Err(Cause::ChangedKey),
                good,
                Err(Cause::RevokedKey),
                Err(Cause::Forged)
            ]
        );
        assert_eq!(judged(&Keys::default()), [plain; 6]);
        assert_eq!(judged(&keys(&[(2, Pending)])), [plain; 6], "nobody decided about it");
        let revoked = judged(&keys(&[(4, Revoked)]));
        assert_eq!(
            (revoked[0], revoked[1]),
            (Err(Cause::Unsigned), Err(Cause::Forged)),
            "there is no way back"
        );
    }

    #[test]
    fn a_key_replaces_no_other_unless_that_one_signed_it() {
        use Standing::*;
        let (one, two) = (signer(1).key(), signer(2).key());
        let none = Keys::default();
        assert_eq!(none.meet(one, &[], Trust::FirstSight), Meeting::First);
        assert_eq!(none.meet(one, &[], Trust::Manual), Meeting::Waits);
        for trust in [Trust::FirstSight, Trust::Manual] {
            let pinned = keys(&[(1, Pinned)]);
            assert_eq!(pinned.meet(one, &[], trust), Meeting::Known);
            assert_eq!(pinned.meet(two, &[], trust), Meeting::Changed);
            assert_eq!(pinned.meet(two, &[signer(3).key()], trust), Meeting::Changed);
            assert_eq!(pinned.meet(two, &[signer(3).key(), one], trust), Meeting::Succeeds(one));
            assert_eq!(keys(&[(1, Pinned), (2, Pending)]).meet(two, &[one], trust), Meeting::Succeeds(one));
            assert_eq!(keys(&[(2, Pinned), (1, Retired)]).meet(one, &[], trust), Meeting::Outdated);
            let revoked = keys(&[(1, Revoked)]);
            assert_eq!(revoked.meet(one, &[], trust), Meeting::Revoked);
            assert_eq!(revoked.meet(two, &[one], trust), Meeting::Changed, "what was revoked names no heir");
        }
    }
}
