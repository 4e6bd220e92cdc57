//! The files that `lanpost doctor` makes on a share to learn what it does with them.
//!
//! What an interrupted run left is known by its name, `lanpost-probe-` and 12 hexadecimal digits, and removed by the next one.

use super::SharePath;

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
