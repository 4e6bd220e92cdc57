//! Where the daemons of peers are: as their heartbeats say, and the config allows.

use super::{Courier, CourierStep};
use crate::engine::listening::{self, Listening};
use crate::error::Result;
use crate::model::circuit::Circuit;
use crate::model::direct::{Announcement, Target};
use crate::model::heartbeat::{Heartbeat, Proof};
use crate::model::route::Route;
use crate::model::stride::Stride;
use crate::store::db::Peer;

/// Why a peer that announces addresses has none.
const OURS: &str = "all its addresses are this PC's own";

impl Courier {
    /// Finds out who has a direct route.
    pub(super) fn survey(&mut self, step: &mut CourierStep) -> Result<()> {
        let beats = |peer: &Peer| peer.heartbeat.as_ref().is_some_and(|beat| beat.direct.is_some());
        let there: Vec<String> =
            self.node.db.peers()?.iter().filter(|peer| beats(peer)).map(|peer| peer.name.fold()).collect();
        let known: Vec<String> = self.lines.keys().cloned().collect();
        for peer in there.iter().chain(&known) {
            self.look_at(peer, step)?;
        }
        Ok(())
    }

    /// Finds out where a peer's daemon is, if its heartbeat is not the one that it is known by.
    pub(super) fn look_at(&mut self, fold: &str, step: &mut CourierStep) -> Result<()> {
        let peer = self.node.db.peer(fold)?;
        let beat = peer.as_ref().and_then(|peer| peer.heartbeat.as_ref());
        let order = beat.map(|beat| (beat.lease, beat.beat));
        let known = self.lines.get(fold).map_or((None, None), |line| (line.known_by, line.target.as_ref()));
        if known.1.is_some() && order == known.0 {
            return Ok(());
        }
        let target = match beat {
            Some(beat) => self.target(fold, beat)?,
            None => None,
        };
        let nowhere = target.as_ref().is_some_and(|target| target.urls.is_empty()).then_some(OURS);
        let target = target.filter(|target| !target.urls.is_empty());
        if target.is_none() && nowhere.is_none() && !self.lines.contains_key(fold) {
            return Ok(());
        }
        let line = self.lines.entry(fold.to_owned()).or_default();
        line.known_by = order;
        if line.target == target && line.nowhere == nowhere {
            return Ok(());
        }
        // Another way: what is known of the one before says nothing about it.
        (line.circuit, line.stride) = (Circuit::default(), Stride::default());
        line.probing = false;
        (line.target, line.nowhere) = (target, nowhere);
        (line.why, line.aligned, line.url) = (None, None, None);
        self.note_route(fold, step)
    }

    /// Where a peer's daemon is, as its heartbeat says and the config allows; without an address if all are our own.
    fn target(&self, fold: &str, beat: &Heartbeat) -> Result<Option<Target>> {
        let node = &self.node;
        if !node.config.takes(fold, Route::Direct) || *fold == node.instance().fold() {
            return Ok(None);
        }
        let pinned = node.db.keys(fold, node.clock.wall_ms())?.pinned();
        let signed = match Heartbeat::read(&beat.to_bytes()) {
            Some((_, Proof::Signed(key))) => Some(key),
            _ => None,
        };
        if pinned.is_none() || pinned != signed {
            return Ok(None);
        }
        let url = node.config.peers.get(fold).and_then(|peer| peer.url.as_ref());
        let announced = match (&beat.direct, url) {
            (Some(announced), _) => announced.clone(),
            (None, Some(_)) => Announcement::default(),
            (None, None) => return Ok(None),
        };
        let mut target = announced.target(url);
        if let (Some(there), None, Listening::At(ours)) = (&mut target, url, listening::load(&node.db)?) {
            // An address that many PCs have, as that of a bridge for containers, leads to ourselves.
            there.urls.retain(|url| !ours.names(url));
        }
        Ok(target)
    }
}
