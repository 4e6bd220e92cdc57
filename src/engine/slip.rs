//! A receipt as an envelope: numbered with the mail in a lane, or by itself as the answer to lines that were handed over.

use std::sync::Arc;

use serde_json::Map;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::envelope::{self, Envelope, Priority, RECEIPT, format_time};
use crate::model::name::{Address, Name};
use crate::model::receipt::{Item, Receipt};
use crate::model::seal::{self, SealKey};
use crate::model::state::State;
use crate::store::db::{NewMessage, Way};
use crate::sys::clock::Clock;
use crate::sys::seal as crypt;

/// Writes receipts to one peer.
pub struct Slips {
    us: Name,
    to: Name,
    clock: Arc<dyn Clock>,
    key: Option<SealKey>,
}

impl Slips {
    /// For receipts to `to`.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(node: &Node, to: &Name) -> Result<Slips> {
        let key = node.db.seal_key(&to.fold())?;
        Ok(Slips { us: node.instance().clone(), to: to.clone(), clock: node.clock.clone(), key })
    }

    /// The receipt as mail that waits.
    pub fn wrap(&self, mut receipt: Receipt) -> NewMessage {
        let id = self.clock.message_id();
        receipt.items.iter_mut().for_each(|item| self.seal_reason(item));
        let envelope = Envelope {
            v: Some(envelope::VERSION),
            id: Some(id.clone()),
            from: self.us.to_string(),
            to: Some(Address::from(self.to.clone())),
            timestamp: Some(format_time(self.clock.wall())),
            kind: RECEIPT.into(),
            content: receipt.to_content(),
            seq: None,
            thread: None,
            in_reply_to: None,
            priority: Priority::Normal,
            expires: None,
            hops: None,
            broadcast: None,
            sealed: None,
            rest: Map::new(),
        };
        let (peer, state) = (self.to.fold(), State::Queued);
        NewMessage { way: Way::Out, peer, id, envelope, state, outcome: None, not_before: None }
    }

    /// What is said of a sealed message is sealed, too, or not said.
    fn seal_reason(&self, item: &mut Item) {
        let Some(reason) = item.reason.take_if(|_| item.private) else { return };
        let inner = seal::inner_reason(self.us.as_str(), item.id.as_str(), &reason);
        let mut encrypted = vec![];
        if self
            .key
            .as_ref()
            .is_some_and(|key| crypt::seal(key, &mut inner.as_slice(), &mut encrypted).is_ok())
        {
            item.sealed = Some(seal::to_text(&encrypted));
        }
    }
}
