//! How long a change of another PC may stay hidden, by what the mount says.
//!
//! lanpost reopens what it reads and forces the client to ask (`statx`), so what a client remembers of attributes hides
//! no mail (measured: docs/operations.md). Options that keep the client from asking at all are another matter.

use std::time::Duration;

use super::{Finding, Grade, Mount, Protocol};

/// The finding.
pub fn age(mount: &Mount) -> Finding {
    let finding = |grade, found: &str| Finding::new("age", grade, found);
    if let Some(option) = mount.stale() {
        let others = mount.remembers().filter(|_| mount.protocol == Protocol::Nfs);
        let bound = match others {
            Some(seconds) => format!("mail may come up to {} late", span(seconds)),
            None => "nobody can say how late mail may come".into(),
        };
        return finding(Grade::Wrong, &format!("a look may show what the client remembers ({option})"))
            .means(format!("{bound}; lanpost looks every look.idle and waits for no notification here"))
            .next(format!("mount it without {option}"));
    }
    match mount.protocol {
        Protocol::Local => finding(Grade::Good, "a look shows what is there"),
        Protocol::Nfs if mount.has("softreval") => finding(
            Grade::Warning,
            "every look asks the server, but old answers pass for new while it is away",
        )
        .next("mount it without softreval"),
        Protocol::Nfs => {
            let found = finding(
                Grade::Good,
                "every look reopens what it reads, and asks the server for the folder first",
            );
            match mount.remembers() {
                Some(0) => found,
                remembered => found.means(format!(
                    "what the client remembers for up to {} hides no mail; programs that keep a file open may see it \
                     that late",
                    span(remembered.unwrap_or(60))
                )),
            }
        }
        Protocol::Smb => {
            let found = finding(Grade::Good, "every look asks the server");
            match mount.remembers().filter(|seconds| *seconds > 1) {
                Some(seconds) => found.means(format!(
                    "what the client remembers for up to {} hides no mail; programs that use a plain stat may see it \
                     that late",
                    span(seconds)
                )),
                None => found.means("measured on Linux: usually under 30 ms after the write, at times half a second"),
            }
        }
        Protocol::Other | Protocol::Unknown => finding(Grade::Unknown, "not known for this kind of mount")
            .means("every look asks the system anew; what lies between may remember"),
    }
}

fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
