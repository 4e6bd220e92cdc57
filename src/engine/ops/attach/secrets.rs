//! What is never attached, wherever it lies: a key of lanpost's, or a backup, which holds one. Whoever has it speaks as that
//! instance, and what is attached lies open on the share.
//!
//! A file is known by its form, and a key, which is but digits, by its name, too. That is a guard against a slip, and none
//! against somebody who means it.

use std::io::Read;
use std::path::Path;

use crate::store::db::Db;
use crate::store::{key, seal};
use crate::sys::files;

/// The longest file of keys.
const KEYS: u64 = 4_096;
/// All databases are of pages of a multiple of so many bytes.
const PAGE: u64 = 512;

/// What a file of `size` bytes is, if it is a secret, in words. Few files are opened for it.
pub(super) fn is_one(path: &Path, size: u64) -> Option<&'static str> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_key = |text: Vec<u8>| seal::is_one(&text) || key::is_one(name, &text);
    if size <= KEYS && beginning(path).is_some_and(is_key) {
        return Some("it is a secret key of lanpost's");
    }
    let is_backup = size > 0 && size.is_multiple_of(PAGE) && Db::is_backup(path);
    is_backup.then_some("it is a backup of lanpost's, which holds a secret key")
}

fn beginning(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    files::open(path).ok()?.take(KEYS).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
