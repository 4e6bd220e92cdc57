//! The right to log on as a service, which services.msc gives along with a password, and the service manager does not.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::NTSTATUS;
use windows_sys::Win32::Security::Authentication::Identity::{
    LSA_HANDLE, LSA_OBJECT_ATTRIBUTES, LSA_UNICODE_STRING, LsaAddAccountRights, LsaClose,
    LsaNtStatusToWinError, LsaOpenPolicy, POLICY_CREATE_ACCOUNT, POLICY_LOOKUP_NAMES,
};
use windows_sys::Win32::Security::{LookupAccountNameW, PSID};

use crate::error::{Error, Kind, Result};

const RIGHT: &str = "SeServiceLogonRight";
const WAY_OUT: &str =
    "enter its password on the service's Log On tab in services.msc, which gives that right, too";
/// Room for any account's number and any domain's name.
const ROOM: u32 = 256;

/// Gives `account` the right; one that has it keeps it.
///
/// # Errors
/// There is no such account, or this window has no administrator's rights.
pub fn allow(account: &str) -> Result<()> {
    let done = number(account).and_then(|mut sid| give(sid.as_mut_ptr().cast()));
    done.map_err(|error| {
        Error::new(Kind::of(&error), "give the right to run services to", account, error).next(WAY_OUT)
    })
}

/// The account's security identifier.
fn number(account: &str) -> std::io::Result<[u64; ROOM as usize / 8]> {
    // The function knows the accounts of this PC by their bare names.
    let name = wide(account.strip_prefix(".\\").unwrap_or(account));
    let mut sid = [0_u64; ROOM as usize / 8];
    let mut domain = [0_u16; ROOM as usize];
    let (mut sid_room, mut domain_room, mut kind) = (ROOM, ROOM, 0);
    // SAFETY: `name` ends with NUL, both buffers have the room that is announced, all outlive the call.
    let found = unsafe {
        LookupAccountNameW(
            null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &mut sid_room,
            domain.as_mut_ptr(),
            &mut domain_room,
            &mut kind,
        )
    };
    if found == 0 { Err(std::io::Error::last_os_error()) } else { Ok(sid) }
}

fn give(sid: PSID) -> std::io::Result<()> {
    let attributes = LSA_OBJECT_ATTRIBUTES::default();
    let access = (POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES).cast_unsigned();
    let mut policy: LSA_HANDLE = Default::default();
    // SAFETY: no system is named, the attributes are empty as they must be, the handle is ours.
    succeeded(unsafe { LsaOpenPolicy(null_mut(), &attributes, access, &mut policy) })?;
    let mut right: Vec<u16> = RIGHT.encode_utf16().collect();
    let bytes = u16::try_from(right.len() * 2).unwrap_or_default();
    let text = LSA_UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: right.as_mut_ptr() };
    // SAFETY: `sid` was filled by the system, one right is announced and given, all outlive the call.
    let given = succeeded(unsafe { LsaAddAccountRights(policy, sid, &text, 1) });
    // SAFETY: opened above, and closed here alone.
    unsafe { LsaClose(policy) };
    given
}

fn succeeded(status: NTSTATUS) -> std::io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: a function of its argument.
    let number = unsafe { LsaNtStatusToWinError(status) };
    Err(std::io::Error::from_raw_os_error(number.cast_signed()))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
