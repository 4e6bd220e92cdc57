//! From an object in a line to a message: whose it is, what it says if it is sealed, and whether it may stand where it does.
//!
//! Who wrote a line is judged before anything in it is believed ([`Keys::judge`](crate::model::trust::Keys::judge)). What
//! is refused there goes to quarantine and has no other effect: it counts for no number of its lane, and its writer is told
//! nothing, for that may be somebody who wants a message of the true sender to be reported as failed. What is sealed is
//! opened after that; if it can't be, its sender is told.

use serde_json::Value;

use super::Work;
use crate::model::envelope::{self, Envelope, RECEIPT};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::report::REPORT;
use crate::model::task::TASK_NOTICE;
use crate::model::text::Line;
use crate::model::trust::{Cause, Policy, TRUST_REPORT, Verdict};
use crate::model::{seal, sign};
use crate::store::db::{Arrival, Refusal, Via};

/// Sealed reasons that are opened of one receipt, which is what one has at most.
const REASONS: usize = 500;

impl Work<'_> {
    /// Who wrote an object, as far as its sender has keys. Where it stands counts, too: what is signed for another
    /// mailbox, lane or slot was copied here.
    pub(super) fn verdict(&mut self, value: &Value) -> Result<Verdict, (String, Cause)> {
        let Value::Object(object) = value else { return Ok(Verdict::Unverified) };
        let text = |field: &str| object.get(field).and_then(Value::as_str);
        let claimed =
            text("from").and_then(|from| from.parse::<Address>().ok()).map(|from| from.instance.fold());
        let keys_of = self.reading.keys;
        let (peer, here) = match &self.reading.via {
            Via::Lane { peer, lease } | Via::Direct { peer, lease } => (peer.clone(), Some(*lease)),
            Via::Answer { peer } => (peer.clone(), None),
            Via::Slot | Via::Gateway { .. } => match claimed.clone() {
                Some(peer) => (peer, None),
                None => return Ok(Verdict::Unverified),
            },
        };
        // In the lane of another one: a name that signs is not spoken for there.
        if let Some(claimed) = claimed.filter(|claimed| *claimed != peer && keys_of(claimed).is_bound()) {
            return Err((claimed, Cause::ForeignLane));
        }
        let verdict = keys_of(&peer).judge(object);
        self.doubtful |= match verdict {
            Ok(Verdict::Verified) | Err(Cause::Unsigned | Cause::RevokedKey) => false,
            Ok(Verdict::Unverified) => here.is_some() && sign::is_signed(object),
            Err(_) => true,
        };
        let to = text("to").and_then(|to| to.parse::<Address>().ok());
        let to_us = to.as_ref().is_some_and(|to| to.instance.same_as(self.reading.us));
        if here.is_none() && verdict == Err(Cause::Unsigned) && to.is_some() && !to_us {
            // Written into the wrong slot, and not said to us.
            return Ok(Verdict::Unverified);
        }
        let verdict = verdict.map_err(|cause| (peer.clone(), cause))?;
        let lease = object.get(envelope::LEASE).map(Value::as_u64);
        let lane = here.map(Some);
        let numbered = object.contains_key("seq") == here.is_some();
        if verdict == Verdict::Verified && !(to_us && lease == lane && numbered) {
            return Err((peer, Cause::Copied));
        }
        Ok(verdict)
    }

    /// A message as it is to be read, and whether it was sealed. Its verdict is known by now: nothing is opened that its
    /// sender did not sign.
    pub(super) fn opened(&mut self, value: Value) -> Result<(Value, bool), String> {
        let outer = match value {
            Value::Object(object) if seal::is_sealed(&object) => object,
            other => return Ok((other, false)),
        };
        let Some((peer, _)) = self.reading.via.lane() else {
            return Err("sealed, but in an open slot, where mail is plain".into());
        };
        let opened = match seal::from_object(&outer) {
            Some(bytes) => (self.reading.open)(&bytes).and_then(|inner| seal::unite(outer, &inner)),
            None => Err("what is sealed is no base64".into()),
        };
        opened.map(|value| (value, true)).map_err(|why| {
            let source = self.reading.source.to_owned();
            self.refusals.push(Refusal { peer: peer.to_owned(), cause: Cause::Sealed, source });
            format!("sealed, and {why}")
        })
    }

    /// Opens the reasons of a receipt about sealed mail.
    fn open_reasons(&self, receipt: &mut Envelope) {
        let from = receipt.from.as_str();
        let items = receipt.content.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
        let sealed = items.filter_map(Value::as_object_mut).filter(|item| item.contains_key(seal::FIELD));
        for item in sealed.take(REASONS) {
            let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
            let opened = seal::from_object(item).and_then(|bytes| (self.reading.open)(&bytes).ok());
            let reason = opened.and_then(|inner| seal::reason(&inner, from, id));
            let reason =
                reason.unwrap_or_else(|| "its reason is sealed, and can't be opened here".to_owned());
            item.insert("reason".to_owned(), reason.into());
        }
    }

    /// The id and the number of a line in a lane, by which its writer can be told that it was refused.
    pub(super) fn named(&self, value: &Value) -> Option<(MessageId, u64)> {
        let seq = value.get("seq")?.as_i64().filter(|seq| *seq > 0)?.unsigned_abs();
        let id = value.get("id")?.as_str()?.parse().ok()?;
        self.reading.via.lane().map(|_| (id, seq))
    }

    /// An envelope in its place: in the lane of whom it claims to be from, addressed to us.
    pub(super) fn arrival(
        &self,
        mut envelope: Envelope,
        verdict: Verdict,
        text: String,
        (line, at): (&Line, usize),
    ) -> Result<Arrival, String> {
        let us = self.reading.us;
        if [REPORT, TRUST_REPORT, TASK_NOTICE].contains(&envelope.kind.as_str()) {
            return Err(format!("the type {:?} is lanpost's own, and never on a share", envelope.kind));
        }
        if verdict == Verdict::Verified {
            // They have done their work.
            envelope.rest.retain(|field, _| field != sign::FIELD && field != envelope::LEASE);
        }
        if let Some(to) = envelope.to.as_ref().filter(|to| !to.instance.same_as(us)) {
            return Err(format!("addressed to {to}, not to {us}"));
        }
        let claimed = envelope.from.parse::<Address>().map(|from| from.instance.fold());
        let (peer, written) = match &self.reading.via {
            Via::Lane { peer, .. } | Via::Direct { peer, .. } => {
                if claimed.as_ref() != Ok(peer) {
                    return Err(format!("in the lane of {peer}, but from {:?}", envelope.from));
                }
                if envelope.id.is_none() || envelope.seq.is_none_or(|seq| seq == 0) {
                    return Err("in a lane, but without \"id\" or \"seq\"".into());
                }
                if envelope.kind == RECEIPT && verdict == Verdict::Verified {
                    self.open_reasons(&mut envelope);
                }
                (peer.clone(), None)
            }
            Via::Answer { peer } => {
                if claimed.as_ref() != Ok(peer) || envelope.kind != RECEIPT || verdict != Verdict::Verified {
                    return Err(format!("no answer of {peer}, signed by the key that is pinned for it"));
                }
                self.open_reasons(&mut envelope);
                (peer.clone(), None)
            }
            Via::Slot if envelope.kind == RECEIPT => {
                return Err("a receipt, but not in its sender's lane".into());
            }
            Via::Slot | Via::Gateway { .. } => {
                let peer = claimed.unwrap_or_else(|_| envelope.from.to_lowercase());
                (peer, Some((line.encoding.name().to_owned(), line.raw.to_vec())))
            }
        };
        Ok(Arrival {
            envelope,
            peer,
            text,
            at: self.cursor.offset + at as u64,
            written,
            verdict,
            policy: Policy::Allow,
            refused: None,
            expired: false,
            wake: false,
            receipt: false,
        })
    }
}
