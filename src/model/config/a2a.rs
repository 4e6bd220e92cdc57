//! A table `peers.NAME.a2a`: the peer's OpenClaw gateway, whose agent is spoken to by its A2A channel.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::PeerConfig;
use super::value::*;
use crate::model::route::Route;
use crate::model::secret::SecretRef;
use crate::model::url::HttpUrl;

/// A table `peers.NAME.a2a`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct A2aConfig {
    /// Where the channel takes requests; at its usual path if none is given.
    #[serde(deserialize_with = "url")]
    pub url: HttpUrl,
    /// What it knows us by.
    pub token: SecretRef,
    /// How long an answer is waited for.
    #[serde(default = "patience", deserialize_with = "duration::<_, { PATIENCE.0 }, { PATIENCE.1 }>")]
    pub patience: Duration,
}

/// Where OpenClaw's channel is.
const USUAL: &str = "/a2a/v1";

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<HttpUrl, D::Error> {
    let url = HttpUrl::deserialize(from)?;
    let usual = url.at(USUAL).filter(|_| url.target().trim_end_matches('/').is_empty());
    Ok(usual.unwrap_or(url))
}

fn patience() -> Duration {
    Duration::from_secs(30 * 60)
}

/// What in a peer's table does not go together.
pub(super) fn check(peer: &PeerConfig) -> Result<(), &'static str> {
    let wanted = peer.routes.as_ref().map(|routes| routes.contains(&Route::A2a));
    match &peer.a2a {
        None if wanted == Some(true) => Err("the route \"a2a\" needs a table `a2a` with `url` and `token`"),
        Some(_) if peer.seal && wanted != Some(false) => Err(
            "`seal` is set, and what goes by the route \"a2a\" can't be sealed: take the table `a2a` away",
        ),
        Some(_) if wanted == Some(false) => {
            Err("its table `a2a` is of no use: name \"a2a\" among its `routes`, or take the table away")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::config::parse;

    fn read(url: &str, more: &str) -> std::result::Result<A2aConfig, String> {
        let text = format!(
            "instance = \"office\"\nstate = \"s\"\n[share]\npath = \"/s\"\n[peers.lab]\n{more}\n[peers.lab.a2a]\nurl = \"{url}\"\n\
             token = \"env:T\"\n"
        );
        let config = parse(&text, Path::new("/c.toml")).map_err(|error| error.to_string())?;
        Ok(config.peers["lab"].a2a.clone().unwrap())
    }

    #[test]
    fn an_address_without_a_path_means_the_usual_one() {
        for (url, path) in [
            ("http://x:1", "/a2a/v1"),
            ("http://x:1/", "/a2a/v1"),
            ("http://x:1/proxy/a2a", "/proxy/a2a"),
            ("http://x:1/?a=b", "/?a=b"),
        ] {
            assert_eq!(read(url, "").unwrap().url.target(), path, "{url}");
        }
    }

    #[test]
    fn a_table_that_no_route_uses_is_an_error_that_a_line_mends() {
        let error = read("http://x:1", "routes = [\"direct\"]").unwrap_err();
        assert!(error.contains("`a2a` is of no use") && !error.contains("--force"), "{error}");
        assert!(read("http://x:1", "routes = [\"a2a\"]").is_ok());
    }
}
