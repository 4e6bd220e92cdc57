//! By which route mail for a peer goes, as the engine and people are told.

use std::time::Duration;

use super::{Courier, CourierStep};
use crate::engine::condition;
use crate::error::Result;
use crate::model::route::{Chosen, Route};

/// The time between two notes of a contact, in milliseconds.
const SELDOM: i64 = 10_000;

impl Courier {
    /// Notes by which route mail for a peer goes now, and tells of it.
    pub(super) fn note_route(&mut self, fold: &str, step: &mut CourierStep) -> Result<()> {
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        let Some(line) = self.lines.get_mut(fold) else { return Ok(()) };
        let before = self.node.db.route(fold)?;
        let state =
            |route: Option<&Chosen>| route.map_or((Route::Share, false), |it| (it.via, it.why.is_some()));
        let was = state(before.as_ref());
        let (usable, by_share) = (line.circuit.is_usable(), self.node.config.takes(fold, Route::Share));
        let via = if usable || !by_share { Route::Direct } else { Route::Share };
        let said = before.as_ref().and_then(|route| route.contact);
        let nowhere = line.nowhere.map(|why| Chosen {
            via: if by_share { Route::Share } else { Route::Direct },
            url: None,
            since: 0,
            why: Some(why.to_owned()),
            failures: 0,
            until: None,
            contact: None,
        });
        let chosen = line.target.as_ref().map(|target| {
            if usable && was != (via, false) {
                line.since = wall;
            }
            let first = target.urls.first().map(ToString::to_string);
            let left = |at: Duration| i64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(i64::MAX);
            Chosen {
                via,
                url: line.url.clone().or(first),
                since: line.since,
                why: line.why.clone().filter(|_| !usable),
                failures: line.circuit.failures(),
                until: line.circuit.probe_at().map(|at| wall.saturating_add(left(at))),
                // Not written anew with each message.
                contact: match (said, line.contact) {
                    (Some(said), Some(is)) if is.saturating_sub(said) < SELDOM => Some(said),
                    (_, is) => is,
                },
            }
        });
        let chosen = chosen.or(nowhere);
        let is = state(chosen.as_ref());
        self.node.db.set_route(fold, chosen.as_ref())?;
        if was != is {
            step.fell_back |= is.0 == Route::Share;
            let words = match &chosen {
                Some(it @ Chosen { why: Some(_), .. }) if !by_share => format!("waits: {}", it.against()),
                Some(it @ Chosen { why: Some(_), .. }) => match condition::hindrance(&self.node.db)? {
                    Some(hindrance) => format!("waits: {}; the share: {hindrance}", it.against()),
                    None => format!("goes by the share: {}", it.against()),
                },
                Some(chosen) => format!("goes by {}", chosen.words(wall)),
                None if by_share => "goes by the share".to_owned(),
                None => "waits: its heartbeat does not say where it listens".to_owned(),
            };
            step.notes.push(format!("mail for {fold} {words}"));
        }
        Ok(())
    }
}
