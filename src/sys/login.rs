//! Logging in to a file server, and the server behind a drive letter: what Windows leaves to its programs.
//!
//! A session of its own (a service's) has no drive letters and no connections of a person's. Elsewhere the system mounts
//! the share with its user and password, and there is nothing to log in to.

use std::path::{Path, PathBuf};

use super::net;
use crate::model::secret::Secret;
use crate::model::unc;

/// Whether this system logs in by program.
pub const SUPPORTED: bool = net::SUPPORTED;

/// Connects this session to `resource` (`\\server\share`), without a drive letter and without asking anybody; may block
/// as long as the network does. A connection that stands with the same user is fine.
///
/// # Errors
/// The number of Windows.
pub fn log_in(resource: &str, user: &str, password: &Secret) -> Result<(), i32> {
    net::log_in(resource, user, password)
}

/// The UNC path of something on a drive letter that is connected to a server; `None` for everything else. Asks the
/// system's own table first, which knows a drive whose server is away, too.
pub fn behind_drive(path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    let drive =
        text.get(..2).filter(|drive| drive.ends_with(':') && drive.as_bytes()[0].is_ascii_alphabetic())?;
    net::connection(drive).and_then(|remote| unc::of_drive(text, &remote)).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_path_has_no_server_behind_it() {
        for path in [r"C:\", r"\\nas\agents", "/mnt/agents", "", "Z", "共:"] {
            assert_eq!(behind_drive(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_login_that_cannot_be_ends_with_a_number() {
        let password = Secret::new("x".to_owned()).unwrap();
        let resource = r"\\lanpost-test.invalid\none";
        assert!(log_in(resource, "nobody", &password).unwrap_err() > 0);
        assert!(log_in("a\0b", "nobody", &password).unwrap_err() > 0);
    }
}
