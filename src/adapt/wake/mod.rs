//! Adapters that wake an agent. Each takes a [`WakeOrder`] and says how it went.

mod answer;
pub mod command;
pub mod openclaw;
pub mod webhook;

use std::path::Path;
use std::sync::Arc;

use crate::engine::wake::{WakeOrder, WakeResult};
use crate::model::config::Config;
use crate::sys::clock::Clock;
use crate::sys::process;
use command::WakeCommand;
use openclaw::OpenClaw;
use webhook::Webhook;

/// The one way to wake that a config has.
pub enum Adapter {
    /// A program.
    Command(WakeCommand),
    /// A server.
    Webhook(Webhook),
    /// An OpenClaw gateway.
    OpenClaw(OpenClaw),
}

impl Adapter {
    /// The way that the table `wake` of `config`, whose file lies at `path`, says.
    pub fn new(config: &Config, path: &Path, clock: Arc<dyn Clock>) -> Adapter {
        let instance = config.instance.to_string();
        match (&config.wake.webhook, &config.wake.openclaw) {
            (Some(webhook), _) => Adapter::Webhook(Webhook::new(webhook.clone(), instance, clock)),
            (_, Some(gateway)) => {
                Adapter::OpenClaw(OpenClaw::new(gateway.clone(), instance, process::called(path), clock))
            }
            _ => Adapter::Command(WakeCommand::of(config, path)),
        }
    }

    /// Carries one order out, to its end or its deadline. Dropping the future gives it up.
    pub async fn run(&self, order: &WakeOrder) -> WakeResult {
        match self {
            Adapter::Command(command) => command.run(order).await,
            Adapter::Webhook(webhook) => webhook.run(order).await,
            Adapter::OpenClaw(gateway) => gateway.run(order).await,
        }
    }
}
