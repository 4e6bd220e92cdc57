//! `lanpost service status`: the service as its manager sees it, and how the instance is doing, in one line. Exit code 3
//! if it is not installed.

use serde::Serialize;

use super::Target;
use crate::adapt::service::{self, Condition, Scope};
use crate::app::cli::out::Out;
use crate::app::cli::{Cx, exit, status};
use crate::app::{log, print};
use crate::engine::ops;
use crate::error::Result;
use crate::sys::flock::LocalLock;
use crate::sys::rotating;

/// How far back in the log the last problem is looked for.
const LINES: usize = 500;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    service: String,
    scope: Scope,
    installed: bool,
    running: bool,
    /// The service manager's own word.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// Since when the daemon works (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Whether it starts with the PC, or with the user's first login.
    automatic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    /// Whether `install` would change its definition.
    outdated: bool,
    /// How it ended, as the service manager knows it, if not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// The last problem in the log, unless it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// How the instance is doing, in one line; or why that can't be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

pub fn run(cx: &mut Cx, target: &Target) -> Result<u8> {
    let account = service::condition(&target.service, None)?.account;
    let condition = service::condition(&target.service, target.plan(account, false).as_ref())?;
    let installed = condition.installed;
    let report = report(cx, target, condition);
    if cx.json {
        cx.out.json(&report)?;
    } else {
        lines(&report, &cx.out).iter().for_each(|line| cx.out.say(print::line(line)));
    }
    Ok(if installed { exit::DONE } else { exit::NOT_FOUND })
}

fn report(cx: &Cx, target: &Target, condition: Condition) -> Report {
    let config = target.config.as_ref();
    let holder = config.and_then(|(config, _)| LocalLock::holder(&config.state));
    let daemon = holder.filter(|holder| holder.is_daemon() && condition.running);
    let log = config.map(|(config, _)| log::path(&config.state));
    let told = |node| ops::status(&node).map(|it| status::summary(&it));
    let instance = config.map(|_| cx.open().and_then(told).unwrap_or_else(|error| error.to_string()));
    Report {
        service: target.service.name(),
        scope: target.service.scope,
        installed: condition.installed,
        running: condition.running,
        state: condition.state,
        pid: condition.pid.or(daemon.as_ref().map(|daemon| daemon.pid)),
        since: daemon.map(|daemon| daemon.since),
        automatic: condition.automatic,
        account: condition.account,
        config: config.map(|(_, path)| path.display().to_string()),
        outdated: condition.outdated,
        trouble: condition.trouble,
        last_problem: log.as_deref().and_then(last_problem),
        log: log.map(|path| path.display().to_string()),
        instance,
    }
}

fn last_problem(path: &std::path::Path) -> Option<String> {
    let (lines, _) = rotating::tail(path, LINES).ok()?;
    let begins = |line: &str, words: [&str; 2]| {
        line.split_once(' ').is_some_and(|(_, text)| words.iter().any(|word| text.starts_with(word)))
    };
    // What came before the end of a trouble is no news any more.
    let recent = lines.into_iter().rev().take_while(|line| !begins(line, [log::OVER, log::MENDED]));
    recent.into_iter().find(|line| begins(line, ["problem: ", "ended: "]))
}

fn lines(report: &Report, out: &Out) -> Vec<String> {
    let name = &report.service;
    let mut lines = vec![];
    if report.installed {
        let pid = report.pid.map(|pid| out.word(&format!(", process {pid}"))).unwrap_or_default();
        let since = report.since.as_deref().map(|at| out.word(&format!(", since {}", print::local_time(at))));
        lines.push(format!("{name}: {}{pid}{}", report.state, since.unwrap_or_default()));
        let starts = if report.automatic { "starts    by itself" } else { "starts    only when told to" };
        let account = report.account.as_deref().map(|account| out.word(&format!(", as {account}")));
        lines.push(format!("{}{}", out.word(starts), account.unwrap_or_default()));
    } else {
        lines.push(format!("{name}: not installed"));
    }
    lines.extend(report.config.as_ref().map(|value| format!("config    {value}")));
    lines.extend(report.log.as_ref().map(|value| format!("log       {value}")));
    lines.extend(report.instance.as_ref().map(|value| format!("instance  {value}")));
    lines.extend(report.last_problem.as_ref().map(|value| format!("problem   {value}")));
    lines.extend(report.trouble.as_ref().map(|trouble| format!("! {trouble}")));
    if report.outdated {
        lines.push("! it was installed for another program, config or wake command: `lanpost service install` mends it".into());
    }
    if !report.installed {
        lines.push("! `lanpost service install` sets it up".into());
    }
    lines
}
