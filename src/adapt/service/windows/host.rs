//! The process as a service: started by the service control manager, which is told how far it is, until it has stopped.
//!
//! Times that are promised: a start within 60 s (the store may have to be brought up to date), a stop within 5 s (it
//! takes 2 s). An end that no start mends is reported as a success: all else counts as a failure, after which Windows
//! starts it anew for ever; the event log has the cause. The body has flushed its log before [`host`] reports the end: the manager may end the process then.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use windows_service::define_windows_service;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_dispatcher;

use super::super::{FINAL, Gravity};
use super::explain;
use super::journal::Journal;
use crate::error::Result;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(5);

type Body = Box<dyn FnOnce(Keeper) -> u8 + Send>;

/// What the manager's thread is to run; it can't be given anything else.
static BODY: Mutex<Option<(String, Body)>> = Mutex::new(None);

define_windows_service!(entered, serve);

/// Runs `body` as the service `name` until it ends; its exit code.
///
/// # Errors
/// The process was not started by the manager.
pub fn host(name: &str, body: impl FnOnce(Keeper) -> u8 + Send + 'static) -> Result<u8> {
    *BODY.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), Box::new(body)));
    service_dispatcher::start(name, entered).map_err(|error| explain("run as the service", name, error))?;
    Ok(0)
}

/// The service's own thread.
fn serve(_arguments: Vec<OsString>) {
    let Some((name, body)) = BODY.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let (ask, asked) = watch::channel("");
    let hear = move |control| match control {
        ServiceControl::Stop => {
            let _ = ask.send("the service control manager");
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Shutdown => {
            let _ = ask.send("a shutdown");
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(handle) = service_control_handler::register(&name, hear) else { return };
    let keeper = Keeper(Some(Arc::new(Manager { handle, asked, journal: Journal::open() })));
    report(handle, ServiceState::StartPending, START, 0);
    let code = body(keeper);
    report(handle, ServiceState::Stopped, Duration::ZERO, code);
}

fn report(handle: ServiceStatusHandle, state: ServiceState, wait: Duration, code: u8) {
    let stops = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: if state == ServiceState::Running { stops } else { ServiceControlAccept::empty() },
        exit_code: match code {
            0 => ServiceExitCode::NO_ERROR,
            code if FINAL.contains(&code) => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        },
        checkpoint: u32::from(!wait.is_zero()),
        wait_hint: wait,
        process_id: None,
    };
    // Nobody could be told that it failed.
    let _ = handle.set_service_status(status);
}

struct Manager {
    handle: ServiceStatusHandle,
    asked: watch::Receiver<&'static str>,
    journal: Option<Journal>,
}

/// The service manager of this process, if it has one.
#[derive(Clone)]
pub struct Keeper(Option<Arc<Manager>>);

impl Keeper {
    /// None: who started it in a window.
    pub fn of_this_process() -> Keeper {
        Keeper(None)
    }

    /// None: the daemon runs within another program.
    pub fn of_nobody() -> Keeper {
        Keeper(None)
    }

    /// Whether it asks for a stop by its own means. A service must not listen to the console's events: it would hear
    /// of every user's logoff.
    pub fn asks(&self) -> bool {
        self.0.is_some()
    }

    /// Done when it asks for a stop; says why.
    pub async fn asked(&self) -> &'static str {
        let Some(manager) = &self.0 else { return std::future::pending().await };
        let mut asked = manager.asked.clone();
        match asked.wait_for(|reason| !reason.is_empty()).await {
            Ok(reason) => *reason,
            Err(_) => std::future::pending().await,
        }
    }

    /// The daemon is at work.
    pub fn ready(&self, _doing: &str) {
        self.report(ServiceState::Running, Duration::ZERO);
    }

    /// Nothing: the manager has no room for words.
    pub fn status(&self, _doing: &str) {}

    /// The daemon stops.
    pub fn stopping(&self, _reason: &str) {
        self.report(ServiceState::StopPending, STOP);
    }

    /// Nobody waits for a sign.
    pub fn patience(&self) -> Option<Duration> {
        None
    }

    /// Nothing.
    pub fn alive(&self) {}

    /// Writes an event into the event log.
    pub fn record(&self, gravity: Gravity, text: &str) {
        if let Some(journal) = self.0.as_ref().and_then(|manager| manager.journal.as_ref()) {
            journal.record(gravity, text);
        }
    }

    fn report(&self, state: ServiceState, wait: Duration) {
        if let Some(manager) = &self.0 {
            report(manager.handle, state, wait, 0);
        }
    }
}
