//! What one read of one file yielded: the messages, what was none, and where reading goes on. The inbox takes it in whole.

use super::cursors::Cursor;
use super::quarantine::Quarantined;
use super::refusals::Refusal;
use crate::model::envelope::Envelope;
use crate::model::id::MessageId;
use crate::model::trust::{Policy, Verdict};

/// How a line came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Through a lane, written under this lease.
    Lane {
        /// The writer, folded.
        peer: String,
        /// The lease in the file's name.
        lease: u64,
    },
    /// The same lines, handed over by its daemon.
    Direct {
        /// The writer, folded.
        peer: String,
        /// The lease of the lane that they belong to.
        lease: u64,
    },
    /// As the answer to lines that we handed over.
    Answer {
        /// The writer, folded.
        peer: String,
    },
    /// As what a peer's agent answered to mail that went through its gateway.
    Gateway {
        /// The peer, folded.
        peer: String,
    },
    /// Through our open slot.
    Slot,
}

impl Via {
    /// The lane that it is a line of: its writer, and the lease.
    pub fn lane(&self) -> Option<(&str, u64)> {
        match self {
            Via::Lane { peer, lease } | Via::Direct { peer, lease } => Some((peer, *lease)),
            Via::Answer { .. } | Via::Gateway { .. } | Via::Slot => None,
        }
    }
}

/// One message as it was read.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What was parsed.
    pub envelope: Envelope,
    /// The sending instance, folded; a stranger's own word if it is no instance name.
    pub peer: String,
    /// The decoded line, from which an id is derived if the writer gave none.
    pub text: String,
    /// Where its line begins in its file, in bytes.
    pub at: u64,
    /// How the line was written, and its bytes: kept for mail of the open slot.
    pub written: Option<(String, Vec<u8>)>,
    /// How sure it is who wrote it.
    pub verdict: Verdict,
    /// What the config says of mail like it.
    pub policy: Policy,
    /// Why what is attached to it is not taken, in words.
    pub refused: Option<String>,
    /// Its time had run out.
    pub expired: bool,
    /// The agent is to be woken for it.
    pub wake: bool,
    /// The sender understands receipts by id.
    pub receipt: bool,
}

/// A line of a lane that is no message to us, but says which one it is: its writer is told.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The id it claims.
    pub id: MessageId,
    /// Its number in the lane.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What one read of one file yielded.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The cursor's name.
    pub lane: String,
    /// The file's path on the share.
    pub source: String,
    /// How the lines came.
    pub via: Via,
    /// Whose mailbox it is; part of derived ids.
    pub mailbox: String,
    /// The messages, in order.
    pub arrivals: Vec<Arrival>,
    /// What is no message to us and can be told to its writer.
    pub refused: Vec<Refused>,
    /// What could not be parsed, or was refused.
    pub quarantined: Vec<Quarantined>,
    /// What of it bore somebody's name.
    pub refusals: Vec<Refusal>,
    /// Where reading goes on.
    pub cursor: Cursor,
    /// How many bytes of the last may be kept in all.
    pub room: u64,
    /// The file was replaced: its lines are counted from its start again.
    pub restarted: bool,
}
