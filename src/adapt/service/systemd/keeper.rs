//! What a daemon tells systemd while it runs: sd_notify(3), and nothing if nobody listens.

use std::time::Duration;

use sd_notify::NotifyState;

use super::super::Gravity;

/// The service manager of this process, if it has one.
#[derive(Clone, Debug)]
pub struct Keeper {
    pulse: Option<Duration>,
    /// The process is another program's, which speaks for itself.
    silent: bool,
}

impl Keeper {
    /// The one that started this process.
    pub fn of_this_process() -> Keeper {
        Keeper { pulse: sd_notify::watchdog_enabled(), silent: false }
    }

    /// None: the daemon runs within another program.
    pub fn of_nobody() -> Keeper {
        Keeper { pulse: None, silent: true }
    }

    /// Whether it asks for a stop by its own means; then signals mean nothing. systemd sends SIGTERM.
    pub fn asks(&self) -> bool {
        false
    }

    /// Never done: see [`Keeper::asks`].
    pub async fn asked(&self) -> &'static str {
        std::future::pending().await
    }

    /// The daemon is at work.
    pub fn ready(&self, doing: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(doing)]);
    }

    /// What the daemon does, for `systemctl status`.
    pub fn status(&self, doing: &str) {
        self.tell(&[NotifyState::Status(doing)]);
    }

    /// The daemon stops, for this reason.
    pub fn stopping(&self, reason: &str) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(reason)]);
    }

    /// How long the daemon may be silent; `None`: nobody waits for a sign.
    pub fn patience(&self) -> Option<Duration> {
        self.pulse
    }

    /// The daemon lives.
    pub fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    /// Nothing: the journal has standard error.
    pub fn record(&self, _gravity: Gravity, _text: &str) {}

    /// A manager that can't be told is its own trouble.
    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.silent {
            let _ = sd_notify::notify(states);
        }
    }
}
