//! `lanpost init --wake openclaw`: the gateway on this PC is told of our hook, and our config of the gateway.
//!
//! Without `--apply` nothing is written: what is missing there is shown. With it, the gateway's config is replaced
//! atomically with a backup beside it, the token of its hooks goes into a private file of the state folder, and
//! `[wake.openclaw]` into our config. Running it again changes nothing. The probe wakes nobody.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::locate::Place;
use crate::app::openclaw::{self, Installed, Probe, Probed};
use crate::error::{Error, Kind, Result};
use crate::model::config::{self, Config, OpenClawConfig};
use crate::model::envelope::format_time;
use crate::model::openclaw::edit::edit;
use crate::model::openclaw::gateway::Text;
use crate::model::openclaw::mapping::Us;
use crate::model::openclaw::place;
use crate::model::openclaw::plan::{Plan, Targets, plan, targets};
use crate::model::secret::{Secret, SecretRef};
use crate::model::text::decode_document;
use crate::model::url::HttpUrl;
use crate::sys::clock::{self, Clock, SystemClock};
use crate::sys::{dirs, files, process, secret};

/// The file of the token, in the state folder.
const TOKEN: &str = "openclaw-token";
/// What stands for the token where it is shown.
const HIDDEN: &str = "<a long random secret>";

/// What wakes the agent, set up by `init`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Way {
    /// The OpenClaw gateway on this PC, over its hooks
    Openclaw,
}

#[derive(clap::Args, Debug)]
pub struct Waking {
    /// Set up what wakes the agent: `openclaw` shows what its config needs for that
    #[arg(long, value_name = "WAY", conflicts_with = "wake_command", hide_possible_values = true)]
    pub wake: Option<Way>,
    /// Write it: the hook into OpenClaw's config (a backup is kept), the gateway into ours
    #[arg(long, requires = "wake")]
    apply: bool,
    /// OpenClaw's config [default: where OpenClaw looks for it]
    #[arg(long, value_name = "PATH", requires = "wake", conflicts_with = "profile")]
    openclaw_config: Option<PathBuf>,
    /// The profile of OpenClaw, as in `openclaw --profile NAME`
    #[arg(long, value_name = "NAME", requires = "wake")]
    profile: Option<String>,
    /// OpenClaw's agent that is woken, if it has several
    #[arg(long, value_name = "ID", requires = "wake")]
    openclaw_agent: Option<String>,
}

/// What `--json` prints of it.
#[derive(Serialize)]
pub struct Report {
    /// OpenClaw's config.
    config: String,
    /// Its agent for mail to none in particular.
    agent: String,
    /// Whether it was written.
    applied: bool,
    /// What it lacks, or lacked; empty if nothing.
    adds: String,
    /// Which of our mappings there name another command, or another agent, than they must.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    renews: Vec<String>,
    /// The token of its hooks is known neither there nor here.
    #[serde(skip)]
    tokenless: bool,
    /// The file as it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    /// `right`, `token-right`, `down`, `wrong`, or `none` if it was not probed.
    probe: &'static str,
    /// What people are told.
    #[serde(skip)]
    said: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    /// The same for people.
    pub fn lines(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|warning| format!("  warning  {warning}"));
        self.said.iter().cloned().chain(warnings).collect()
    }

    /// Whether the gateway would not take our mail.
    pub fn is_wrong(&self) -> bool {
        self.tokenless || self.probe == "wrong"
    }
}

impl Waking {
    /// What is asked of the gateway, if anything is. `config` is ours, at `place`; `force` lets another way to wake go.
    pub fn join(&self, config: &Config, place: &Place, force: bool) -> Result<Option<Report>> {
        match self.wake {
            Some(Way::Openclaw) => join(self, config, place, force).map(Some),
            None => Ok(None),
        }
    }
}

fn join(args: &Waking, config: &Config, place: &Place, force: bool) -> Result<Report> {
    let found = openclaw::find(args.openclaw_config.as_deref(), args.profile.as_deref())?;
    let old = config.wake.openclaw.clone().unwrap_or_default();
    let shown = found.path.display().to_string();
    config::hooks_path(&found.gateway.hooks.path).map_err(|why| {
        Error::usage("wake by", &shown, format!("its hooks.path is {:?}: {why}", found.gateway.hooks.path))
            .next("give it a path of plain letters there")
    })?;
    let ours: Vec<String> = config.agents.iter().map(|agent| agent.as_str().to_owned()).collect();
    let asked = args.openclaw_agent.as_deref().or(old.agent.as_deref());
    let targets = targets(&found.gateway, &ours, asked, &old.agents).map_err(|why| {
        Error::usage("choose the agent to wake", &shown, why)
            .next("name it with --openclaw-agent ID, and others by `agents` in [wake.openclaw]")
    })?;
    let (lanpost, is_other) = (program(place), |command: &str| is_of_another(command, place));
    let us = Us { instance: config.instance.as_str(), lanpost: &lanpost, is_other: &is_other };
    let plan_with = |token: &str| plan(&found.gateway, &targets, &old.path, token, &us);
    let draft = plan_with(HIDDEN);
    let adds = match draft.changes.is_empty() {
        true => String::new(),
        // Of an empty config, all that is there is what was added.
        false => edit("{}", &draft.changes).map_err(|why| Error::usage("show", &shown, why))?,
    };
    let mut report = Report {
        config: shown.clone(),
        agent: targets.main.clone(),
        applied: args.apply,
        adds,
        renews: draft.stale.clone(),
        tokenless: false,
        backup: None,
        probe: "none",
        said: vec![format!("OpenClaw: {shown}"), format!("  agent    {}", targets.main)],
        warnings: warned(&found, &draft),
    };
    let others = targets.others.iter().map(|(our, id)| format!("  agent    {id}, for mail to {our}"));
    report.said.extend(others);
    if let Text::Elsewhere(whence) = &found.gateway.hooks.token {
        let reference = reference(&old, config);
        report.tokenless = secret::resolve(&reference).is_err();
        let unless = if report.tokenless { "; without it nobody is woken" } else { "" };
        report.warnings.push(format!(
            "the token of its hooks is {whence}: keep it where our config looks for it, `lanpost secret set \"{reference}\"`{unless}"
        ));
    }
    if draft.path != old.path {
        report.said.push(format!("  path     {}, since {} is another instance's", draft.path, old.path));
    }
    if !args.apply {
        report.said.extend(proposal(&report, &found, &old));
        return Ok(report);
    }
    apply(&mut report, &found, config, place, (&targets, old.clone()), force, plan_with)?;
    Ok(report)
}

/// Writes both configs, and probes.
fn apply(
    report: &mut Report,
    found: &Installed,
    config: &Config,
    place: &Place,
    (targets, old): (&Targets, OpenClawConfig),
    force: bool,
    plan_with: impl Fn(&str) -> Plan,
) -> Result<()> {
    let other = !config.wake.command.is_empty() || config.wake.webhook.is_some();
    if other && !force {
        let cause = "it wakes in another way already: by `wake.command` or `wake.webhook`";
        return Err(Error::usage("set up", place.path.display(), cause).next("replace that with --force"));
    }
    let reference = reference(&old, config);
    let token = match &found.gateway.hooks.token {
        Text::Known(token) => Some(token.clone()),
        // What an earlier run stored is not thrown away: somebody may have taken it out of the config by mistake.
        Text::Missing => Some(match secret::resolve(&reference) {
            Ok(kept) => kept.expose().to_owned(),
            Err(_) => clock::secret::<24>()?.iter().map(|byte| format!("{byte:02x}")).collect(),
        }),
        Text::Elsewhere(_) => None,
    };
    let plan = plan_with(token.as_deref().unwrap_or_default());
    let url = match is_by_hand(&old.url) {
        true => old.url.origin(),
        false => found.gateway.url(),
    };
    if url != found.gateway.url() {
        report.said.push(format!("  url      {url}, as our config says"));
    }
    let given = OpenClawConfig {
        token: Some(reference.clone()),
        hooks: found.gateway.hooks.path.clone(),
        path: plan.path.clone(),
        agent: Some(targets.main.clone()),
        agents: targets.others.iter().map(|(our, id)| (our.clone(), id.clone())).collect(),
        ..old
    };
    // What we could not read ourselves is found before anything is written.
    let (former, ours) = rewritten(place, &given, &url)?;
    let changes: Vec<_> = plan.changes.iter().chain(&plan.renewals).cloned().collect();
    if !changes.is_empty() {
        let fail = |why: String| {
            Error::usage("edit", found.path.display(), why)
                .next("add the block by hand: without --apply it is shown")
        };
        if let Some(why) = &found.fixed {
            return Err(fail(why.clone()));
        }
        let text = edit(&found.text, &changes).map_err(fail)?;
        let backup = backup(&found.path);
        files::edit(&found.path, text.as_bytes(), &backup)?;
        report.said.push(format!("  written  the former one is kept: {}", backup.display()));
        report.backup = Some(backup.display().to_string());
    } else {
        report.said.push("  nothing is missing there".to_owned());
    }
    let kept = match token.map(Secret::new) {
        Some(Ok(token)) => Some(keep(&reference, token)?),
        Some(Err(why)) => {
            return Err(Error::usage("take over the token of its hooks", &report.config, why)
                .next("give `hooks.token` there another value"));
        }
        None => secret::resolve(&reference).ok(),
    };
    if ours != former {
        super::write(&place.path, &ours)?;
        let shown = place.path.display();
        report.said.push(format!("  ours     {shown} says [wake.openclaw]; start the daemon anew"));
    }
    let url = HttpUrl::parse(&url).map_err(|why| Error::usage("probe", &url, why))?;
    let Some(token) = kept else { return Ok(()) };
    let (hooks, path) = (given.hooks.as_str(), given.path.as_str());
    let probe = Probe { url: &url, hooks, path, token: &token, by_nothing: plan.probed_by_nothing };
    told(report, &probe.run(!changes.is_empty()), &url.origin());
    Ok(())
}

/// Whether somebody wrote this address: ours is that of a gateway on this PC, which always listens there, too.
fn is_by_hand(url: &HttpUrl) -> bool {
    url.uri().host() != Some("127.0.0.1")
}

/// Our own config as it is, and as it is to be: with `[wake.openclaw]`.
fn rewritten(place: &Place, given: &OpenClawConfig, url: &str) -> Result<(String, String)> {
    let fail = |why: String| Error::usage("write `[wake.openclaw]` into", place.path.display(), why);
    let bytes = files::read(&place.path)?.unwrap_or_default();
    let text = decode_document(&bytes).map_err(|damage| fail(damage.to_string()))?.text.to_string();
    let made = config::with_openclaw(&text, given, url).map_err(fail)?;
    config::parse(&made, &place.path)?;
    Ok((text, made))
}

fn keep(reference: &SecretRef, token: Secret) -> Result<Secret> {
    let known = secret::resolve(reference).ok().is_some_and(|known| known == token);
    if !known {
        secret::store(reference, &token, false)?;
    }
    Ok(token)
}

fn told(report: &mut Report, probed: &Probed, whom: &str) {
    let (word, text) = match probed {
        Probed::Right => ("right", format!("{whom} takes our mail (nobody was woken)")),
        Probed::TokenRight => (
            "token-right",
            format!("{whom} takes our token; the mapping is one of your own, and was not tried"),
        ),
        Probed::Down(why) => ("down", format!("{why}; is it running? `lanpost doctor` probes it again")),
        Probed::Wrong(why) => ("wrong", format!("{whom}: {why}; its log says more, and `openclaw doctor`")),
    };
    report.probe = word;
    report.said.push(format!("  probe    {text}"));
}

/// What is shown when nothing is to be written.
fn proposal(report: &Report, found: &Installed, old: &OpenClawConfig) -> Vec<String> {
    let mut stale: Vec<_> = report.renews.iter().map(|what| format!("  stale    {what}")).collect();
    if report.adds.is_empty() && !stale.is_empty() {
        stale.push("  next     --apply mends it, with a backup".to_owned());
        return stale;
    }
    if report.adds.is_empty() {
        let mut said = vec!["  nothing is missing there".to_owned()];
        if old.token.is_none() {
            said.push("  next     --apply writes [wake.openclaw] into our config".to_owned());
        }
        return said;
    }
    let mut said = stale;
    said.push("  add to it (what is there stays):".to_owned());
    said.extend(report.adds.lines().map(|line| format!("    {line}")));
    said.push(match &found.fixed {
        Some(why) => {
            format!("  next     add it there by hand, since {why}; then --apply, which writes our own config")
        }
        None => "  next     --apply writes it, with a backup, and [wake.openclaw] into our config".to_owned(),
    });
    said
}

fn warned(found: &Installed, plan: &Plan) -> Vec<String> {
    let mut said: Vec<String> = found.lost.clone();
    if let Some(service) = place::is_synced(&found.path) {
        said.push(format!(
            "its config lies in {service}: gateways of several PCs would share one token and state"
        ));
    }
    said.extend(plan.warnings.iter().cloned());
    let path = dirs::env_path("PATH").unwrap_or_default();
    let there =
        |folder: PathBuf| ["lanpost", "lanpost.exe"].iter().any(|name| files::exists(&folder.join(name)));
    if !std::env::split_paths(&path).any(there) {
        said.push("lanpost is in no folder of PATH: the agent would not find it".to_owned());
    }
    said
}

/// Where our config keeps the token.
fn reference(old: &OpenClawConfig, config: &Config) -> SecretRef {
    old.token.clone().unwrap_or_else(|| SecretRef::File(config.state.join(TOKEN)))
}

/// Whether a call of our program names another config than the one at `place`, and that is there.
fn is_of_another(command: &str, place: &Place) -> bool {
    let named = command.split_once("--config ").map(|(_, path)| path.trim().trim_matches(['"', '\'']));
    let Some(path) = named.map(PathBuf::from).or_else(dirs::config_file) else { return false };
    let real = |path: &Path| files::real(path).ok();
    files::exists(&path) && real(&path) != real(&place.path)
}

/// How our program is called on an agent's command line.
fn program(place: &Place) -> String {
    if place.usual { "lanpost".to_owned() } else { process::called(&place.path) }
}

/// A name for the former config that none has.
fn backup(path: &Path) -> PathBuf {
    let time = format_time(SystemClock::new().wall()).replace([':', '-', '.'], "");
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(
            ".lanpost-{time}{}.bak",
            if number == 0 { String::new() } else { format!("-{number}") }
        ));
        PathBuf::from(name)
    };
    (0..).map(name).find(|path| !files::exists(path)).unwrap_or_default()
}

/// A config that is needed is not there.
pub fn nothing_set_up(place: &Place) -> Error {
    Error::new(Kind::NotFound, "set up waking for", place.path.display(), "no instance is set up here yet")
        .next("add --share PATH --instance NAME")
}
