//! What class a failure of the operating system belongs to, and the step that mends it.
//!
//! The numbers of Windows and Linux stand for different things (112 is a full disk there and a host that is down
//! here), and the standard library takes a Windows server that is away for a missing file: so the system's number is
//! asked first, by the table of the system at hand, and the library's kind after it.

use std::io;

use super::windows;

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
    /// No key is known that mail could be sealed to; one may be, later.
    NoKey,
    /// The caller's deadline passed first.
    Timeout,
}

const DENIED: &str = "let this user read and write there";
const CREDENTIALS: &str = "mount the share with a user and a password that the server accepts";
pub(super) const READ_ONLY: &str = "it is mounted read-only: mount it writable; let this user write there";
pub(super) const FULL: &str = "make room on that disk";
pub(super) const QUOTA: &str = "raise this user's quota, or delete files of this user there";
pub(super) const AWAY: &str = "look at the network and at the file server; it is tried again";
const STALE: &str = "if it lasts, mount the share anew; it is tried again";
pub(super) const BUSY: &str = "another program has it open; it is tried again";
pub(super) const BROKEN: &str = "look at the file server's log and its disk; it is tried again";

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
        judge(error).kind
    }
}

/// What is known of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub kind: Kind,
    /// What the system means by it, where its own words say too little.
    pub meaning: Option<&'static str>,
    /// The step to take.
    pub next: Option<&'static str>,
}

/// What is known of an I/O error.
pub(super) fn judge(error: &io::Error) -> Verdict {
    let number = error.raw_os_error();
    let known = match std::env::consts::OS {
        "windows" => number.and_then(windows::judge),
        "linux" => number.and_then(linux),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let (kind, next) = by_kind(error.kind());
        Verdict { kind, meaning: None, next }
    })
}

fn linux(number: i32) -> Option<Verdict> {
    let (_, kind, next) = LINUX.iter().find(|(numbers, _, _)| numbers.contains(&number))?;
    Some(Verdict { kind: *kind, meaning: None, next: Some(next) })
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
            let expected = Verdict { kind, meaning: None, next };
            assert_eq!(judge(&io::Error::from(error)), expected, "{error:?}");
        }
    }

    #[test]
    fn a_number_means_what_linux_means_by_it() {
        for (number, kind) in [(5, Kind::Io), (112, Kind::Away), (127, Kind::Denied)] {
            assert_eq!(linux(number).map(|verdict| verdict.kind), Some(kind), "{number}");
        }
        assert_eq!(linux(2), None, "the plain \"not there\" is told by its kind");
    }
}
