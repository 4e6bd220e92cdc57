//! The wake command as words: what may be one, and how `--wake-command` splits into them.

use crate::error::{Error, Result};

pub(super) fn check_command(words: &[String]) -> Result<(), &'static str> {
    if words.first().is_some_and(|program| program.trim().is_empty()) {
        return Err("the first word, the program, is empty");
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err("a word holds NUL, which no program can be given");
    }
    Ok(())
}

/// Splits `--wake-command`: words at whitespace, `"…"` and `'…'` group, and a backslash is a backslash, since Windows
/// paths hold them. Text that begins with `[` is a JSON array of strings instead.
pub fn split_command(text: &str) -> Result<Vec<String>> {
    let fail = |cause: &str| {
        Error::usage("split the wake command", format_args!("{text:?}"), cause)
            .next("write PROGRAM ARGUMENT…, or a JSON array of strings")
    };
    let words = match text.trim_start().starts_with('[') {
        true => serde_json::from_str::<Vec<String>>(text).map_err(|error| fail(&error.to_string()))?,
        false => split_words(text).map_err(|quote| fail(&format!("the quote {quote} is not closed")))?,
    };
    check_command(&words).map_err(fail)?;
    Ok(words)
}

/// The words of `text`, or the quote that has no end.
fn split_words(text: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default(); // "" is a word, too
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.map_or(Ok(words), Err)
}
