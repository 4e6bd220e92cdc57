//! Where a platform's users expect a program's config and state to lie.

use std::path::PathBuf;

/// The config file that is used when none is named: `~/.config/lanpost/config.toml`, `%APPDATA%\lanpost\config.toml`.
pub fn config_file() -> Option<PathBuf> {
    Some(dirs::config_dir()?.join("lanpost").join("config.toml"))
}

/// The folder of this user's configs: `~/.config`, `%APPDATA%`.
pub fn config_folder() -> Option<PathBuf> {
    dirs::config_dir()
}

/// This user's home.
pub fn home() -> Option<PathBuf> {
    dirs::home_dir()
}

/// The state folder of `instance` when none is named: `~/.local/state/lanpost/<instance>`,
/// `%LOCALAPPDATA%\lanpost\<instance>`.
pub fn state_folder(instance: &str) -> Option<PathBuf> {
    Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join("lanpost").join(instance))
}

/// The variable that names the language in which a person is spoken to; no program that is started here inherits it.
pub const LANGUAGE: &str = "LANPOST_LANG";

/// An environment variable, if set and not empty; what is no text in it shows as U+FFFD, which nothing accepts.
pub fn env(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// Whether an environment variable is set, and empty.
pub fn is_env_empty(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// A path in an environment variable, if set and not empty.
pub fn env_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
