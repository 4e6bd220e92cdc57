//! Windows-1252 that was read as GBK, which takes nearly all of it without complaint: `M黮ler` was `Müller`.
//!
//! Its accented letters stand alone between ASCII, and each takes the letter behind it for the second half of a pair.
//! The pairs of everyday Chinese have no ASCII in them, and come several in a row.

use encoding_rs::GB18030;

/// What `text` says as Windows-1252, if it was read as GBK and Chinese explains it badly: each of its characters stands
/// alone and took with it the ASCII letter behind an accented one (`M黮ler`), or is a sign such as that of `癈`.
pub fn western(text: &str) -> Option<String> {
    let mut original = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut found = false;
    while let Some(c) = chars.next() {
        if c.is_ascii() {
            original.push(c);
            continue;
        }
        let mut buf = [0; 4];
        let (bytes, _, lossy) = GB18030.encode(c.encode_utf8(&mut buf));
        let [high, low] = bytes[..] else { return None };
        let before = original.chars().next_back();
        let after = chars.peek().copied();
        if lossy || !low.is_ascii_alphabetic() || after.is_some_and(|next| !next.is_ascii()) {
            return None;
        }
        let letter =
            before.is_some_and(|c| c.is_ascii_alphabetic()) || after.is_some_and(|c| c.is_ascii_alphabetic());
        let fits = match high {
            0xB0 => matches!(low, b'C' | b'F') && before.is_some_and(|c| c == ' ' || c.is_ascii_digit()),
            0xA1 | 0xBF => !before.is_some_and(char::is_alphanumeric) && letter,
            // The letters of 1252, without the signs of multiplication and division.
            0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0xFF => letter,
            _ => false,
        };
        if !fits {
            return None;
        }
        found = true;
        // These bytes are Latin-1 as well.
        original.extend([char::from(high), char::from(low)]);
    }
    found.then_some(original)
}

/// Whether `text`, read as GBK, may as well be Western, though nothing proves it: each of its characters stands alone, and
/// took an ASCII letter with it (`莂 va?` was `Ça va?`) or stands between two of them (`cr殚e` was `créée`).
pub fn may_be_western(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let alone = |i: usize| {
        let (before, after) = (i.checked_sub(1).and_then(at), at(i + 1));
        let is = |what: fn(char) -> bool| (before.is_some_and(what), after.is_some_and(what));
        let mut buf = [0; 4];
        let (bytes, ..) = GB18030.encode(chars[i].encode_utf8(&mut buf));
        let took_a_letter = matches!(bytes[..], [high, low] if high >= 0xC0 && low.is_ascii_alphabetic());
        is(|c| !c.is_ascii()) == (false, false)
            && (took_a_letter || is(|c| c.is_ascii_alphabetic()) == (true, true))
    };
    !text.is_ascii() && (0..chars.len()).all(|i| chars[i].is_ascii() || alone(i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_as_gbk(bytes: &[u8]) -> String {
        GB18030.decode_without_bom_handling_and_without_replacement(bytes).unwrap().into_owned()
    }

    #[test]
    fn western_text_is_told() {
        for (bytes, text) in [
            (&b"M\xFCller"[..], "Müller"),
            (b"100 \xB0C, 70\xB0F", "100 °C, 70°F"),
            (b"\xDCber Gr\xF6\xDFe? gr\xFC\xDFen", ""),
            (b"\xDCber die Stra\xDFe, sch\xF6n", "Über die Straße, schön"),
            (b"d\xE9j\xE0 vu", ""),
            (b"tr\xE8s na\xEFf", "très naïf"),
            // Two in a row, as Chinese is: the price of leaving that alone.
            (b"c\xE9l\xE8bre", ""),
            (b"\xA1Hola, se\xF1or! \xBFQu\xE9n?", "¡Hola, señor! ¿Quén?"),
        ] {
            let Some(read) = GB18030.decode_without_bom_handling_and_without_replacement(bytes) else {
                assert_eq!(text, "", "no GBK, and so set aside");
                continue;
            };
            assert_eq!(western(&read).unwrap_or_default(), text, "{read}");
        }
        assert_eq!(read_as_gbk(b"M\xFCller"), "M黮ler");
    }

    #[test]
    fn chinese_is_left_alone() {
        for text in [
            "",
            "Mueller",
            "你好",
            "在 a 的 b",
            "A是B",
            "我",
            "x体y",
            "請問這個 檔案 在哪裡",
            "the 體 x",
            "Disk磁盤full",
            "A組",
            "第1組 second",
            "朱镕基",
            "陶喆 and 李玟",
            "王堃 ok",
            "50 元",
            "100 ℃",
            "100 °C",
            "Müller",
            "😀a",
        ] {
            assert_eq!(western(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_simplified_chinese_is_taken_for_western(text in "[ -~]{0,5}[一-龥]{1,3}[ -~]{0,5}") {
            // GB2312, that is: none of its pairs has an ASCII letter.
            let (bytes, _, _) = GB18030.encode(&text);
            let simplified = !text.chars().any(|c| !c.is_ascii() && {
                let mut buf = [0; 4];
                GB18030.encode(c.encode_utf8(&mut buf)).0.iter().any(u8::is_ascii)
            });
            prop_assert!(!simplified || western(&text).is_none());
            // What is told has the very bytes that were read.
            if let Some(told) = western(&text) {
                prop_assert_eq!(encoding_rs::WINDOWS_1252.encode(&told).0, bytes);
            }
        }

        #[test]
        fn two_in_a_row_are_chinese(text in "[ -~]{0,5}[一-龥]{2,9}[ -~]{0,5}") {
            prop_assert_eq!(western(&text), None);
        }
    }
}
