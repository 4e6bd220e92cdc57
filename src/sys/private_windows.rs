//! Files and folders that few accounts may read, by lists of rights (DACLs); who is on a list, `model/sddl` tells from its text.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    CloseHandle, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, LocalFree, NO_ERROR,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, OWNER_SECURITY_INFORMATION, SECURITY_ATTRIBUTES,
    TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::model::sddl;

/// How a person takes the rights of others away; accounts by their numbers, which are the same in every language.
pub fn way_out(path: &Path, _file: &File) -> String {
    let path = path.display();
    format!(
        "take them away: `icacls \"{path}\" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F \"%USERNAME%:F\"`, and for a \
         service as NetworkService also `/grant *S-1-5-20:R`"
    )
}

/// No: the list of rights that a folder inherits (in a profile, those of its user) is left as it is.
pub fn is_open(_folder: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Nothing to do, as above.
pub fn close(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Who may read an open file besides its owner, this user, SYSTEM, Administrators and service accounts.
pub fn others_who_read(file: &File) -> io::Result<Vec<String>> {
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut descriptor = Local(null_mut());
    // SAFETY: the handle is open; the one result that is asked for is freed by `Local`.
    let found = unsafe {
        let handle = file.as_raw_handle();
        let none = null_mut();
        GetSecurityInfo(
            handle,
            SE_FILE_OBJECT,
            wanted,
            none,
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor.0,
        )
    };
    if found != NO_ERROR {
        return Err(io::Error::from_raw_os_error(found as i32));
    }
    let mut text = Local(null_mut());
    // SAFETY: the descriptor is the system's own; the text is freed by `Local`.
    let told = unsafe {
        let text: *mut *mut c_void = &mut text.0;
        let sddl = SDDL_REVISION_1;
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            sddl,
            wanted,
            text.cast(),
            null_mut(),
        )
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(sddl::others_who_read(&text.text(), &own_sid()?))
}

/// Creates a new file that is to take the place of another: with the list of rights that both inherit from their folder.
pub fn create_like(path: &Path, _like: &Path) -> io::Result<File> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)
}

/// Creates a new file for this user, SYSTEM and Administrators; `for_services`: NetworkService and LocalService may read
/// it, too. Nothing is inherited from the folder, which may let everybody read.
pub fn create(path: &Path, for_services: bool) -> io::Result<File> {
    let services = if for_services { "(A;;FR;;;NS)(A;;FR;;;LS)" } else { "" };
    create_file(path, &format!("D:P{}{services}", ours("")?))
}

/// Creates a new file for this user, SYSTEM and Administrators, and for whom the folder lets in by name: the account of
/// a service, say. The folder is one of [`create_folder`].
pub fn create_within(path: &Path) -> io::Result<File> {
    create_file(path, &format!("D:{}", ours("")?))
}

/// Makes a folder for this user, SYSTEM and Administrators, whatever lies above it; so is everything that is made in it.
pub fn create_folder(path: &Path) -> io::Result<()> {
    with_rights(path, &format!("D:P{}", ours("OICI")?), |name, rights| {
        // SAFETY: name and rights outlive the call.
        match unsafe { CreateDirectoryW(name, rights) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    })
}

/// Full rights for SYSTEM, Administrators and this user, handed down as `flags` say.
fn ours(flags: &str) -> io::Result<String> {
    Ok(format!("(A;{flags};FA;;;SY)(A;{flags};FA;;;BA)(A;{flags};FA;;;{})", own_sid()?))
}

fn create_file(path: &Path, list: &str) -> io::Result<File> {
    with_rights(path, list, |name, rights| {
        let none: HANDLE = null_mut();
        // SAFETY: name and rights outlive the call; a handle that is made belongs to the file alone.
        unsafe {
            match CreateFileW(name, GENERIC_WRITE, 0, rights, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, none) {
                INVALID_HANDLE_VALUE => Err(io::Error::last_os_error()),
                handle => Ok(File::from_raw_handle(handle)),
            }
        }
    })
}

/// Hands `make` the path and the list of rights as the system wants them.
fn with_rights<T>(
    path: &Path,
    list: &str,
    make: impl FnOnce(*const u16, *const SECURITY_ATTRIBUTES) -> io::Result<T>,
) -> io::Result<T> {
    let list: Vec<u16> = list.encode_utf16().chain([0]).collect();
    let mut descriptor = Local(null_mut());
    // SAFETY: the text ends with NUL; the descriptor is freed by `Local`.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            list.as_ptr(),
            SDDL_REVISION_1,
            &mut descriptor.0,
            null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let rights = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let name: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    make(name.as_ptr(), &rights)
}

/// The SID of the user that this process runs as.
fn own_sid() -> io::Result<String> {
    // TOKEN_USER with the longest SID takes 84 bytes; `u64` aligns it.
    let mut buffer = [0_u64; 32];
    let mut sid = Local(null_mut());
    // SAFETY: the token is closed on every way; the buffer is aligned and of the told size; `Local` frees the text.
    unsafe {
        let mut token: HANDLE = null_mut();
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut length = 0;
        let size = size_of_val(&buffer) as u32;
        let found = GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size, &mut length);
        let failure = io::Error::last_os_error();
        CloseHandle(token);
        if found == 0 {
            return Err(failure);
        }
        let user = &*buffer.as_ptr().cast::<TOKEN_USER>();
        let text: *mut *mut c_void = &mut sid.0;
        if ConvertSidToStringSidW(user.User.Sid, text.cast()) == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(sid.text())
}

/// Memory that the system allocated for us.
struct Local(*mut c_void);

impl Local {
    /// As NUL-terminated UTF-16, which it must be.
    fn text(&self) -> String {
        let start = self.0.cast::<u16>().cast_const();
        if start.is_null() {
            return String::new();
        }
        // SAFETY: the system ended its text with NUL.
        unsafe {
            let length = (0..).take_while(|at| *start.add(*at) != 0).count();
            String::from_utf16_lossy(std::slice::from_raw_parts(start, length))
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: it came from the system's local heap, or is null, which is fine.
        unsafe { LocalFree(self.0) };
    }
}
