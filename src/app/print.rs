//! Text for people: what a message says, made safe and fit for a terminal; and JSON that is safe to print as well.
//!
//! Architecture invariant: nothing that came from a share reaches a terminal but through [`visible`], [`line()`] or
//! [`json`]; `model/visible` says what they show as escapes.
//! Everything here is a function of its arguments; widths are in columns, of which a CJK character takes two.

use std::borrow::Cow;

use chrono::{DateTime, Local};
use serde::Serialize;
use serde_json::Value;
use unicode_width::UnicodeWidthChar;

use crate::error::{Error, Kind, Result};
use crate::model::name::{self, Address};
use crate::model::visible::judged;
pub use crate::model::visible::{line, visible};

/// Who a message says it is from, in one line. What is no address is put in quotes: nobody is to take it for one.
pub fn sender(from: &str) -> Cow<'_, str> {
    match from.parse::<Address>() {
        Ok(_) => line(from),
        Err(_) => Cow::Owned(name::quoted(from)),
    }
}

/// One line of JSON, in which whatever acts on a terminal is escaped as `\uXXXX`.
///
/// # Errors
/// The value has no JSON form; none of ours is like that.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let plain = serde_json::to_string(value)
        .map_err(|error| Error::new(Kind::Corrupt, "print the answer as JSON", "", error))?;
    if !judged(&plain).any(|(_, acts)| acts) {
        return Ok(plain);
    }
    // Outside strings JSON is ASCII without controls, so what acts stands in a string, where an escape may stand.
    let mut out = String::with_capacity(plain.len() + 16);
    for (c, acts) in judged(&plain) {
        match acts {
            true => out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    Ok(out)
}

/// A content in full: text as it is, JSON indented.
pub fn content(content: &Value) -> String {
    match content {
        Value::String(text) => visible(text).into_owned(),
        other => visible(&serde_json::to_string_pretty(other).unwrap_or_default()).into_owned(),
    }
}

/// A content in one line: the first line that says something, or compact JSON. It is not cut yet.
pub fn summary(content: &Value) -> String {
    match content {
        Value::String(text) => {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            // No terminal is wider, and a line may be megabytes.
            line(&first.trim().chars().take(1_000).collect::<String>()).into_owned()
        }
        other => line(&other.to_string().chars().take(1_000).collect::<String>()).into_owned(),
    }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text in at most `columns`; what is left out is shown as `…`.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// The text in `columns` at least, with blanks behind it.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Rows as lines with aligned columns; a cell takes at most `most` columns, the last one what is left of `columns`.
pub fn table<const N: usize>(rows: &[[String; N]], most: usize, columns: usize) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).min(most).max(*widest);
        }
    }
    let before: usize = widths.iter().take(N.saturating_sub(1)).map(|width| width + 2).sum();
    let rest = columns.saturating_sub(before).max(20);
    let lines = rows.iter().map(|row| {
        let mut out = String::new();
        for (i, cell) in row.iter().enumerate() {
            let last = i + 1 == N;
            let cell = cut(cell, if last { rest } else { most });
            out += &cell;
            if !last {
                out += &" ".repeat(widths[i].saturating_sub(width(&cell)) + 2);
            }
        }
        out.truncate(out.trim_end().len());
        out
    });
    lines.collect()
}

/// A time of ours (RFC 3339) as this PC's clock shows it; what is no time stays as it is.
pub fn local_time(text: &str) -> String {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => line(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_the_same_and_means_the_same() {
        let text = "\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{2069}\u{200e}\u{61c}\u{2028}\u{e0041} \"\\ 你好\n";
        let printed = json(text).unwrap();
        assert_eq!(
            printed,
            r#""\u001b[2J\u007f\u009b\u202e\u2069\u200e\u061c\u2028\udb40\udc41 \"\\ 你好\n""#
        );
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }

    #[test]
    fn a_sender_looks_like_no_other() {
        assert_eq!(sender("office/build"), "office/build");
        for (from, shown) in [
            ("office ", "\"office \""),
            ("office\u{200d}", r#""office\u{200d}""#),
            ("offi\u{fe0f}ce", r#""offi\u{fe0f}ce""#),
        ] {
            assert_eq!(sender(from), shown);
        }
    }

    #[test]
    fn chinese_is_two_columns_wide() {
        assert_eq!(width("ab你好"), 6);
        assert_eq!(cut("你好世界", 8), "你好世界");
        assert_eq!(cut("你好世界", 7), "你好世…");
        assert_eq!(cut("你好世界", 6), "你好…");
        assert_eq!(cut("abc", 0), "");
        let rows = [["实例".to_owned(), "x".to_owned()], ["a".to_owned(), "y".to_owned()]];
        assert_eq!(table(&rows, 20, 80), ["实例  x", "a     y"]);
    }

    #[test]
    fn a_summary_is_one_line() {
        assert_eq!(summary(&Value::from("\r\n  \nfirst\u{1b}c\r\nsecond")), "first\\u{1b}c");
        assert_eq!(summary(&serde_json::json!({"a": "x\ny"})), r#"{"a":"x\ny"}"#);
        assert_eq!(summary(&Value::from("")), "");
    }

    #[test]
    fn a_time_that_is_none_is_shown_safely() {
        assert_eq!(local_time("\u{1b}soon"), "\\u{1b}soon");
        assert_eq!(local_time("2026-02-14T10:40:00.000Z").len(), 19);
    }
}
