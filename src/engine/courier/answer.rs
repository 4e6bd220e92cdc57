//! Answers to posts: whether a peer took what it was handed, as a receipt says that it signed.

use super::{Batch, Courier};
use crate::engine::intake::{self, Reading, Still};
use crate::engine::receive::Known;
use crate::error::Result;
use crate::model::receipt::Receipt;
use crate::store::db::{Cursor, Outgoing, Via};

/// Answers in a row that say that something is missing, before the share does it.
const GAPS: u32 = 3;

impl Courier {
    /// Takes an answer in; why it is none, if so.
    pub(super) fn answered(
        &mut self,
        fold: &str,
        batch: &Batch,
        (status, body): (u16, &[u8]),
        url: &str,
    ) -> Result<Option<String>> {
        if !matches!(status, 200 | 409) {
            return Ok(Some(format!("answered {status}{}", said(body))));
        }
        let Some(receipts) = self.receipts(fold, body)? else {
            return Ok(Some("answered with no receipt of its own".into()));
        };
        let (wall, seq) =
            (self.node.clock.wall_ms(), |outgoing: &Outgoing| outgoing.envelope.seq.unwrap_or(0));
        let delivered = receipts.iter().filter_map(|receipt| receipt.delivered.as_ref());
        let delivered = delivered.rev().find(|delivered| delivered.lease == batch.lease);
        let up_to = delivered.map_or(0, |delivered| delivered.up_to);
        let is_here = |outgoing: &Outgoing| {
            delivered.is_some_and(|it| seq(outgoing) <= it.up_to && !it.missing.contains(&seq(outgoing)))
        };
        let whole = batch.lines.iter().all(is_here);
        let first = batch.lines.first().map_or(0, seq);
        if status == 200 && whole {
            let (lane, route) = ((fold, batch.lease), format!("directly to {url}"));
            self.node.db.handed_over(lane, &batch.lines, &receipts, &route, wall)?;
            if let Some(line) = self.lines.get_mut(fold) {
                line.circuit.taken();
                line.stride.went_well();
                (line.from, line.gaps, line.why, line.url) = (None, 0, None, Some(url.to_owned()));
            }
            return Ok(None);
        }
        // What it says is so, whatever else is wrong.
        self.node.db.told_directly(fold, &receipts, wall)?;
        let Some(line) = self.lines.get_mut(fold) else { return Ok(None) };
        if status == 409 && delivered.is_some() && up_to + 1 < first && line.gaps < GAPS {
            (line.from, line.gaps) = (Some(up_to + 1), line.gaps + 1);
            return Ok(None);
        }
        Ok(Some("did not take all that it was handed".into()))
    }

    /// The receipts in an answer; `None` if one of its lines is not the peer's own.
    fn receipts(&mut self, fold: &str, body: &[u8]) -> Result<Option<Vec<Receipt>>> {
        let node = &self.node;
        let limit = usize::try_from(node.config.limits.message.0).unwrap_or(usize::MAX);
        let known = Known::new(&node.db, node.clock.wall_ms());
        let open = |sealed: &[u8]| {
            let mut plain = vec![];
            self.identities.open(&mut &*sealed, limit as u64, &mut plain).map(|_| plain)
        };
        let reading = Reading {
            lane: "",
            source: "the answer to a post",
            via: Via::Answer { peer: fold.to_owned() },
            us: node.instance(),
            limit,
            room: 0,
            at_end: true,
            sealed: false,
            still: Still::No,
            restarted: false,
            keys: &|name| known.keys(name),
            open: &open,
        };
        let outcome = intake::read(&reading, &Cursor::default(), body);
        known.done()?;
        let Some(intake) = outcome.intake.filter(|_| outcome.waiting == 0) else { return Ok(None) };
        if !intake.quarantined.is_empty() {
            return Ok(None);
        }
        if let Some(line) = self.lines.get_mut(fold) {
            line.contact = Some(self.node.clock.wall_ms());
        }
        let receipt = |content| Receipt::from_content(content);
        Ok(intake.arrivals.iter().map(|arrival| receipt(&arrival.envelope.content)).collect())
    }
}

/// What stands in an answer that is no receipt, for people.
fn said(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(120).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
