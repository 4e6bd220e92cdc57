//! What is wrong in a config, on which line, and what to do: an error of the TOML crate in our words.

use std::path::Path;

use crate::error::Error;
use crate::model::secret::WAY_OUT;

/// The other keys that name secrets.
const SECRETS: [&str; 3] = ["wake.openclaw.token", "wake.webhook.bearer", "wake.webhook.hmac"];
/// What is said where a secret stands in the place of one.
const WAY_OUT_OF_HOOKS: &str = "take the secret out of the config, store it with `lanpost secret set hook-token`, and \
                                write 'keyring:hook-token', 'file:PATH' or 'env:VARIABLE' in its place";

/// One line of text for an error of the TOML crate: line, key, what is wrong, what to do.
pub(super) fn explain(mut error: toml::de::Error, text: &str, origin: &Path) -> Error {
    let message = error.message().to_owned();
    let span = error.span();
    // It says where, but not which.
    let twice =
        message.starts_with("duplicate key").then(|| span.clone().and_then(|span| text.get(span))).flatten();
    // The keys are shown only by an error that has no input to quote.
    error.set_input(None);
    let shown = error.to_string();
    let key = shown.trim_end().rsplit_once("\nin `").and_then(|(_, key)| key.strip_suffix('`'));

    // A key that the whole file lacks is missing on no line.
    let missing = message.starts_with("missing field");
    let start = span.map(|span| span.start.min(text.len())).filter(|_| !missing || key.is_some());
    let mut cause = String::new();
    let key = key.or(twice.map(str::trim).filter(|key| !key.contains('\n')));
    if let Some(start) = start {
        let line = text.bytes().take(start).filter(|b| *b == b'\n').count() + 1;
        cause = format!("line {line}: ");
    }
    match key {
        // The table, which may be what is wrong.
        Some(key) if message.starts_with("unknown field") => cause += &format!("in [{key}]: "),
        Some(key) => cause += &format!("`{key}`: "),
        None => {}
    }
    cause += &message;
    // Keys and messages repeat what the file holds.
    let cause: String = cause
        .chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect();

    let line =
        start.and_then(|at| Some((text.get(..at)?.rsplit('\n').next()?, text.get(at..)?.lines().next())));
    let backslash =
        line.is_some_and(|(before, after)| before.contains('\\') || after.is_some_and(|a| a.contains('\\')));
    let step = match (key, start) {
        (Some("share.password"), _) => WAY_OUT,
        (Some(key), _) if SECRETS.contains(&key) => WAY_OUT_OF_HOOKS,
        (None, Some(_)) if backslash => "write Windows paths in single quotes, as in 'C:\\x'",
        // What it would say of instance, share and state is not known.
        (_, None) => &format!("add it, or set up anew: {}", anew(origin)),
        _ => "fix that line",
    };
    Error::usage("read the config", origin.display(), cause).next(step)
}

/// The same of values that do not fit together, each of which is right by itself.
pub(super) fn unfit(why: &str, origin: &Path) -> Error {
    Error::usage("read the config", origin.display(), why).next("change one of them")
}

fn anew(origin: &Path) -> String {
    format!(
        "`lanpost --config \"{}\" init --force --share PATH --instance NAME --state DIR` with the former values",
        origin.display()
    )
}
