//! Names of files that came from elsewhere, made such that a file of that name can be made anywhere, and is what it seems.
//!
//! What a sender calls its files was written by anybody: `..`, `C:\x`, a device, an alternate stream, a name that reads
//! backwards. [`safe`] makes one name of one folder of it, the same on every system, so that a folder that goes round
//! comes back as it was. It changes as little as it can: a name that is good already stays as it is, but for its accents,
//! which are composed (NFC). Whether two names are one for some file server is said by [`fold`]; then [`numbered`] tells
//! them apart.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::{name, visible};

/// The longest name in bytes: below what ext4, NTFS and a file server allow, with room for a number and for what is
/// written aside.
pub const MOST: usize = 200;
/// The longest ending that is kept when a name is cut.
const ENDING: usize = 20;

/// A name for a file or folder, whatever `text` is: one component, never empty, never `.` or `..`.
pub fn safe(text: &str) -> String {
    let text: String = text.nfc().map(|c| if is_special(c) { '_' } else { c }).collect();
    let shown = visible::judged(&text).map(|(c, acts)| if acts { '_' } else { c });
    let shown: String = shown.collect();
    let trimmed = shown.trim().trim_end_matches(['.', ' ']);
    // Windows trims what stands before the first dot, too.
    let stem = trimmed.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    if trimmed.is_empty() || name::is_device(&stem) || matches!(&*stem, "conin$" | "conout$") {
        return cut(&format!("_{trimmed}"));
    }
    cut(trimmed)
}

/// The key under which names that a file server may take for one are equal.
pub fn fold(safe: &str) -> String {
    name::fold(safe)
}

/// The `n`th name like this one, from 2 on: `report (2).pdf`.
pub fn numbered(safe: &str, n: u32) -> String {
    let (stem, ending) = split(safe);
    format!("{stem} ({n}){ending}")
}

/// The ending that says what a file is, folded, without its dot; none: the empty text.
pub fn ending(safe: &str) -> String {
    safe.rsplit_once('.').map_or(String::new(), |(_, ending)| fold(ending))
}

/// Gives each path of a folder one of its own, on this and on any other system.
#[derive(Debug, Default)]
pub struct Tree {
    /// The names that folders got, by the place of what they lie in and what their sender calls them.
    folders: HashMap<(String, String), String>,
    /// Where something is, as a file server tells names apart.
    taken: HashSet<(String, String)>,
}

impl Tree {
    /// The place of a file, or of a `folder`; `/` between components.
    pub fn place(&mut self, path: &str, folder: bool) -> String {
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = String::new();
        for part in above.split('/').filter(|_| !above.is_empty()) {
            at = self.folder(at, part);
        }
        match folder {
            true => self.folder(at, last),
            false => self.free(&at, last),
        }
    }

    /// A folder in `at`: all that lies in one of this name lies in one.
    fn folder(&mut self, at: String, name: &str) -> String {
        let key = (at, name.to_owned());
        if let Some(known) = self.folders.get(&key) {
            return known.clone();
        }
        let place = self.free(&key.0, name);
        self.folders.insert(key, place.clone());
        place
    }

    fn free(&mut self, at: &str, name: &str) -> String {
        let safe = safe(name);
        let mut own = safe.clone();
        let mut n = 1;
        while !self.taken.insert((at.to_owned(), fold(&own))) {
            n += 1;
            own = numbered(&safe, n);
        }
        if at.is_empty() { own } else { format!("{at}/{own}") }
    }
}

/// What has a meaning in a path, or to a shell of Windows, or can't be stored by it.
fn is_special(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') || (c.is_whitespace() && c != ' ')
}

/// What stands before the ending, and the ending with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= ENDING => name.split_at(at),
        _ => (name, ""),
    }
}

fn cut(name: &str) -> String {
    if name.len() <= MOST {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let end = (0..=MOST - ending.len()).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or_default();
    format!("{}{ending}", stem[..end].trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_good_name_stays_and_a_bad_one_becomes_good() {
        for good in
            ["report.pdf", "实验室 3.txt", ".gitignore", "a b", "naïve", "x.tar.gz", "👩‍🔬.png", "console.log"]
        {
            assert_eq!(safe(good), good);
        }
        for (bad, made) in [
            ("", "_"),
            (".", "_"),
            ("..", "_"),
            (" .. ", "_"),
            ("../x", ".._x"),
            (r"C:\x", "C__x"),
            ("a.txt:stream", "a.txt_stream"),
            ("CON", "_CON"),
            ("nul .txt", "_nul .txt"),
            ("com¹.log", "_com¹.log"),
            ("CONIN$", "_CONIN$"),
            ("x. . ", "x"),
            ("\u{202e}fdp.exe", "_fdp.exe"),
            ("a\nb\tc\0", "a_b_c_"),
            ("e\u{301}", "é"),
            ("x\u{200b}y", "x_y"),
        ] {
            assert_eq!(safe(bad), made, "{bad:?}");
        }
        assert_eq!(numbered("report.pdf", 2), "report (2).pdf");
        assert_eq!((numbered(".x", 3), numbered("x", 2)), (".x (3)".into(), "x (2)".into()));
        assert_eq!((ending("a.LNK"), ending("a")), ("lnk".into(), String::new()));
        assert!(safe(&"长".repeat(200)).len() <= MOST);
        assert!(safe(&format!("{}.pdf", "x".repeat(300))).ends_with("x.pdf"));
    }

    #[test]
    fn each_path_of_a_folder_gets_a_place_of_its_own() {
        let mut tree = Tree::default();
        let mut place = |path: &str| tree.place(path, path.ends_with('!'));
        for (path, place_of_it) in [
            ("a/x.txt", "a/x.txt"),
            ("A/y.txt", "A (2)/y.txt"),
            ("a/X.TXT", "a/X (2).TXT"),
            ("a/x.txt", "a/x (3).txt"),
            ("a", "a (3)"),
            ("../../etc/passwd", "_/_/etc/passwd"),
            ("..", "_ (2)"),
            ("/x", "x"),
            ("e\u{301}", "é"),
            ("é", "é (2)"),
            ("new!", "new!"),
            ("new!/x", "new!/x"),
        ] {
            assert_eq!(place(path), place_of_it, "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_sender_calls_a_file_one_can_be_made(text in prop_oneof![
            any::<String>(),
            "[a-zA-Z. $:/\\\\¹²³0-9-]{0,12}",
            "(?i) ?(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9]|conout\\$) ?[. ]{0,3}[a-z]{0,3}",
            "[\\PC]{150,300}",
        ]) {
            let made = safe(&text);
            prop_assert_eq!(&safe(&made), &made, "twice is once");
            for name in [made.clone(), numbered(&made, 99)] {
                prop_assert!(!name.is_empty() && name != "." && name != "..");
                prop_assert!(!name.contains(|c: char| c < ' ' || "/\\:*?\"<>|".contains(c)), "{:?}", name);
                prop_assert!(!name.ends_with(['.', ' ']) && !name.starts_with(' '), "{:?}", name);
                prop_assert!(name.len() <= 255 && name.encode_utf16().count() <= 255);
                let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
                prop_assert!(!name::is_device(&stem), "{:?}", name);
                prop_assert!(visible::judged(&name).all(|(_, acts)| !acts), "{:?}", name);
            }
        }
    }
}
