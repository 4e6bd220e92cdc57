//! The table `direct`: whether this daemon takes mail over the network, and where.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::value::*;
use crate::model::direct::{Endpoint, MOST_URLS};
use crate::model::route::Route;

/// The table `direct`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct DirectConfig {
    /// Where to listen; nowhere if it is not said.
    pub listen: Option<SocketAddr>,
    /// Where peers find us; empty: by this PC's name and addresses.
    #[serde(deserialize_with = "urls")]
    pub announce: Vec<Endpoint>,
    /// Over TLS, with a certificate of our own.
    pub tls: bool,
    /// How long an attempt to hand mail to a peer may take.
    #[serde(deserialize_with = "duration::<_, { ATTEMPT.0 }, { ATTEMPT.1 }>")]
    pub timeout: Duration,
}

impl Default for DirectConfig {
    fn default() -> Self {
        DirectConfig { listen: None, announce: vec![], tls: true, timeout: Duration::from_millis(1_500) }
    }
}

pub(super) fn direct<'de, D: Deserializer<'de>>(from: D) -> Result<DirectConfig, D::Error> {
    let config = DirectConfig::deserialize(from)?;
    match config.announce.iter().find(|url| url.tls != config.tls) {
        None => Ok(config),
        Some(url) if config.tls => Err(D::Error::custom(format!(
            "`announce` names {url}, but mail is taken over TLS alone: write https://, or set `tls = false`"
        ))),
        Some(url) => Err(D::Error::custom(format!(
            "`announce` names {url}, but `tls = false`: write http://, or leave `tls` out"
        ))),
    }
}

fn urls<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Endpoint>, D::Error> {
    let urls = Vec::<Endpoint>::deserialize(from)?;
    match urls.len() {
        0..=MOST_URLS => Ok(urls),
        many => Err(D::Error::custom(format!("{many} addresses; at most {MOST_URLS} are announced"))),
    }
}

pub(super) fn routes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Route>>, D::Error> {
    let routes = Vec::<Route>::deserialize(from)?;
    if routes.is_empty() {
        return Err(D::Error::custom("no route: name some of \"a2a\", \"direct\" and \"share\""));
    }
    let twice = |(at, route): (usize, &Route)| routes[..at].contains(route);
    if routes.iter().enumerate().any(twice) {
        return Err(D::Error::custom("a route is named twice"));
    }
    if routes.iter().rev().skip(1).any(|route| *route == Route::Share) {
        return Err(D::Error::custom(
            "the share always takes mail, so nothing comes after it: [\"direct\", \"share\"], or [\"share\"] alone",
        ));
    }
    Ok(Some(routes))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::model::config::parse;

    #[test]
    fn what_is_announced_is_as_it_is_served() {
        let read = |tls: &str, url: &str| {
            let text = format!(
                "instance = \"lab\"\nstate = \"s\"\n[share]\npath = \"/s\"\n[direct]\nannounce = [\"{url}\"]\n{tls}\n"
            );
            parse(&text, Path::new("/c.toml")).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(read("", "https://lab"), Ok(()));
        assert_eq!(read("tls = false", "http://lab"), Ok(()));
        assert!(read("", "http://lab").is_err_and(|said| said.contains("over TLS alone")));
        assert!(read("tls = false", "https://lab").is_err_and(|said| said.contains("leave `tls` out")));
    }
}
