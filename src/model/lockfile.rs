//! What a lockfile says, and when it counts as left behind.
//!
//! The plain convention (`lockfile(1)`, `dotlockfile(1)`): whoever creates the file with O_EXCL holds the lock and
//! removes it when done. Ours holds one line: `0 lanpost <holder> <host> <pid> <nonce>`. The leading 0 is for
//! liblockfile, which takes a leading number for the process id of a holder on the reader's own PC.

use std::time::Duration;

/// How long another lanpost's lockfile must stand still: it holds it for some ten operations of a file server.
const OURS: Duration = Duration::from_secs(60);
/// How long anybody else's must stand still: what liblockfile grants (lockfile_create(3)).
const THEIRS: Duration = Duration::from_secs(300);

/// The line in our lockfile. `holder` names our state folder, `nonce` this one attempt.
pub fn note(holder: &str, host: &str, pid: u32, nonce: &str) -> String {
    format!("0 lanpost {holder} {host} {pid} {nonce}\n")
}

/// Whether the lockfile with this content was left behind by an earlier run on this PC and the state folder of
/// `holder`, which we know to be over because we hold that folder's lock.
pub fn is_leftover(content: &[u8], holder: &str, host: &str) -> bool {
    !holder.is_empty() && content.starts_with(format!("0 lanpost {holder} {host} ").as_bytes())
}

/// How long the lockfile with this content must stand still, in our time and in the share's, before it is broken.
pub fn patience(content: &[u8]) -> Duration {
    if content.starts_with(b"0 lanpost ") { OURS } else { THEIRS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockfile_says_whose_it_is() {
        let ours = note("ab12", "pc", 7, "n1");
        assert!(is_leftover(ours.as_bytes(), "ab12", "pc"));
        assert!(!is_leftover(ours.as_bytes(), "ab", "pc"), "the whole word counts");
        assert!(!is_leftover(ours.as_bytes(), "ab12", "other"), "a copy of the state folder may live there");
        assert!(!is_leftover(b"4711\n", "ab12", "pc") && !is_leftover(ours.as_bytes(), "", "pc"));
        assert!(patience(ours.as_bytes()) < patience(b"4711\n") && patience(b"") == THEIRS);
    }
}
