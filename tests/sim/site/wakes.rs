//! The wake policy in a run: what a site's config says of it, and what no wake may ever do.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use lanpost::engine::wake::WakeOrder;
use lanpost::model::config::{OpenClawConfig, WakeConfig};
use lanpost::model::envelope::Priority;
use lanpost::model::wake::sender_of;
use lanpost::store::db::Message;

use super::{Manner, key};
use crate::rng::Rng;

const HOUR: i64 = 3_600_000;

/// A budget that no run uses up: an hour of waiting is long for a simulator.
pub const AMPLE: usize = 1_000;

/// Draws a policy.
pub fn draw(config: &mut WakeConfig, manner: Manner, rng: &mut Rng) {
    match rng.per_mille(400) {
        // A session for each sender.
        true => config.openclaw = Some(OpenClawConfig::default()),
        false => config.command = vec!["agent".into()],
    }
    config.attempts = 3;
    config.batch = 1 + rng.below(6);
    config.again = Duration::from_secs(5 + rng.below(20) as u64);
    config.again_max = config.again * 3;
    config.again_attempts = 1 + rng.below(4) as u32;
    config.dedupe = Duration::from_secs(if rng.per_mille(500) { 0 } else { rng.below(120) as u64 });
    config.budget = if manner == Manner::Prompt && rng.per_mille(60) { 10 } else { AMPLE };
    config.zone = Some(chrono_tz::UTC);
    if rng.per_mille(150) {
        // Runs begin at midnight.
        let from = rng.below(4);
        let to = from + 1 + rng.below(6);
        config.quiet = vec![format!("00:{from:02}-00:{to:02}").parse().unwrap()];
        config.quiet_urgent = rng.per_mille(500);
    }
}

/// What a site's wakes were, as far as it remembers them.
#[derive(Default)]
pub struct Orders {
    /// When they began, on its wall clock.
    times: Vec<i64>,
    /// When a wake for a message was accepted.
    accepted: HashMap<(String, String), i64>,
    /// The wall clock of the last step.
    seen: i64,
}

impl Orders {
    /// Its state folder is an older one.
    pub fn forget(&mut self) {
        *self = Orders::default();
    }

    /// The wall clock at a step. If it was set back, what was due by it before may be due.
    pub fn sees(&mut self, wall: DateTime<Utc>) {
        let now = wall.timestamp_millis();
        if now < std::mem::replace(&mut self.seen, now) {
            self.accepted.clear();
        }
    }

    /// A message was put off: it wakes when it is back, whenever a wake for it was accepted.
    pub fn put_off(&mut self, message: &(String, String)) {
        self.accepted.remove(message);
    }

    /// A wake for these messages was accepted, and nobody read them.
    pub fn accepted(&mut self, order: &WakeOrder, wall: DateTime<Utc>) {
        let at = wall.timestamp_millis();
        self.accepted.extend(order.messages.iter().map(|message| (key(message), at)));
    }

    /// Whether this order keeps to the rules.
    pub fn check(
        &mut self,
        config: &WakeConfig,
        order: &WakeOrder,
        wall: DateTime<Utc>,
    ) -> Result<(), String> {
        let now = wall.timestamp_millis();
        self.times.push(now);
        let recent = self.times.iter().filter(|at| (now - HOUR + 1..=now).contains(*at)).count();
        if recent > config.budget {
            return Err(format!("{recent} wakes within an hour, and the budget is {}", config.budget));
        }
        let others = |message: &&Message| sender_of(&message.from) != order.sender;
        if let Some(other) = order.messages.iter().filter(|_| config.by_sender()).find(others) {
            return Err(format!("mail from {} in a wake for that of {:?}", other.from, order.sender));
        }
        let urgent = order.messages.iter().any(|message| message.priority == Priority::Urgent);
        let minute = wall.hour() * 60 + wall.minute();
        for span in config.quiet.iter().map(ToString::to_string) {
            // All of them lie within the first hour.
            let minutes = [&span[3..5], &span[9..11]].map(|minute| minute.parse::<u32>().unwrap());
            if (minutes[0]..minutes[1]).contains(&minute) && !(urgent && config.quiet_urgent) {
                return Err(format!("woken at {wall}, in the quiet hours {span}"));
            }
        }
        let pause = config.again.as_millis() as i64;
        for message in &order.messages {
            if let Some(at) =
                self.accepted.get(&key(message)).filter(|at| (**at..**at + pause).contains(&now))
            {
                return Err(format!("woken again for {} {} ms after it was accepted", message.id, now - at));
            }
        }
        Ok(())
    }
}
