//! A log file that never grows beyond its limit: `NAME.log`, and the older `NAME.1.log` (the newest of them), `NAME.2.log`, …
//!
//! Written by one process alone, whose state lock sees to that; read by anybody at any time. Lines of UTF-8.
//! A full disk or a reader that lets nobody rename costs lines or tidiness, never the writer: what could not be written
//! is counted and told in the next line that can. A crash leaves at most a torn line, which the next line ends.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::platform;
use crate::error::{At, Result};

/// How much of a file's end is read for its last lines.
const TAIL: u64 = 1 << 20;

/// The files, open for writing.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    limit: u64,
    /// The length at which the file is put aside: the limit, or more if it could not be.
    due: u64,
    files: u32,
    open: Option<File>,
    len: u64,
    torn: bool,
    lost: u64,
}

impl Rotating {
    /// Files at `path` and beside it, `files` of them at most, each put aside when it reaches `limit` bytes.
    pub fn new(path: &Path, limit: u64, files: u32) -> Rotating {
        Rotating { path: path.to_owned(), limit, due: limit, files, open: None, len: 0, torn: false, lost: 0 }
    }

    /// Appends one line, without its newline.
    ///
    /// # Errors
    /// It could not be written, and is counted as lost.
    pub fn write(&mut self, line: &str) -> Result<()> {
        let done = self.try_write(line);
        match done {
            Ok(()) => self.lost = 0,
            Err(_) => {
                // A fresh handle may work where this one means nothing any more.
                self.open = None;
                self.lost += 1;
            }
        }
        done.at("write to the log", &self.path)
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        if self.is_elsewhere() {
            self.open = None;
        }
        if self.open.is_none() {
            self.reopen()?;
        }
        let mut text = self.text(line);
        if self.len > 0 && self.len + text.len() as u64 > self.due {
            self.open = None;
            self.turn();
            self.reopen()?;
            text = self.text(line);
            // What could not be put aside grows for a while before it is tried again.
            self.due = self.limit.max(self.len + self.limit / 10);
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        file.write_all(text.as_bytes())?;
        self.torn = false;
        self.len += text.len() as u64;
        Ok(())
    }

    /// What is written for a line: with what has to be said before it.
    fn text(&self, line: &str) -> String {
        let mut text = String::with_capacity(line.len() + 2);
        if self.torn {
            text.push('\n');
        }
        if self.lost > 0 {
            text += &format!("({} lines could not be written here)\n", self.lost);
        }
        text += line;
        text.push('\n');
        text
    }

    fn reopen(&mut self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new().append(true).read(true).create(true).open(&self.path)?;
        self.len = file.metadata()?.len();
        self.due = self.limit;
        self.torn = self.len > 0 && !ends_line(&mut file)?;
        self.open = Some(file);
        Ok(())
    }

    /// Whether somebody moved or removed the open file: nobody would find what is written to it. Where that can't be
    /// told, it is where it was.
    fn is_elsewhere(&self) -> bool {
        let Some(file) = &self.open else { return false };
        match (
            file.try_clone().and_then(same_file::Handle::from_file),
            same_file::Handle::from_path(&self.path),
        ) {
            (Ok(ours), Ok(there)) => ours != there,
            (_, Err(error)) => error.kind() == io::ErrorKind::NotFound,
            (Err(_), _) => false,
        }
    }

    /// Puts the files aside, each under the next number. What can't be renamed stays, and is tried again later.
    fn turn(&self) {
        let mut last = self.files.max(1) - 1;
        // There may be more of them, from when more were kept.
        while numbered(&self.path, last + 1).exists() {
            last += 1;
        }
        for number in (self.files.max(1) - 1..=last).rev() {
            let _ = fs::remove_file(numbered(&self.path, number));
        }
        for number in (1..self.files).rev() {
            let _ = platform::rename(&numbered(&self.path, number - 1), &numbered(&self.path, number));
        }
    }
}

/// Whether a file that is not empty ends with a newline.
fn ends_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The name of a file that was put aside; number 0 is the one being written.
fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        _ => path.with_extension(format!("{number}.log")),
    }
}

/// The last `count` lines, oldest first, and where [`Tail::more`] goes on.
///
/// # Errors
/// There is no log, or it can't be read.
pub fn tail(path: &Path, count: usize) -> Result<(Vec<String>, Tail)> {
    let mut file = File::open(path).at("read the log", path)?;
    let (mut lines, partial) = last_lines(&mut file, count).at("read the log", path)?;
    for number in 1.. {
        if lines.len() >= count {
            break;
        }
        let Ok(mut older) = File::open(numbered(path, number)) else { break };
        let (before, rest) = last_lines(&mut older, count - lines.len()).at("read the log", path)?;
        let torn = (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned());
        for line in before.into_iter().chain(torn).rev() {
            lines.push_front(line);
        }
    }
    let tail = Tail { path: path.to_owned(), file, partial };
    Ok((lines.into_iter().rev().take(count).rev().collect(), tail))
}

/// The last whole lines of a file, and what stands after its last newline; the file is left at its end.
fn last_lines(file: &mut File, count: usize) -> io::Result<(VecDeque<String>, Vec<u8>)> {
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    if len > TAIL {
        // It may begin in the middle of a line.
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..first);
    }
    let (mut lines, rest) = whole_lines(bytes);
    lines.drain(..lines.len().saturating_sub(count));
    Ok((lines.into(), rest))
}

fn whole_lines(mut bytes: Vec<u8>) -> (Vec<String>, Vec<u8>) {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rest = bytes.split_off(end);
    (String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect(), rest)
}

/// A log that is being followed.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    partial: Vec<u8>,
}

impl Tail {
    /// The lines that were added since, also when the file was put aside meanwhile.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn more(&mut self) -> Result<Vec<String>> {
        let turned = self.is_aside();
        // What was written before it was put aside is read first.
        let mut lines = self.read_on()?;
        if turned && let Ok(file) = File::open(&self.path) {
            self.file = file;
            lines.extend(self.read_on()?);
        }
        Ok(lines)
    }

    fn is_aside(&self) -> bool {
        let ours = self.file.try_clone().and_then(same_file::Handle::from_file);
        let now = same_file::Handle::from_path(&self.path);
        matches!((ours, now), (Ok(ours), Ok(now)) if ours != now)
    }

    fn read_on(&mut self) -> Result<Vec<String>> {
        let mut bytes = std::mem::take(&mut self.partial);
        self.file.read_to_end(&mut bytes).at("read the log", &self.path)?;
        let (lines, rest) = whole_lines(bytes);
        self.partial = rest;
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_stays_within_its_limits_and_its_end_can_be_read_across_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log").join("lanpost.log");
        let mut log = Rotating::new(&path, 200, 3);
        for number in 0..200 {
            log.write(&format!("line {number} 第{number}行")).unwrap();
        }
        let log_folder = path.parent().unwrap();
        assert_eq!(names(log_folder), ["lanpost.1.log", "lanpost.2.log", "lanpost.log"]);
        for name in names(log_folder) {
            assert!(fs::metadata(log_folder.join(&name)).unwrap().len() <= 200, "{name}");
        }
        let (lines, _) = tail(&path, 9).unwrap();
        let wanted: Vec<_> = (191..200).map(|number| format!("line {number} 第{number}行")).collect();
        assert_eq!(lines, wanted);
        assert!(tail(&path, 1000).unwrap().0.len() < 40);

        // Fewer are kept from now on. (Windows keeps a file for as long as somebody has it open.)
        drop(log);
        let mut log = Rotating::new(&path, 1, 1);
        log.write("a").unwrap();
        log.write("b").unwrap();
        assert_eq!(names(log_folder), ["lanpost.log"]);
        assert_eq!(tail(&path, 5).unwrap().0, ["b"]);
    }

    #[test]
    fn what_could_not_be_written_is_counted_and_a_torn_line_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lanpost.log");
        fs::create_dir(&path).unwrap();
        let mut log = Rotating::new(&path, 1000, 2);
        assert!(log.write("lost").is_err() && log.write("lost, too").is_err());
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "torn by a cra").unwrap();
        log.write("here again").unwrap();
        let (lines, _) = tail(&path, 9).unwrap();
        assert_eq!(lines, ["torn by a cra", "(2 lines could not be written here)", "here again"]);
    }

    #[test]
    #[cfg(all(test, unix))]
    fn a_log_that_was_moved_or_removed_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log").join("lanpost.log");
        let mut log = Rotating::new(&path, 1_000, 2);
        log.write("first").unwrap();
        fs::rename(&path, folder.path().join("mine")).unwrap();
        log.write("second").unwrap();
        assert_eq!(tail(&path, 9).unwrap().0, ["second"]);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        log.write("third").unwrap();
        assert_eq!(tail(&path, 9).unwrap().0, ["third"]);
    }

    #[test]
    fn a_follower_sees_every_line_across_a_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lanpost.log");
        assert!(tail(&path, 1).unwrap_err().is_not_found());
        let mut log = Rotating::new(&path, 40, 3);
        log.write("first").unwrap();
        let (lines, mut tail) = tail(&path, 0).unwrap();
        assert!(lines.is_empty());
        let mut seen = vec![];
        for number in 0..30 {
            log.write(&format!("line {number}")).unwrap();
            seen.extend(tail.more().unwrap());
        }
        assert_eq!(seen, (0..30).map(|number| format!("line {number}")).collect::<Vec<_>>());
    }
}
