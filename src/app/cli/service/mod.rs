//! `lanpost service`: the daemon under the system's own service manager. Exit codes: 0 done, 2 it can't be as asked,
//! 3 there is no such service (or log), 1 the service manager refused, 4 it did not start or stop in time.
//!
//! The service belongs to the config's instance, and its name says so; one PC may have several. What a deed does is a
//! list of steps: `--print` shows it and touches nothing.

mod install;
mod logs;
mod status;

use std::path::PathBuf;

use serde::Serialize;

use super::{Cx, exit};
use crate::adapt::service::{self, Gravity, Keeper, Plan, Scope, Service, Step};
use crate::app::{daemon, locate, print};
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::name::Name;
use crate::sys::process;

/// Run the daemon as a service: systemd, launchd, the Windows service control manager
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo lanpost --config ~/.config/lanpost/config.toml service install --now\n  \
    lanpost service install --user --now\n  \
    lanpost service status\n  \
    lanpost service logs --follow")]
pub struct Args {
    /// This user's own service, which needs no rights (not on Windows)
    #[arg(long, global = true, display_order = 50)]
    user: bool,
    /// The instance whose service is meant [default: the config's]
    #[arg(long, global = true, value_name = "NAME", display_order = 50)]
    instance: Option<Name>,
    #[command(subcommand)]
    deed: Deed,
}

#[derive(clap::Subcommand, Debug)]
enum Deed {
    Install(install::Args),
    /// Stop and remove the service; config, state folder, mail and log stay
    #[command(after_help = "Example:\n  lanpost service uninstall --print")]
    Uninstall(Print),
    /// Start it, and wait until the daemon is at work
    #[command(after_help = "Example:\n  lanpost service start")]
    Start(Print),
    /// Stop it as Ctrl-C does, and wait until it has stopped
    #[command(after_help = "Example:\n  lanpost service stop")]
    Stop(Print),
    /// Stop and start it, after a change of the config or of the program
    #[command(after_help = "Example:\n  lanpost service restart")]
    Restart(Print),
    /// Tell whether it is installed and runs, and how the instance is doing
    #[command(after_help = "Example:\n  lanpost service status --json | jq .running")]
    Status,
    Logs(logs::Args),
    /// Be the service; the service control manager of Windows runs this
    #[command(hide = true)]
    Host {
        /// The service's name
        name: String,
    },
}

#[derive(clap::Args, Debug)]
struct Print {
    /// Show what would be done, and touch nothing
    #[arg(long)]
    print: bool,
}

/// The service that is meant.
struct Target {
    service: Service,
    /// The config, if it is there and that instance's.
    config: Option<(Config, PathBuf)>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    if let Deed::Host { name } = args.deed {
        return host(&name, cx.config.clone());
    }
    let target = target(cx, args.instance, args.user, matches!(args.deed, Deed::Install(_)))?;
    match args.deed {
        Deed::Install(args) => install::run(args, cx, &target),
        Deed::Status => status::run(cx, &target),
        Deed::Logs(args) => logs::run(args, cx, &target),
        Deed::Uninstall(how) => rule(cx, &target, service::uninstall(&target.service), how.print, |_| true),
        Deed::Start(how) => rule(cx, &target, service::start(&target.service), how.print, |runs| !runs),
        Deed::Stop(how) => rule(cx, &target, service::stop(&target.service), how.print, |runs| runs),
        Deed::Restart(how) => {
            let mut steps = service::stop(&target.service);
            steps.extend(service::start(&target.service));
            rule(cx, &target, steps, how.print, |_| true)
        }
        Deed::Host { .. } => Ok(exit::DONE),
    }
}

/// Runs as the service; without a terminal, so failures go to the service manager's journal.
fn host(name: &str, config: Option<PathBuf>) -> Result<u8> {
    service::host(name, move |keeper: Keeper| {
        let done = locate::load(config.as_deref())
            .and_then(|(config, path)| daemon::run(config, &path, keeper.clone()));
        match done {
            Ok(()) => exit::DONE,
            Err(error) => {
                keeper.record(Gravity::Error, &error.to_string());
                exit::code(error.kind())
            }
        }
    })
}

fn target(cx: &Cx, instance: Option<Name>, user: bool, new: bool) -> Result<Target> {
    let config = match (locate::load(cx.config.as_deref()), &instance) {
        (Ok(found), Some(name)) => Some(found).filter(|(config, _)| config.instance.same_as(name)),
        (Ok(found), None) => Some(found),
        (Err(_), Some(_)) if !new => None,
        (Err(error), _) => return Err(error),
    };
    let Some(instance) = config.as_ref().map(|(config, _)| config.instance.clone()).or(instance) else {
        return Err(Error::usage("find the service", "", "no instance is named"));
    };
    let of = |scope| Service { instance: instance.clone(), scope };
    // The one that is there is meant; the system's if both are, or none.
    let is_users = || {
        let installed = |scope| service::condition(&of(scope), None).is_ok_and(|it| it.installed);
        !new && !installed(Scope::System) && installed(Scope::User)
    };
    let scope = if user || is_users() { Scope::User } else { Scope::System };
    Ok(Target { service: of(scope), config })
}

impl Target {
    /// What the service would run.
    fn plan(&self, account: Option<String>, now: bool) -> Option<Plan> {
        let (config, path) = self.config.as_ref()?;
        Some(Plan {
            service: self.service.clone(),
            program: process::executable(),
            config: path.clone(),
            state: config.state.clone(),
            account,
            wakes: config.wake.is_on(),
            now,
        })
    }
}

/// What `--json` prints of a deed.
#[derive(Serialize)]
struct Report<'a> {
    service: String,
    scope: Scope,
    /// Whether anything was done.
    changed: bool,
    /// What was done, or with `--print` would be.
    steps: &'a [Step],
}

/// Takes the steps of a deed on a service that is there, if they are `due` as it runs or doesn't.
fn rule(cx: &mut Cx, target: &Target, steps: Vec<Step>, show: bool, due: fn(bool) -> bool) -> Result<u8> {
    if show {
        return printed(cx, target, &steps);
    }
    let condition = service::condition(&target.service, None)?;
    if !condition.installed {
        return Err(missing(target));
    }
    let steps = if due(condition.running) { steps } else { vec![] };
    take(cx, target, &steps, None)?;
    Ok(exit::DONE)
}

fn missing(target: &Target) -> Error {
    let error = Error::new(Kind::NotFound, "find the service", target.service.name(), "it is not installed");
    error.next("`lanpost service install` sets it up")
}

/// Takes the steps, telling each.
fn take(cx: &mut Cx, target: &Target, steps: &[Step], password: Option<&str>) -> Result<()> {
    for step in steps {
        service::perform(step, password)?;
        if !cx.json {
            cx.out.say(print::line(&format!("done: {step}")));
            cx.out.flush();
        }
    }
    if cx.json {
        let (service, scope) = (target.service.name(), target.service.scope);
        cx.out.json(&Report { service, scope, changed: !steps.is_empty(), steps })?;
    } else if steps.is_empty() {
        cx.out.say(format!("nothing to do: {} is as asked", target.service.name()));
    }
    Ok(())
}

/// Shows the steps.
fn printed(cx: &mut Cx, target: &Target, steps: &[Step]) -> Result<u8> {
    if cx.json {
        let (service, scope) = (target.service.name(), target.service.scope);
        cx.out.json(&Report { service, scope, changed: false, steps })?;
        return Ok(exit::DONE);
    }
    for step in steps {
        cx.out.say(print::line(&step.to_string()));
        if let Step::Write { text, .. } = step {
            text.lines().for_each(|line| cx.out.line(print::line(&format!("    {line}"))));
        }
    }
    Ok(exit::DONE)
}
