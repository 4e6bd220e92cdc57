//! Names that are ours, and all those that only look so.

use proptest::prelude::*;

use super::*;

#[test]
fn lanes_are_parsed_from_the_right() {
    let file = LaneFile { from: Name::parse("pc-1.lan").unwrap(), lease: 7, segment: 12 };
    let path = lane(&Name::parse("实验室").unwrap(), &file);
    assert_eq!(path.as_str(), "messages/to-实验室/from-pc-1.lan.7-000012.jsonl");
    assert_eq!(parse_lane("from-pc-1.lan.7-000012.jsonl"), Some(file));
}

#[test]
fn foreign_names_are_nobodys_lane() {
    for name in [
        "bell",
        "from-a.jsonl",
        "from-a.7.jsonl",
        "from-.7-1.jsonl",
        "from-../x.7-1.jsonl",
        "from-a.0-1.jsonl",
        "from-a.7-+1.jsonl",
        "from-a.7-18446744073709551616.jsonl",
        "from-CON.1-1.jsonl",
        "from-a.7-1.jsonl.tmp",
    ] {
        assert_eq!(parse_lane(name), None, "{name}");
    }
}

#[test]
fn foreign_paths_are_told_from_ours() {
    let hash = Hash::of(b"x").to_string();
    for ours in [
        "lanpost.json",
        "messages/to-lab.jsonl",
        "messages/to-lab.jsonl.lock",
        "messages/to-lab/bell",
        "messages/to-lab/from-a.1-000001.jsonl",
        "status/a.json",
        "status/a.json.ab12-77.tmp",
        "leases/a/000001.json",
        "leases/a/clock",
        &format!("files/{}/{}", &hash[..2], hash),
        &format!("files/{}/{}.0123456789abcdef.tmp", &hash[..2], hash),
        "lanpost-probe-00ff12ab34cd/plain",
        "status/lanpost-probe-00ff12ab34cd",
        "messages/to-lab/lanpost-probe-00ff12ab34cd",
        "leases/a/lanpost-probe-00ff12ab34cd",
        "lanpost-probe-00ff12ab34cd/plain.x-7.tmp",
    ] {
        assert!(is_ours(ours), "{ours}");
    }
    for foreign in [
        "notes.txt",
        "messages/old.zip",
        "messages/to-lab/x",
        "status/a.txt",
        "a/b/c/d",
        "files/x",
        &format!("files/zz/{hash}"),
        "lanpost-probe-1/x",
        "",
    ] {
        assert!(!is_ours(foreign), "{foreign}");
    }
}

#[test]
fn a_probe_is_known_by_its_name() {
    let run = [0, 255, 18, 171, 52, 205];
    assert_eq!(parse_probe(probe_folder(run).as_str()), Some(run));
    for name in [
        "lanpost-probe-",
        "lanpost-probe-00FF12AB34CD",
        "lanpost-probe-+0+0+0+0+0+0",
        "x",
        "lanpost-probe-é0000000000",
    ] {
        assert_eq!(parse_probe(name), None, "{name}");
    }
}

#[test]
fn entries_of_messages_are_told_apart() {
    let lab = Name::parse("lab").unwrap();
    assert_eq!(parse_messages("to-lab.jsonl"), Some(MessagesEntry::OpenSlot(lab.clone())));
    assert_eq!(parse_messages("to-lab.jsonl.lock"), Some(MessagesEntry::OpenSlotLock(lab.clone())));
    assert_eq!(parse_messages("to-lab"), Some(MessagesEntry::Mailbox(lab)));
    assert_eq!(parse_messages("notes.txt"), None);
    assert_eq!(parse_messages("to-.jsonl"), None);
}

/// Why Windows would not take this as a file's name, or as another one ("Naming Files, Paths, and Namespaces").
fn refused(component: &str) -> Option<&'static str> {
    let stem = component.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let port = |stem: &str| {
        let digit = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"))?;
        "0123456789¹²³".contains(digit).then_some(digit.chars().count() == 1)
    };
    if component.contains(|c: char| c < ' ' || r#"<>:"/\|?*"#.contains(c)) {
        Some("a character")
    } else if component.is_empty() || component.ends_with(['.', ' ']) {
        Some("its end")
    } else if ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&&*stem) || port(&stem) == Some(true)
    {
        Some("a device")
    } else {
        (component.encode_utf16().count() > 255).then_some("its length")
    }
}

proptest! {
    #[test]
    fn no_path_of_ours_is_one_that_windows_would_not_take(
        text in prop_oneof![
            "[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{M}._-]{0,30}",
            "[a-zA-Z0-9._ $-]{1,70}",
            "(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\\$)[.]?[a-z0-9]{0,3}[. ]?",
        ],
        number in 1..u64::from(u32::MAX),
        run: [u8; 6],
    ) {
        let Ok(name) = &Name::parse(&text) else { return Ok(()) };
        let file = LaneFile { from: name.clone(), lease: number, segment: number };
        let mut paths = vec![
            identity(), status(name), open_slot(name), open_slot_lock(name), mailbox(name), bell(name),
            lane(name, &file), leases(name), lease(name, number), share_clock(name), probe_folder(run),
            blob(&Hash::of(&run)),
        ];
        paths.extend(folders());
        paths.extend(ProbeFile::ALL.map(|file| probe_file(run, file)));
        paths.extend(paths.clone().iter().map(|path| path.aside("0123456789abcdef-4294967295")));
        // The state folder's own name is the instance's.
        let mut components = vec![name.as_str()];
        components.extend(paths.iter().flat_map(|path| path.as_str().split('/')));
        for component in components {
            prop_assert_eq!(refused(component), None, "{}", component);
        }
    }
}

#[test]
fn what_windows_would_not_take_is_known() {
    for name in ["a:b", "a?", "a.", "a ", "", "con", "NUL.txt", "Com1.json", "lpt³", "aux .x"] {
        assert!(refused(name).is_some(), "{name:?}");
    }
    for name in ["a", "com", "com10", "console.json", "to-con", ".x"] {
        assert_eq!(refused(name), None, "{name:?}");
    }
}
