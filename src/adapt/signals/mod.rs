//! Being asked to stop: Ctrl-C and its platform's siblings.

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;

#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

pub use platform::listen;
