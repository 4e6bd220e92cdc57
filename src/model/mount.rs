//! How this PC reaches a share: the protocol, and the options that its mount was given. Read from text, judged in
//! [`finding`](super::finding).
//!
//! Grammar of a line of `/proc/self/mountinfo` (proc(5)): `id parent dev root POINT OPTIONS tag* - TYPE SOURCE SUPER`;
//! blanks inside a field are `\040` and the like. Of several mounts on one point the last one is on top.

use serde::Serialize;

/// What moves the bytes between this PC and the share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// SMB, by the kernel's client.
    Smb,
    /// NFS, by the kernel's client.
    Nfs,
    /// Something else that is not this PC's own disk: FUSE, 9p, a virtual machine's shared folder.
    Other,
    /// A disk of this PC.
    Local,
    /// It could not be told.
    #[default]
    Unknown,
}

/// Who can tell us of another PC's changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announcer {
    /// The system's file notifications.
    #[default]
    Native,
    /// The file server, asked by `CIFS_IOC_NOTIFY`: inotify says nothing of other SMB clients (measured).
    ChangeNotify,
    /// Nobody: NFS has no such message, and inotify hears this PC's own changes alone (measured).
    Nobody,
}

impl Announcer {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Announcer::Native => "by the system, if they prove true",
            Announcer::ChangeNotify => "asked of the server, if they prove true",
            Announcer::Nobody => "none",
        }
    }
}

/// A mount, and what it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The protocol.
    pub protocol: Protocol,
    /// The file system's own name for itself: `cifs`, `nfs4`, `ext4`.
    pub kind: String,
    /// What is mounted: `//nas/agents`, `nas:/export`.
    pub source: String,
    /// Where.
    pub point: String,
    /// Its options: `vers=3.1.1`, `soft`.
    pub options: Vec<String>,
    /// Who can tell us of another PC's changes.
    pub announcer: Announcer,
}

impl Mount {
    /// An option's value, empty for one that stands alone; `None` if it was not given.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|option| match option.split_once('=') {
            Some((found, value)) if found == key => Some(value),
            None if option == key => Some(""),
            _ => None,
        })
    }

    /// Whether an option stands there alone.
    pub fn has(&self, key: &str) -> bool {
        self.option(key).is_some()
    }

    /// The options that let a look show what the client remembers: it asks the server neither when a file is opened nor
    /// when it is read.
    pub fn stale(&self) -> Option<String> {
        match (self.protocol, self.option("cache")) {
            (Protocol::Smb, Some(cache @ ("loose" | "ro" | "singleclient"))) => {
                Some(format!("cache={cache}"))
            }
            (Protocol::Nfs, _) if self.has("nocto") => Some("nocto".into()),
            _ => None,
        }
    }

    /// For how many seconds the client may believe what it remembers of a file or folder; `None` where the mount does
    /// not say so and the client has no default that is known.
    pub fn remembers(&self) -> Option<u64> {
        if self.has("noac") {
            return Some(0);
        }
        let given = ["actimeo", "acregmax", "acdirmax"];
        let longest = given.iter().filter_map(|key| self.option(key)?.parse().ok()).max();
        match self.protocol {
            // nfs(5): what is not given is a minute, unless `actimeo` stands for all of them.
            Protocol::Nfs if self.has("actimeo") || (self.has("acregmax") && self.has("acdirmax")) => longest,
            Protocol::Nfs => Some(longest.unwrap_or_default().max(60)),
            _ => longest,
        }
    }

    /// The mount in a few words: `SMB 3.1.1 of //nas/agents (cache=strict, actimeo=1, soft)`.
    pub fn sentence(&self) -> String {
        const TOLD: [&str; 14] = [
            "ro",
            "cache",
            "actimeo",
            "acregmax",
            "acdirmax",
            "noac",
            "nocto",
            "lookupcache",
            "soft",
            "softerr",
            "hard",
            "nolease",
            "nostrictsync",
            "nobrl",
        ];
        let version = self.option("vers").map(|version| format!(" {version}")).unwrap_or_default();
        let what = match self.protocol {
            Protocol::Smb => format!("SMB{version} of {}", self.source),
            Protocol::Nfs => format!("NFS{version} of {}", self.source),
            Protocol::Other => format!("{} of {}", self.kind, self.source),
            Protocol::Local => format!("this PC's own disk ({})", self.kind),
            Protocol::Unknown => return "not known on this system".into(),
        };
        let told = TOLD.iter().filter_map(|key| match self.option(key)? {
            "" => Some((*key).to_owned()),
            value => Some(format!("{key}={value}")),
        });
        match told.collect::<Vec<_>>().join(", ") {
            told if told.is_empty() || self.protocol == Protocol::Local => what,
            told => format!("{what} ({told})"),
        }
    }
}

/// Every mount of a `mountinfo`; lines that are none are stepped over.
pub fn table(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Mount> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ').skip(4);
    let (point, own) = (first.next()?, first.next()?);
    let mut second = second.split(' ');
    let (kind, source) = (second.next()?, second.next()?);
    let options = own.split(',').chain(second.next().unwrap_or_default().split(','));
    let protocol = protocol(kind);
    Some(Mount {
        protocol,
        kind: kind.to_owned(),
        source: plain(source),
        point: plain(point),
        options: options.filter(|option| !option.is_empty()).map(plain).collect(),
        announcer: match protocol {
            Protocol::Smb => Announcer::ChangeNotify,
            Protocol::Nfs | Protocol::Other => Announcer::Nobody,
            Protocol::Local | Protocol::Unknown => Announcer::Native,
        },
    })
}

fn protocol(kind: &str) -> Protocol {
    match kind {
        "cifs" | "smb3" | "smbfs" => Protocol::Smb,
        "nfs" | "nfs4" => Protocol::Nfs,
        "9p" | "virtiofs" | "vboxsf" | "vmhgfs" | "afs" | "ceph" | "lustre" | "gfs2" | "ocfs2" => {
            Protocol::Other
        }
        // `fuseblk` is a disk of this PC.
        kind if kind == "fuse" || kind.starts_with("fuse.") => Protocol::Other,
        // A place where something will be mounted when it is used.
        "autofs" => Protocol::Unknown,
        _ => Protocol::Local,
    }
}

/// `\040` and the like as what they stand for.
fn plain(field: &str) -> String {
    let mut out = vec![];
    let bytes = field.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\').then(|| field.get(at + 1..at + 4)).flatten();
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The mount that holds an absolute path: the longest point above it, the last of those that are alike.
pub fn holding<'a>(table: &'a [Mount], path: &str) -> Option<&'a Mount> {
    let above = |point: &str| {
        let rest = path.strip_prefix(point.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    table
        .iter()
        .filter(|mount| above(&mount.point))
        .max_by_key(|mount| mount.point.trim_end_matches('/').len())
}

/// A Windows path as a mount: `full` is the same place as the system spells it out, `\\?\UNC\…` for a mapped drive.
pub fn windows(path: &str, full: Option<&str>) -> Mount {
    let server = |text: &str| {
        let rest = text
            .strip_prefix(r"\\?\UNC\")
            .or_else(|| text.strip_prefix(r"\\").filter(|it| !it.starts_with('?')));
        rest.map(|rest| format!(r"\\{rest}"))
    };
    let letter = path.get(1..2) == Some(":");
    match (server(path), full.and_then(server)) {
        (Some(source), _) => Mount {
            protocol: Protocol::Smb,
            kind: "unc".into(),
            source,
            point: path.into(),
            ..Mount::default()
        },
        (None, Some(source)) if letter => Mount {
            protocol: Protocol::Smb,
            kind: "drive".into(),
            source,
            point: path.into(),
            ..Mount::default()
        },
        _ if letter && full.is_some() => {
            let real = full.map(|full| full.trim_start_matches(r"\\?\")).unwrap_or_default();
            let same = real
                .get(..1)
                .is_some_and(|drive| path.get(..1).is_some_and(|letter| letter.eq_ignore_ascii_case(drive)));
            let kind = if same { "drive" } else { "subst" }.into();
            Mount {
                protocol: Protocol::Local,
                kind,
                source: real.into(),
                point: path.into(),
                ..Mount::default()
            }
        }
        _ => Mount { point: path.into(), ..Mount::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../testdata/mounts/mountinfo.txt");

    #[test]
    fn the_mount_of_a_path_is_the_nearest_one_above_it() {
        let table = table(TABLE);
        for (path, protocol, sentence) in [
            (
                "/mnt/smb/agents",
                Protocol::Smb,
                "SMB 3.1.1 of //10.78.0.2/share (cache=strict, actimeo=1, soft)",
            ),
            ("/mnt/nfs", Protocol::Nfs, "NFS 4.2 of 10.78.0.2:/ (hard)"),
            ("/mnt/nfs3/x", Protocol::Nfs, "NFS 3 of nas:/volume1/agents (ro, acregmax=120, soft)"),
            ("/mnt/nfsx", Protocol::Local, "this PC's own disk (ext4)"),
            ("/mnt/two words", Protocol::Smb, "SMB 3.0 of //nas/two words (cache=loose, nostrictsync)"),
            ("/mnt/ssh", Protocol::Other, "fuse.sshfs of me@nas:"),
            ("/mnt/c/Users", Protocol::Other, "9p of C:\\"),
            ("/net/nas", Protocol::Unknown, "not known on this system"),
            ("/mnt/stacked", Protocol::Smb, "SMB 2.1 of //nas/top (cache=strict)"),
            ("/", Protocol::Local, "this PC's own disk (ext4)"),
        ] {
            let mount = holding(&table, path).unwrap();
            assert_eq!((mount.protocol, mount.sentence().as_str()), (protocol, sentence), "{path}");
        }
        assert!(holding(&[], "/x").is_none());
    }

    #[test]
    fn who_announces_follows_from_the_protocol() {
        let table = table(TABLE);
        for (path, announcer) in [
            ("/mnt/smb", Announcer::ChangeNotify),
            ("/mnt/nfs", Announcer::Nobody),
            ("/mnt/ssh", Announcer::Nobody),
            ("/home", Announcer::Native),
        ] {
            assert_eq!(holding(&table, path).unwrap().announcer, announcer, "{path}");
        }
    }

    #[test]
    fn damaged_lines_are_stepped_over() {
        for text in [
            "",
            "\n",
            "a b c",
            "1 2 3 4 /x rw - ",
            "1 2 3 4 /x - cifs",
            "1 2 3 4 /x rw - cifs",
            "\\0 - \\",
            "- - -",
        ] {
            assert_eq!(table(text), [], "{text:?}");
        }
        assert_eq!(plain("a\\040b\\9\\é\\"), "a b\\9\\é\\");
    }

    #[test]
    fn a_mapped_drive_letter_is_told_from_a_disk() {
        for (path, full, protocol, kind) in [
            (r"\\nas\agents", None, Protocol::Smb, "unc"),
            (r"\\?\UNC\nas\agents", None, Protocol::Smb, "unc"),
            (r"Z:\agents", Some(r"\\?\UNC\nas\all\agents"), Protocol::Smb, "drive"),
            (r"C:\agents", Some(r"\\?\C:\agents"), Protocol::Local, "drive"),
            (r"c:\agents", Some(r"\\?\C:\agents"), Protocol::Local, "drive"),
            (r"X:\agents", Some(r"\\?\C:\work\agents"), Protocol::Local, "subst"),
            (r"C:\agents", None, Protocol::Unknown, ""),
        ] {
            let mount = windows(path, full);
            assert_eq!((mount.protocol, mount.kind.as_str()), (protocol, kind), "{path}");
        }
    }
}
