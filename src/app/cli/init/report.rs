//! What `init` says when it is done: what is set up, where, and the next step.

use std::ffi::OsStr;
use std::path::Path;

use serde::Serialize;

use super::openclaw;
use crate::app::cli::{Cx, exit};
use crate::app::locate::Place;
use crate::app::print;
use crate::engine::ops;
use crate::error::Result;
use crate::model::config::Config;
use crate::model::name::Name;
use crate::sys::{process, seek};

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    /// Whether this run did anything.
    pub changed: bool,
    pub instance: &'a Name,
    pub config: String,
    pub state: String,
    pub share: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openclaw: Option<openclaw::Report>,
}

impl Report<'_> {
    pub fn code(&self) -> u8 {
        if self.openclaw.as_ref().is_some_and(openclaw::Report::is_wrong) {
            exit::UNSOUND
        } else {
            exit::DONE
        }
    }
}

/// Says what was made.
pub(super) fn report(
    cx: &mut Cx,
    place: &Place,
    config: &Config,
    made: ops::Init,
    kept: Option<&Path>,
    openclaw: Option<openclaw::Report>,
) -> Result<u8> {
    let report = Report {
        changed: true,
        instance: &config.instance,
        config: seek::shown(&place.path),
        state: seek::shown(&config.state),
        share: config.share.path.display().to_string(),
        share_id: Some(made.share),
        key: Some(made.key),
        openclaw,
    };
    if cx.json {
        cx.out.json(&report)?;
        return Ok(report.code());
    }
    let (id, key) =
        (report.share_id.as_deref().unwrap_or_default(), report.key.as_deref().unwrap_or_default());
    let joined = if made.first { "new" } else { "joined" };
    let mut lines = vec![
        format!("set up {}", report.instance),
        format!("  config  {}", report.config),
        format!("  state   {}", report.state),
        format!("  share   {} ({joined}, id {id})", report.share),
        format!("  key     {}", fingerprint(key)),
    ];
    lines.extend(kept.map(|path| format!("the former config is kept: {}", path.display())));
    lines.extend(report.openclaw.iter().flat_map(openclaw::Report::lines));
    let flag = cx.config.as_ref().map(|_| [OsStr::new("--config"), place.path.as_os_str()]);
    let words = flag.iter().flatten().copied();
    let words = [OsStr::new("lanpost")].into_iter().chain(words).chain([OsStr::new("run")]);
    lines.push(format!("next: {}", process::shell().line(&words.collect::<Vec<_>>())));
    for line in lines {
        cx.out.say(print::line(&line));
    }
    Ok(report.code())
}

/// The first 16 digits of a key, for people to compare.
fn fingerprint(key: &str) -> &str {
    let digits = key.rsplit(':').next().unwrap_or_default();
    digits.get(..16).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_key() {
        assert_eq!(fingerprint(&format!("ed25519:{}", "ab".repeat(32))), "abababababababab");
        assert_eq!(fingerprint("short"), "short");
    }
}
