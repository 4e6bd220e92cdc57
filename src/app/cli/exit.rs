//! Exit codes: what a script may rely on. Documented in `docs/cli.md` and in `lanpost --help`.

use crate::error::Kind;

/// Done.
pub const DONE: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// Wrong usage, bad input or a bad config.
pub const USAGE: u8 = 2;
/// No such message, recipient, file or key.
pub const NOT_FOUND: u8 = 3;
/// A wait timed out.
pub const TIMEOUT: u8 = 4;
/// The message that was waited for ended in another way, failed or expired; a task is somebody else's.
pub const ENDED: u8 = 5;
/// `doctor` found something wrong with the share, `log verify` with the log, `init --wake openclaw` with the gateway.
pub const UNSOUND: u8 = 6;
/// The request that was waited for expired before it was delivered.
pub const EXPIRED: u8 = 7;
/// Not now: somebody holds it, the share is away, a disk is full.
pub const TRY_LATER: u8 = 75;

/// The part of `--help` that lists them.
pub const HELP: &str = "\
Exit codes:
   0  done
   1  failed
   2  wrong usage, bad input or a bad config
   3  no such message, recipient, file or key
   4  a wait timed out
   5  the message that was waited for failed or expired; the task is somebody else's
   6  `doctor` found something wrong with the share, `log verify` with the log,
      `init --wake openclaw` with the gateway
   7  `ask`: the request expired before it was delivered
  75  not now (busy, share away, disk full): the same command may work later";

/// The exit code of a failure.
pub fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Io | Kind::Denied | Kind::Corrupt | Kind::LeaseLost => FAILED,
        Kind::Usage => USAGE,
        Kind::NotFound | Kind::NoKey => NOT_FOUND,
        Kind::Timeout => TIMEOUT,
        Kind::Full | Kind::Away | Kind::Busy => TRY_LATER,
    }
}

/// The word for a failure in `--json`.
pub fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Io => "io",
        Kind::Denied => "denied",
        Kind::Full => "full",
        Kind::Away => "away",
        Kind::Busy => "busy",
        Kind::Corrupt => "corrupt",
        Kind::LeaseLost => "lease-lost",
        Kind::Usage => "usage",
        Kind::NotFound => "not-found",
        Kind::NoKey => "no-key",
        Kind::Timeout => "timeout",
    }
}
