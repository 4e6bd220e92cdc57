//! Routes: the ways to a peer, and how the one at hand came to be chosen.
//!
//! `direct` hands mail to the peer's daemon over the network ([`super::direct`]); `share` writes it into the lane on the
//! share, where it waits for whoever comes. Both carry the same lines under the same numbers, so a message may come by
//! both and enters the inbox once. `a2a` speaks to the peer's agent through its gateway ([`super::a2a`]), without a
//! lanpost at the other end; it has a place of its own beside the other two ([`Gateway`]), which take what it leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// To its agent, through its gateway.
    A2a,
    /// To its daemon, over the network.
    Direct,
    /// Into our lane in its mailbox.
    Share,
}

/// What is tried, in this order, with a peer for whom the config says nothing.
pub const DEFAULT: [Route; 2] = [Route::Direct, Route::Share];
/// The same with one whose gateway is known.
pub const WITH_GATEWAY: [Route; 3] = [Route::Direct, Route::A2a, Route::Share];

impl Route {
    /// The word in the config, in the store and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Route::A2a => "a2a",
            Route::Direct => "direct",
            Route::Share => "share",
        }
    }

    /// The route behind a word.
    pub fn parse(word: &str) -> Option<Route> {
        WITH_GATEWAY.into_iter().find(|route| route.as_str() == word)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The route that mail for a peer takes now. Times are wall-clock milliseconds of this PC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which one.
    pub via: Route,
    /// Where it leads to, if it is direct, or would be; `None` if nowhere.
    pub url: Option<String>,
    /// Since when; if something stands against the direct one, when that was seen last.
    pub since: i64,
    /// What stands against the direct one; mail waits if that is the one all the same.
    pub why: Option<String>,
    /// How often in a row it failed.
    pub failures: u32,
    /// When it is tried again.
    pub until: Option<i64>,
    /// When the peer's daemon last answered, give or take a few seconds.
    pub contact: Option<i64>,
}

impl Chosen {
    /// In words, as they are at `now`: `direct (https://10.0.0.5:7431)`, `share: direct refused 12 s ago, next try in 8 s`,
    /// and `waits: direct refused …` if nothing else may carry it.
    pub fn words(&self, now: i64) -> String {
        match (self.via, &self.why) {
            (Route::Direct, Some(_)) => format!("waits: {}", self.trouble(now)),
            (Route::Direct, None) => match &self.url {
                Some(url) => format!("direct ({url})"),
                None => "direct".to_owned(),
            },
            (Route::A2a, _) => "a2a".to_owned(),
            (Route::Share, None) => "share".to_owned(),
            (Route::Share, Some(_)) => format!("share: {}", self.trouble(now)),
        }
    }

    /// Why something took the share at `now`, if a direct route would have been there: `direct refused 2 s before`.
    pub fn detour(&self, now: i64) -> Option<String> {
        self.why.as_deref().filter(|_| self.via == Route::Share)?;
        Some(match self.url {
            Some(_) => format!("{} {} before", self.against(), span(now.saturating_sub(self.since))),
            None => self.against(),
        })
    }

    /// What stands against the direct one, in words.
    pub fn trouble(&self, now: i64) -> String {
        let against = self.against();
        match self.url {
            Some(_) => {
                seen(&against, now.saturating_sub(self.since), self.until.map(|at| at.saturating_sub(now)))
            }
            // Nothing that was seen once, and is tried again.
            None => against,
        }
    }

    /// What stands against the direct one, without when it was seen.
    pub fn against(&self) -> String {
        let why = self.why.as_deref().unwrap_or_default();
        let colon = if self.url.is_none() { ":" } else { "" };
        format!("direct{colon} {why}")
    }
}

/// What was seen so long ago, and when the next try is, in milliseconds.
fn seen(why: &str, ago: i64, next: Option<i64>) -> String {
    let next = next.map(|next| format!(", next try in {}", span(next)));
    format!("{why} {} ago{}", span(ago), next.unwrap_or_default())
}

/// A time for people, given in milliseconds: the largest unit of which there are some.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How it stands with a peer's gateway. Times are wall-clock milliseconds of this PC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Mail goes there.
    pub usable: bool,
    /// But only while the direct route is no choice.
    pub after_direct: bool,
    /// Where it is: scheme, host and port.
    pub url: String,
    /// Since when; if something stands against it, when that was seen last.
    pub since: i64,
    /// What stands against it; it is usable all the same, in hope, if it took nothing since.
    pub why: Option<String>,
    /// How often in a row it failed.
    pub failures: u32,
    /// When it is tried again, or asked for something.
    pub until: Option<i64>,
    /// Why not before, though it is usable.
    pub pause: Option<String>,
}

impl Gateway {
    /// In words, as they are at `now`: `a2a (http://box-b:18789)`, `a2a refused 12 s ago, next try in 8 s`, and
    /// `a2a (http://box-b:18789), which took nothing since: refused 5 min ago` while it is on trial.
    pub fn words(&self, now: i64) -> String {
        let left = self.until.map_or(0, |until| until.saturating_sub(now));
        match self.rest(now) {
            Some(why) => format!("{}; {why}, next request in {}", self.state(now), span(left)),
            None => self.state(now),
        }
    }

    /// Why it is not asked for anything at `now`, though it is usable.
    pub fn rest(&self, now: i64) -> Option<&str> {
        self.pause.as_deref().filter(|_| self.usable && self.until.is_some_and(|until| until > now))
    }

    fn state(&self, now: i64) -> String {
        let ago = now.saturating_sub(self.since);
        match &self.why {
            Some(why) if !self.usable => {
                format!("a2a {}", seen(why, ago, self.until.map(|at| at.saturating_sub(now))))
            }
            Some(why) => format!("a2a ({}), which took nothing since: {}", self.url, seen(why, ago, None)),
            None => format!("a2a ({})", self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_says_what_is_wrong_until_something_was_taken() {
        let well = Gateway {
            usable: true,
            after_direct: false,
            url: "http://box-b:18789".into(),
            since: 1_000,
            why: None,
            failures: 0,
            until: None,
            pause: None,
        };
        assert_eq!(well.words(5_000), "a2a (http://box-b:18789)");
        let trial = Gateway { why: Some("does not accept our token".into()), ..well.clone() };
        let said = "a2a (http://box-b:18789), which took nothing since: does not accept our token 12 min ago";
        assert_eq!(trial.words(721_000), said);
        let open = Gateway { usable: false, until: Some(9_000), ..trial };
        assert_eq!(open.words(5_000), "a2a does not accept our token 4 s ago, next try in 4 s");
        let rests = Gateway { until: Some(9_000), pause: Some("it asked for a pause".into()), ..well };
        assert_eq!(rests.words(5_000), "a2a (http://box-b:18789); it asked for a pause, next request in 4 s");
        assert_eq!(rests.words(9_000), "a2a (http://box-b:18789)");
    }

    #[test]
    fn a_route_says_where_it_leads_and_why_it_is_not_the_other() {
        let direct = Chosen {
            via: Route::Direct,
            url: Some("https://10.0.0.5:7431".into()),
            since: 1_000,
            why: None,
            failures: 0,
            until: None,
            contact: None,
        };
        assert_eq!(direct.words(5_000), "direct (https://10.0.0.5:7431)");
        let refused =
            Chosen { via: Route::Share, why: Some("refused".into()), until: Some(21_000), ..direct.clone() };
        assert_eq!(refused.words(13_000), "share: direct refused 12 s ago, next try in 8 s");
        assert_eq!(refused.detour(3_500).as_deref(), Some("direct refused 2 s before"));
        assert_eq!((direct.detour(3_500), Chosen { why: None, ..refused.clone() }.detour(0)), (None, None));
        let nowhere = Chosen { url: None, why: Some("all are ours".into()), until: None, ..refused.clone() };
        assert_eq!(nowhere.words(13_000), "share: direct: all are ours");
        assert_eq!(nowhere.detour(13_000).as_deref(), Some("direct: all are ours"));
        let alone = Chosen { via: Route::Direct, until: None, ..refused.clone() };
        assert_eq!(alone.words(13_000), "waits: direct refused 12 s ago");
        for (later, said) in [(119, "119 s"), (120, "2 min"), (7_300, "2 h"), (3 * 86_400, "3 days")] {
            assert_eq!(alone.words(1_000 + later * 1_000), format!("waits: direct refused {said} ago"));
        }
        assert_eq!(Chosen { why: None, ..refused }.words(0), "share");
        assert_eq!(Route::parse("direct"), Some(Route::Direct));
        assert_eq!(Route::parse("a2a"), Some(Route::A2a));
        assert_eq!(Route::parse("pigeon"), None);
    }
}
