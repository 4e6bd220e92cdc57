//! Where the system mounts shares: nothing to log in to, and no drive letters.

use crate::model::secret::Secret;

/// It does not.
pub const SUPPORTED: bool = false;

/// Refuses, as Windows would say it: ERROR_NOT_SUPPORTED.
pub fn log_in(_resource: &str, _user: &str, _password: &Secret) -> Result<(), i32> {
    Err(50)
}

/// There are no drive letters.
pub fn connection(_drive: &str) -> Option<String> {
    None
}
