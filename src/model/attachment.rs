//! What is attached to a message, as its envelope says it.
//!
//! ```text
//! "attachments" := [attachment…]
//! attachment    := {"name", "size", "blake3"} + "folder"? + "stored"?
//! "folder"      := {"files": n, "manifest": bytes}     then blake3 is that of its manifest (model/manifest), and size
//!                                                      what its files have in all
//! "stored"      := {"size", "blake3"}                  of a sealed message: what lies on the share is encrypted, and this
//! ```
//! The bytes lie on the share under their hash, put there before the message leaves. A name is what the sender calls it:
//! it is never a path before [`super::file_name`] made it one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::blob::{Blob, Hash};

/// The envelope's field.
pub const FIELD: &str = "attachments";
/// What a heartbeat names among its `features` if its lanpost takes them.
pub const FEATURE: &str = "files";
/// Attachments of one message; a folder is one.
pub const MOST: usize = 200;
/// The longest name, in bytes.
const NAME: usize = 1_024;
/// The largest size; SQLite's integers are signed.
const SIZE: u64 = i64::MAX as u64 / 1_024;

/// One file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What its sender calls it; anything.
    pub name: String,
    /// Its bytes; of a folder, those of all its files.
    pub size: u64,
    /// Its hash; of a folder, that of its manifest.
    pub blake3: Hash,
    /// What it is, if it is a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Folder>,
    /// What is kept of it, if that is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Blob>,
}

/// That an attachment is a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// How many files it holds.
    pub files: u64,
    /// The bytes of its manifest.
    pub manifest: u64,
}

impl Attachment {
    /// What it says in the clear: of a folder, its manifest.
    pub fn plain(&self) -> Blob {
        Blob { size: self.folder.as_ref().map_or(self.size, |folder| folder.manifest), blake3: self.blake3 }
    }

    /// The blob that is kept on the share, and here.
    pub fn blob(&self) -> Blob {
        self.stored.unwrap_or(self.plain())
    }

    fn is_sane(&self) -> bool {
        let sizes = [self.size, self.plain().size, self.blob().size];
        self.name.len() <= NAME && !self.name.is_empty() && sizes.into_iter().all(|size| size <= SIZE)
    }
}

/// What is attached to a message whose fields beside the known ones are `rest`.
///
/// # Errors
/// The field is none of ours, in words for people.
pub fn of(rest: &Map<String, Value>) -> Result<Vec<Attachment>, String> {
    let Some(value) = rest.get(FIELD) else { return Ok(vec![]) };
    let all: Vec<Attachment> =
        serde_json::from_value(value.clone()).map_err(|error| format!("\"{FIELD}\": {error}"))?;
    if all.len() > MOST {
        return Err(format!("{} attachments; at most {MOST} are taken", all.len()));
    }
    match all.iter().all(Attachment::is_sane) {
        true => Ok(all),
        false => Err(format!("\"{FIELD}\": a name or a size is out of range")),
    }
}

/// Takes attachments out of the fields of a message; what is none of ours stays among them.
pub fn take(rest: &mut Map<String, Value>) -> Vec<Attachment> {
    let taken = of(rest).unwrap_or_default();
    if !taken.is_empty() {
        rest.remove(FIELD);
    }
    taken
}

/// Puts attachments among the fields of a message.
pub fn put(rest: &mut Map<String, Value>, attachments: &[Attachment]) {
    if !attachments.is_empty() {
        rest.insert(FIELD.to_owned(), serde_json::to_value(attachments).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attachments_round_trip_and_what_is_out_of_range_is_refused() {
        let hash = Hash::of(b"x").to_string();
        let read = |value: Value| of(json!({FIELD: value}).as_object().unwrap());
        assert_eq!(of(&Map::new()), Ok(vec![]));
        let mut all = read(json!([{"name": "../x", "size": 3, "blake3": hash, "colour": "red"}])).unwrap();
        assert_eq!((all[0].blob().size, &*all[0].name), (3, "../x"));
        all[0].folder = Some(Folder { files: 2, manifest: 70 });
        assert_eq!(all[0].blob().size, 70);
        all[0].stored = Some(Blob::of(b"sealed"));
        assert_eq!(all[0].blob().size, 6);
        let mut rest = Map::new();
        put(&mut rest, &all);
        assert_eq!(of(&rest), Ok(all.clone()));
        assert_eq!((take(&mut rest), rest.len()), (all, 0));
        for bad in [
            json!("x"),
            json!([{"name": "x", "size": 3}]),
            json!([{"name": "x", "size": -3, "blake3": hash}]),
            json!([{"name": "x", "size": u64::MAX, "blake3": hash}]),
            json!([{"name": "", "size": 1, "blake3": hash}]),
            json!([{"name": "x", "size": 1, "blake3": "../../etc"}]),
            json!(vec![json!({"name": "x", "size": 1, "blake3": hash}); MOST + 1]),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
