//! systemd: a unit of the system's, or of a user's own manager. The unit's text is in [`unit`].
//!
//! Everything is done by systemctl(1), so that `--print` shows what a person could type.

mod keeper;
mod unit;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::step::{self, Step};
use super::{Condition, Plan, Scope, Service};
use crate::error::{Error, Result};
use crate::model::name::Name;
use crate::model::shell::Shell;
use crate::sys::{dirs, files, process};

pub use keeper::Keeper;

const HINT: &str = "run it with sudo, or for this user alone with --user";

/// The unit's name, without its suffix.
pub fn name(instance: &Name) -> String {
    format!("lanpost-{}", unit::name_part(instance.as_str()))
}

fn path(service: &Service) -> PathBuf {
    let folder = match service.scope {
        Scope::System => PathBuf::from("/etc/systemd/system"),
        Scope::User => dirs::config_folder().unwrap_or_default().join("systemd/user"),
    };
    folder.join(format!("{}.service", service.name()))
}

fn systemctl(service: &Service, words: &[&str]) -> Step {
    let user: &[&str] = if service.scope == Scope::User { &["--user"] } else { &[] };
    Step::run(&[&["systemctl"], user, words].concat())
}

/// The steps that set it up; it runs as the owner of the state folder unless another account is named.
///
/// # Errors
/// There is no such account, or none can be named for a user's own service.
pub fn install(plan: &Plan) -> Result<Vec<Step>> {
    let service = &plan.service;
    if service.scope == Scope::User && plan.account.is_some() {
        let error = Error::usage("set up", service.name(), "a user's own service runs as that user");
        return Err(error.next("leave out --account or --user"));
    }
    if let Some(account) = plan.account.as_deref()
        && process::knows_user(account) == Some(false)
    {
        let error =
            Error::usage("set up", service.name(), format!("there is no account {account} on this PC"));
        return Err(error.next("name one that `id` knows, or leave out --account"));
    }
    let name = service.name();
    let mut steps = vec![
        Step::Write { path: path(service), text: definition(plan) },
        systemctl(service, &["daemon-reload"]),
        systemctl(service, &["enable", &name]),
    ];
    if plan.now {
        // Restart, not start: one that runs has the former definition.
        steps.push(systemctl(service, &["restart", &name]));
    }
    Ok(steps)
}

/// The unit's text.
fn definition(plan: &Plan) -> String {
    let mut plan = plan.clone();
    if plan.account.is_none() {
        plan.account = files::owner(&plan.state).map(process::user_name);
    }
    unit::text(&plan)
}

/// The steps that remove it.
pub fn uninstall(service: &Service) -> Vec<Step> {
    vec![
        systemctl(service, &["disable", "--now", &service.name()]),
        Step::Remove { path: path(service) },
        systemctl(service, &["daemon-reload"]),
    ]
}

/// The steps that start it. A start that was given up after too many failures is allowed again.
pub fn start(service: &Service) -> Vec<Step> {
    vec![systemctl(service, &["start", &service.name()])]
}

/// The steps that stop it.
pub fn stop(service: &Service) -> Vec<Step> {
    vec![systemctl(service, &["stop", &service.name()])]
}

/// None needs one.
pub fn wants_password(_account: &str) -> bool {
    false
}

/// Takes a step. The password is of no use here: systemd asks for none.
///
/// # Errors
/// What systemctl said.
pub fn perform(step: &Step, _password: Option<&str>) -> Result<()> {
    if !sd_notify::booted().unwrap_or(false) {
        let error = Error::usage(step.to_string(), "", "systemd does not run here");
        return Err(error.next("`--print` shows the unit; `lanpost run` needs no service manager"));
    }
    step::perform(step, HINT).map_err(|error| match error.to_string() {
        text if text.contains("Failed to connect to bus") => {
            error.next("systemd does not run for this user: log in anew, or leave out --user")
        }
        _ => error,
    })
}

/// What systemctl says of it.
///
/// # Errors
/// None: where systemd does not run, the file alone is known.
pub fn condition(service: &Service, plan: Option<&Plan>) -> Result<Condition> {
    let path = path(service);
    let Some(bytes) = files::read(&path)? else { return Ok(Condition::default()) };
    let asked = "--property=ActiveState,SubState,MainPID,UnitFileState,User,Result,ExecMainStatus";
    let Step::Run { command } = systemctl(service, &["show", &service.name(), asked]) else {
        return Ok(Condition::default());
    };
    let mut condition = match step::run(&command) {
        Ok(said) => properties(&said),
        Err(error) => {
            Condition { state: "not known".into(), trouble: Some(error.to_string()), ..Condition::default() }
        }
    };
    condition.installed = true;
    condition.outdated = plan.is_some_and(|plan| definition(plan).as_bytes() != bytes);
    Ok(condition)
}

/// What `systemctl show` said, line by line `KEY=VALUE`.
fn properties(said: &str) -> Condition {
    let value = |key: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default()
    };
    let (active, result, status) = (value("ActiveState"), value("Result"), value("ExecMainStatus"));
    let trouble = match result {
        "" | "success" => None,
        "exit-code" => Some(format!("it ended with exit code {status}")),
        "watchdog" => Some("it gave no sign of life for three minutes and was killed".into()),
        other => Some(format!("it ended by {other}")),
    };
    Condition {
        installed: true,
        running: matches!(active, "active" | "activating" | "reloading"),
        state: format!("{active} ({})", value("SubState")),
        pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
        automatic: value("UnitFileState") == "enabled",
        account: Some(value("User").to_owned()).filter(|user| !user.is_empty()),
        outdated: false,
        trouble,
    }
}

/// A user's service ends with the last session unless it lingers; another account than the owner of the state folder
/// can't write there by itself, and whose the files are is the person's decision.
pub fn advice(plan: &Plan) -> Vec<String> {
    if plan.service.scope == Scope::User {
        return vec!["it runs while you are logged in; always: `loginctl enable-linger`".into()];
    }
    let owner = files::owner(&plan.state).map(process::user_name);
    match plan.account.as_deref() {
        Some(account) if account != "root" && owner.is_some_and(|owner| owner != account) => {
            let change = |words: &[&str], path: &Path| {
                let words = words.iter().map(OsStr::new).chain([path.as_os_str()]);
                Shell::Posix.line(&words.collect::<Vec<_>>())
            };
            vec![format!(
                "{account} owns neither the state folder nor the config, and must be able to write the one and read the \
                 other, and to write the share: `{}`, `{}`",
                change(&["sudo", "chown", "-R", account], &plan.state),
                change(&["sudo", "chown", account], &plan.config),
            )]
        }
        _ => vec![],
    }
}

/// Being started by systemd needs no mode of its own: the socket in the environment says it all.
///
/// # Errors
/// Always.
pub fn host(_name: &str, _body: impl FnOnce(Keeper) -> u8 + Send + 'static) -> Result<u8> {
    Err(Error::usage("run as a Windows service", "", "this is not Windows").next("use `lanpost run`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_looked_up_and_told_what_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let plan = |account: &str| Plan {
            service: Service { instance: "lab".parse().unwrap(), scope: Scope::System },
            program: "/usr/bin/lanpost".into(),
            config: "/etc/lan post.toml".into(),
            state: folder.path().into(),
            account: Some(account.into()),
            wakes: false,
            now: false,
        };
        let error = install(&plan("no-such-account")).unwrap_err().to_string();
        assert!(error.contains("no account no-such-account") && error.contains("--account"), "{error}");
        assert!(install(&plan("daemon")).is_ok());
        let advice = advice(&plan("daemon")).join(" ");
        assert!(
            advice.contains("sudo chown -R daemon /") && advice.contains("'/etc/lan post.toml'"),
            "{advice}"
        );
    }

    #[test]
    fn what_systemctl_says_is_understood() {
        let said = "ActiveState=active\nSubState=running\nMainPID=812\nUnitFileState=enabled\nUser=me\nResult=success\n\
                    ExecMainStatus=0\n";
        let condition = properties(said);
        assert!(condition.running && condition.automatic && condition.trouble.is_none());
        assert_eq!((condition.pid, condition.state.as_str()), (Some(812), "active (running)"));
        let said = "ActiveState=failed\nSubState=failed\nMainPID=0\nUnitFileState=\nResult=exit-code\nExecMainStatus=2\n";
        let condition = properties(said);
        assert!(!condition.running && !condition.automatic && condition.pid.is_none());
        assert_eq!(condition.trouble.as_deref(), Some("it ended with exit code 2"));
        assert!(!properties("").running);
    }
}
