//! The share that a config names, as this PC reaches it: by its path alone, or with a login to its server first.

use std::path::Path;
use std::sync::Arc;

use crate::engine::login::{Asks, LoginShare, Way};
use crate::engine::node::store_path;
use crate::error::{Error, Result};
use crate::model::config::{Config, ShareConfig};
use crate::model::unc::Unc;
use crate::store::db::Db;
use crate::sys::clock::Clock;
use crate::sys::disk::DiskShare;
use crate::sys::root::Root;
use crate::sys::share::Share;
use crate::sys::{files, login, secret};

/// A share, and the login that has to stand before anything touches it.
#[derive(Clone)]
pub struct Reached {
    /// The share; its verbs log in by themselves.
    pub share: Arc<dyn Share>,
    /// The login, for whoever reaches the share in another way: watchers, the mount's facts.
    pub login: Option<Arc<LoginShare>>,
}

impl Reached {
    /// Logs in, if the config says so and it is due.
    ///
    /// # Errors
    /// The login does not stand: nothing may touch the share's path now.
    pub fn ensure(&self) -> Result<()> {
        self.login.as_ref().map_or(Ok(()), |login| login.ensure())
    }
}

/// The share of `config` at `root`; `holder` names us in what is written aside. Touches nothing yet.
///
/// # Errors
/// The config has a user, and this system logs in nowhere, or the path names no server.
pub fn reach(
    config: &Config,
    root: Root,
    holder: &str,
    clock: &Arc<dyn Clock>,
    asks: Asks,
) -> Result<Reached> {
    let disk: Arc<dyn Share> = Arc::new(DiskShare::new(root, holder));
    let Some(way) = way(&config.share)? else { return Ok(Reached { share: disk, login: None }) };
    let store = store_path(config);
    // Before `init` made one there is nothing to remember, and afterwards it is of no matter to a login.
    let memory = if files::exists(&store) { Db::open(&store).ok() } else { None };
    let login = Arc::new(LoginShare::new(disk, way, clock.clone(), memory, asks));
    Ok(Reached { share: login.clone(), login: Some(login) })
}

fn way(config: &ShareConfig) -> Result<Option<Way>> {
    let (Some(user), Some(password)) = (&config.user, config.password.clone()) else { return Ok(None) };
    let resource = resource(&config.path, user, login::SUPPORTED)?;
    let (place, name) = (resource.clone(), user.clone());
    Ok(Some(Way {
        resource,
        user: user.clone(),
        secret: Box::new(move || secret::resolve(&password)),
        log_in: Box::new(move |password| login::log_in(&place, &name, password)),
    }))
}

/// What is logged in to.
fn resource(path: &Path, user: &str, supported: bool) -> Result<String> {
    let deed = "log in to the share as";
    if !supported {
        return Err(Error::usage(deed, user, "on this system the mount does that, not lanpost").next(
            "take `user` and `password` out of [share], and mount it as that user: mount.cifs(8) with \
             `credentials=FILE`, see docs/operations.md",
        ));
    }
    let text = path.to_string_lossy();
    Unc::parse(&text).map(|unc| unc.resource()).ok_or_else(|| {
        Error::usage(deed, user, format!("{text} names no server to log in to")).next(
            r"set `share.path` to '\\SERVER\SHARE\FOLDER'; for a folder of this PC take `user` and `password` out",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_goes_to_the_share_of_a_unc_path() {
        let asked = |path: &str, supported| resource(Path::new(path), "nas\\agents", supported);
        assert_eq!(asked(r"\\nas\共享\a\b", true).unwrap(), r"\\nas\共享");
        assert!(asked(r"Z:\a", true).unwrap_err().to_string().contains("names no server"));
        assert!(asked("/mnt/agents", false).unwrap_err().to_string().contains("credentials=FILE"));
    }
}
