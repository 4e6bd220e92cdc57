//! Direct delivery: the words of the protocol between two daemons, and what a heartbeat says of it.
//!
//! ```text
//! url   := ("http" | "https") "://" host [":" port] ["/"]         the port is 7431 if none is named
//! post  := POST /v1/lanes/<from>.<lease>                          body: lines of that lane, as on the share
//! probe := GET /health                                            {"lanpost": version, "instance": name}
//! ```
//! A post is answered by a signed receipt. The lines are those that the share would carry, number for number, so that
//! neither side has to know by which route the other one got them.

mod endpoint;

use serde::{Deserialize, Serialize};

use super::name::Name;

pub use endpoint::Endpoint;

/// The port that is meant where none is named.
pub const PORT: u16 = 7431;
/// Addresses that a heartbeat names, and that are tried.
pub const MOST_URLS: usize = 8;
/// Lines and bytes in one post, of which the lines are a limit, too: whoever takes them checks a signature for each. As many as a slow link carries well within the time of an attempt.
pub const BATCH: (usize, usize) = (200, 256 << 10);
/// Where a daemon says that it is there.
pub const HEALTH: &str = "/health";
const LANES: &str = "/v1/lanes/";
/// How a certificate's fingerprint begins.
const SHA256: &str = "sha256:";

/// Whose daemon says that it is there, in its answer to a probe.
pub fn instance(answer: &[u8]) -> Option<Name> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    answer.get("lanpost")?;
    Name::parse(answer.get("instance")?.as_str()?).ok()
}

/// What a heartbeat says of where its daemon listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The addresses, the best first.
    pub urls: Vec<String>,
    /// The fingerprint of its certificate, `sha256:<64 hex>`; none without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
}

/// Where a peer's daemon can be reached, and by which certificate it is known there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The addresses, the best first.
    pub urls: Vec<Endpoint>,
    /// The SHA-256 of its certificate.
    pub cert: Option<[u8; 32]>,
}

impl Announcement {
    /// Whether one of the addresses leads to the same place.
    pub fn names(&self, endpoint: &Endpoint) -> bool {
        let is_same =
            |url: Endpoint| url.host.eq_ignore_ascii_case(&endpoint.host) && url.port == endpoint.port;
        self.urls.iter().filter_map(|url| url.parse().ok()).any(is_same)
    }

    /// Where that leads; `url` of the config counts before what is announced. `None` if nowhere: an address with TLS is
    /// of no use without a fingerprint.
    pub fn target(&self, url: Option<&Endpoint>) -> Option<Target> {
        let cert = self.cert.as_deref().and_then(parse_fingerprint);
        let announced = || self.urls.iter().filter_map(|url| url.parse().ok()).collect::<Vec<Endpoint>>();
        let mut urls = url.map_or_else(announced, |url| vec![url.clone()]);
        urls.retain(|url| !url.tls || cert.is_some());
        urls.truncate(MOST_URLS);
        (!urls.is_empty()).then_some(Target { urls, cert })
    }
}

/// A fingerprint as text.
pub fn fingerprint(hash: &[u8; 32]) -> String {
    hash.iter().fold(SHA256.to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// The fingerprint in a text.
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix(SHA256).filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

/// Where lines of a lane are posted to.
pub fn lane_path(from: &Name, lease: u64) -> String {
    format!("{LANES}{from}.{lease}")
}

/// Of which lane the lines are that are posted to `path`.
pub fn parse_lane_path(path: &str) -> Option<(Name, u64)> {
    let (from, lease) = path.strip_prefix(LANES)?.rsplit_once('.')?;
    if lease.starts_with('0') || !lease.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let lease = lease.parse().ok().filter(|lease| i64::try_from(*lease).is_ok())?;
    Some((Name::parse(from).ok()?, lease))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_with_tls_needs_a_fingerprint() {
        let urls = vec!["https://a".to_owned(), "what".to_owned(), "http://b".to_owned()];
        let plain = Announcement { urls, cert: None };
        assert_eq!(plain.target(None).unwrap().urls, ["http://b".parse().unwrap()]);
        assert_eq!(plain.target(Some(&"https://c".parse().unwrap())), None);
        let known = Announcement { cert: Some(fingerprint(&[7; 32])), ..plain };
        let target = known.target(None).unwrap();
        assert_eq!((target.urls.len(), target.cert), (2, Some([7; 32])));
        assert_eq!(known.target(Some(&"https://c".parse().unwrap())).unwrap().urls[0].host, "c");
    }

    #[test]
    fn a_lane_has_one_path() {
        let lab = Name::parse("lab").unwrap();
        assert_eq!(parse_lane_path(&lane_path(&lab, 7)), Some((lab, 7)));
        for bad in [
            "/v1/lanes/lab",
            "/v1/lanes/lab.",
            "/v1/lanes/lab.07",
            "/v1/lanes/lab.-1",
            "/v1/lanes/../x.1",
            "/x",
        ] {
            assert_eq!(parse_lane_path(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", path in "/v1/lanes/\\PC*") {
            if let Some((name, lease)) = parse_lane_path(&path) {
                prop_assert_eq!(lane_path(&name, lease), path);
            }
            parse_fingerprint(&text);
        }
    }

    #[test]
    fn an_answer_says_whose_it_is_and_an_announcement_knows_its_places() {
        let said = |answer: &str| instance(answer.as_bytes()).map(|name| name.to_string());
        assert_eq!(said("{\"lanpost\":\"1\",\"instance\":\"Lab\"}\n").as_deref(), Some("Lab"));
        for other in ["", "ok", "[]", "{\"instance\":\"lab\"}", "{\"lanpost\":\"1\",\"instance\":\"../x\"}"] {
            assert_eq!(said(other), None, "{other}");
        }
        let ours = Announcement { urls: vec!["https://172.17.0.1".into(), "junk".into()], cert: None };
        assert!(ours.names(&"http://172.17.0.1:7431".parse().unwrap()));
        assert!(!ours.names(&"http://172.17.0.1:7432".parse().unwrap()));
    }
}
