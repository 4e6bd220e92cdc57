//! The table `wake`: whom to wake, how, and when.

use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;

use super::fields::*;
use super::openclaw::{HookMode, OpenClawConfig};
use super::value::*;
use super::webhook::WebhookConfig;
use crate::model::quiet::Span;
use crate::model::wake::rules::Rule;

/// The table `wake`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct WakeConfig {
    /// A program and its arguments, run without a shell; empty: nobody is woken.
    #[serde(deserialize_with = "command")]
    pub command: Vec<String>,
    /// A server that is told instead.
    pub webhook: Option<WebhookConfig>,
    /// An OpenClaw gateway instead.
    pub openclaw: Option<OpenClawConfig>,
    /// Mail that arrives within this time of the last wake goes into one wake.
    #[serde(deserialize_with = "duration::<_, { WINDOW.0 }, { WINDOW.1 }>")]
    pub window: Duration,
    /// The command is killed after this.
    #[serde(deserialize_with = "duration::<_, { TIMEOUT.0 }, { TIMEOUT.1 }>")]
    pub timeout: Duration,
    /// The first pause after a failure; it doubles.
    #[serde(deserialize_with = "duration::<_, { RETRY.0 }, { RETRY.1 }>")]
    pub retry: Duration,
    /// The longest pause.
    #[serde(deserialize_with = "duration::<_, { RETRY.0 }, { RETRY.1 }>")]
    pub retry_max: Duration,
    /// Tries before the sender is told that the wake failed.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub attempts: u32,
    /// Messages per wake.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub batch: usize,
    /// The first pause after a wake that was accepted, if nobody read the mail; it doubles.
    #[serde(deserialize_with = "duration::<_, { RETRY.0 }, { RETRY.1 }>")]
    pub again: Duration,
    /// The longest such pause.
    #[serde(deserialize_with = "duration::<_, { RETRY.0 }, { RETRY.1 }>")]
    pub again_max: Duration,
    /// Accepted wakes after which the sender is told that nobody read it.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub again_attempts: u32,
    /// A command's success, too, counts as accepted until the mail is read.
    pub until_read: bool,
    /// The same words from the same sender wake once in this time.
    #[serde(deserialize_with = "duration::<_, { DEDUPE.0 }, { DEDUPE.1 }>")]
    pub dedupe: Duration,
    /// Wakes in any hour.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub budget: usize,
    /// Spans of the day in which nobody is woken.
    #[serde(deserialize_with = "spans")]
    pub quiet: Vec<Span>,
    /// Urgent mail wakes then, too.
    pub quiet_urgent: bool,
    /// The time zone of those spans; `None`: this PC's.
    #[serde(deserialize_with = "zone")]
    pub zone: Option<Tz>,
    /// Rounds of answers without a person after which two agents wake each other no more.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub rounds: u64,
    /// Automatic answers in a row after which none is sent.
    #[serde(deserialize_with = "number::<_, _, { COUNT.0 }, { COUNT.1 }>")]
    pub hops: u64,
    /// What an agent is told.
    pub text: Telling,
    /// The longest such text.
    #[serde(deserialize_with = "size::<_, { TEXT.0 }, { TEXT.1 }>")]
    pub text_max: Size,
    /// What a command reads on its standard input.
    pub stdin: Feed,
    /// Which mail wakes now, with the batch, or never.
    pub rules: Vec<Rule>,
}

/// What an agent is told of its mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Telling {
    /// What it says, framed as the words of others.
    #[default]
    Full,
    /// How much there is, and from whom.
    Count,
}

/// What a wake command reads on its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// The messages, as a JSON array.
    #[default]
    Json,
    /// What the agent is told.
    Text,
}

impl Default for WakeConfig {
    fn default() -> Self {
        WakeConfig {
            command: Vec::new(),
            webhook: None,
            openclaw: None,
            window: Duration::from_secs(1),
            timeout: Duration::from_secs(300),
            retry: Duration::from_secs(2),
            retry_max: Duration::from_secs(300),
            attempts: 10,
            batch: 100,
            again: Duration::from_secs(5 * 60),
            again_max: Duration::from_secs(2 * 3_600),
            again_attempts: 6,
            until_read: false,
            dedupe: Duration::from_secs(2 * 3_600),
            budget: 60,
            quiet: Vec::new(),
            quiet_urgent: false,
            zone: None,
            rounds: 20,
            hops: 50,
            text: Telling::Full,
            text_max: Size(16 * KIB),
            stdin: Feed::Json,
            rules: Vec::new(),
        }
    }
}

impl WakeConfig {
    /// Whether anybody is woken at all.
    pub fn is_on(&self) -> bool {
        !self.command.is_empty() || self.webhook.is_some() || self.openclaw.is_some()
    }

    /// Whether a server is asked to wake: it may have taken what we gave up.
    pub fn asks_a_server(&self) -> bool {
        self.webhook.is_some() || self.openclaw.is_some()
    }

    /// Whether each wake is for the mail of one sender: then each sender has a session of its own with the agent.
    pub fn by_sender(&self) -> bool {
        self.openclaw.as_ref().is_some_and(|gateway| gateway.mode != HookMode::Wake)
    }
}
