//! The tables `commands.NAME`: which program a peer may have run here, with which arguments.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::value::*;
use crate::model::exec::{Arg, RemoteCommand};
use crate::model::name::Name;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(deserialize_with = "super::command")]
    run: Vec<String>,
    #[serde(default, deserialize_with = "folder")]
    folder: Option<PathBuf>,
    peers: Vec<Name>,
    #[serde(default = "timeout", deserialize_with = "duration::<_, { TIMEOUT.0 }, { TIMEOUT.1 }>")]
    timeout: Duration,
    #[serde(default = "output", deserialize_with = "size::<_, { OUTPUT.0 }, { OUTPUT.1 }>")]
    output: Size,
    #[serde(default)]
    args: BTreeMap<String, Arg>,
}

fn timeout() -> Duration {
    Duration::from_secs(60)
}

fn output() -> Size {
    Size(64 * KIB)
}

fn folder<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    super::path(from).map(Some)
}

pub(super) fn commands<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, RemoteCommand>, D::Error> {
    let tables = BTreeMap::<String, Table>::deserialize(from)?;
    let command = |(name, table): (String, Table)| {
        let Table { run, folder, peers, timeout, output, args } = table;
        let command = RemoteCommand { run, folder, peers, timeout, output: output.0, args };
        command.check(&name).map_err(|why| D::Error::custom(format!("the command {name:?}: {why}")))?;
        Ok((name, command))
    };
    tables.into_iter().map(command).collect()
}
