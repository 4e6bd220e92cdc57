//! What class a failure of the operating system belongs to, and the step that mends it.
//!
//! The numbers of Windows and Linux stand for different things (112 is a full disk there and a host that is down
//! here), and the standard library takes a Windows server that is away for a missing file: so the system's number is
//! asked first, by the table of the system at hand, and the library's kind after it.

use std::io;

/// The class of a failure; it decides the exit code and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operating system or the share refused; trying later may help.
    Io,
    /// This user may not do it, or nobody may (read-only); it helps when somebody grants it.
    Denied,
    /// No room or quota on the disk in question; trying later may help.
    Full,
    /// The share is not there, or it is not the share we know; trying later may help.
    Away,
    /// Somebody else holds what we need; trying later may help.
    Busy,
    /// Bytes of ours that do not say what they must.
    Corrupt,
    /// Another daemon took this instance over.
    LeaseLost,
    /// The caller's input, or the config, is not acceptable.
    Usage,
    /// No such message, peer or file.
    NotFound,
    /// The caller's deadline passed first.
    Timeout,
}

const DENIED: &str = "let this user read and write there";
const CREDENTIALS: &str = "mount the share with a user and a password that the server accepts";
const READ_ONLY: &str = "it is mounted read-only: mount it writable; let this user write there";
const FULL: &str = "make room on that disk";
const QUOTA: &str = "raise this user's quota, or delete files of this user there";
const AWAY: &str = "look at the network and at the file server; it is tried again";
const STALE: &str = "if it lasts, mount the share anew; it is tried again";
const BUSY: &str = "another program has it open; it is tried again";
const BROKEN: &str = "look at the file server's log and its disk; it is tried again";

/// Numbers of Windows (winerror.h).
const WINDOWS: &[(&[i32], Kind, &str)] = &[
    (&[32, 33], Kind::Busy, BUSY),
    // BAD_NETPATH to UNEXP_NET_ERR, NETNAME_DELETED, BAD_NET_NAME, REQ_NOT_ACCEP, SEM_TIMEOUT; 1201 to 1240: the
    // network's; 2250 NOT_CONNECTED; 21 NOT_READY, 1167 DEVICE_NOT_CONNECTED: what was mounted there is gone.
    (&[21, 51, 53, 54, 55, 58, 59, 64, 67, 71, 121, 1167, 2250], Kind::Away, AWAY),
    (&[1201, 1203, 1222, 1225, 1231, 1232, 1233, 1236, 1240], Kind::Away, AWAY),
    (&[39, 112], Kind::Full, FULL),
    (&[1295], Kind::Full, QUOTA),
    (&[19], Kind::Denied, READ_ONLY),
    (&[65, 86, 1326, 1327, 1330, 1331], Kind::Denied, CREDENTIALS),
    (&[1117], Kind::Io, BROKEN),
];

/// Numbers of Linux (errno.h) that the standard library knows no kind for.
const LINUX: &[(&[i32], Kind, &str)] = &[
    // ENONET, ENOLINK, ESHUTDOWN, EHOSTDOWN.
    (&[64, 67, 108, 112], Kind::Away, AWAY),
    // ENOKEY, EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED: what SMB and Kerberos mounts answer.
    (&[126, 127, 128, 129], Kind::Denied, CREDENTIALS),
    // EIO, EREMOTEIO.
    (&[5, 121], Kind::Io, BROKEN),
];

impl Kind {
    /// The class of an I/O error.
    pub fn of(error: &io::Error) -> Kind {
        judge(error).0
    }
}

/// The class of an I/O error, and the step to take if one is known.
pub(super) fn judge(error: &io::Error) -> (Kind, Option<&'static str>) {
    let table = match std::env::consts::OS {
        "windows" => WINDOWS,
        "linux" => LINUX,
        _ => &[],
    };
    error.raw_os_error().and_then(|number| by_number(table, number)).unwrap_or_else(|| by_kind(error.kind()))
}

fn by_number(table: &[(&[i32], Kind, &'static str)], number: i32) -> Option<(Kind, Option<&'static str>)> {
    let (_, kind, next) = table.iter().find(|(numbers, _, _)| numbers.contains(&number))?;
    Some((*kind, Some(next)))
}

fn by_kind(kind: io::ErrorKind) -> (Kind, Option<&'static str>) {
    use io::ErrorKind as E;
    match kind {
        E::NotFound => (Kind::NotFound, None),
        E::PermissionDenied => (Kind::Denied, Some(DENIED)),
        E::ReadOnlyFilesystem => (Kind::Denied, Some(READ_ONLY)),
        E::StorageFull => (Kind::Full, Some(FULL)),
        E::QuotaExceeded => (Kind::Full, Some(QUOTA)),
        E::WouldBlock | E::ResourceBusy => (Kind::Busy, Some(BUSY)),
        E::StaleNetworkFileHandle => (Kind::Away, Some(STALE)),
        E::TimedOut
        | E::HostUnreachable
        | E::NetworkUnreachable
        | E::NetworkDown
        | E::NotConnected
        | E::ConnectionRefused
        | E::ConnectionReset
        | E::ConnectionAborted
        | E::BrokenPipe => (Kind::Away, Some(AWAY)),
        _ => (Kind::Io, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_share_has_its_kind_and_its_next_step() {
        use io::ErrorKind as E;
        for (error, kind, next) in [
            (E::NotFound, Kind::NotFound, None),
            (E::PermissionDenied, Kind::Denied, Some(DENIED)),
            (E::ReadOnlyFilesystem, Kind::Denied, Some(READ_ONLY)),
            (E::StorageFull, Kind::Full, Some(FULL)),
            (E::QuotaExceeded, Kind::Full, Some(QUOTA)),
            (E::ResourceBusy, Kind::Busy, Some(BUSY)),
            (E::StaleNetworkFileHandle, Kind::Away, Some(STALE)),
            (E::TimedOut, Kind::Away, Some(AWAY)),
            (E::NotConnected, Kind::Away, Some(AWAY)),
            (E::ConnectionReset, Kind::Away, Some(AWAY)),
            (E::HostUnreachable, Kind::Away, Some(AWAY)),
            (E::InvalidData, Kind::Io, None),
        ] {
            assert_eq!(judge(&io::Error::from(error)), (kind, next), "{error:?}");
        }
    }

    #[test]
    fn a_number_means_what_its_system_means_by_it() {
        for (table, number, kind) in [
            (WINDOWS, 32, Kind::Busy),
            (WINDOWS, 33, Kind::Busy),
            (WINDOWS, 53, Kind::Away),
            (WINDOWS, 59, Kind::Away),
            (WINDOWS, 64, Kind::Away),
            (WINDOWS, 67, Kind::Away),
            (WINDOWS, 112, Kind::Full),
            (WINDOWS, 121, Kind::Away),
            (WINDOWS, 1231, Kind::Away),
            (WINDOWS, 1295, Kind::Full),
            (WINDOWS, 1326, Kind::Denied),
            (LINUX, 5, Kind::Io),
            (LINUX, 112, Kind::Away),
            (LINUX, 127, Kind::Denied),
        ] {
            assert_eq!(by_number(table, number).map(|(kind, _)| kind), Some(kind), "{number}");
        }
        // No number stands in a table twice, and none of the plain "not there" stands in one at all.
        for table in [WINDOWS, LINUX] {
            let mut numbers: Vec<i32> = table.iter().flat_map(|(numbers, _, _)| numbers.to_vec()).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
            assert!(!numbers.contains(&2) && !numbers.contains(&3));
        }
    }
}
