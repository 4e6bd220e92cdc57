//! Logins and drive letters by the Windows networking functions (WNet, mpr.dll).
#![allow(unsafe_code)]

use windows_sys::Win32::Foundation::{ERROR_INVALID_NAME, NO_ERROR};
use windows_sys::Win32::NetworkManagement::WNet::{
    CONNECT_TEMPORARY, NETRESOURCEW, RESOURCETYPE_DISK, WNetAddConnection2W, WNetGetConnectionW,
};
use zeroize::Zeroizing;

use crate::model::secret::Secret;

/// It does.
pub const SUPPORTED: bool = true;

/// Connects without a drive letter, for as long as this session lives, and never asks anybody.
pub fn log_in(resource: &str, user: &str, password: &Secret) -> Result<(), i32> {
    if [resource, user, password.expose()].iter().any(|text| text.contains('\0')) {
        return Err(ERROR_INVALID_NAME as i32);
    }
    let mut remote = wide(resource);
    let (user, password) = (wide(user), Zeroizing::new(wide(password.expose())));
    let what =
        NETRESOURCEW { dwType: RESOURCETYPE_DISK, lpRemoteName: remote.as_mut_ptr(), ..Default::default() };
    // SAFETY: all pointers are to NUL-terminated UTF-16 that outlives the call, or null where that is allowed.
    match unsafe { WNetAddConnection2W(&what, password.as_ptr(), user.as_ptr(), CONNECT_TEMPORARY) } {
        NO_ERROR => Ok(()),
        refused => Err(refused as i32),
    }
}

/// What `Z:` is connected to, whether or not its server answers.
pub fn connection(drive: &str) -> Option<String> {
    let drive = wide(drive);
    let mut remote = [0_u16; 1_024];
    let mut length = remote.len() as u32;
    // SAFETY: the buffer has the length that is told; the function ends its text with NUL within it.
    let found = unsafe { WNetGetConnectionW(drive.as_ptr(), remote.as_mut_ptr(), &mut length) };
    let end = remote.iter().position(|unit| *unit == 0)?;
    (found == NO_ERROR).then(|| String::from_utf16(&remote[..end]).ok())?
}

/// NUL-terminated UTF-16.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
