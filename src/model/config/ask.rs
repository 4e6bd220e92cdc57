//! The table `ask`: what is done about requests that nobody answers.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::value::*;

/// The table `ask`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct AskConfig {
    /// Whoever asked is told when a request was read here, and nobody said more of it for this long; `None`: never.
    #[serde(deserialize_with = "time_or_never")]
    pub abandoned_after: Option<Duration>,
}

impl Default for AskConfig {
    fn default() -> Self {
        AskConfig { abandoned_after: Some(Duration::from_secs(3_600)) }
    }
}

fn time_or_never<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    if text == NEVER {
        return Ok(None);
    }
    let value = parse_duration(&text).map_err(|why| D::Error::custom(format!("{why}, nor {NEVER:?}")))?;
    let (min, max) = (Duration::from_millis(SILENCE.0), Duration::from_millis(SILENCE.1));
    within(&text, value, min, max, &show(min), &show(max)).map(Some).map_err(D::Error::custom)
}
