//! A platform whose service manager lanpost does not know: `lanpost run` works under any of them.

use super::step::{self, Step};
use super::{Condition, Plan, Service};
use crate::error::{Error, Result};
use crate::model::name::Name;

pub use super::launchd::{Keeper, host};

/// A name.
pub fn name(instance: &Name) -> String {
    format!("lanpost-{instance}")
}

/// None.
///
/// # Errors
/// Always.
pub fn install(plan: &Plan) -> Result<Vec<Step>> {
    let error = Error::usage("set up", plan.service.name(), "this system's service manager is not known");
    Err(error.next("have `lanpost run` started by it; SIGTERM stops it"))
}

/// None.
pub fn uninstall(_service: &Service) -> Vec<Step> {
    vec![]
}

/// None.
pub fn start(_service: &Service) -> Vec<Step> {
    vec![]
}

/// None.
pub fn stop(_service: &Service) -> Vec<Step> {
    vec![]
}

/// None needs one.
pub fn wants_password(_account: &str) -> bool {
    false
}

/// Takes a step.
///
/// # Errors
/// What the system said.
pub fn perform(step: &Step, _password: Option<&str>) -> Result<()> {
    step::perform(step, "run it with sudo")
}

/// Not installed.
///
/// # Errors
/// None.
pub fn condition(_service: &Service, _plan: Option<&Plan>) -> Result<Condition> {
    Ok(Condition::default())
}

/// None.
pub fn advice(_plan: &Plan) -> Vec<String> {
    vec![]
}
