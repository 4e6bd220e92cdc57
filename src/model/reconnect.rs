//! When to log in to the share's server, again after a drop, and never so often that the account is locked. Pure: `now`
//! is an argument, on the monotonic clock; the machine's part is `sys::login`.
//!
//! A network that is away may be asked every few seconds. A password that was refused may not: Windows locks an account
//! after ten tries in ten minutes, some companies after three in half an hour. So the same password is tried once in
//! [`REFUSED`], then
//! ever more rarely; another one, at once.

use std::time::Duration;

use super::retry::backoff;

/// Pauses while the network is in the way.
const NETWORK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Pauses while something on this PC is, as another login to that server.
const SETUP: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60));
/// Pauses after a refusal of user or password.
pub const REFUSED: (Duration, Duration) = (Duration::from_secs(900), Duration::from_secs(3600));
/// The pause after the server said that the account is locked.
const LOCKED: Duration = Duration::from_secs(3600);
/// A login that was accepted is not repeated before this: what fails sooner is hardly the login's fault.
const ACCEPTED: Duration = Duration::from_secs(15);

/// Why a login came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server can't be reached, or has no such share now.
    Network,
    /// Something on this PC.
    Setup,
    /// The server knows no such user with that password, or will not have it now.
    Refused,
    /// The account is locked.
    Locked,
}

impl Failure {
    /// What a number of Windows (winerror.h) says of a login.
    pub fn of(code: i32) -> Failure {
        match code {
            1909 => Failure::Locked,
            // ACCESS_DENIED: some servers say it of a wrong password. The rest: password, user, restrictions, expiry.
            5 | 86 | 1326..=1328 | 1330 | 1331 | 1385 | 1793 | 1907 | 2202 => Failure::Refused,
            50 | 1200 | 1202 | 1219 | 1396 => Failure::Setup,
            _ => Failure::Network,
        }
    }

    /// Whether trying the same password again may harm the account.
    pub fn is_refusal(self) -> bool {
        matches!(self, Failure::Refused | Failure::Locked)
    }

    fn pause(self, failures: u32) -> Duration {
        match self {
            Failure::Network => backoff(NETWORK.0, NETWORK.1, failures),
            Failure::Setup => backoff(SETUP.0, SETUP.1, failures),
            Failure::Refused => backoff(REFUSED.0, REFUSED.1, failures),
            Failure::Locked => LOCKED,
        }
    }
}

/// The state of the login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconnect {
    accepted: bool,
    /// Something failed since, as it would without a login.
    doubted: bool,
    failure: Option<Failure>,
    failures: u32,
    not_before: Duration,
}

impl Reconnect {
    /// Not logged in, nothing tried yet; `held`: a refusal is known from before, and that is how long to wait.
    pub fn new(now: Duration, held: Option<Duration>) -> Reconnect {
        match held {
            None => Reconnect::default(),
            Some(held) => Reconnect {
                failure: Some(Failure::Refused),
                failures: 1,
                not_before: now + held,
                ..Reconnect::default()
            },
        }
    }

    /// Whether the share may be used without another login.
    pub fn stands(&self, now: Duration) -> bool {
        self.accepted && !(self.doubted && now >= self.not_before)
    }

    /// Whether a login may be tried now. `other_secret`: it would be with another password than the one that failed.
    pub fn is_due(&self, now: Duration, other_secret: bool) -> bool {
        let refused = self.failure == Some(Failure::Refused);
        !self.stands(now) && (now >= self.not_before || refused && other_secret)
    }

    /// When a login may be tried next.
    pub fn not_before(&self) -> Duration {
        self.not_before
    }

    /// It was accepted.
    pub fn accepted(&mut self, now: Duration) {
        *self = Reconnect { accepted: true, not_before: now + ACCEPTED, ..Reconnect::default() };
    }

    /// It came to nothing.
    pub fn failed(&mut self, now: Duration, why: Failure) {
        // Pauses grow within one kind of failure: a network that comes and goes does not make a refusal cheaper.
        self.failures = if self.failure == Some(why) { self.failures + 1 } else { 1 };
        let not_before = now + why.pause(self.failures);
        *self = Reconnect { failure: Some(why), failures: self.failures, not_before, ..Reconnect::default() };
    }

    /// The share answered as if the connection or the login were gone.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_login_is_due_at_once_and_a_doubt_makes_the_next_one_due_soon() {
        let mut login = Reconnect::new(s(5), None);
        assert!(login.is_due(s(5), false) && !login.stands(s(5)));
        login.accepted(s(5));
        assert!(login.stands(s(100)) && !login.is_due(s(100), true));
        login.doubt();
        assert!(login.stands(s(19)), "it was accepted just now: that is not what is wrong");
        assert!(login.is_due(s(20), false) && !login.stands(s(20)));
        login.accepted(s(20));
        assert!(login.stands(s(100)));
    }

    #[test]
    fn a_network_that_is_away_is_asked_with_growing_pauses() {
        let mut login = Reconnect::default();
        let mut pauses = vec![];
        for _ in 0..7 {
            let now = login.not_before();
            login.failed(now, Failure::of(53));
            pauses.push((login.not_before() - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_refused_password_is_not_tried_again_for_a_quarter_of_an_hour_but_another_one_is() {
        let mut login = Reconnect::default();
        login.failed(s(0), Failure::of(1326));
        assert!(!login.is_due(s(899), false) && login.is_due(s(900), false) && login.is_due(s(1), true));
        login.failed(s(900), Failure::of(86));
        assert_eq!(login.not_before(), s(2_700));
        login.failed(s(2_700), Failure::of(1909));
        assert!(!login.is_due(s(2_701), true), "no password helps a locked account");
        assert_eq!(login.not_before(), s(6_300));
    }

    #[test]
    fn a_refusal_of_another_process_counts() {
        let login = Reconnect::new(s(0), Some(s(300)));
        assert!(!login.is_due(s(299), false) && login.is_due(s(300), false));
    }

    proptest! {
        /// Whatever happens, and however often it is asked: one password is refused at most five times in an hour.
        #[test]
        fn no_account_is_locked(codes in prop::collection::vec(prop::sample::select(vec![53, 1326, 86, 1219, 0]), 1..400)) {
            let mut login = Reconnect::default();
            let (mut now, mut tries) = (Duration::ZERO, vec![]);
            for code in codes.iter().cycle().take(4_000) {
                now += s(1);
                login.doubt();
                if login.is_due(now, false) {
                    match code {
                        0 => login.accepted(now),
                        code => login.failed(now, Failure::of(*code)),
                    }
                    if Failure::of(*code).is_refusal() {
                        tries.push(now);
                    }
                }
            }
            for window in tries.windows(6) {
                prop_assert!(window[5] - window[0] > s(3_600), "{window:?}");
            }
        }
    }
}
