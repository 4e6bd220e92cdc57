//! Where everything lies on the share; the only place that makes or reads a path of it.
//!
//! A [`SharePath`] can be made here alone, from validated names and numbers, so no text that came from the share
//! ever becomes a path by itself. Names are parsed from the right: `from-<instance>.<lease>-<segment>.jsonl`,
//! because an instance name may hold dots and dashes.

use std::fmt;
use std::path::{Path, PathBuf};

use super::name::Name;

/// A path relative to the share's root, `/` between components, made only by this module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePath(String);

impl SharePath {
    /// The relative path with `/` separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies when the share's root is `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        path.extend(self.0.split('/').filter(|part| !part.is_empty()));
        path
    }

    /// The same path with `suffix` behind its last component: the name something is written under before a rename.
    pub fn aside(&self, suffix: &str) -> SharePath {
        SharePath(format!("{}.{suffix}.tmp", self.0))
    }

    /// The folder this path lies in; the root's is the root.
    pub fn parent(&self) -> SharePath {
        SharePath(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One segment of one lane: the file that `from` under `lease` writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneFile {
    /// The only writer.
    pub from: Name,
    /// The lease (fencing token) it writes under.
    pub lease: u64,
    /// Segment number, from 1.
    pub segment: u64,
}

/// What an entry of `messages/` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagesEntry {
    /// `to-<instance>.jsonl`
    OpenSlot(Name),
    /// `to-<instance>/`
    Mailbox(Name),
    /// `to-<instance>.jsonl.lock`
    OpenSlotLock(Name),
}

/// `lanpost.json`, the share's identity.
pub fn identity() -> SharePath {
    SharePath("lanpost.json".into())
}

/// The share's root.
pub fn root() -> SharePath {
    SharePath(String::new())
}

/// The folders that every share has, made by `init`.
pub fn folders() -> [SharePath; 3] {
    [messages(), status_folder(), leases_folder()]
}

/// The folder of all mailboxes and open slots.
pub fn messages() -> SharePath {
    SharePath("messages".into())
}

/// The folder of all heartbeats.
pub fn status_folder() -> SharePath {
    SharePath("status".into())
}

/// An instance's heartbeat.
pub fn status(instance: &Name) -> SharePath {
    SharePath(format!("status/{instance}.json"))
}

/// An instance's open slot.
pub fn open_slot(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}.jsonl"))
}

/// The lockfile held while appending to an open slot.
pub fn open_slot_lock(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}.jsonl.lock"))
}

/// An instance's mailbox: the folder of its lanes and its doorbell.
pub fn mailbox(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}"))
}

/// A mailbox's doorbell.
pub fn bell(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}/bell"))
}

/// A segment of a lane in `to`'s mailbox.
pub fn lane(to: &Name, file: &LaneFile) -> SharePath {
    SharePath(format!("messages/to-{to}/from-{}.{}-{:06}.jsonl", file.from, file.lease, file.segment))
}

/// The folder of all instances' leases.
pub fn leases_folder() -> SharePath {
    SharePath("leases".into())
}

/// The folder of an instance's leases.
pub fn leases(instance: &Name) -> SharePath {
    SharePath(format!("leases/{instance}"))
}

/// One lease of an instance.
pub fn lease(instance: &Name, number: u64) -> SharePath {
    SharePath(format!("leases/{instance}/{number:06}.json"))
}

/// The file that an instance writes to learn what time it is on the share.
pub fn share_clock(instance: &Name) -> SharePath {
    SharePath(format!("leases/{instance}/clock"))
}

/// A file that `lanpost doctor` makes to learn what the share does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFile {
    /// Written, created again, replaced, appended to.
    Plain,
    /// Two names that differ in case alone.
    Lower,
    /// The other one.
    Upper,
    /// A Chinese name.
    Chinese,
    /// An accent as one character.
    Composed,
    /// An accent as a character of its own.
    Decomposed,
    /// As long as a lane's name may get.
    Long,
}

impl ProbeFile {
    /// All of them.
    pub const ALL: [ProbeFile; 7] = [
        ProbeFile::Plain,
        ProbeFile::Lower,
        ProbeFile::Upper,
        ProbeFile::Chinese,
        ProbeFile::Composed,
        ProbeFile::Decomposed,
        ProbeFile::Long,
    ];

    /// Its name in the folder of a probe.
    pub fn name(self) -> String {
        match self {
            ProbeFile::Plain => "plain".into(),
            ProbeFile::Lower => "case-a".into(),
            ProbeFile::Upper => "case-A".into(),
            ProbeFile::Chinese => "实验室".into(),
            ProbeFile::Composed => "composed-\u{e9}".into(),
            ProbeFile::Decomposed => "decomposed-e\u{301}".into(),
            ProbeFile::Long => "long-".repeat(40),
        }
    }
}

/// The folder of one run of `lanpost doctor`, which no other run has.
pub fn probe_folder(run: [u8; 6]) -> SharePath {
    let run: String = run.iter().map(|byte| format!("{byte:02x}")).collect();
    SharePath(format!("{PROBE}{run}"))
}

/// A file in the folder of a probe.
pub fn probe_file(run: [u8; 6], file: ProbeFile) -> SharePath {
    SharePath(format!("{}/{}", probe_folder(run), file.name()))
}

/// The file that a run of `lanpost doctor` makes in one of the layout's folders, to see that this user can.
pub fn probe_in(folder: &SharePath, run: [u8; 6]) -> SharePath {
    SharePath(format!("{folder}/{}", probe_folder(run)))
}

const PROBE: &str = "lanpost-probe-";

/// Reads an entry of a folder: the run of `lanpost doctor` whose probe it is.
pub fn parse_probe(name: &str) -> Option<[u8; 6]> {
    let digits = name.strip_prefix(PROBE).filter(|digits| digits.len() == 12 && digits.is_ascii())?;
    let mut run = [0; 6];
    for (byte, at) in run.iter_mut().zip((0..12).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    (probe_folder(run).as_str() == name).then_some(run)
}

/// Reads an entry of a mailbox; `None` for the bell and for foreign files.
pub fn parse_lane(file_name: &str) -> Option<LaneFile> {
    let (rest, segment) = file_name.strip_prefix("from-")?.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let (from, lease) = rest.rsplit_once('.')?;
    Some(LaneFile { from: Name::parse(from).ok()?, lease: number(lease)?, segment: number(segment)? })
}

/// Reads an entry of `status/`.
pub fn parse_status(file_name: &str) -> Option<Name> {
    Name::parse(file_name.strip_suffix(".json")?).ok()
}

/// Reads an entry of `leases/<instance>/`.
pub fn parse_lease(file_name: &str) -> Option<u64> {
    number(file_name.strip_suffix(".json")?)
}

/// Reads an entry of `messages/`; `None` for foreign files.
pub fn parse_messages(file_name: &str) -> Option<MessagesEntry> {
    let rest = file_name.strip_prefix("to-")?;
    if let Some(name) = rest.strip_suffix(".jsonl.lock") {
        return Name::parse(name).ok().map(MessagesEntry::OpenSlotLock);
    }
    if let Some(name) = rest.strip_suffix(".jsonl") {
        return Name::parse(name).ok().map(MessagesEntry::OpenSlot);
    }
    Name::parse(rest).ok().map(MessagesEntry::Mailbox)
}

/// Whether a path found on the share is one of the layout's; everything else is foreign and left alone.
pub fn is_ours(relative: &str) -> bool {
    // What was being written aside belongs to the file it becomes.
    let path =
        relative.strip_suffix(".tmp").and_then(|aside| Some(aside.rsplit_once('.')?.0)).unwrap_or(relative);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["lanpost.json"] => true,
        ["messages" | "status" | "leases", probe] if parse_probe(probe).is_some() => true,
        ["messages", file] => {
            matches!(parse_messages(file), Some(MessagesEntry::OpenSlot(_) | MessagesEntry::OpenSlotLock(_)))
        }
        ["messages", folder, file] => {
            let mailbox = matches!(parse_messages(folder), Some(MessagesEntry::Mailbox(_)));
            mailbox && (*file == "bell" || parse_lane(file).is_some() || parse_probe(file).is_some())
        }
        ["status", file] => parse_status(file).is_some(),
        [probe, _] if parse_probe(probe).is_some() => true,
        ["leases", instance, file] => {
            let known = *file == "clock" || parse_lease(file).is_some() || parse_probe(file).is_some();
            Name::parse(instance).is_ok() && known
        }
        _ => false,
    }
}

/// The highest number of a lease or a segment.
pub const LAST: u64 = u32::MAX as u64 - 1;

/// Digits only (no sign, no space); zero and numbers that would overflow when counted on are nobody's.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (1..=LAST).contains(n))
}

#[cfg(test)]
mod tests {
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
        } else if ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&&*stem)
            || port(&stem) == Some(true)
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
}
