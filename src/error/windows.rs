//! What the numbers of Windows (winerror.h, lmerr.h) mean for a share, in words, and the step that mends it.
//!
//! The system's own text is in the system's language and often says too little ("The network name cannot be found").
//! It is kept beside ours. A table like any other: it compiles and is tested everywhere.

use super::kind::{AWAY, BROKEN, BUSY, FULL, Kind, QUOTA, READ_ONLY, Verdict};

/// Numbers whose system text says enough.
const PLAIN: &[(&[i32], Kind, &str)] = &[
    (&[32, 33], Kind::Busy, BUSY),
    // NOT_READY and DEVICE_NOT_CONNECTED: what was mounted there is gone. The rest: the network's.
    (&[21, 51, 54, 58, 1167, 1201, 1225, 1232, 1233, 1236], Kind::Away, AWAY),
    (&[39, 112], Kind::Full, FULL),
    (&[1295], Kind::Full, QUOTA),
    (&[19], Kind::Denied, READ_ONLY),
    (&[1117], Kind::Io, BROKEN),
];

const SERVER: &str = "see that the server's name is right, that it is on, and that its file sharing (TCP port 445) can be \
                      reached from here; it is tried again";
const PASSWORD: &str = "see `share.user` (SERVER\\user for an account of that server) and store the password anew, see \
                        docs/operations.md; the same password is not tried again for 15 minutes, so that no account is \
                        locked";
const ACCOUNT: &str = "have whoever runs the server mend the account, or set another one as `share.user`";

/// Numbers that need words.
const EXPLAINED: &[(i32, Kind, &str, &str)] = &[
    (53, Kind::Away, "the server was not found on the network", SERVER),
    (
        55,
        Kind::Away,
        "the share is gone from the server",
        "see whether it is still shared there; it is tried again",
    ),
    (59, Kind::Away, "the connection to the server broke off", AWAY),
    (64, Kind::Away, "the server closed the connection", AWAY),
    (
        65,
        Kind::Denied,
        "the server lets nobody in without a login",
        "set `share.user` and `share.password`, see docs/operations.md",
    ),
    (
        67,
        Kind::Away,
        "the server answers, but has no share of that name",
        "see the spelling in `share.path`; `net view \\\\SERVER /all` lists the shares",
    ),
    (
        71,
        Kind::Away,
        "the server takes no more connections",
        "close some (a desktop Windows serves 20 at a time), or share from a server or a NAS; it is tried again",
    ),
    (86, Kind::Denied, "the password is wrong", PASSWORD),
    (121, Kind::Away, "the server did not answer in time", AWAY),
    (
        384,
        Kind::Denied,
        "the server speaks SMB 1 alone, which Windows no longer does",
        "switch SMB 2 or 3 on at the server or NAS",
    ),
    (
        1203,
        Kind::Away,
        "no network of this PC knows that path",
        "see the spelling in `share.path`, and that the service LanmanWorkstation runs; it is tried again",
    ),
    (
        1219,
        Kind::Denied,
        "this login session is connected to that server as another user already, and Windows allows one user at a time",
        "end that connection (`net use` lists it, `net use \\\\SERVER /delete` ends it), or name the server in \
         `share.path` in another way, as by its address",
    ),
    (1222, Kind::Away, "this PC has no network, or it has not started yet", AWAY),
    (1231, Kind::Away, "there is no way to the server's network", AWAY),
    (1240, Kind::Denied, "the account may not log in from this PC", ACCOUNT),
    (
        1272,
        Kind::Denied,
        "the server would let anybody in as a guest, which this Windows refuses",
        "make a user with a password on the server, and set `share.user` and `share.password`",
    ),
    (1311, Kind::Away, "no domain controller can be reached to check the password", AWAY),
    (1326, Kind::Denied, "the server knows no such user with that password", PASSWORD),
    (
        1327,
        Kind::Denied,
        "the account may not be used over the network, as one without a password",
        "give the account a password on the server",
    ),
    (1328, Kind::Denied, "the account may not log in at this time of day", ACCOUNT),
    (1330, Kind::Denied, "the account's password has expired", ACCOUNT),
    (1331, Kind::Denied, "the account is disabled", ACCOUNT),
    (1385, Kind::Denied, "the account has no right to log in over the network", ACCOUNT),
    (
        1396,
        Kind::Away,
        "the server goes by another name than it was called by",
        "name it in `share.path` by its full name or by its address",
    ),
    (
        1792,
        Kind::Away,
        "the Netlogon service does not run",
        "start it on this PC or on the server (`net start netlogon`); it is tried again",
    ),
    (1793, Kind::Denied, "the account has expired", ACCOUNT),
    (1907, Kind::Denied, "the account's password has to be changed before the first login", ACCOUNT),
    (
        1909,
        Kind::Denied,
        "the account is locked after too many wrong passwords",
        "have it unlocked on the server, then store the right password; it is not tried again for an hour",
    ),
    (2202, Kind::Denied, "`share.user` is no user name", "write it as 'SERVER\\user' or 'user@domain'"),
    (2250, Kind::Away, "there is no connection to the server", AWAY),
];

/// What is known of a number with which a login ended; ACCESS_DENIED, which files know, too, means something else then.
pub(super) fn login(number: i32) -> Option<Verdict> {
    let denied = Verdict {
        kind: Kind::Denied,
        meaning: Some("the server does not let this user into the share"),
        next: Some(
            "give the user rights on the share, or see that user and password are right; it is tried again in 15 minutes",
        ),
    };
    if number == 5 { Some(denied) } else { judge(number) }
}

/// What is known of a number.
pub(super) fn judge(number: i32) -> Option<Verdict> {
    if let Some((_, kind, meaning, next)) = EXPLAINED.iter().find(|row| row.0 == number) {
        return Some(Verdict { kind: *kind, meaning: Some(meaning), next: Some(next) });
    }
    let (_, kind, next) = PLAIN.iter().find(|(numbers, _, _)| numbers.contains(&number))?;
    Some(Verdict { kind: *kind, meaning: None, next: Some(next) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_number_has_its_kind() {
        for (number, kind) in [
            (32, Kind::Busy),
            (33, Kind::Busy),
            (53, Kind::Away),
            (59, Kind::Away),
            (64, Kind::Away),
            (67, Kind::Away),
            (112, Kind::Full),
            (121, Kind::Away),
            (1219, Kind::Denied),
            (1231, Kind::Away),
            (1295, Kind::Full),
            (1326, Kind::Denied),
        ] {
            assert_eq!(judge(number).map(|verdict| verdict.kind), Some(kind), "{number}");
        }
    }

    #[test]
    fn no_number_stands_there_twice_and_the_plain_not_there_not_at_all() {
        let plain = PLAIN.iter().flat_map(|(numbers, _, _)| numbers.to_vec());
        let mut numbers: Vec<i32> = plain.chain(EXPLAINED.iter().map(|row| row.0)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(!numbers.contains(&2) && !numbers.contains(&3));
    }

    #[test]
    fn a_refused_login_is_told_in_words_with_its_number() {
        let text = Error::login("log in to", r"\\nas\agents", 1219).to_string();
        assert!(
            text.starts_with(r"could not log in to \\nas\agents: this login session is connected"),
            "{text}"
        );
        assert!(text.contains("(error 1219)") && text.contains(r"net use \\SERVER /delete"), "{text}");
        let denied = Error::login("log in to", r"\\nas\agents", 5);
        assert!(denied.kind() == Kind::Denied && judge(5).is_none(), "{denied}");
        let unknown = Error::login("log in to", r"\\nas\agents", 9_999).to_string();
        assert!(unknown.contains("net helpmsg 9999"), "{unknown}");
    }
}
