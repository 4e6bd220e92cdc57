//! The system's service manager: systemd, launchd, the Windows service control manager.
//!
//! Two halves, with the same functions on each platform. From outside, a service is set up and ruled: what a deed does
//! is a list of [`Step`]s, made without touching anything, which `--print` shows and [`perform`] takes. From inside, a
//! running daemon tells its [`Keeper`] how it is, and hears from it that it should stop.
//!
//! Invariants: one service per instance, named after it, with the config's path in its definition; a definition never
//! holds a password; setting up twice is setting up anew, removing nothing of the instance's own.

pub mod event;
pub mod numbers;
pub mod step;

#[cfg(target_os = "linux")]
mod systemd;

#[cfg(unix)]
pub mod launchd;

#[cfg(windows)]
mod windows;

#[cfg(all(unix, not(target_os = "linux"), not(target_vendor = "apple")))]
mod other;

#[cfg(target_vendor = "apple")]
use launchd as platform;
#[cfg(all(unix, not(target_os = "linux"), not(target_vendor = "apple")))]
use other as platform;
#[cfg(target_os = "linux")]
use systemd as platform;
#[cfg(windows)]
use windows as platform;

use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::model::name::Name;

pub use platform::{Keeper, host, perform};
pub use step::Step;

/// The exit codes after which no service manager starts the daemon anew: wrong config, or no config.
const FINAL: [u8; 2] = [2, 3];

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The PC's: it starts at boot.
    System,
    /// One user's, who needs no rights for it.
    User,
}

/// The service of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The instance.
    pub instance: Name,
    /// Whose it is.
    pub scope: Scope,
}

impl Service {
    /// The name under which the service manager knows it.
    pub fn name(&self) -> String {
        platform::name(&self.instance)
    }
}

/// What a service is to run, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The service.
    pub service: Service,
    /// This program, absolute.
    pub program: PathBuf,
    /// The config, absolute.
    pub config: PathBuf,
    /// The state folder, absolute.
    pub state: PathBuf,
    /// The account it runs as; `None`: the platform's usual one.
    pub account: Option<String>,
    /// Whether it starts other people's programs: then it is not locked in.
    pub wakes: bool,
    /// Whether it is started at once.
    pub now: bool,
}

/// What the service manager says of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it knows the service.
    pub installed: bool,
    /// Whether the daemon runs, or is being started.
    pub running: bool,
    /// Its own word for that.
    pub state: String,
    /// The process.
    pub pid: Option<u32>,
    /// Whether it starts by itself.
    pub automatic: bool,
    /// The account it runs as.
    pub account: Option<String>,
    /// Whether the definition is not the one that would be installed now.
    pub outdated: bool,
    /// What went wrong last, if the manager knows.
    pub trouble: Option<String>,
}

/// The steps that set a service up, or set it up anew.
///
/// # Errors
/// This platform has no such service.
pub fn install(plan: &Plan) -> Result<Vec<Step>> {
    platform::install(plan)
}

/// The steps that stop and remove a service; what belongs to the instance stays.
pub fn uninstall(service: &Service) -> Vec<Step> {
    platform::uninstall(service)
}

/// The steps that start a service.
pub fn start(service: &Service) -> Vec<Step> {
    platform::start(service)
}

/// The steps that stop a service.
pub fn stop(service: &Service) -> Vec<Step> {
    platform::stop(service)
}

/// What the service manager says of a service; with a plan, also whether it is installed as planned.
///
/// # Errors
/// It could not be asked.
pub fn condition(service: &Service, plan: Option<&Plan>) -> Result<Condition> {
    platform::condition(service, plan)
}

/// What a person should know after setting up, besides what was done.
pub fn advice(plan: &Plan) -> Vec<String> {
    platform::advice(plan)
}

/// Whether the service manager has to be given the account's password.
pub fn wants_password(account: &str) -> bool {
    platform::wants_password(account)
}

/// How grave an event is that a [`Keeper`] records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// It is as it should be: a start, a stop.
    Information,
    /// Something went wrong, and is tried again.
    Warning,
    /// The daemon could not go on.
    Error,
}
