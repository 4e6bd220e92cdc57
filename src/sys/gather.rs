//! What is to be attached: a file, or all that a folder holds. Reads a local disk, follows no link below what was named,
//! and leaves out what is neither file nor folder; what it leaves out, it says.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files;

use crate::error::{At, Error, Kind, Result};

/// One file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it lies in what was named, `/` between components; empty: it is what was named.
    pub path: String,
    /// Where it lies on this PC.
    pub file: PathBuf,
    /// Its bytes, when it was found.
    pub size: u64,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// What it is called.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Its files, by path.
    pub files: Vec<Found>,
    /// Its folders that hold nothing.
    pub empty: Vec<String>,
    /// What was left out, and why, in words.
    pub left_out: Vec<String>,
}

/// What nobody is to be sent.
pub struct Secrets<'a> {
    /// The folder in which nothing is.
    pub folder: &'a Path,
    /// Says what a file of so many bytes is that lies elsewhere, if it is a secret, too.
    pub is_one: &'a dyn Fn(&Path, u64) -> Option<&'static str>,
}

/// Looks at what `path` names.
///
/// # Errors
/// It is not there, is neither file nor folder, has no name that is Unicode, can't be read, or is a secret.
pub fn gather(path: &Path, secrets: &Secrets) -> Result<Gathered> {
    let meta = fs::metadata(path).at("attach", path).map_err(|error| match error.is_not_found() {
        true => error.or_next(
            "name a file or a folder that is there, from the current folder on or with its whole path",
        ),
        false => error,
    })?;
    let name = fs::canonicalize(path).at("attach", path)?;
    let secret = match files::is_below(path, secrets.folder) {
        true => Some(OWN),
        false if meta.is_file() => (secrets.is_one)(path, meta.len()),
        false => None,
    };
    if let Some(what) = secret {
        return Err(Error::usage("attach", path.display(), what)
            .next("nothing was sent: whoever has it speaks as that instance; to move an instance, carry it there yourself"));
    }
    // The name that was given counts, also that of a link; `.` and `..` have none of their own.
    let name = path.file_name().or(name.file_name()).and_then(|name| name.to_str()).map(str::to_owned);
    let Some(name) = name else {
        return Err(Error::usage("attach", path.display(), "it has no name, or one that is not Unicode")
            .next("rename it, or attach the folder that it lies in"));
    };
    if meta.is_file() {
        let files = vec![Found { path: String::new(), file: path.to_owned(), size: meta.len() }];
        return Ok(Gathered { name, files, ..Gathered::default() });
    }
    if !meta.is_dir() {
        return Err(Error::usage("attach", path.display(), "it is neither a file nor a folder"));
    }
    let mut found = Gathered { name, folder: true, ..Gathered::default() };
    walk(path, secrets, &mut found)?;
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.empty.sort();
    Ok(found)
}

/// What the folder of secrets is, or what lies in it.
const OWN: &str =
    "it is lanpost's own state folder, or lies in it, with the key and the mail of this instance";

fn walk(root: &Path, secrets: &Secrets, found: &mut Gathered) -> Result<()> {
    // As the system writes them: a folder has many names, by links, and by case on Windows.
    let (real, own) = (fs::canonicalize(root).at("attach", root)?, fs::canonicalize(secrets.folder).ok());
    // The dot: what was named may be a link, and is meant.
    let mut entries = walkdir::WalkDir::new(root.join(".")).min_depth(1).into_iter();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(root).to_owned();
            Error::io("attach", &path, error.into())
        })?;
        let Some(path) = relative(root, entry.path()) else {
            found.left_out.push(format!("{}: its name is not Unicode", entry.path().display()));
            continue;
        };
        let kind = entry.file_type();
        if kind.is_dir() {
            if own.as_ref() == Some(&real.join(&path)) {
                entries.skip_current_dir();
                found.left_out.push(format!("{path}: {OWN}"));
                continue;
            }
            let nothing = fs::read_dir(entry.path()).at("attach", entry.path())?.next().is_none();
            found.empty.extend(nothing.then_some(path));
        } else if kind.is_file() {
            let size =
                entry.metadata().map_err(|error| Error::io("attach", entry.path(), error.into()))?.len();
            match (secrets.is_one)(entry.path(), size) {
                Some(what) => found.left_out.push(format!("{path}: {what}")),
                None => found.files.push(Found { path, file: entry.into_path(), size }),
            }
        } else {
            let what =
                if kind.is_symlink() { "a link, which is not followed" } else { "neither file nor folder" };
            found.left_out.push(format!("{path}: {what}"));
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root.join(".")).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

/// A file that is read, and may be seen to have stayed as it was meanwhile.
#[derive(Debug)]
pub struct Reading {
    file: File,
    before: (u64, Option<SystemTime>),
    done: u64,
}

impl Reading {
    /// Whether nobody wrote to the file since it was opened, as far as its size and its time tell. One that another file was
    /// put in place of was read whole.
    pub fn stayed(&self) -> bool {
        stamp(&self.file).is_ok_and(|now| now == self.before)
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What grows as fast as it is read has no end; it changed, so that what was read is of no use. Some files of the
        // system say that they are empty, and are not.
        if self.before.0 > 0 && self.done > self.before.0 {
            return Ok(0);
        }
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        Ok(read)
    }
}

fn stamp(file: &File) -> io::Result<(u64, Option<SystemTime>)> {
    let meta = file.metadata()?;
    Ok((meta.len(), meta.modified().ok()))
}

/// Opens a file that was found, whatever stands there by now; a link that took its place is not followed.
///
/// # Errors
/// It is gone, or no file any more.
pub fn open(found: &Found) -> Result<Reading> {
    let file = match found.path.is_empty() {
        true => File::open(&found.file),
        false => super::platform::open_read(&found.file),
    };
    let file = file.at("attach", &found.file)?;
    match file.metadata().at("attach", &found.file)?.is_file() {
        true => Ok(Reading { before: stamp(&file).at("attach", &found.file)?, file, done: 0 }),
        false => Err(Error::new(Kind::Io, "attach", found.file.display(), "it is no file any more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(path: &Path) -> Result<Gathered> {
        super::gather(path, &Secrets { folder: Path::new("/none"), is_one: &|_, _| None })
    }

    #[test]
    fn a_folder_is_gathered_whole() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("data");
        fs::create_dir_all(folder.join("b").join("empty")).unwrap();
        fs::write(folder.join("b").join("two"), "22").unwrap();
        fs::write(folder.join("a.txt"), "1").unwrap();
        let found = gather(&folder).unwrap();
        let files: Vec<_> = found.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
        assert_eq!((found.name.as_str(), files), ("data", vec![("a.txt", 1), ("b/two", 2)]));
        assert_eq!((found.empty.len(), found.empty[0].as_str()), (1, "b/empty"));
        assert_eq!(found.left_out, [""; 0]);
        let mut text = String::new();
        open(&found.files[1]).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "22");
        let alone = gather(&folder.join("a.txt")).unwrap();
        assert!(!alone.folder && alone.files[0].path.is_empty() && alone.name == "a.txt");
        let reading = open(&alone.files[0]).unwrap();
        assert!(reading.stayed());
        fs::write(folder.join("a.txt"), "12").unwrap();
        assert!(!reading.stayed());
        assert!(gather(&folder.join("c")).unwrap_err().is_not_found());
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_and_no_device_is_read() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("data");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        let found = gather(&folder).unwrap();
        assert!(found.files.is_empty() && found.left_out[0].starts_with("link: a link"), "{found:?}");
        assert!(gather(Path::new("/dev/null")).unwrap_err().to_string().contains("neither"));
    }
}
