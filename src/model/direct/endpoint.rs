//! Where a daemon listens for mail that comes directly: TLS or not, a host, a port.
//!
//! Its address is that of an HTTP server ([`HttpUrl`]) with nothing behind the port. It is no secret: heartbeats carry
//! it, and errors repeat it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::PORT;
use crate::model::url::HttpUrl;

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Over TLS.
    pub tls: bool,
    /// A name or an address; an IPv6 one without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        read(text).ok_or_else(|| format!("{text:?} is no address like \"https://10.0.0.5:{PORT}\""))
    }
}

fn read(text: &str) -> Option<Endpoint> {
    let url = HttpUrl::parse(text).ok()?;
    // Neither a path nor a query, which would be lost.
    if url.origin() != text.strip_suffix('/').unwrap_or(text) {
        return None;
    }
    let host = match url.host().strip_prefix('[') {
        Some(six) => six.strip_suffix(']').filter(|six| six.parse::<Ipv6Addr>().is_ok())?,
        None => Some(url.host()).filter(|host| is_name(host))?,
    };
    Some(Endpoint { tls: url.is_https(), host: host.to_owned(), port: url.port().unwrap_or(PORT) })
}

/// A name, or an IPv4 address.
fn is_name(host: &str) -> bool {
    host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Endpoint {
    /// Host and port, as they stand in a request.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Endpoint, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for (text, said) in [
            ("https://10.0.0.5:7431", "https://10.0.0.5:7431"),
            ("http://lab.local", "http://lab.local:7431"),
            ("https://[fe80::1]:80/", "https://[fe80::1]:80"),
            ("https://[::1]", "https://[::1]:7431"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), said);
            assert_eq!(said.parse(), Ok(endpoint));
        }
        for bad in [
            "",
            "lab",
            "ftp://lab",
            "HTTPS://lab",
            "https://",
            "https://:1",
            "https://lab:0",
            "https://lab:99999",
            "https://lab:+1",
            "https://lab/x",
            "https://lab//",
            "https://lab?",
            "https://lab/#",
            "https://a@b",
            "https://a%20b",
            "https://[::1",
            "https://[x]:1",
            "https://[::1]x",
            "https://[fe80::1%25eth0]",
            "https://lab:",
        ] {
            let said = format!("{bad:?} is no address like \"https://10.0.0.5:7431\"");
            assert_eq!(bad.parse::<Endpoint>(), Err(said), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(http://)?\\PC*") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }

        #[test]
        fn what_is_announced_is_found(host in "[a-z0-9_-]{1,9}(\\.[a-z0-9]{1,9})?", port in 1..=u16::MAX) {
            let endpoint = Endpoint { tls: port % 2 == 0, host, port };
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }
    }
}
