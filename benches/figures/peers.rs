//! Peers that exist on the share alone: their heartbeats and lanes, written as another PC's lanpost writes them.

use lanpost::model::envelope::{Envelope, Priority, VERSION};
use lanpost::model::heartbeat::{self, Activity, Heartbeat};
use lanpost::model::id::MessageId;
use lanpost::model::layout::{self, LaneFile, SharePath};
use lanpost::model::name::{Address, Name};
use lanpost::sys::share::Share;

use crate::Outcome;

/// When everything here was written.
const TIME: &str = "2026-02-14T10:40:00.000Z";

/// Writes a peer's heartbeat; `beat` counts them.
pub fn beat(share: &dyn Share, peer: &Name, beat: u64) -> Outcome<()> {
    let heartbeat = Heartbeat {
        lanpost: env!("CARGO_PKG_VERSION").into(),
        v: heartbeat::VERSION,
        instance: peer.clone(),
        state: Activity::Online,
        reason: None,
        // All of one length, as the beats of a running daemon are.
        beat: 1_000_000 + beat,
        timestamp: TIME.into(),
        interval: 15,
        agents: vec![],
        lease: 1,
        key: format!("ed25519:{}", "0".repeat(64)),
        succeeds: vec![],
        seal: None,
        features: vec![],
        host: "pc".into(),
        direct: None,
        max_message: 1 << 20,
        rest: serde_json::Map::new(),
    };
    Ok(share.replace(&layout::status(peer), &heartbeat.to_bytes())?)
}

/// A peer's lane in `to`'s mailbox.
pub fn lane(from: &Name, to: &Name, segment: u64) -> SharePath {
    layout::lane(to, &LaneFile { from: from.clone(), lease: 1, segment })
}

/// A line of that lane, number `seq` of it.
pub fn line(from: &Name, to: &Name, id: &MessageId, seq: u64, content: &str) -> Vec<u8> {
    let envelope = Envelope {
        v: Some(VERSION),
        id: Some(id.clone()),
        from: from.to_string(),
        to: Some(Address::from(to.clone())),
        timestamp: Some(TIME.into()),
        kind: "message".into(),
        content: content.into(),
        seq: Some(seq),
        thread: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires: None,
        hops: None,
        sealed: None,
        rest: serde_json::Map::new(),
    };
    envelope.to_line()
}

/// The id of message `n`.
pub fn id(n: u64) -> MessageId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    MessageId::v7(1_771_065_600_000, random)
}
