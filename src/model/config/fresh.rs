//! A config made by a program instead of a file: what has a default has it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    AskConfig, Config, DirectConfig, FilesConfig, Groups, Keep, Limits, LogConfig, Look, Peers, PlainConfig,
    ShareConfig, WakeConfig,
};
use crate::model::name::Name;
use crate::model::trust::Trust;

impl Config {
    /// The config of `instance` on the share that is mounted at `share`, with its state folder at `state`, which must be on
    /// a local disk and of this instance alone. All else has its default, and may be set field by field; durations and
    /// sizes belong into the ranges that [`parse`](super::parse) allows a file.
    pub fn new(instance: Name, share: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Config {
        Config {
            file: PathBuf::new(),
            instance,
            agents: vec![],
            roles: vec![],
            state: state.into(),
            trust: Trust::default(),
            share: ShareConfig::at(share),
            look: Look::default(),
            wake: WakeConfig::default(),
            ask: AskConfig::default(),
            limits: Limits::default(),
            keep: Keep::default(),
            files: FilesConfig::default(),
            log: LogConfig::default(),
            plain: PlainConfig::default(),
            direct: DirectConfig::default(),
            peers: Peers::new(),
            groups: Groups::default(),
            commands: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::parse;
    use std::path::Path;

    #[test]
    fn it_is_what_the_shortest_file_says() {
        let text = "instance = \"lab\"\nstate = \"/s\"\n[share]\npath = \"/mnt/x\"\n";
        let mut read = parse(text, Path::new("/etc/config.toml")).unwrap();
        read.file = PathBuf::new();
        let state = read.state.clone();
        let share = read.share.path.clone();
        assert_eq!(Config::new("lab".parse().unwrap(), share, state), read);
    }
}
