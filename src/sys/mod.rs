//! Floor 1: the seam to the machine. The only floor that names files, clocks, randomness or a platform.
//!
//! Each platform file has the same functions; `other` is the honest fallback (and is compiled in tests everywhere,
//! so that no arm goes unseen).
#![allow(clippy::disallowed_methods)]

pub mod blobs;
pub mod clock;
pub mod dirs;
pub mod disk;
pub mod files;
pub mod flock;
pub mod gather;
pub mod interfaces;
pub mod listen;
pub mod login;
pub mod memory;
pub mod mount;
pub mod place;
pub mod process;
mod reach;
pub mod root;
pub mod rotating;
pub mod seal;
pub mod secret;
pub mod seek;
pub mod share;
pub mod watched;

/// Whether a place that was just listened at may be had again at once. Elsewhere the same wish would let two have it.
const REBINDS: bool = cfg!(not(windows));

#[cfg(any(all(test, unix), not(any(target_os = "linux", windows))))]
mod other;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;

#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(not(any(target_os = "linux", windows)))]
use other as platform;

#[cfg(windows)]
#[path = "net_windows.rs"]
mod net;

#[cfg(not(windows))]
#[path = "net_other.rs"]
mod net;

#[cfg(windows)]
#[path = "private_windows.rs"]
mod private;

#[cfg(not(windows))]
#[path = "private_unix.rs"]
mod private;

#[cfg(any(all(test, unix), not(any(target_os = "linux", target_os = "macos", windows))))]
mod no_keyring;

#[cfg(target_os = "linux")]
use linux_keyutils_keyring_store as keyring;

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain as keyring;

#[cfg(windows)]
use windows_native_keyring_store as keyring;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
use no_keyring as keyring;
