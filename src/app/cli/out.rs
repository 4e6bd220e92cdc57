//! Standard output and standard error of a command.
//!
//! Invariants: a reader that went away (`lanpost inbox | head -1`) ends the output quietly and fails nothing; any other
//! failed write is reported once, at the end. With `--json` every line on either stream is JSON, and English.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;
use serde_json::json;

use crate::app::print;
use crate::app::tongue::{self, Catalogue};
use crate::error::{Error, Result};
use crate::model::ascii;
use crate::store::db::Message;
use crate::sys::process;

/// Columns of whatever is not a terminal.
const COLUMNS: usize = 100;

/// Columns of what no eye follows from line to line.
const WIDE: usize = 240;

/// Text that was printed, kept in memory.
#[derive(Clone, Default)]
pub struct Kept(Rc<RefCell<Vec<u8>>>);

impl Kept {
    /// What was printed since the last time.
    pub fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.borrow_mut())).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where answers go.
pub struct Out {
    to: Box<dyn Write>,
    /// Nobody reads any more, or nothing can be written.
    shut: bool,
    failed: Option<Error>,
    /// JSON is written in ASCII alone.
    ascii: bool,
    /// What people are spoken to in.
    tongue: Option<&'static Catalogue>,
    /// Whether a person is looking.
    pub terminal: bool,
    /// The width of a line for people.
    pub columns: usize,
}

impl Out {
    /// Standard output; JSON in ASCII if that is asked for, or if whoever reads the pipe may not take it for UTF-8.
    pub fn stdout(ascii: bool) -> Out {
        let terminal = io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| terminal);
        let columns = size.map_or(COLUMNS, |(width, _)| usize::from(width.0).max(40));
        let ascii = ascii || !terminal && !process::pipes_are_utf8();
        Out {
            to: Box::new(BufWriter::new(io::stdout())),
            shut: false,
            failed: None,
            ascii,
            tongue: tongue::of_stdout(),
            terminal,
            columns,
        }
    }

    /// Kept in `text`, for a face that passes it on.
    pub fn kept(text: &Kept) -> Out {
        let to = Box::new(text.clone());
        Out { to, shut: false, failed: None, ascii: false, tongue: None, terminal: false, columns: WIDE }
    }

    /// One line of text. It must be safe to print already.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.bytes(text.as_ref().as_bytes());
        self.bytes(b"\n");
    }

    /// One line of ours, in the person's language. It must be safe to print already.
    pub fn say(&mut self, text: impl AsRef<str>) {
        let said = tongue::said(self.tongue, text.as_ref());
        self.line(said);
    }

    /// A word or sentence of ours in the person's language, to be put into a line.
    pub fn word(&self, text: &str) -> String {
        tongue::said(self.tongue, text).into_owned()
    }

    /// The headings of a table, in the person's language.
    pub fn heading<const N: usize>(&self, words: [&str; N]) -> [String; N] {
        words.map(|word| self.word(word))
    }

    /// One line of JSON.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let text = self.encoded(value)?;
        self.line(text);
        Ok(())
    }

    /// A JSON array, one element a line.
    pub fn array<T: Serialize>(&mut self, values: &[T]) -> Result<()> {
        for (i, value) in values.iter().enumerate() {
            self.bytes(if i == 0 { b"[" } else { b",\n " });
            let text = self.encoded(value)?;
            self.bytes(text.as_bytes());
        }
        self.line(if values.is_empty() { "[]" } else { "]" });
        Ok(())
    }

    fn encoded<T: Serialize + ?Sized>(&self, value: &T) -> Result<String> {
        let text = print::json(value)?;
        Ok(if self.ascii { ascii::escaped(&text) } else { text })
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if !self.shut {
            let written = self.to.write_all(bytes);
            self.judge(written);
        }
    }

    /// Shows what was printed so far: before something that takes time.
    pub fn flush(&mut self) {
        if !self.shut {
            let flushed = self.to.flush();
            self.judge(flushed);
        }
    }

    /// Whether there is no use in printing more.
    pub fn is_shut(&self) -> bool {
        self.shut
    }

    /// The end of the output.
    ///
    /// # Errors
    /// Something could not be written, other than to a reader that went away.
    pub fn finish(&mut self) -> Result<()> {
        self.flush();
        self.failed.take().map_or(Ok(()), Err)
    }

    fn judge(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.shut = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failed = Some(Error::io("write to", Path::new("standard output"), error));
            }
        }
    }
}

/// For those that print as they go: each line is shown at once.
impl Write for Out {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bytes(buf);
        if buf.contains(&b'\n') {
            Out::flush(self);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Out::flush(self);
        Ok(())
    }
}

/// Reports a failure on standard error; `kind` is its word in JSON.
pub fn complain(json: bool, kind: &str, text: &str) {
    if json {
        say(&json!({"error": {"kind": kind, "message": text}}));
    } else {
        let text = tongue::said(tongue::of_stderr(), text);
        let _ = writeln!(io::stderr(), "lanpost: {}", print::line(&text));
    }
}

/// Tells something on standard error that is no failure.
pub fn note(json: bool, text: &str) {
    if json {
        say(&json!({"note": text}));
    } else {
        let text = tongue::said(tongue::of_stderr(), text);
        let _ = writeln!(io::stderr(), "lanpost: {}", print::line(&text));
    }
}

/// Passes on how far something is, as `from` says it. With `json` the whole message is shown.
pub fn progress(json: bool, note: &Message) {
    if json {
        say(&json!({"progress": note}));
    } else {
        let (from, words) = (print::sender(&note.from), print::summary(&note.content));
        let _ = writeln!(io::stderr(), "{from}: {words}");
    }
}

fn say(value: &serde_json::Value) {
    // Whoever reads this may read it in any encoding; a person reads the text, not the JSON.
    let ascii = !io::stderr().is_terminal() && !process::pipes_are_utf8();
    if let Ok(line) = print::json(value) {
        let line = if ascii { ascii::escaped(&line) } else { line };
        let _ = writeln!(io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn out(kind: io::ErrorKind) -> Out {
        Out {
            to: Box::new(Fails(kind)),
            shut: false,
            failed: None,
            ascii: false,
            tongue: None,
            terminal: false,
            columns: COLUMNS,
        }
    }

    #[test]
    fn a_reader_that_went_away_fails_nothing_and_a_full_disk_does() {
        let mut gone = out(io::ErrorKind::BrokenPipe);
        gone.line("x");
        assert!(gone.is_shut() && gone.finish().is_ok());
        let mut full = out(io::ErrorKind::StorageFull);
        full.line("x");
        assert!(full.finish().unwrap_err().to_string().contains("standard output"));
        assert!(full.finish().is_ok(), "it is reported once");
    }
}
