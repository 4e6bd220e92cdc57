//! What a program says on its output, as text. Windows' own programs write the console's code page (on a Chinese Windows
//! GBK), others UTF-8, and a script may let both speak; so each line is judged by itself: UTF-8 if it can be, else
//! GB18030. A line may be torn at either end, where its reader began late or its writer was ended. No byte is refused.

use std::borrow::Cow;

use encoding_rs::GB18030;

use super::utf8;

/// The longest character of UTF-8 or GB18030.
const LONGEST: usize = 4;

/// The text of an output, its lines separated by `\n`.
pub fn text(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| one(line.strip_suffix(b"\r").unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The last lines of a text that are not blank, at most so many, as one.
pub fn last_lines(text: &str, most: usize) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(most)..].join(" / ")
}

/// The end of a text, at most so many bytes, cut between two characters.
pub fn end(text: &str, most: usize) -> &str {
    let start = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[start.unwrap_or(text.len())..]
}

fn one(line: &[u8]) -> Cow<'_, str> {
    let gb18030 = |line| GB18030.decode_without_bom_handling_and_without_replacement(line);
    utf8(line)
        .or_else(|| torn(line).and_then(utf8))
        .or_else(|| gb18030(line))
        .or_else(|| torn_pair(line).find_map(gb18030))
        .unwrap_or_else(|| String::from_utf8_lossy(line))
}

/// The line without the pieces of UTF-8 characters at its ends.
fn torn(line: &[u8]) -> Option<&[u8]> {
    let start = line.iter().take(LONGEST - 1).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
    let line = &line[start..];
    let end = match std::str::from_utf8(line) {
        Ok(_) => line.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return None,
    };
    // A line of pieces alone may as well be GBK.
    (end > 0).then(|| &line[..end])
}

/// The line without some bytes at its ends, where GB18030 may have been torn.
fn torn_pair(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cuts = (0..LONGEST).flat_map(|end| (0..LONGEST).map(move |start| (start, end)));
    cuts.filter_map(|(start, end)| line.get(start..line.len().checked_sub(end)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_is_read_as_it_was_written() {
        let gbk = |text| GB18030.encode(text).0.into_owned();
        let bytes = [gbk("拒绝访问。\r\n"), "已处理 0 个文件\n".into(), b"exit 5".to_vec()].concat();
        assert_eq!(super::text(&bytes), "拒绝访问。\n已处理 0 个文件\nexit 5");
    }

    #[test]
    fn a_line_that_was_torn_keeps_the_rest() {
        let text = "找不到文件: C:\\邮件";
        for cut in 0..4 {
            let utf8 = text.as_bytes();
            assert!(super::text(&utf8[cut..]).ends_with("文件: C:\\邮件"));
            assert!(super::text(&utf8[..utf8.len() - cut]).starts_with("找不到文件: C:\\"));
            let (gbk, ..) = GB18030.encode(text);
            assert!(super::text(&gbk[..gbk.len() - cut]).starts_with("找不到文件: C:\\"), "{cut}");
        }
        assert_eq!(super::text(b"aaaa\xFFbbbb"), "aaaa\u{fffd}bbbb");
    }

    #[test]
    fn the_end_is_cut_between_characters() {
        assert_eq!(end("你好", 5), "好");
        assert_eq!(end("你好", 2), "");
        assert_eq!(end("ab", 5), "ab");
        assert_eq!(last_lines("a\n\nb\r\n c \n", 2), "b / c");
    }

    proptest! {
        #[test]
        fn text_stays_what_it_is(text in "[^\r]*") {
            prop_assert_eq!(super::text(text.as_bytes()), text);
        }

        #[test]
        fn no_bytes_are_refused(bytes in any::<Vec<u8>>(), most in 0..9_usize) {
            let text = super::text(&bytes);
            prop_assert!(end(&text, most).len() <= most);
        }
    }
}
