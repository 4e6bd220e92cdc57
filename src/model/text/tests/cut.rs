//! Half a line takes no whole one with it, whatever both were written in.

use super::*;

const FORMS: [(Encoding, bool); 8] = [
    (Encoding::Utf8, false),
    (Encoding::Utf8Bom, true),
    (Encoding::Gb18030, false),
    (Encoding::Utf16Le, false),
    (Encoding::Utf16Le, true),
    (Encoding::Utf16Be, false),
    (Encoding::Utf16Be, true),
    (Encoding::Utf8Bom, false),
];

/// Whether nothing tells an object in an object from a message behind half a one: behind a colon.
fn may_hold_an_object(half: &[u8]) -> bool {
    let seen = half.iter().rev().find(|byte| !matches!(byte, 0 | b' '));
    seen == Some(&b':')
}

/// What no reader can tell, or only a later look: `00` begins like a hole; half of one BOM before the other is a third
/// one; and one UTF-16 before the other without BOM, where the half ends like a line, a hole or a unit.
fn is_unclear(half: &[u8], second: Encoding, bom: bool) -> bool {
    let swapped = second == Encoding::Utf16Be && !bom;
    let wide = second == Encoding::Utf16Be || second == Encoding::Utf16Le;
    match half {
        [0] | [0, b'{'] | [0, b'{', 0] => true,
        [0xFE, 0xFF, 0] => second == Encoding::Utf16Le && !bom,
        [0xFF | 0xFE] => wide && bom,
        [.., b'\n' | b'}'] => swapped && half.len() % 2 == 1,
        [b'{'] | [b'{', 0] => swapped,
        _ => false,
    }
}

/// The texts of all lines, that of the tail included.
fn texts(buf: &[u8]) -> Vec<String> {
    let scan = scan(buf, None);
    let (mut at, mut after) = (scan.consumed, scan.after);
    let mut lines: Vec<_> = scan.lines.iter().filter_map(|line| text_of(line).ok()).collect();
    while let Some(line) = scan_tail(&buf[at..], after) {
        lines.extend(text_of(&line));
        (at, after) = (at + line.raw.len(), Some(line.encoding));
    }
    lines
}

/// What is lost of `whole` lines behind `half` a one.
fn lost(half: &[u8], whole: &[(&str, Encoding, bool)]) -> Option<String> {
    for end in ["\r\n", ""] {
        let mut buf = half.to_vec();
        for (at, (text, encoding, bom)) in whole.iter().enumerate() {
            let end = if at + 1 < whole.len() { "\r\n" } else { end };
            buf.extend(encode(&format!("{text}{end}"), *encoding, *bom));
        }
        let read = texts(&buf);
        if whole.iter().any(|(text, ..)| !read.iter().any(|line| line == text)) {
            return Some(format!("{} {end:?} {read:?}", String::from_utf8_lossy(&buf)));
        }
    }
    None
}

#[test]
fn a_line_cut_anywhere_takes_no_other_with_it() {
    let half = "{\"from\":\"me\", \"x\":1,\"y\":\"\\\\\",\"content\":\"hell 你一上\\n#\"}";
    let whole = "{\"from\":\"小明\",\"content\":\"B盘 full 上a 一\"}";
    let mut all = vec![];
    for (first, first_bom) in FORMS {
        let first_line = encode(half, first, first_bom);
        for cut in 1..first_line.len() {
            for (second, bom) in FORMS {
                let half = &first_line[..cut];
                if may_hold_an_object(half) || is_unclear(half, second, bom) {
                    continue;
                }
                for third in [(second, false), (Encoding::Utf8, false), (Encoding::Utf16Le, false)] {
                    let whole =
                        [(whole, second, bom), ("{\"from\":\"x\",\"content\":\"C\"}", third.0, third.1)];
                    if let Some(lost) = lost(half, &whole) {
                        all.push(format!(
                            "{first} {first_bom} cut {cut} then {second} {bom} then {third:?}: {lost}"
                        ));
                    }
                }
            }
        }
    }
    assert!(all.is_empty(), "{} lost, first:\n{}", all.len(), all[..all.len().min(200)].join("\n"));
}

#[test]
fn the_half_tells_the_byte_order_where_both_read_as_well() {
    for content in ["plain", "é", "😀é", "°😀°", "ab你é", "\t你\t"] {
        let whole = format!("{{\"content\":\"{content}\"}}");
        for own in [Encoding::Utf16Le, Encoding::Utf16Be] {
            for half in ["{", "{\"content\":\"hell"] {
                assert_eq!(lost(&encode(half, own, false), &[(&whole, own, false)]), None);
            }
        }
    }
}

#[test]
fn bytes_behind_utf16_are_the_same_piece_by_piece() {
    let buf = bytes(&[&le("\r\n"), b"plain words, not json{\"a\":1}\n"]);
    for cut in 0..buf.len() {
        check_parts(&buf, cut).unwrap();
    }
}

proptest! {
    /// As people and tools really mix them: any encoding, any text, cut at any byte.
    #[test]
    fn nor_does_a_line_of_any_text(
        first in message(), second in message(), third in message(), cut in any::<prop::sample::Index>()
    ) {
        let half = &first.2[..1 + cut.index(first.2.len().saturating_sub(3))];
        let bom = second.2[0] > 0xEE;
        prop_assume!(!may_hold_an_object(half) && !is_unclear(half, second.0, bom));
        // Without a BOM one UTF-16 is told from the other by what the text is like, which no rule gets right always.
        let swapped = first.0.is_utf16() && second.0.is_utf16() && first.0 != second.0 && !bom;
        prop_assume!(!swapped);
        let buf = bytes(&[half, &second.2, &third.2]);
        let read = texts(&buf);
        for (_, text, _) in [&second, &third] {
            // Behind a whole one without newline it is the second object of a line, which the inbox tells apart.
            let (own, several) = (text.as_str(), format!("}}{text}"));
            let told = read.iter().any(|line| line == own || line.ends_with(&several));
            prop_assert!(told, "{text} of {:?}: {read:?}", String::from_utf8_lossy(&buf));
        }
        for at in 0..buf.len() {
            check_parts(&buf, at)?;
        }
    }
}
