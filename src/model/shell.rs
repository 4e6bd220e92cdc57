//! Words of a command line, written so that a person can paste them into a shell, and read them.

use std::ffi::OsStr;

/// Whose rules a line is written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh.
    Posix,
    /// PowerShell and cmd, as far as they agree.
    Windows,
}

impl Shell {
    /// A word as it is typed. What is no Unicode, or would act on a terminal, is written as its bytes by a shell that
    /// knows how; PowerShell has no such files.
    pub fn word(self, word: &OsStr) -> String {
        let text = word.to_string_lossy();
        match self {
            _ if word.to_str().is_some() && !text.is_empty() && text.chars().all(|c| self.leaves(c)) => {
                text.into_owned()
            }
            Shell::Posix if word.to_str().is_none() || text.contains(char::is_control) => bytes(word),
            Shell::Posix => format!("'{}'", text.replace('\'', r"'\''")),
            Shell::Windows if text.contains(['$', '`']) => format!("'{}'", text.replace('\'', "''")),
            Shell::Windows => format!("\"{text}\""),
        }
    }

    /// Whether the shell takes a character for itself wherever it stands.
    fn leaves(self, c: char) -> bool {
        match c {
            '\\' => self == Shell::Windows,
            c if c.is_ascii() => c.is_ascii_alphanumeric() || "-_./:=+@%".contains(c),
            c => !c.is_whitespace() && !c.is_control(),
        }
    }

    /// A command as one line.
    pub fn line<S: AsRef<OsStr>>(self, command: &[S]) -> String {
        command.iter().map(|word| self.word(word.as_ref())).collect::<Vec<_>>().join(" ")
    }
}

/// `$'…'`, of which bash and zsh make the same bytes again.
fn bytes(word: &OsStr) -> String {
    let mut out = String::from("$'");
    for chunk in word.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out += &octal(byte))
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| out += &octal(*byte));
    }
    out + "'"
}

/// Three digits always, so that a digit behind them is not taken for one of them.
fn octal(byte: u8) -> String {
    format!("\\{byte:03o}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        let posix = |text: &str| Shell::Posix.word(text.as_ref());
        assert_eq!(posix("lanpost-lab"), "lanpost-lab");
        assert_eq!(posix("/home/局域网/lanpost.toml"), "/home/局域网/lanpost.toml");
        assert_eq!(posix("lanpost-\\xe5"), "'lanpost-\\xe5'");
        assert_eq!(posix("/a b/it's"), "'/a b/it'\\''s'");
        assert_eq!(posix(""), "''");
        assert_eq!(posix("a\n1"), "$'a\\0121'");
        let windows = |text: &str| Shell::Windows.word(text.as_ref());
        assert_eq!(windows("C:\\邮件\\a.toml"), "C:\\邮件\\a.toml");
        assert_eq!(windows("C:\\a b"), "\"C:\\a b\"");
        assert_eq!(windows("\\\\nas\\agents$"), "'\\\\nas\\agents$'");
        assert_eq!(windows("*S-1-5-20:(OI)(CI)M"), "\"*S-1-5-20:(OI)(CI)M\"");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_makes_the_same_bytes_of_it() {
        use std::os::unix::ffi::OsStrExt;
        for word in [&b"\xB9\xB2 'a\\\x07"[..], "局域网 $HOME `id` \\n".as_bytes(), b"~/!x*"] {
            let line = Shell::Posix.line(&[OsStr::new("printf"), OsStr::new("%s"), OsStr::from_bytes(word)]);
            let done = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(done.stdout, word, "{line}");
        }
    }
}
