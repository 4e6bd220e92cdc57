//! Two PCs with one folder in common, `ann` and `bob`: on each a gateway and a daemon of lanpost that wakes its agent.
//!
//! They are set up once and serve all cases, one at a time, since a gateway takes its time to start. Each case counts
//! turns from where it begins, and sends words of its own.

use std::fs;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::clerk;
use crate::gateway::Gateway;
use crate::model::Model;
use crate::process::{Daemon, Lan, Pc, Settings, list, until, until_true};

/// A gateway and lanpost on one PC.
pub struct Office {
    pub pc: Pc,
    pub gateway: Gateway,
    daemon: Option<Daemon>,
}

/// Both, and the model that their agents think with.
pub struct Offices {
    pub ann: Office,
    pub bob: Office,
    pub model: Model,
    _lan: Lan,
}

/// The offices at work.
pub fn offices() -> MutexGuard<'static, Offices> {
    static OFFICES: LazyLock<Mutex<Offices>> = LazyLock::new(|| Mutex::new(Offices::open()));
    // What a failed case left may be good enough for the next one.
    let mut offices = OFFICES.lock().unwrap_or_else(PoisonError::into_inner);
    offices.to_work();
    offices
}

impl Offices {
    fn open() -> Offices {
        let (lan, model) = (Lan::new(), Model::start(clerk::mind));
        let [ann, bob] = [("ann", 18_789), ("bob", 18_909)].map(|(name, port)| {
            let pc = lan.pc(name);
            let gateway = Gateway::on(&pc, port, &model);
            let office = Office { pc, gateway, daemon: None };
            office.join();
            office
        });
        let mut offices = Offices { ann, bob, model, _lan: lan };
        offices.start_gateways();
        for office in [&offices.ann, &offices.bob] {
            let done = office.set_hooks_up();
            assert_eq!(done["probe"], "right", "{done}");
        }
        offices
    }

    /// Whatever does not run is started.
    fn to_work(&mut self) {
        self.start_gateways();
        for office in [&mut self.ann, &mut self.bob] {
            let Office { pc, daemon, .. } = office;
            daemon.get_or_insert_with(|| pc.daemon());
        }
    }

    fn start_gateways(&mut self) {
        let gateways = [&mut self.ann.gateway, &mut self.bob.gateway];
        for gateway in gateways.map(|gateway| {
            gateway.start();
            gateway
        }) {
            gateway.await_ready();
        }
    }

    /// How many turns the agent of `who` has begun.
    pub fn turns(&self, who: &Office) -> usize {
        self.model.turns(&who.pc.name).len()
    }
}

impl Office {
    /// Joins the share, with quick retries. Wakes may fail often before a gateway is back.
    fn join(&self) {
        self.pc.init(&[]);
        let pauses = "window = \"0s\"\nretry = \"100ms\"\nretry_max = \"1s\"\nagain = \"30s\"";
        let wake = format!("{pauses}\nattempts = 1000\nbudget = 1000");
        self.pc.configure(&Settings { wake, ..Settings::default() });
    }

    /// Has lanpost set the hooks of the gateway up, which runs.
    pub fn set_hooks_up(&self) -> Value {
        self.pc.json(&["init", "--wake", "openclaw", "--apply"])["openclaw"].take()
    }

    /// Has the daemon work with its config changed so; the config as it was.
    pub fn reset(&mut self, changes: &[(&str, &str)]) -> String {
        let before = fs::read_to_string(&self.pc.config).unwrap();
        let after = changes.iter().fold(before.clone(), |text, (from, to)| {
            assert!(text.contains(from), "no {from:?} in {text}");
            text.replace(from, to)
        });
        self.restore(&after);
        before
    }

    /// Has the daemon work with this config.
    pub fn restore(&mut self, config: &str) {
        self.daemon.take().map(Daemon::stop);
        fs::write(&self.pc.config, config).unwrap();
        self.daemon = Some(self.pc.daemon());
    }

    /// Waits until all mail that came is done with.
    pub fn is_done(&self) {
        until_true(&format!("{} to have done its work", self.pc.name), || {
            self.pc.json(&["inbox"]).as_array().is_some_and(Vec::is_empty)
        });
    }

    /// Waits until `lanpost trace` tells of `what` about a message that may not have come yet; its words on that.
    pub fn traced(&self, id: &str, what: &str) -> String {
        until(&format!("{what} in the trace of {id} at {}", self.pc.name), || {
            let traced = self.pc.run(&["--json", "trace", id]);
            let steps =
                if traced.code == Some(0) { list(traced.json()["transitions"].take()) } else { vec![] };
            let step = steps.into_iter().find(|step| step["what"] == what)?;
            Some(step["detail"].as_str().unwrap_or_default().to_owned())
        })
    }
}
