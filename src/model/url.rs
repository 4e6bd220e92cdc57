//! Addresses of HTTP servers, as a config names them.
//!
//! Grammar: `http[s]://HOST[:PORT][/PATH][?QUERY]`. Invariants: there is a host; no user and no password stand in it,
//! since they would be secrets in clear; no error repeats the text. Path and query may be a secret as a whole (many
//! services make them one), so only [`HttpUrl::origin`] is ever shown.

use std::fmt;

use hyper::Uri;
use serde::de::{Deserialize, Deserializer, Error as _};

/// An address that requests can be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that does not repeat the text.
    pub fn parse(text: &str) -> Result<HttpUrl, &'static str> {
        const NONE: &str = "it is no address like \"http://127.0.0.1:18789\" or \"https://example.org/hook\"";
        if text.contains('#') {
            return Err("an address has no `#…`: servers never see it");
        }
        let uri: Uri = text.parse().map_err(|_| NONE)?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(NONE);
        };
        if authority.as_str().contains('@') {
            return Err(
                "a user and a password in an address are secrets in clear; take them out, and name a secret",
            );
        }
        // A port that is no number between 1 and 65535 is none to hyper, which would take the default without a word.
        let host = authority.host();
        let port = authority.as_str().get(host.len()..).unwrap_or_default();
        let sound =
            port.is_empty() || authority.port_u16().is_some_and(|port| port > 0) && !port.contains('+');
        if host.is_empty() || !sound { Err(NONE) } else { Ok(HttpUrl(uri)) }
    }

    /// Scheme, host and port: what may be shown.
    pub fn origin(&self) -> String {
        let authority = self.0.authority().map(|authority| authority.as_str()).unwrap_or_default();
        format!("{}://{authority}", self.0.scheme_str().unwrap_or_default())
    }

    /// Whether what is sent there is encrypted on its way.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// A name or an address; an IPv6 one in its brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The port, if one is named.
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16()
    }

    /// Whether it is this PC, by its name or number.
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let number = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || number.is_ok_and(|number| number.is_loopback())
    }

    /// The address of `path`, which begins with `/`, on the same server; `None` if no request can name it.
    pub fn at(&self, path: &str) -> Option<HttpUrl> {
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok().map(HttpUrl)
    }

    /// Its path, without a `/` at the end: empty for the server itself.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Path and query, which may be a secret: to be masked, never to be shown.
    pub fn target(&self) -> &str {
        self.0.path_and_query().map(|target| target.as_str()).unwrap_or_default()
    }

    /// As requests want it.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({}/…)", self.origin())
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<HttpUrl, D::Error> {
        HttpUrl::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for (text, origin) in [
            ("http://127.0.0.1:18789", "http://127.0.0.1:18789"),
            ("https://example.org/hook?token=hunter2", "https://example.org"),
            ("HTTP://Localhost/", "http://Localhost"),
            ("http://[::1]:80/x", "http://[::1]:80"),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!(url.origin(), origin);
            assert!(!format!("{url:?}").contains("hunter"), "{url:?}");
        }
        for text in [
            "",
            "example.org",
            "ftp://example.org",
            "http://",
            "http:///x",
            "http://a b/",
            "http://me:hunter2@example.org/",
            "http://example.org/#hunter2",
            "http://example.org:hunter2/",
            "http://example.org:99999/",
            "http://example.org:0/",
            "http://example.org:+1/",
            "/hooks",
        ] {
            let said = HttpUrl::parse(text).unwrap_err();
            assert!(!said.contains("hunter"), "{text}: {said}");
        }
    }

    #[test]
    fn this_pc_is_told_from_others() {
        for (text, own) in [
            ("http://127.0.0.1:1", true),
            ("http://127.8.0.1", true),
            ("https://LOCALHOST:2/x", true),
            ("http://[::1]/", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(HttpUrl::parse(text).unwrap().is_loopback(), own, "{text}");
        }
    }

    #[test]
    fn a_path_is_put_in_place_of_the_one_that_was() {
        let url = HttpUrl::parse("http://gw:1/base/?x=1").unwrap();
        assert_eq!(url.path(), "/base");
        assert_eq!(url.at("/hooks/lanpost").unwrap().uri().to_string(), "http://gw:1/hooks/lanpost");
        assert_eq!(url.at("/a b"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = HttpUrl::parse(&text);
        }

        #[test]
        fn what_is_read_is_shown_without_its_path(path in "[a-z0-9]{1,12}") {
            let url = HttpUrl::parse(&format!("https://x.test/{path}Z")).unwrap();
            prop_assert_eq!(url.origin(), "https://x.test");
        }
    }
}
