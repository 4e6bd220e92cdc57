//! The Windows service control manager: a process of its own per instance, started with the system, a little late.
//!
//! Runs as `NT AUTHORITY\NetworkService` unless another account is named: it can do little on the PC, and is the PC
//! itself to others. Files stay where `init` made them; the account is granted what it needs of them, by icacls.

mod host;
mod journal;
mod logon;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceConfig, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceStatus, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use super::step::{self, Control, Definition, Step};
use super::{Condition, Plan, Scope, Service, numbers};
use crate::error::{Error, Kind, Result};
use crate::model::name::Name;
use crate::sys::clock::pause;

pub use host::{Keeper, host};

const NETWORK_SERVICE: &str = "NT AUTHORITY\\NetworkService";
/// Where programs announce themselves to the event viewer.
const SOURCES: &str = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application";
/// Windows' own file of messages that consist of what the program says.
const MESSAGES: &str = "%SystemRoot%\\System32\\EventCreate.exe";
const HINT: &str = "run it in a PowerShell that was started as administrator";
/// How long a start or stop is waited for; a stop takes 2 s at most.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(50);

/// The service's name.
pub fn name(instance: &Name) -> String {
    format!("lanpost-{instance}")
}

/// The steps that set it up.
///
/// # Errors
/// A user's own service was asked for.
pub fn install(plan: &Plan) -> Result<Vec<Step>> {
    let service = &plan.service;
    if service.scope == Scope::User {
        let error = Error::usage("set up", service.name(), "Windows has no services of single users");
        return Err(error.next("leave out --user; --account NAME makes it run as that user"));
    }
    let new = definition(plan);
    let mut steps = vec![];
    if let Some(who) = trustee(&new.account) {
        let grant = |path: &std::path::Path, rights: &str, more: &[&str]| {
            let (path, right) = (path.to_string_lossy(), format!("{who}:{rights}"));
            Step::run(&[&["icacls", &*path, "/grant", &right, "/Q"], more].concat())
        };
        steps.push(grant(&plan.state, "(OI)(CI)M", &["/T"]));
        steps.push(grant(&plan.config, "R", &[]));
        steps.push(grant(&plan.program, "RX", &[]));
    }
    let source = format!("{SOURCES}\\{}", journal::SOURCE);
    let value =
        |name, kind, data| Step::run(&["reg", "add", &source, "/v", name, "/t", kind, "/d", data, "/f"]);
    steps.push(value("EventMessageFile", "REG_EXPAND_SZ", MESSAGES));
    steps.push(value("TypesSupported", "REG_DWORD", "7"));
    if wants_password(&new.account) {
        steps.push(Step::Allow { account: new.account.clone() });
    }
    // The virtual account of a service exists once the service does.
    steps.insert(0, Step::Register(new));
    if plan.now {
        steps.push(Step::Control { name: service.name(), deed: Control::Stop });
        steps.push(Step::Control { name: service.name(), deed: Control::Start });
    }
    Ok(steps)
}

fn definition(plan: &Plan) -> Definition {
    let name = plan.service.name();
    let instance = &plan.service.instance;
    let config = plan.config.to_string_lossy().into_owned();
    let words = ["--config", &config, "service", "host", &name];
    Definition {
        display: format!("lanpost ({instance})"),
        description: format!(
            "The mailbox of {instance} in the shared folder: delivers and takes in mail, wakes the agent."
        ),
        command: std::iter::once(plan.program.to_string_lossy().as_ref())
            .chain(words)
            .map(str::to_owned)
            .collect(),
        account: account(plan.account.as_deref()),
        restart_after: [5, 30, 120],
        name,
    }
}

/// The account as the manager wants it: with its domain, `.` for this PC.
fn account(asked: Option<&str>) -> String {
    match asked {
        None => NETWORK_SERVICE.into(),
        Some(name) if name.contains(['\\', '@']) || name.eq_ignore_ascii_case("LocalSystem") => name.into(),
        Some(name) => format!(".\\{name}"),
    }
}

/// The account as icacls wants it: well-known ones by their number, since their names differ between languages;
/// `None` for one that may do everything already.
fn trustee(account: &str) -> Option<String> {
    let bare = account.to_ascii_lowercase().replace(' ', "");
    match bare.as_str() {
        "localsystem" | "ntauthority\\system" => None,
        "ntauthority\\networkservice" => Some("*S-1-5-20".into()),
        "ntauthority\\localservice" => Some("*S-1-5-19".into()),
        _ => Some(account.strip_prefix(".\\").unwrap_or(account).to_owned()),
    }
}

/// Whether the account has a password that Windows must know: those of the system, of services, and managed ones don't.
pub fn wants_password(account: &str) -> bool {
    let bare = account.to_ascii_lowercase().replace(' ', "");
    let own = bare.starts_with("ntauthority\\") || bare.starts_with("ntservice\\");
    !(own || bare == "localsystem" || bare.ends_with('$'))
}

/// The steps that remove it; the event source stays, for the events that are there.
pub fn uninstall(service: &Service) -> Vec<Step> {
    let name = service.name();
    vec![
        Step::Control { name: name.clone(), deed: Control::Stop },
        Step::Control { name, deed: Control::Delete },
    ]
}

/// The steps that start it.
pub fn start(service: &Service) -> Vec<Step> {
    vec![Step::Control { name: service.name(), deed: Control::Start }]
}

/// The steps that stop it.
pub fn stop(service: &Service) -> Vec<Step> {
    vec![Step::Control { name: service.name(), deed: Control::Stop }]
}

/// Takes a step; `password` is that of the account in [`Step::Register`].
///
/// # Errors
/// What the manager said, in words.
pub fn perform(step: &Step, password: Option<&str>) -> Result<()> {
    match step {
        Step::Register(new) => register(new, password).map_err(|error| explain("register", &new.name, error)),
        Step::Allow { account } => logon::allow(account),
        Step::Control { name, deed } => control(name, *deed),
        _ => step::perform(step, HINT),
    }
}

fn register(new: &Definition, password: Option<&str>) -> windows_service::Result<()> {
    let (program, arguments) = new
        .command
        .split_first()
        .map_or((OsString::new(), &[][..]), |(program, rest)| (program.into(), rest));
    let info = ServiceInfo {
        name: (&new.name).into(),
        display_name: (&new.display).into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program.into(),
        launch_arguments: arguments.iter().map(OsString::from).collect(),
        dependencies: vec![],
        account_name: Some((&new.account).into()),
        account_password: password.map(OsString::from),
    };
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_CONFIG;
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let service = match manager.create_service(&info, access) {
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(1073) => {
            let service = manager.open_service(&new.name, access)?;
            if !is_ours(&service.query_config()?, &new.name) {
                return Err(windows_service::Error::Winapi(error));
            }
            service.change_config(&info)?;
            service
        }
        created => created?,
    };
    service.set_description(&new.description)?;
    let restart = |seconds: &u32| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs((*seconds).into()),
    };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(24 * 3600)),
        reboot_msg: None,
        command: None,
        actions: Some(new.restart_after.iter().map(restart).collect()),
    })?;
    // Two that not every system has: without them it starts a little sooner, and is started anew after a crash alone.
    let _ = service.set_failure_actions_on_non_crash_failures(true);
    let _ = service.set_delayed_auto_start(true);
    Ok(())
}

/// Whether what is registered under our name is lanpost: only then it may be changed or ruled.
fn is_ours(config: &ServiceConfig, name: &str) -> bool {
    step::hosts(&config.executable_path.to_string_lossy(), name)
}

fn control(name: &str, deed: Control) -> Result<()> {
    let (words, access) = match deed {
        Control::Start => ("start the service", ServiceAccess::START),
        Control::Stop => ("stop the service", ServiceAccess::STOP),
        Control::Delete => ("remove the service", ServiceAccess::DELETE),
    };
    let service = open(name, access | ServiceAccess::QUERY_STATUS);
    let service = service.map_err(|error| explain(words, name, error))?;
    let status = || service.query_status().map_err(|error| explain(words, name, error));
    match deed {
        Control::Delete => service.delete().map_err(|error| explain(words, name, error)),
        Control::Stop => {
            if status()?.current_state == ServiceState::Stopped {
                return Ok(());
            }
            service.stop().map_err(|error| explain(words, name, error))?;
            wait(&status, name, words, ServiceState::Stopped).map(drop)
        }
        Control::Start => {
            if status()?.current_state == ServiceState::Running {
                return Ok(());
            }
            service.start::<&OsStr>(&[]).map_err(|error| explain(words, name, error))?;
            let status = wait(&status, name, words, ServiceState::Running)?;
            if status.current_state != ServiceState::Stopped {
                return Ok(());
            }
            // Without a config there is no log, and nothing is started anew: see `host`.
            let (cause, next) = match trouble(&status) {
                Some(cause) => (cause, "`lanpost service logs` and the event viewer say why"),
                None => (
                    "it stopped at once: its config is wrong or not there".to_owned(),
                    "the event viewer says what is wrong with it, as does `lanpost run`",
                ),
            };
            Err(Error::new(Kind::Io, words, name, cause).next(next))
        }
    }
}

/// Waits until the service is as wanted, or stopped.
fn wait(
    status: &dyn Fn() -> Result<ServiceStatus>,
    name: &str,
    words: &str,
    wanted: ServiceState,
) -> Result<ServiceStatus> {
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        let now = status()?;
        if now.current_state == wanted || now.current_state == ServiceState::Stopped {
            return Ok(now);
        }
        pause(STEP);
    }
    let error = Error::new(Kind::Timeout, words, name, format!("not done after {} s", PATIENCE.as_secs()));
    Err(error.next("`lanpost service logs` and the event viewer say what it does"))
}

/// What the manager says of it.
///
/// # Errors
/// It could not be asked.
pub fn condition(service: &Service, plan: Option<&Plan>) -> Result<Condition> {
    let name = service.name();
    let found = match open(&name, ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG) {
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(1060) => {
            return Ok(Condition::default());
        }
        found => found.map_err(|error| explain("ask for the service", &name, error))?,
    };
    let status = found.query_status().map_err(|error| explain("ask for the service", &name, error))?;
    let config = found.query_config().map_err(|error| explain("ask for the service", &name, error))?;
    if !is_ours(&config, &name) {
        return Ok(Condition::default());
    }
    let bare = |text: &str| text.replace('"', "").to_lowercase();
    let installed = bare(&config.executable_path.to_string_lossy());
    let state = match status.current_state {
        ServiceState::Stopped => "stopped",
        ServiceState::StartPending => "starting",
        ServiceState::StopPending => "stopping",
        ServiceState::Running => "running",
        _ => "paused",
    };
    Ok(Condition {
        installed: true,
        running: matches!(status.current_state, ServiceState::Running | ServiceState::StartPending),
        state: state.into(),
        pid: status.process_id.filter(|pid| *pid != 0),
        automatic: config.start_type == ServiceStartType::AutoStart,
        account: config.account_name.map(|name| name.to_string_lossy().into_owned()),
        outdated: plan.is_some_and(|plan| bare(&definition(plan).command.join(" ")) != installed),
        trouble: trouble(&status),
    })
}

/// Why it stopped, if it did not end well.
fn trouble(status: &ServiceStatus) -> Option<String> {
    match status.exit_code {
        // 1077: it was not started since the system was.
        ServiceExitCode::Win32(0 | 1077) | ServiceExitCode::ServiceSpecific(0) => None,
        ServiceExitCode::ServiceSpecific(code) => Some(format!("it ended with exit code {code}")),
        ServiceExitCode::Win32(number) => {
            let number = number.cast_signed();
            let words = numbers::words(number).map(|(_, cause, next)| format!("{cause}; {next}"));
            let words = words.unwrap_or_else(|| std::io::Error::from_raw_os_error(number).to_string());
            Some(format!("error {number}: {words}"))
        }
    }
}

/// What a person should know.
pub fn advice(plan: &Plan) -> Vec<String> {
    let account = account(plan.account.as_deref());
    let mut advice = vec![];
    if account == NETWORK_SERVICE {
        advice.push(
            "without a domain, a share on another PC does not know this account: give it `user` and `password` in \
             [share], or run as a user that it knows, with --account"
                .into(),
        );
    }
    if plan.wakes && account == NETWORK_SERVICE {
        advice
            .push("the wake command runs as NetworkService, too: let it read what the command needs".into());
    }
    advice
}

fn manager(access: ServiceManagerAccess) -> windows_service::Result<ServiceManager> {
    ServiceManager::local_computer(None::<&OsStr>, access)
}

fn open(name: &str, access: ServiceAccess) -> windows_service::Result<windows_service::service::Service> {
    manager(ServiceManagerAccess::CONNECT)?.open_service(name, access)
}

/// The manager's error in words.
fn explain(deed: &str, name: &str, error: windows_service::Error) -> Error {
    let windows_service::Error::Winapi(error) = error else {
        return Error::usage(deed, name, error);
    };
    let number = error.raw_os_error().unwrap_or_default();
    match numbers::words(number) {
        Some((kind, cause, next)) => {
            Error::new(kind, deed, name, format!("{cause} (error {number})")).next(next)
        }
        None => Error::new(Kind::of(&error), deed, name, error),
    }
}
