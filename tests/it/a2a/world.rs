//! An instance `a` whose peer `lab` has a gateway and an open slot, moved step by step on a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::envoy::{Envoy, EnvoyResult};
use lanpost::engine::node::Node;
use lanpost::engine::ops;
use lanpost::model::config::{A2aConfig, Config, PeerConfig};
use lanpost::model::layout;
use lanpost::model::route::Route;
use lanpost::model::secret::SecretRef;
use lanpost::model::state::State;
use lanpost::model::url::HttpUrl;
use lanpost::store::db::{Message, Way};
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use serde_json::Value;

use super::gateway::Gateway;
use crate::common::pair::{Site, name};

/// How long anything may take, on the clock of the test.
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);

/// The gateway of a peer, by these routes.
pub fn peer(routes: &[Route]) -> PeerConfig {
    PeerConfig {
        routes: Some(routes.to_vec()),
        a2a: Some(A2aConfig {
            url: HttpUrl::parse("http://box-b:18789/a2a/v1").unwrap(),
            token: SecretRef::parse("env:LANPOST_TEST_TOKEN").unwrap(),
            patience: Duration::from_secs(300),
        }),
        ..PeerConfig::default()
    }
}

pub struct World {
    pub share: Arc<dyn Share>,
    pub a: Site,
    pub gateway: Gateway,
    /// Requests that were made, but for those whether it is ready.
    pub requests: usize,
    /// Every message that was handed over, by its id.
    pub handed: Vec<String>,
    /// The answers that wait for the next step get lost there: the daemon is killed before.
    envoy: Option<Envoy>,
    results: Vec<EnvoyResult>,
    server: Arc<ManualClock>,
}

impl World {
    /// With the gateway first, and then the share.
    pub fn new() -> World {
        World::with(&[Route::A2a, Route::Share], |_| {})
    }

    pub fn with(routes: &[Route], tweak: impl FnOnce(&mut Config)) -> World {
        let server = Arc::new(ManualClock::new(0));
        let share: Arc<dyn Share> = Arc::new(MemoryShare::with_clock(server.clone()));
        let a = Site::with(&share, "a", 1, false, |config| {
            config.peers.insert("lab".into(), peer(routes));
            config.wake.command = vec!["agent".into()];
            tweak(config);
        });
        share.create_new(&layout::open_slot(&name("lab")), b"").unwrap();
        World::of(share, a, server)
    }

    /// With a peer that was never on the share.
    pub fn strange(routes: &[Route]) -> World {
        let server = Arc::new(ManualClock::new(0));
        let share: Arc<dyn Share> = Arc::new(MemoryShare::with_clock(server.clone()));
        let a = Site::with(&share, "a", 1, false, |config| {
            config.peers.insert("lab".into(), peer(routes));
        });
        World::of(share, a, server)
    }

    fn of(share: Arc<dyn Share>, a: Site, server: Arc<ManualClock>) -> World {
        let mut world = World {
            share,
            a,
            gateway: Gateway::new(),
            requests: 0,
            handed: vec![],
            envoy: None,
            results: vec![],
            server,
        };
        world.restart();
        world
    }

    /// The daemon is killed.
    pub fn stop(&mut self) {
        self.results.clear();
        self.envoy = None;
    }

    /// The daemon is killed, and started anew: what was on its way is not heard of any more.
    pub fn restart(&mut self) {
        self.stop();
        let node = Node::open(self.a.node().config.clone(), self.a.clock.clone()).unwrap();
        self.envoy = Some(Envoy::new(node).unwrap());
        self.a.start();
    }

    /// One step of the envoy, whose orders end at once, and one of the engine and the waker. Returns the rest.
    pub fn step(&mut self) -> Duration {
        let step = self.envoy.as_mut().unwrap().step(&mut self.results).unwrap();
        for order in step.orders {
            self.requests += usize::from(order.request.is_some());
            if let Some(id) =
                order.request.as_ref().and_then(|request| request["params"]["message"]["messageId"].as_str())
            {
                self.handed.push(id.to_owned());
            }
            let heard = self.gateway.hear(order.request.as_ref(), self.a.clock.now());
            self.results.push(EnvoyResult { peer: order.peer, heard });
        }
        self.a.step();
        if self.results.is_empty() { step.rest.min(self.a.rest) } else { Duration::ZERO }
    }

    pub fn advance(&self, by: Duration) {
        self.a.clock.advance(by);
        self.server.advance(by);
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.a.clock.now() + time;
        while self.a.clock.now() < end {
            let rest = self.step();
            self.advance(rest.min(end - self.a.clock.now()));
        }
        self.step();
    }

    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut World) -> bool) {
        let deadline = self.a.clock.now() + PATIENCE;
        while !done(self) {
            assert!(self.a.clock.now() < deadline, "waited in vain for {what}; a said {:?}", self.a.problems);
            let rest = self.step();
            self.advance(rest);
        }
    }

    /// Sends a text in a thread.
    pub fn send(&mut self, thread: &str, text: &str) -> Message {
        self.a.send_one("lab", text, |draft| draft.thread = Some(thread.into()))
    }

    pub fn becomes(&mut self, message: &Message, state: State) {
        let what = format!(
            "{} to be {state}, not {}: {:?}",
            message.content,
            self.a.state_of(message),
            self.way(message)
        );
        self.until(&what, |world| world.a.state_of(message) == state);
    }

    /// What the trace says of a message.
    pub fn way(&self, message: &Message) -> String {
        let steps = self.a.node().db.transitions(Way::Out, "lab", &message.id).unwrap();
        steps.into_iter().map(|step| format!("{} {}\n", step.what, step.detail.unwrap_or_default())).collect()
    }

    /// What `peers` and `status` can say of the gateway.
    pub fn route(&self) -> String {
        self.a.node().db.gateway("lab").unwrap().unwrap().words(self.a.clock.wall_ms())
    }

    /// The ids in the open slot of the peer.
    pub fn slot(&self) -> Vec<String> {
        let bytes =
            self.share.read(&layout::open_slot(&name("lab")), 0, usize::MAX).unwrap().unwrap_or_default();
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        String::from_utf8(bytes).unwrap().lines().map(id).collect()
    }

    /// Puts the node's hands on something for a test.
    pub fn inbox(&self) -> Vec<Message> {
        ops::inbox(self.a.node(), &lanpost::store::db::Filter { all: true, ..Default::default() }).unwrap()
    }
}
