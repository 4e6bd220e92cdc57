//! The table `files`: which files are taken from peers, and how many are kept.

use serde::Deserialize;

use super::value::*;
use crate::model::attachment::Attachment;
use crate::model::file_name;

/// What Windows acts on when a folder is only looked at: links that fetch their pictures from elsewhere, and with them this
/// user's password hash, and what says how a folder looks.
const REFUSED: [&str; 10] = [
    "lnk",
    "url",
    "scf",
    "theme",
    "library-ms",
    "search-ms",
    "searchConnector-ms",
    "settingcontent-ms",
    "desktop.ini",
    "autorun.inf",
];

/// The table `files`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Bytes that may be attached to one message that comes.
    #[serde(deserialize_with = "size::<_, { FILES.0 }, { FILES.1 }>")]
    pub message: Size,
    /// Bytes of all files that are kept here.
    #[serde(deserialize_with = "size::<_, { FILES.0 }, { FILES.1 }>")]
    pub kept: Size,
    /// Endings, and whole names, of files that are not taken.
    pub refuse: Vec<String>,
}

impl Default for FilesConfig {
    fn default() -> Self {
        FilesConfig {
            message: Size(16 * 1024 * MIB),
            kept: Size(64 * 1024 * MIB),
            refuse: REFUSED.map(str::to_owned).to_vec(),
        }
    }
}

impl FilesConfig {
    /// Why these attachments are not taken, in words; `None` if they are, as far as can be said before they are here.
    pub fn refusal(&self, attachments: &[Attachment]) -> Option<String> {
        let size = |attachment: &Attachment| attachment.size.max(attachment.blob().size);
        let all = attachments.iter().fold(0, |sum: u64, one| sum.saturating_add(size(one)));
        if all > self.message.0 {
            return Some(format!("{all} bytes are attached to it; at most {} are taken there", self.message));
        }
        attachments.iter().find_map(|attachment| self.refusal_of(&attachment.name))
    }

    /// Why a file or folder of this name is not taken.
    pub fn refusal_of(&self, path: &str) -> Option<String> {
        let refused = |name: &str| {
            let safe = file_name::safe(name);
            let (whole, ending) = (file_name::fold(&safe), file_name::ending(&safe));
            self.refuse
                .iter()
                .map(|word| file_name::fold(word.trim_start_matches('.')))
                .any(|word| word == whole || word == ending)
        };
        path.split(['/', '\\'])
            .find(|name| refused(name))
            .map(|name| format!("no file like {name:?} is taken there (`files.refuse` in its config)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::blob::Hash;

    #[test]
    fn what_is_too_much_or_of_a_refused_kind_is_not_taken() {
        let attachment = |name: &str, size| Attachment {
            name: name.into(),
            size,
            blake3: Hash::of(b"x"),
            folder: None,
            stored: None,
        };
        let files = FilesConfig { message: Size(10), ..FilesConfig::default() };
        let refusal = |names: &[(&str, u64)]| {
            files.refusal(&names.iter().map(|(name, size)| attachment(name, *size)).collect::<Vec<_>>())
        };
        assert_eq!(refusal(&[("a.txt", 5), ("b.exe", 5)]), None);
        assert!(refusal(&[("a", 6), ("b", 5)]).unwrap().contains("11 bytes"));
        for name in ["x.lnk", "X.LNK", "x.lnk. .", "Desktop.ini", "x.URL", "x.searchconnector-ms"] {
            assert!(refusal(&[(name, 1)]).is_some(), "{name}");
            assert!(files.refusal_of(&format!("folder/{name}")).is_some(), "{name}");
        }
        assert_eq!(files.refusal_of("lnk.d/my desktop.ini.txt"), None);
    }
}
