//! Speaking to peers' agents through their gateways ([`a2a`]), for those whose config names one.
//!
//! A step function on the local store alone, through a node of its own. What it orders, the shell asks for; how that went,
//! goes into a later step.
//!
//! - One request to a gateway is on its way at a time, and so many in a minute as it serves; what waits goes in order, but
//!   a thread holds still until what it has with the agent is answered. Threads don't wait for each other.
//! - A message is handed over once. What was taken is asked for until it has an end; what was not, or nobody knows whether,
//!   goes by the peer's other routes under the same id ([`Db::detour`](crate::store::db::Db::detour)).
//! - A failure opens the gateway's [`Circuit`]: all its mail takes the other routes. A probe finds out when it is back.
//!   An answer about a task that is none is that message's trouble alone: it is asked for again, less and less often.
//! - What fits no gateway is left to the other routes: too long, sealed, or a command and its result.
//! - An answer comes in as mail of the peer that nobody's key stands behind, in the transaction that ends what it answers.
//!
//! How it stands with each gateway is in the store, for the engine and the courier, and for faces.

mod answer;
mod judge;
mod line;
mod mail;
mod order;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use self::line::{Asked, Line};
pub use self::order::{EnvoyOrder, EnvoyResult, EnvoyStep, Heard};
use crate::engine::node::Node;
use crate::engine::{due, ops};
use crate::error::Result;
use crate::model::a2a;
use crate::model::circuit::Circuit;
use crate::model::report::Cause;
use crate::model::route::{Gateway, Route};
use crate::store::db::{Errand, Way};

/// The longest rest: what nobody announced is found by then.
const IDLE: Duration = Duration::from_secs(5);

/// Why mail is on a detour of which the log says nothing.
const RESTORED: &str =
    "whether its gateway took it is not known: it waited when the backup was made that was restored";

/// The gateways of one instance's peers, a step at a time.
pub struct Envoy {
    node: Node,
    lines: BTreeMap<String, Line>,
    /// What former daemons left on a detour has gone its way.
    tidy: bool,
    /// The look at the share after which a peer that was not seen there is not there.
    look: Option<i64>,
}

impl Envoy {
    /// Takes `node`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(mut node: Node) -> Result<Envoy> {
        let wall = node.clock.wall_ms();
        node.db.clear_gateways()?;
        node.db.detour_begun(
            "whether its gateway took it is not known: lanpost ended before it answered",
            wall,
        )?;
        let mut lines = BTreeMap::new();
        for (peer, _) in node.config.peers.iter().filter(|(peer, _)| **peer != node.instance().fold()) {
            let Some(gateway) = node.config.gateway(peer) else { continue };
            let routes = node.config.routes(peer);
            let before = routes.iter().take_while(|route| **route != Route::A2a);
            let line = Line {
                gateway: gateway.clone(),
                after_direct: before.into_iter().any(|route| *route == Route::Direct),
                alone: routes == [Route::A2a],
                circuit: Circuit::default(),
                asked: None,
                made: VecDeque::new(),
                questions: BTreeMap::new(),
                quiet_until: Duration::ZERO,
                handed: false,
                refusal: None,
                outage: None,
                since: wall,
            };
            lines.insert(peer.clone(), line);
        }
        let strange = |peer: &String| node.knows_by_gateway_alone(peer);
        let strange = lines.keys().map(strange).collect::<Result<Vec<_>>>()?.contains(&true);
        let look = if strange { Some(ops::request_scan(&mut node)?) } else { None };
        let mut envoy = Envoy { node, lines, tidy: false, look };
        let peers: Vec<String> = envoy.lines.keys().cloned().collect();
        // Before the engine begins: it leaves their mail alone from now on.
        peers.iter().try_for_each(|peer| envoy.note(peer, &mut EnvoyStep::default()))?;
        Ok(envoy)
    }

    /// One step; `results` are of the orders that ended since the last one, and are done with when it returns without an
    /// error. After one the same step may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, results: &mut Vec<EnvoyResult>) -> Result<EnvoyStep> {
        let mut step = EnvoyStep { rest: IDLE, ..EnvoyStep::default() };
        while let Some(EnvoyResult { peer, heard }) = results.first().cloned() {
            self.ended(&peer, &heard, &mut step)?;
            results.remove(0);
        }
        if self.lines.is_empty() || self.node.db.is_to_recall()? {
            return Ok(step);
        }
        due::outgoing(&mut self.node)?;
        let peers: Vec<String> = self.lines.keys().cloned().collect();
        if !self.tidy {
            peers.iter().try_for_each(|peer| self.fail_detoured(peer, &mut step))?;
            self.tidy = self.looked()?;
        }
        for peer in peers {
            self.go_on(&peer, &mut step)?;
        }
        Ok(step)
    }

    /// Makes the next request to a gateway, if it is time for one.
    fn go_on(&mut self, peer: &str, step: &mut EnvoyStep) -> Result<()> {
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        self.give_up(peer, wall, step)?;
        let Some(line) = self.lines.get_mut(peer).filter(|line| line.asked.is_none()) else { return Ok(()) };
        if let Some(at) = line.circuit.probe_at() {
            match at <= now {
                true => {
                    line.asked = Some(Asked::Ready);
                    step.orders.push(line.order(peer, None));
                }
                false => step.rest = step.rest.min(at - now),
            }
            return Ok(());
        }
        if let Some((_, free)) = line.rest(now) {
            step.rest = step.rest.min(free - now);
            return self.note(peer, step);
        }
        let question = self.question(peer, now, step)?;
        let handed = self.lines.get(peer).is_some_and(|line| line.handed);
        // Turn about: neither mail nor answers starve.
        if (question.is_none() || !handed) && self.hand_over(peer, now, step)? {
            return Ok(());
        }
        let (Some(errand), Some(line)) = (question, self.lines.get_mut(peer)) else { return Ok(()) };
        let request = a2a::get(&errand.task);
        line.ask(Asked::About(Box::new(errand)), now);
        step.orders.push(line.order(peer, Some(request)));
        Ok(())
    }

    /// Hands the next message over; `false` if there is none.
    fn hand_over(&mut self, peer: &str, now: Duration, step: &mut EnvoyStep) -> Result<bool> {
        while let Some(message) = self.node.db.next_errand(peer)? {
            let wall = self.node.clock.wall_ms();
            let text = match mail::fits(&self.node, &message) {
                Ok(text) => text,
                Err(why) => {
                    self.leave(peer, message.n, why, step)?;
                    continue;
                }
            };
            let Some(generation) = self.node.db.begin_errand(&message, wall)? else { continue };
            let thread = message.thread.as_deref().unwrap_or(message.id.as_str());
            let context = a2a::context(self.node.instance(), thread, generation);
            let request = a2a::send(message.id.as_str(), &context, &text);
            let Some(line) = self.lines.get_mut(peer) else { return Ok(false) };
            line.ask(Asked::Take(Box::new(message)), now);
            step.orders.push(line.order(peer, Some(request)));
            return Ok(true);
        }
        Ok(false)
    }

    /// The message that it is time to ask for, if there is one.
    fn question(&mut self, peer: &str, now: Duration, step: &mut EnvoyStep) -> Result<Option<Errand>> {
        let errands = self.node.db.errands(peer)?;
        let Some(line) = self.lines.get_mut(peer) else { return Ok(None) };
        line.questions.retain(|n, _| errands.iter().any(|errand| errand.message.n == *n));
        let next = errands.into_iter().map(|errand| (line.due(errand.message.n, now), errand));
        let next = next.min_by_key(|(at, _)| *at);
        Ok(match next {
            Some((at, errand)) if at <= now => Some(errand),
            Some((at, _)) => {
                step.rest = step.rest.min(at - now);
                None
            }
            None => None,
        })
    }

    /// Stops waiting for answers that take too long.
    fn give_up(&mut self, peer: &str, wall: i64, step: &mut EnvoyStep) -> Result<()> {
        let Some(line) = self.lines.get(peer) else { return Ok(()) };
        let patience = i64::try_from(line.gateway.patience.as_millis()).unwrap_or(i64::MAX);
        let words = humantime::format_duration(line.gateway.patience).to_string();
        let asked = match &line.asked {
            Some(Asked::About(errand)) => Some(errand.message.n),
            _ => None,
        };
        for Errand { message, at, .. } in self.node.db.errands(peer)? {
            if wall.saturating_sub(at) > patience && asked != Some(message.n) {
                let trouble = self.lines.get(peer).and_then(|line| line.questions.get(&message.n));
                let trouble = trouble.and_then(|question| question.trouble.as_ref());
                let trouble =
                    trouble.map(|why| format!(": when asked, its gateway {why}")).unwrap_or_default();
                let why = format!("its agent did not answer within {words}{trouble}");
                self.leave(peer, message.n, &why, step)?;
            }
        }
        Ok(())
    }

    /// Leaves a message to the other routes; with none, its sender is told.
    fn leave(&mut self, peer: &str, n: i64, why: &str, step: &mut EnvoyStep) -> Result<()> {
        self.node.db.detour(n, why, self.node.clock.wall_ms())?;
        step.left = true;
        self.fail_detoured(peer, step)
    }

    /// Ends what is left to other routes where there are none: what was just left, and what a former daemon, a restored
    /// backup or another config left.
    fn fail_detoured(&mut self, peer: &str, step: &mut EnvoyStep) -> Result<()> {
        if !self.is_alone(peer)? || !self.lines.get(peer).is_some_and(|line| line.alone) && !self.looked()? {
            return Ok(());
        }
        let wall = self.node.clock.wall_ms();
        for id in self.node.db.detoured(peer)? {
            let left = self.node.db.transitions(Way::Out, peer, &id)?;
            let why =
                left.into_iter().rev().find(|entry| entry.what == "detour").and_then(|entry| entry.detail);
            let why = why.unwrap_or_else(|| RESTORED.to_owned());
            let reason = format!("{why}, and a2a is the only route to {peer}");
            self.node.db.fail(peer, &[id.to_string()], Cause::Failed, &reason, wall)?;
            step.arrived = true;
        }
        Ok(())
    }

    /// Whether nothing else leads to a peer, as far as is known.
    fn is_alone(&self, peer: &str) -> Result<bool> {
        let alone = self.lines.get(peer).is_some_and(|line| line.alone);
        Ok(alone || self.node.knows_by_gateway_alone(peer)?)
    }

    /// Whether it is known who is on the share.
    fn looked(&self) -> Result<bool> {
        self.look.map_or(Ok(true), |ticket| ops::scan_done(&self.node, ticket))
    }

    /// What came of an order.
    fn ended(&mut self, peer: &str, heard: &Heard, step: &mut EnvoyStep) -> Result<()> {
        let Some(line) = self.lines.get(peer) else { return Ok(()) };
        let asked = match &line.asked {
            None => return Ok(()),
            Some(Asked::Ready) => None,
            Some(Asked::Take(message)) => Some((None, (**message).clone())),
            Some(Asked::About(errand)) => Some((Some(errand.task.clone()), errand.message.clone())),
        };
        match asked {
            None => self.ready(peer, heard, step),
            Some((None, message)) => self.handed_over(peer, &message, heard, step)?,
            Some((Some(_), message)) => self.told(peer, &message, heard, step)?,
        }
        if let Some(line) = self.lines.get_mut(peer) {
            line.asked = None;
        }
        self.note(peer, step)
    }

    /// Notes how it stands with a gateway, and tells of it.
    fn note(&mut self, peer: &str, step: &mut EnvoyStep) -> Result<()> {
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        let Some(line) = self.lines.get_mut(peer) else { return Ok(()) };
        let before = self.node.db.gateway(peer)?;
        let usable = line.circuit.is_usable();
        if before.as_ref().is_none_or(|before| before.usable != usable) {
            line.since = wall;
        }
        let left = |at: Duration| i64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(i64::MAX);
        let rest = line.rest(now);
        let is = Gateway {
            usable,
            after_direct: line.after_direct,
            url: line.gateway.url.origin(),
            since: line.trouble().map_or(line.since, |(_, at)| *at),
            why: line.trouble().map(|(why, _)| why.clone()),
            failures: line.circuit.failures(),
            until: line
                .circuit
                .probe_at()
                .or(rest.map(|(_, until)| until))
                .map(|at| wall.saturating_add(left(at))),
            pause: rest.map(|(why, _)| why.to_owned()),
        };
        // The clocks are not read in one moment.
        let same = |before: &Gateway| {
            let near = before.until.zip(is.until).is_some_and(|(was, is)| was.abs_diff(is) < 100);
            *before == Gateway { until: if near { before.until } else { is.until }, ..is.clone() }
        };
        if before.as_ref().is_some_and(same) {
            return Ok(());
        }
        self.node.db.set_gateway(peer, &is)?;
        if before.is_some_and(|before| before.usable != is.usable) {
            step.notes.push(match is.usable {
                true => format!("mail for {peer} goes by {}", is.words(wall)),
                false => {
                    let goes = if self.is_alone(peer)? { "waits" } else { "takes its other routes" };
                    format!("mail for {peer} {goes}: a2a: {}", is.why.unwrap_or_default())
                }
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
