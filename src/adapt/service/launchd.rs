//! launchd: an agent of a user's, or a daemon of the system's. Written and checked, but not run on a Mac by our tests.
//!
//! A loaded job runs ([`text`] says RunAtLoad), so starting is `bootstrap` and stopping is `bootout`.

use std::path::PathBuf;

use super::step::{self, Step};
use super::{Condition, Gravity, Plan, Scope, Service};
use crate::error::{Error, Result};
use crate::model::name::Name;
use crate::sys::{dirs, files, process};

const HINT: &str = "run it with sudo, or for this user alone with --user";

/// The label.
pub fn name(instance: &Name) -> String {
    format!("org.lanpost.{instance}")
}

fn path(service: &Service) -> PathBuf {
    let folder = match service.scope {
        Scope::System => PathBuf::from("/Library"),
        Scope::User => dirs::home().unwrap_or_default().join("Library"),
    };
    let kind = if service.scope == Scope::System { "LaunchDaemons" } else { "LaunchAgents" };
    folder.join(kind).join(format!("{}.plist", name(&service.instance)))
}

/// Where launchd keeps the job.
fn domain(service: &Service) -> String {
    match service.scope {
        Scope::System => "system".into(),
        Scope::User => format!("gui/{}", process::user().unwrap_or_default()),
    }
}

fn target(service: &Service) -> String {
    format!("{}/{}", domain(service), name(&service.instance))
}

/// The property list.
pub fn text(plan: &Plan) -> String {
    let string = |text: &str| format!("<string>{}</string>", escaped(text));
    let words = [&plan.program.to_string_lossy(), "--config", &plan.config.to_string_lossy(), "run"];
    let words: String = words.iter().map(|word| format!("    {}\n", string(word))).collect();
    let account = plan.account.as_ref().filter(|_| plan.service.scope == Scope::System);
    let account =
        account.map(|name| format!("  <key>UserName</key>\n  {}\n", string(name))).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \x20 <key>Label</key>\n  {label}\n\
         \x20 <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n\
         {account}\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>ThrottleInterval</key>\n  <integer>10</integer>\n\
         \x20 <key>ExitTimeOut</key>\n  <integer>10</integer>\n\
         \x20 <key>WorkingDirectory</key>\n  {state}\n\
         </dict>\n</plist>\n",
        label = string(&name(&plan.service.instance)),
        state = string(&plan.state.to_string_lossy()),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The steps that set it up.
///
/// # Errors
/// An account for a user's own service.
pub fn install(plan: &Plan) -> Result<Vec<Step>> {
    let service = &plan.service;
    if service.scope == Scope::User && plan.account.is_some() {
        let error = Error::usage("set up", service.name(), "a user's own service runs as that user");
        return Err(error.next("leave out --account or --user"));
    }
    let mut steps = vec![
        Step::Write { path: path(service), text: definition(plan) },
        Step::run(&["launchctl", "enable", &target(service)]),
    ];
    if plan.now {
        steps.extend(start(service));
    }
    Ok(steps)
}

fn definition(plan: &Plan) -> String {
    let mut plan = plan.clone();
    if plan.account.is_none() {
        plan.account = files::owner(&plan.state).map(process::user_name);
    }
    text(&plan)
}

/// The steps that remove it.
pub fn uninstall(service: &Service) -> Vec<Step> {
    let mut steps = vec![];
    if condition(service, None).is_ok_and(|condition| condition.running) {
        steps.extend(stop(service));
    }
    steps.push(Step::Remove { path: path(service) });
    steps
}

/// The steps that start it.
pub fn start(service: &Service) -> Vec<Step> {
    vec![Step::run(&["launchctl", "bootstrap", &domain(service), &path(service).to_string_lossy()])]
}

/// The steps that stop it.
pub fn stop(service: &Service) -> Vec<Step> {
    vec![Step::run(&["launchctl", "bootout", &target(service)])]
}

/// None needs one.
pub fn wants_password(_account: &str) -> bool {
    false
}

/// Takes a step. The password is of no use here: launchd asks for none.
///
/// # Errors
/// What launchctl said.
pub fn perform(step: &Step, _password: Option<&str>) -> Result<()> {
    step::perform(step, HINT)
}

/// What launchctl says of it.
///
/// # Errors
/// The property list can't be read.
pub fn condition(service: &Service, plan: Option<&Plan>) -> Result<Condition> {
    let path = path(service);
    let Some(bytes) = files::read(&path)? else { return Ok(Condition::default()) };
    // A job that isn't loaded is an error of launchctl's, and means: stopped.
    let said = step::run(&["launchctl", "print", &target(service)].map(str::to_owned)).unwrap_or_default();
    Ok(Condition {
        installed: true,
        automatic: true,
        outdated: plan.is_some_and(|plan| definition(plan).as_bytes() != bytes),
        ..printed(&said)
    })
}

/// What `launchctl print` said: lines of `key = value`.
fn printed(said: &str) -> Condition {
    let value = |key: &str| {
        said.lines()
            .find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim))
    };
    let code = value("last exit code").and_then(|code| code.parse::<i32>().ok());
    Condition {
        running: value("state") == Some("running"),
        state: value("state").unwrap_or("stopped").to_owned(),
        pid: value("pid").and_then(|pid| pid.parse().ok()),
        account: value("username").map(str::to_owned),
        trouble: code.filter(|code| *code != 0).map(|code| format!("it ended with exit code {code}")),
        ..Condition::default()
    }
}

/// A user's agent runs while the user is logged in.
pub fn advice(plan: &Plan) -> Vec<String> {
    match plan.service.scope {
        Scope::User => vec!["it runs while you are logged in".into()],
        Scope::System => vec![],
    }
}

/// Being started by launchd needs no mode of its own.
///
/// # Errors
/// Always.
pub fn host(_name: &str, _body: impl FnOnce(Keeper) -> u8 + Send + 'static) -> Result<u8> {
    Err(Error::usage("run as a Windows service", "", "this is not Windows").next("use `lanpost run`"))
}

/// launchd wants to be told nothing.
#[derive(Clone, Debug)]
pub struct Keeper;

impl Keeper {
    /// The one that started this process.
    pub fn of_this_process() -> Keeper {
        Keeper
    }

    /// None: the daemon runs within another program.
    pub fn of_nobody() -> Keeper {
        Keeper
    }

    /// Whether it asks for a stop by its own means: it sends SIGTERM.
    pub fn asks(&self) -> bool {
        false
    }

    /// Never done.
    pub async fn asked(&self) -> &'static str {
        std::future::pending().await
    }

    /// Nothing.
    pub fn ready(&self, _doing: &str) {}

    /// Nothing.
    pub fn status(&self, _doing: &str) {}

    /// Nothing.
    pub fn stopping(&self, _reason: &str) {}

    /// Nobody waits for a sign.
    pub fn patience(&self) -> Option<std::time::Duration> {
        None
    }

    /// Nothing.
    pub fn alive(&self) {}

    /// Nothing: the log file has it.
    pub fn record(&self, _gravity: Gravity, _text: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scope: Scope) -> Plan {
        Plan {
            service: Service { instance: "实验室".parse().unwrap(), scope },
            program: "/usr/local/bin/lanpost".into(),
            config: "/Users/a & b/<x>/lanpost.toml".into(),
            state: "/Users/a/state".into(),
            account: Some("me".into()),
            wakes: true,
            now: false,
        }
    }

    #[test]
    fn the_property_list_is_one_and_says_what_is_to_run() {
        let value = plist::Value::from_reader_xml(text(&plan(Scope::System)).as_bytes()).unwrap();
        let dict = value.as_dictionary().unwrap();
        assert_eq!(dict.get("Label").unwrap().as_string(), Some("org.lanpost.实验室"));
        let words: Vec<_> = dict.get("ProgramArguments").unwrap().as_array().unwrap().iter().collect();
        let words: Vec<_> = words.iter().map(|word| word.as_string().unwrap()).collect();
        assert_eq!(words, ["/usr/local/bin/lanpost", "--config", "/Users/a & b/<x>/lanpost.toml", "run"]);
        assert_eq!(dict.get("UserName").unwrap().as_string(), Some("me"));
        assert_eq!(dict.get("RunAtLoad").unwrap().as_boolean(), Some(true));
        let keep = dict.get("KeepAlive").unwrap().as_dictionary().unwrap();
        assert_eq!(keep.get("SuccessfulExit").unwrap().as_boolean(), Some(false));
        let user = text(&plan(Scope::User));
        assert!(!user.contains("UserName"), "{user}");
    }

    #[test]
    fn what_launchctl_prints_is_understood() {
        let said = "gui/501/org.lanpost.lab = {\n\tactive count = 1\n\tstate = running\n\n\tpid = 4711\n\tlast exit code = 0\n}";
        let condition = printed(said);
        assert!(condition.running && condition.trouble.is_none());
        assert_eq!(condition.pid, Some(4711));
        let condition = printed("x = {\n\tstate = not running\n\tlast exit code = 3\n}");
        assert!(!condition.running);
        assert_eq!(condition.trouble.as_deref(), Some("it ended with exit code 3"));
        assert!(!printed("").running);
    }

    #[test]
    fn its_steps_are_launchctl_s() {
        let service = plan(Scope::System).service;
        let shown: Vec<_> = start(&service).iter().chain(&stop(&service)).map(ToString::to_string).collect();
        assert_eq!(
            shown[0],
            "run launchctl bootstrap system /Library/LaunchDaemons/org.lanpost.实验室.plist"
        );
        assert_eq!(shown[1], "run launchctl bootout system/org.lanpost.实验室");
    }
}
