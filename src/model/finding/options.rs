//! What single mount options mean for mail.

use super::{Finding, Grade, Mount, Protocol};

/// Findings about the options of a network mount; a single good one if there is nothing to say.
pub fn options(mount: &Mount) -> Vec<Finding> {
    let mut found = match mount.protocol {
        Protocol::Smb if mount.kind == "cifs" || mount.kind == "smb3" => smb(mount),
        Protocol::Nfs => nfs(mount),
        _ => vec![],
    };
    if mount.has("ro") {
        found.push(
            wrong("mounted read-only (ro)")
                .means("by the share, nothing can be sent or acknowledged")
                .next("mount it with rw"),
        );
    }
    if found.is_empty()
        && matches!(mount.protocol, Protocol::Smb | Protocol::Nfs)
        && !mount.options.is_empty()
    {
        found.push(Finding::new("options", Grade::Good, "nothing in the mount options stands against it"));
    }
    found
}

/// The options that harm mail, in words, the gravest first.
pub fn harms(mount: &Mount) -> Vec<Finding> {
    let mut found = options(mount);
    found.retain(|finding| finding.grade >= Grade::Warning);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    found
}

fn warning(found: impl Into<String>) -> Finding {
    Finding::new("options", Grade::Warning, found)
}

fn wrong(found: impl Into<String>) -> Finding {
    Finding::new("options", Grade::Wrong, found)
}

/// mount.cifs(8).
fn smb(mount: &Mount) -> Vec<Finding> {
    let mut found = vec![];
    match mount.option("cache") {
        Some("loose") => found.push(
            wrong("cache=loose")
                .means("the client reads what it remembers: what other PCs wrote may be missed or read torn")
                .next("mount it with cache=strict"),
        ),
        Some(cache @ ("ro" | "singleclient")) => found.push(
            wrong(format!("cache={cache}"))
                .means("it promises that no other PC writes here; lanpost's other PCs do")
                .next("mount it with cache=strict"),
        ),
        _ => {}
    }
    if mount.option("vers").is_some_and(|version| version.starts_with('1')) {
        found.push(
            warning("SMB 1")
                .means("old and unsafe, without change notifications here")
                .next("mount it with vers=3.1.1"),
        );
    }
    if mount.has("nostrictsync") {
        found.push(
            warning("nostrictsync")
                .means("a sync does not reach the server's disk: mail shown as sent may go with its power, and is resent \
                        only while its sender lives")
                .next("mount it without nostrictsync"),
        );
    }
    if mount.has("hard") {
        found.push(
            warning("hard")
                .means("while the server is away, whatever touches the share hangs instead of failing; mail waits, too")
                .next("mount it with soft, the default"),
        );
    }
    if mount.has("nolease") {
        found.push(Finding::new("options", Grade::Good, "nolease").means(
            "programs that use a plain stat see changes up to 2 s late (measured); lanpost asks the server",
        ));
    }
    found
}

/// nfs(5).
fn nfs(mount: &Mount) -> Vec<Finding> {
    let mut found = vec![];
    if mount.has("nocto") {
        found.push(
            wrong("nocto")
                .means("reopening a file no longer asks the server: mail may be seen late")
                .next("mount it without nocto"),
        );
    }
    if mount.has("soft") {
        found.push(
            warning("soft")
                .means("a write that the server did not answer in time may be lost without a word (nfs(5))")
                .next("mount it with hard, the default, or with softerr"),
        );
    }
    if mount.has("softreval") {
        found.push(
            warning("softreval")
                .means("while the server is away, old answers pass for new ones")
                .next("mount it without softreval"),
        );
    }
    if mount.has("noac") || mount.option("lookupcache") == Some("none") {
        found.push(
            Finding::new("options", Grade::Good, "the client remembers nothing (noac or lookupcache=none)")
                .means("lanpost does not need that; every program here pays for it with more round trips"),
        );
    }
    found
}
