//! Table tests of the judgements.

use super::*;
use crate::model::mount;

fn mounted(kind: &str, options: &str) -> Mount {
    mount::table(&format!("1 2 0:3 / /m rw,relatime - {kind} src {options}")).remove(0)
}

#[test]
fn every_option_that_harms_mail_is_named_with_what_to_do() {
    for (kind, given, grade, word) in [
        ("cifs", "rw,vers=3.1.1,cache=strict,soft,actimeo=1", Grade::Good, "nothing"),
        ("cifs", "rw,vers=3.1.1,cache=none", Grade::Good, "nothing"),
        ("cifs", "rw,vers=3.1.1,cache=loose", Grade::Wrong, "cache=strict"),
        ("smb3", "rw,cache=singleclient", Grade::Wrong, "cache=strict"),
        ("cifs", "rw,vers=1.0,cache=strict", Grade::Warning, "vers=3.1.1"),
        ("cifs", "rw,cache=strict,nostrictsync", Grade::Warning, "without nostrictsync"),
        ("cifs", "rw,cache=strict,hard", Grade::Warning, "soft"),
        ("cifs", "rw,cache=strict,nolease", Grade::Good, "nolease"),
        ("cifs", "ro,cache=strict", Grade::Wrong, "rw"),
        ("nfs4", "rw,vers=4.2,hard", Grade::Good, "nothing"),
        ("nfs4", "rw,vers=4.2,softerr", Grade::Good, "nothing"),
        ("nfs", "rw,vers=3,soft", Grade::Warning, "hard"),
        ("nfs", "rw,vers=3,hard,nocto", Grade::Wrong, "without nocto"),
        ("nfs4", "rw,hard,noac", Grade::Good, "remembers nothing"),
        ("nfs4", "rw,hard,lookupcache=none", Grade::Good, "remembers nothing"),
        ("nfs4", "rw,softreval", Grade::Warning, "without softreval"),
    ] {
        let found = options(&mounted(kind, given));
        assert_eq!(found.len(), 1, "{given}: {found:?}");
        assert_eq!(found[0].grade, grade, "{given}");
        let said = format!("{} {}", found[0].found, found[0].next.as_deref().unwrap_or_default());
        assert!(said.contains(word), "{given}: {said}");
        assert_eq!(
            found[0].next.is_some(),
            grade >= Grade::Warning,
            "{given}: what is amiss has a next step"
        );
    }
    assert_eq!(options(&mounted("ext4", "rw,soft")), [], "no network options on a disk");
}

#[test]
fn the_age_of_a_look_is_judged_by_the_options() {
    for (kind, given, grade, word) in [
        ("cifs", "rw,cache=strict,actimeo=1", Grade::Good, "30 ms"),
        ("cifs", "rw,cache=strict,actimeo=600", Grade::Good, "10m"),
        ("cifs", "rw,cache=loose,actimeo=1", Grade::Wrong, "without cache=loose"),
        ("smb3", "rw,cache=singleclient", Grade::Wrong, "without cache=singleclient"),
        ("nfs4", "rw,hard", Grade::Good, "up to 1m "),
        ("nfs4", "rw,hard,acregmax=120", Grade::Good, "up to 2m "),
        ("nfs4", "rw,hard,acregmin=5,acregmax=5,acdirmin=5,acdirmax=5", Grade::Good, "up to 5s "),
        ("nfs4", "rw,hard,actimeo=3", Grade::Good, "up to 3s "),
        ("nfs4", "rw,hard,noac", Grade::Good, "asks the server"),
        ("nfs", "rw,hard,nocto", Grade::Wrong, "up to 1m late"),
        ("nfs", "rw,hard,nocto,acregmax=600", Grade::Wrong, "up to 10m late"),
        ("nfs4", "rw,softreval", Grade::Warning, "without softreval"),
        ("ext4", "rw", Grade::Good, "what is there"),
        ("fuse.sshfs", "rw", Grade::Unknown, "not known"),
    ] {
        let mount = mounted(kind, given);
        let said = age(&mount);
        let text = [Some(said.found), said.means, said.next].map(Option::unwrap_or_default).join("; ");
        assert!(said.grade == grade && text.contains(word), "{given}: {:?} {text}", said.grade);
        let told = options(&mount).into_iter().map(|finding| finding.grade).max();
        assert!(
            told.unwrap_or(Grade::Good) >= said.grade || grade == Grade::Unknown,
            "{given}: the two agree"
        );
        assert_eq!(
            harms(&mount).first().map(|finding| finding.grade),
            told.filter(|it| *it >= Grade::Warning)
        );
    }
}

#[test]
fn what_failed_has_the_next_step_of_its_own_failure() {
    use std::io::ErrorKind;
    for (kind, word) in [
        (ErrorKind::StorageFull, "make room on the share's disk"),
        (ErrorKind::ReadOnlyFilesystem, "mount it writable"),
        (ErrorKind::PermissionDenied, "let this user"),
        (ErrorKind::InvalidData, "else"),
    ] {
        let said = failed("write", &Error::io("make", std::path::Path::new("/x"), kind.into()), "else");
        let next = said.next.unwrap();
        assert!(next.contains(word) && !said.found.contains(&next), "{} -> {next}", said.found);
    }
}

#[test]
fn events_are_judged_by_what_was_heard_and_by_who_could_speak() {
    let (smb, nfs, disk) = (mounted("cifs", "rw"), mounted("nfs4", "rw"), mounted("ext4", "rw"));
    let loose = mounted("cifs", "rw,cache=loose");
    for (heard, mount, refused, grade, word) in [
        (Heard::Announced, &smb, None, Grade::Good, "announced"),
        (Heard::Announced, &loose, None, Grade::Good, "may not show it"),
        (Heard::Silent, &smb, None, Grade::Warning, "no notification"),
        (Heard::Silent, &smb, Some("ENOTTY"), Grade::Warning, "ENOTTY"),
        (Heard::Silent, &nfs, None, Grade::Good, "NFS has no"),
        (Heard::NobodyOnline, &nfs, None, Grade::Good, "NFS has no"),
        (Heard::NobodyOnline, &smb, None, Grade::Unknown, "no other PC"),
        (Heard::NobodyOnline, &disk, None, Grade::Unknown, "no other PC"),
        (Heard::Mixed, &disk, None, Grade::Unknown, "together"),
        (Heard::Silent, &disk, None, Grade::Warning, "no notification"),
    ] {
        let said = events(heard, mount, refused);
        assert!(said.grade == grade && said.found.contains(word), "{heard:?} {}: {said:?}", mount.kind);
        let rare = said.means.is_some_and(|means| means.contains("looks are rare"));
        assert_eq!(rare, heard == Heard::Announced && mount.stale().is_none(), "{heard:?} {}", mount.kind);
    }
}

#[test]
fn numbers_are_judged_by_their_size() {
    for (ahead, grade, word) in [
        (0, Grade::Good, "agree"),
        (-1_999, Grade::Good, "agree"),
        (5_040, Grade::Good, "5s ahead"),
        (-3_600_000, Grade::Warning, "1h behind"),
        (i64::MIN, Grade::Warning, "behind"),
    ] {
        let said = clock(ahead);
        assert!(said.grade == grade && said.found.contains(word), "{said:?}");
        assert!(!said.means.unwrap_or_default().contains("each PC"), "a ttl is its sender's");
    }
    for (bytes, grade, word) in [
        (None, Grade::Unknown, "does not say"),
        (Some(5_000), Grade::Wrong, "4 KiB"),
        (Some(3 << 20), Grade::Warning, "3 MiB"),
        (Some(3 << 30), Grade::Good, "3072 MiB"),
        (Some(u64::MAX), Grade::Good, "GiB"),
    ] {
        let said = room(bytes);
        assert!(said.grade == grade && said.found.contains(word), "{said:?}");
    }
    assert_eq!(rights(0o755, 0o600).grade, Grade::Warning);
    assert_eq!(rights(0o755, 0o644).means.map(|it| it.contains("same user")), Some(true));
    assert_eq!(rights(0o2775, 0o664).means, None);
}

#[test]
fn a_drive_letter_is_no_place_for_a_service() {
    let said = mount(&mount::windows(r"Z:\a", Some(r"\\?\UNC\nas\all\a")));
    assert!(said.grade == Grade::Warning && said.next.unwrap().contains(r"\\nas\all\a"));
    assert_eq!(mount(&mount::windows(r"\\nas\a", None)).grade, Grade::Good);
    let said = mount(&mount::windows(r"X:\a", Some(r"\\?\C:\work\a")));
    assert!(said.grade == Grade::Warning && said.next.unwrap().contains(r"C:\work\a"));
}

#[test]
fn a_refused_login_is_wrong_and_says_why() {
    let refused = Error::login("log in to", r"\\nas\a", 1326);
    let said = login("nas\\agents", Some(&refused));
    assert!(said.grade == Grade::Wrong && said.found.contains("1326"), "{said:?}");
    assert_eq!(login("nas\\agents", None).grade, Grade::Good);
}
