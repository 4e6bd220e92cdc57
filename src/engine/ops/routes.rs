//! By which routes mail goes, and what a message waits for.

use serde::Serialize;

use crate::engine::node::Node;
use crate::engine::{beat, condition, stall};
use crate::error::Result;
use crate::model::ask::REQUEST;
use crate::model::name::{Address, Name};
use crate::model::presence::Presence;
use crate::model::route::Route;
use crate::model::state::State;
use crate::store::db::Message;

/// The route to a peer, as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct RouteView {
    /// `a2a`, `direct` or `share`.
    pub via: Route,
    /// The same in words, and why it is not the other one.
    pub words: String,
    /// What stands against the direct one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What stands against its gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a2a: Option<String>,
    /// Nothing carries it now, as far as is known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

/// By which route mail for `peer` goes now. Only a daemon sees to others than the share: unless one `runs`, what the store
/// says of them is what a killed one left.
///
/// # Errors
/// The local store's.
pub fn route(node: &Node, peer: &Name, runs: bool) -> Result<RouteView> {
    let fold = peer.fold();
    let beside = beside_gateway(node, &fold, runs)?;
    let wall = node.clock.wall_ms();
    Ok(match node.db.gateway(&fold)?.filter(|_| runs && node.config.gateway(&fold).is_some()) {
        Some(gateway) if !gateway.usable => RouteView {
            words: match &beside {
                Some(beside) => format!("{}; {}", beside.words, gateway.words(wall)),
                None if node.config.takes(&fold, Route::Share) => {
                    format!("waits: {}; {peer} was never seen on the share", gateway.words(wall))
                }
                None => format!("waits: {}", gateway.words(wall)),
            },
            a2a: gateway.why,
            ..beside.unwrap_or(RouteView {
                via: Route::A2a,
                words: String::new(),
                why: None,
                a2a: None,
                waits: true,
            })
        },
        Some(gateway) => match beside.filter(|beside| gateway.after_direct && beside.is_direct()) {
            Some(direct) => direct,
            None => RouteView {
                via: Route::A2a,
                words: gateway.words(wall),
                why: None,
                a2a: gateway.why,
                waits: false,
            },
        },
        None => beside.unwrap_or_else(|| {
            let why = "is spoken to by a daemon alone, and none runs here".to_owned();
            RouteView {
                via: Route::A2a,
                words: format!("a2a: it {why}"),
                why: None,
                a2a: Some(why),
                waits: true,
            }
        }),
    })
}

/// By which route goes what is not its gateway's; `None` if there is no other.
fn beside_gateway(node: &Node, fold: &str, runs: bool) -> Result<Option<RouteView>> {
    if node.knows_by_gateway_alone(fold)? {
        return Ok(None);
    }
    let chosen = node.db.route(fold)?.filter(|_| runs && node.config.takes(fold, Route::Direct));
    let view = |via, words, why, waits| Some(RouteView { via, words, why, a2a: None, waits });
    let wall = node.clock.wall_ms();
    // Only a daemon says of the share how it is.
    let hindered = runs && condition::hindrance(&node.db)?.is_some();
    Ok(match chosen {
        Some(chosen) if chosen.via == Route::Share && chosen.why.is_some() && hindered => {
            view(Route::Share, format!("waits for the share: {}", chosen.trouble(wall)), chosen.why, true)
        }
        Some(chosen) => {
            let waits = chosen.via == Route::Direct && chosen.why.is_some();
            view(chosen.via, chosen.words(wall), chosen.why, waits)
        }
        None if node.config.takes(fold, Route::Share) => view(Route::Share, "share".into(), None, hindered),
        None if node.config.takes(fold, Route::Direct) => {
            let why = match runs {
                true => "does not say where it listens",
                false => "is handed mail by a daemon alone, and none runs here",
            };
            let why = why.to_owned();
            view(Route::Direct, format!("waits: direct: it {why}"), Some(why), true)
        }
        None => None,
    })
}

impl RouteView {
    /// Whether mail goes by another way than the share, as far as is known.
    pub fn is_open_beside_share(&self) -> bool {
        self.via != Route::Share && !self.waits
    }

    fn is_direct(&self) -> bool {
        self.via == Route::Direct && self.why.is_none()
    }
}

/// What a restored state folder waits for, where nothing else says so; `None` if it has looked at the share since.
///
/// # Errors
/// The local store's.
pub fn restored(node: &Node) -> Result<Option<&'static str>> {
    let words = "restored from a backup: mail waits, both ways, until the share was looked at";
    Ok(node.db.is_to_recall()?.then_some(words))
}

/// Whether others can't know our key yet.
fn is_unannounced(node: &Node) -> Result<bool> {
    match node.db.keys(&node.instance().fold(), node.clock.wall_ms())?.pinned() {
        Some(own) => Ok(!beat::is_announced(node, own)?),
        None => Ok(false),
    }
}

/// What a message of ours that is on its way waits for, in words; `None` if nothing stands in its way that is known.
///
/// # Errors
/// The local store's.
pub fn waits_for(node: &Node, message: &Message) -> Result<Option<String>> {
    if let Some(at) = message.not_before.as_ref().filter(|_| message.state == State::Scheduled) {
        return Ok(Some(format!("its time, {at}")));
    }
    let peer = node.db.peer(&message.peer)?;
    let addressed = || Some(message.to.parse::<Address>().ok()?.instance);
    let Some(name) = peer.as_ref().map(|peer| peer.name.clone()).or_else(addressed) else { return Ok(None) };
    if message.state == State::Fetching {
        let lost = node.db.lost_names(message)?;
        return Ok(Some(match lost.is_empty() {
            true => format!("{name} has it, and fetches its files"),
            false => super::trace::bereft(&lost),
        }));
    }
    let route = route(node, &name, node.daemon_runs())?;
    if message.state == State::Sent
        && node.db.errands(&message.peer)?.iter().any(|errand| errand.message.n == message.n)
    {
        return Ok(Some(format!("its gateway took it; the agent of {name} did not answer yet")));
    }
    if message.state == State::Queued && route.via == Route::A2a && !route.waits {
        let gateway = node.db.gateway(&message.peer)?;
        let rest = gateway.as_ref().and_then(|gateway| gateway.rest(node.clock.wall_ms()));
        match (node.db.keeper(message)?, rest) {
            (Some(id), _) if id == message.id => {
                return Ok(Some(format!("the gateway of {name}: it did not say yet whether it takes it")));
            }
            (Some(id), _) => {
                let words =
                    format!("its thread's last message {id}: the agent of {name} did not answer it yet");
                return Ok(Some(words));
            }
            (None, Some(rest)) => return Ok(Some(format!("the gateway of {name}: {rest}"))),
            (None, None) => {}
        }
    }
    let open = route.is_open_beside_share();
    let unseen =
        node.knows_by_gateway_alone(&message.peer)? && node.config.takes(&message.peer, Route::Share);
    let unseen = if unseen { format!("; {name} was never seen on the share") } else { String::new() };
    let a2a = route.a2a.map(|why| format!("the gateway of {name}: {why}") + &unseen);
    let direct = route.why.map(|why| format!("the direct route: {name} {why}"));
    let share = match message.state {
        State::Queued if is_unannounced(node)? => Some(
            "our new key: nothing is signed with it before our heartbeat on the share names it".to_owned(),
        ),
        State::Attaching => {
            let condition = condition::load(&node.db)?;
            let away = condition.share_away.map(|why| format!("; the share is away: {why}"));
            Some(super::fetch::on_their_way(node, message)? + &away.unwrap_or_default())
        }
        // What the direct way carries does not wait for the share.
        State::Queued if open || !node.shares(&message.peer)? => None,
        State::Queued => match stall::load(&node.db)? {
            Some(stall) => Some(format!("the share is {stall}")),
            None => {
                let condition = condition::load(&node.db)?;
                let away = condition.share_away.map(|why| format!("the share is away: {why}"));
                away.or(condition.hindrance.map(|why| format!("the share: {why}")))
            }
        },
        State::Sent => {
            let Some(peer) = peer else { return Ok(None) };
            let presence = peer.presence(node.clock.wall_ms());
            Some(format!("it is on the share, and {name} is {presence}"))
        }
        State::Delivered | State::Read if message.kind == REQUEST => {
            let presence = peer.map(|peer| peer.presence(node.clock.wall_ms()));
            let presence = presence.filter(|presence| matches!(presence, Presence::Late | Presence::Gone));
            // How it would go there is no matter any more.
            return Ok(
                presence.map(|presence| format!("it is {} there, and {name} is {presence}", message.state))
            );
        }
        _ => return Ok(None),
    };
    let restored = restored(node)?.filter(|_| message.state == State::Queued).map(str::to_owned);
    let words: Vec<String> = restored.into_iter().chain(a2a).chain(direct).chain(share).collect();
    Ok((!words.is_empty()).then(|| words.join("; ")))
}
