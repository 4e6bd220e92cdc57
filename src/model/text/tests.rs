//! Table tests over `testdata/` (real bytes, as the tools leave them), the odd cases, and properties.
#![allow(clippy::disallowed_methods, reason = "the table lies in files")]

mod cut;

use std::str::from_utf8;

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

fn text_of(line: &Line<'_>) -> Result<String, Damage> {
    line.text.clone().map(Cow::into_owned)
}

type Read = (Encoding, Result<String, Damage>);

/// Encoding and text of every line, and the tail.
fn read(buf: &[u8], before: Option<Encoding>) -> (Vec<Read>, Tail) {
    let scan = scan(buf, before);
    (scan.lines.iter().map(|line| (line.encoding, text_of(line))).collect(), scan.tail)
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn le(text: &str) -> Vec<u8> {
    encode(text, Encoding::Utf16Le, false)
}

fn be(text: &str) -> Vec<u8> {
    encode(text, Encoding::Utf16Be, false)
}

#[test]
fn files_as_the_tools_leave_them() {
    let mut seen = 0;
    for folder in ["encodings", "torn"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ext| ext != "jsonl") {
                continue;
            }
            let raw = std::fs::read(&path).unwrap();
            let expected: Vec<serde_json::Value> =
                serde_json::from_slice(&std::fs::read(path.with_extension("expected.json")).unwrap())
                    .unwrap();
            let scan = scan(&raw, None);
            let mut lines = scan.lines;
            let name = path.file_stem().unwrap().to_str().unwrap();
            if name.starts_with("no-final-newline") {
                assert_eq!(scan.tail, Tail::Partial, "{name}");
                lines.extend(scan_tail(&raw[scan.consumed..], scan.after));
            } else {
                let tail = match name {
                    _ if name.starts_with("torn") => Tail::Partial,
                    _ if name.starts_with("nul") => Tail::Nul,
                    _ => Tail::None,
                };
                assert_eq!(scan.tail, tail, "{name}");
            }
            let lines: Vec<_> = lines
                .iter()
                .map(|line| serde_json::json!({"encoding": line.encoding.name(), "text": text_of(line).unwrap()}))
                .collect();
            assert_eq!(lines, expected, "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen} files");
}

/// Files in which somebody's line was cut off: the whole messages behind it are there, and the half ones are no JSON.
#[test]
fn files_with_half_a_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cut");
    let mut seen = 0;
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|ext| ext != "jsonl") {
            continue;
        }
        let raw = std::fs::read(&path).unwrap();
        let expected = std::fs::read(path.with_extension("expected.json")).unwrap();
        let expected: Vec<serde_json::Value> = serde_json::from_slice(&expected).unwrap();
        let whole = |text: &String| serde_json::from_str::<serde_json::Value>(text).is_ok();
        let lines: Vec<_> = read(&raw, None).0;
        let told = lines.iter().filter_map(|(encoding, text)| Some((encoding, text.as_ref().ok()?)));
        let told: Vec<_> = told
            .filter(|(_, text)| whole(text))
            .map(|(encoding, text)| serde_json::json!({"encoding": encoding.name(), "text": text}))
            .collect();
        assert_eq!(told, expected, "{path:?}");
        assert!(lines.len() > expected.len(), "{path:?}: the half is told, too");
        seen += 1;
    }
    assert!(seen >= 7, "{seen} files");
}

#[test]
fn names_and_words() {
    for encoding in Encoding::ALL {
        assert_eq!(encoding.name().parse(), Ok(encoding));
    }
    assert_eq!("latin1".parse::<Encoding>().unwrap_err(), "\"latin1\" is no encoding of ours");
    assert_eq!(Damage::Nul.to_string(), "NUL bytes where text should be");
    assert_eq!(Damage::Undecodable.to_string(), "neither UTF-8, UTF-16 nor GB18030");
}

#[test]
fn blank_lines_are_consumed_and_left_out() {
    let mixed = bytes(&[b"\n \t\r\n{}\n\r\n", &le("\r\n{\"a\":1}\r\n\r\n"), b"\xEF\xBB\xBF\r\n"]);
    let scan = scan(&mixed, None);
    assert_eq!(scan.lines.iter().map(|line| text_of(line).unwrap()).collect::<Vec<_>>(), ["{}", "{\"a\":1}"]);
    assert_eq!((scan.consumed, scan.tail), (mixed.len(), Tail::None));
}

#[test]
fn one_bom_is_for_all_lines_of_a_utf16_file() {
    for (encoding, unit) in [(Encoding::Utf16Le, le as fn(&str) -> Vec<u8>), (Encoding::Utf16Be, be)] {
        let first = encode("{\"a\":1}\n", encoding, true);
        let buf = bytes(&[&first, &unit("一上海\r\nnot json\n\r\n二\n")]);
        let texts = ["{\"a\":1}", "一上海", "not json", "二"].map(|text| (encoding, Ok(text.to_owned())));
        assert_eq!(read(&buf, None), (texts.to_vec(), Tail::None));
        assert_eq!(read(&buf[first.len()..], Some(encoding)).0, texts[1..]);
    }
}

#[test]
fn a_utf16_line_does_not_force_utf16_upon_text_in_bytes() {
    for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
        for text in ["{\"from\":1}", "{ \"from\":1}", "# written by hand, no JSON", "\r\n\t{\"from\":1}"] {
            let lines = read(format!("{text}\n").as_bytes(), Some(encoding)).0;
            assert_eq!(lines, [(Encoding::Utf8, Ok(text.trim_start_matches("\r\n").to_owned()))], "{text}");
        }
        // A line too short to tell is lost to the wrong encoding, but not the one after it.
        let lines = read(b"ok!\n{\"from\":1}\n", Some(encoding)).0;
        assert_eq!(lines.last(), Some(&(Encoding::Utf8, Ok("{\"from\":1}".to_owned()))));
    }
}

#[test]
fn a_seam_ends_a_line() {
    let utf8 = "{\"a\":\"你\"}";
    let own = |encoding| (encoding, Ok(utf8.to_owned()));
    let tail = [Encoding::Utf16Le, Encoding::Utf16Be];
    for second in tail {
        for bom in [false, true] {
            let glued = bytes(&[utf8.as_bytes(), &encode(&format!("{utf8}\r\n"), second, bom)]);
            assert_eq!(read(&glued, None), (vec![own(Encoding::Utf8), own(second)], Tail::None));
            let back = bytes(&[&encode(utf8, second, true), utf8.as_bytes(), b"\n"]);
            assert_eq!(read(&back, None), (vec![own(second), own(Encoding::Utf8)], Tail::None));
        }
    }
    // Only PowerShell's line end was added.
    let ended = bytes(&[utf8.as_bytes(), &le("\r\n")]);
    assert_eq!(read(&ended, None), (vec![own(Encoding::Utf8)], Tail::None));
    // A torn GBK line whose last byte looks like half of a BOM.
    let torn = bytes(&[b"{\"a\":\"\xC4\xFE", &encode("{\"b\":1}\n", Encoding::Utf16Le, true)]);
    let expected =
        [(Encoding::Gb18030, Ok("{\"a\":\"宁".to_owned())), (Encoding::Utf16Le, Ok("{\"b\":1}".to_owned()))];
    assert_eq!(read(&torn, None).0, expected);
}

#[test]
fn what_only_looks_like_a_seam_is_left_alone() {
    for text in ["{\"a\":\"}\u{feff}{\"}", "{\"a\":\"\\\"}\u{feff}{\"}", "{\"a\":\"}{\",\"b\":\"你\"}"] {
        let lines = read(format!("{text}\n").as_bytes(), None).0;
        assert_eq!(lines, [(Encoding::Utf8, Ok(text.to_owned()))]);
    }
    let gbk = "{\"a\":\"}{\",\"b\":\"收到\"}{\"c\":\"请回复\"}";
    let lines = read(&encode(&format!("{gbk}\n"), Encoding::Gb18030, false), None).0;
    assert_eq!(lines, [(Encoding::Gb18030, Ok(gbk.to_owned()))]);
}

#[test]
fn nuls_are_waited_for() {
    let cases: &[(&[u8], usize, Tail, usize)] = &[
        (b"\0\0\0", 0, Tail::Nul, 3),
        (b"{}\n\0", 3, Tail::Nul, 1),
        (b"{}\n\0\0\0{\"a\":1}\n", 3, Tail::Nul, 3),
        (b"{}\n\0\0\0{\0\"\0a\0", 3, Tail::Nul, 3),
        (b"\n\0\0\0\0", 1, Tail::Nul, 4),
        (b"{}\n{\"fro\0\0\0", 3, Tail::Partial, 0),
        (b"{}\n{\0\0\0", 3, Tail::Partial, 0),
        (b"{}\n\0{\0\"", 3, Tail::Partial, 0),
    ];
    for (buf, consumed, tail, nuls) in cases {
        let scan = scan(buf, None);
        assert_eq!(
            (scan.consumed, scan.tail, nul_run(&buf[*consumed..])),
            (*consumed, *tail, *nuls),
            "{buf:?}"
        );
    }
    assert_eq!(read(b"{\"fro\0\0\0\n{}\n", None).0[0], (Encoding::Utf8, Err(Damage::Nul)));
    assert_eq!(read(&le("{\"a\0\"}\n"), None).0[0], (Encoding::Utf16Le, Err(Damage::Nul)));
    assert_eq!(scan_tail(b"\0\0", None), None);
    assert_eq!(scan_tail(b"{\"fro\0\0", None).unwrap().text, Err(Damage::Nul));
}

#[test]
fn what_fits_no_encoding_is_told_and_stepped_over() {
    let lone = bytes(&[&le("{\"a\":\""), b"\x3D\xD8", &le("\"}\r\n{\"b\":1}\n")]);
    let lines = read(&lone, None).0;
    assert_eq!(lines[0], (Encoding::Utf16Le, Err(Damage::Undecodable)));
    assert_eq!(lines[1], (Encoding::Utf16Le, Ok("{\"b\":1}".to_owned())));
    assert_eq!(read(b"{\xFF\xFF}\n{}\n", None).0[0], (Encoding::Utf8, Err(Damage::Undecodable)));
    // An odd byte or half a pair at the end is in flight.
    assert_eq!(read(&bytes(&[&le("{\"a\":\""), b"\x3D"]), None), (vec![], Tail::Partial));
    assert_eq!(read(&bytes(&[&le("{\"a\":\""), b"\x3D\xD8"]), None), (vec![], Tail::Partial));
}

/// Half a message, cut anywhere, and behind it a whole one, in every pair of encodings.
#[test]
fn half_a_line_takes_no_other_one_with_it() {
    let half = "{\"from\":\"手\",\"content\":\"第一算法 \\\"x\\\" 😀";
    let whole = "{\"from\":\"hand\",\"content\":\"你好 {\\\"a\\\":1}\"}";
    let marked = |encoding| [false, true].map(|bom| encode(half, encoding, bom));
    for first in Encoding::ALL.into_iter().flat_map(marked) {
        for cut in 1..=first.len() {
            for (second, glue) in Encoding::ALL.into_iter().flat_map(|e| [(e, ""), (e, "\n")]) {
                let own = encode(&format!("{whole}\r\n"), second, true);
                let buf = bytes(&[&first[..cut], glue.as_bytes(), &own]);
                // Half of one BOM before another one is a third; a lone `{` begins with a NUL, and is waited for.
                if buf.starts_with(b"\xFF\xFE\xFF")
                    || buf.starts_with(b"\xFE\xFF\xFE")
                    || buf.starts_with(b"\0") && cut <= 3
                {
                    continue;
                }
                let lines = read(&buf, None).0;
                // Two of a kind, and no newline, in the middle of a word: nothing tells where the second one begins.
                let told = !glue.is_empty()
                    || second != Encoding::Gb18030 && second != Encoding::Utf8
                    || lines.len() > 1;
                let taken = lines.last().is_some_and(|(_, text)| text.as_deref() == Ok(whole));
                let opening = String::from_utf8_lossy(&buf);
                assert!(taken || !told, "{cut} of {opening:?} then {second}: {lines:?}");
            }
        }
    }
}

#[test]
fn a_line_that_lacks_half_of_its_newline_is_whole() {
    for (encoding, cut) in [(Encoding::Utf16Le, 1), (Encoding::Utf16Be, 1), (Encoding::Utf16Le, 2)] {
        let line = encode("{\"a\":\"你\"}\r\n", encoding, true);
        for glue in ["", "\n"] {
            let buf = bytes(&[&line[..line.len() - cut], glue.as_bytes(), b"{\"b\":1}\n"]);
            let texts: Vec<_> = read(&buf, None).0.into_iter().map(|(_, text)| text).collect();
            let expected = ["{\"a\":\"你\"}", "{\"b\":1}"].map(|text| Ok(text.to_owned()));
            assert_eq!(texts, expected, "{encoding} {glue:?}");
        }
    }
}

#[test]
fn a_tail_is_taken_as_if_it_had_ended() {
    let text = "{\"a\":\"你好\"}";
    for encoding in Encoding::ALL {
        let line = encode(text, encoding, true);
        let taken = scan_tail(&line, None).unwrap();
        assert_eq!((taken.encoding, taken.raw, text_of(&taken)), (encoding, &line[..], Ok(text.to_owned())));
    }
    assert_eq!((scan_tail(b"", None), scan_tail(b" \r", None)), (None, None));
    // GBK behind UTF-8 in one tail: two calls.
    let glued = bytes(&[text.as_bytes(), &encode(text, Encoding::Gb18030, false)]);
    let first = scan_tail(&glued, None).unwrap();
    assert_eq!(first.raw, text.as_bytes());
    assert_eq!(scan_tail(&glued[first.raw.len()..], None).unwrap().encoding, Encoding::Gb18030);
}

#[test]
fn a_hostile_file_is_got_through() {
    for pattern in ["{\"a\":1}\u{feff}", "\"}\u{feff}{\" ", "x{\0\"\0}\0{\"", "你}{\"", "\0\r", "{ "] {
        for end in [&b"\n"[..], b"\xFF\n", b""] {
            let buf = bytes(&[pattern.repeat(300_000 / pattern.len()).as_bytes(), end]);
            let mut at = 0;
            // Without `MAX_GLUED` and `MAX_COUNTS` some of these cost the square of their size: minutes.
            for _ in 0..3 {
                let scan = scan(&buf[at..], None);
                at += scan.consumed;
            }
            assert!(at <= buf.len());
        }
    }
}

fn content() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,20}", "[一-龥]{1,20}", "[a-z一-龥，。😀🎉é]{1,20}"]
        .prop_map(|text| text.replace(['"', '\\'], "_"))
}

/// A message line, its newline included.
fn message() -> impl Strategy<Value = (Encoding, String, Vec<u8>)> {
    (proptest::sample::select(&Encoding::ALL), content(), any::<bool>(), any::<bool>())
        .prop_map(|(encoding, content, bom, crlf)| {
            let text = format!("{{\"content\":\"{content}\"}}");
            let bom = bom || encoding == Encoding::Utf8Bom;
            let raw = encode(&format!("{text}{}", if crlf { "\r\n" } else { "\n" }), encoding, bom);
            let plain = encoding == Encoding::Gb18030 && from_utf8(&raw).is_ok();
            (if plain { Encoding::Utf8 } else { encoding }, text, raw)
        })
        // The known limit: GBK that is valid UTF-8 as well.
        .prop_filter("ambiguous", |(encoding, text, raw)| {
            *encoding != Encoding::Utf8 || from_utf8(raw).is_ok_and(|decoded| decoded.trim_end() == text)
        })
}

/// Bytes that are all about seams, holes and newlines.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(vec![
        &b"{\"a\":1}"[..],
        b"\n",
        b"\r\n",
        b"\n\0",
        b"\r\0\n\0",
        b"\0\n",
        b"{\0\"\0",
        b"\0{\0\"",
        b"}\0",
        b"\0}",
        b"\0",
        b"\0\0",
        b"\xFF\xFE",
        b"\xFE\xFF",
        b"\xEF\xBB\xBF",
        b"{\"",
        b"{",
        b"}",
        b"\"",
        b"\xC4\xFE",
        b"\xE4\xBD\xA0",
        b"\x3D\xD8",
        b"\\",
        b" ",
        b" \0",
        b"plain words, not json",
        b"\xFF",
        b"\x0A\x4E",
    ]);
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn check_shape(buf: &[u8], before: Option<Encoding>) -> Result<(), TestCaseError> {
    let scan = scan(buf, before);
    prop_assert!(scan.consumed <= buf.len());
    prop_assert_eq!(scan.tail == Tail::None, scan.consumed == buf.len());
    if scan.tail == Tail::Nul {
        prop_assert!(nul_run(&buf[scan.consumed..]) > 0);
    }
    let mut at = 0;
    for line in &scan.lines {
        // What was left out between two lines is blank in every encoding.
        prop_assert!(buf[at..line.at].iter().all(|byte| b" \t\r\n\0\xEF\xBB\xBF\xFF\xFE".contains(byte)));
        prop_assert_eq!(line.raw, &buf[line.at..line.at + line.raw.len()]);
        prop_assert!(!line.raw.is_empty());
        at = line.at + line.raw.len();
    }
    let _ = scan_tail(buf, before);
    let _ = decode_document(buf);
    Ok(())
}

/// Scanning a part and then the rest gives what scanning at once does.
fn check_parts(buf: &[u8], cut: usize) -> Result<(), TestCaseError> {
    let whole = scan(buf, None);
    let part = scan(&buf[..cut], None);
    let rest = scan(&buf[part.consumed..], part.after);
    let mut lines = part.lines;
    lines.extend(rest.lines.into_iter().map(|line| Line { at: line.at + part.consumed, ..line }));
    prop_assert_eq!(lines, whole.lines);
    prop_assert_eq!((part.consumed + rest.consumed, rest.tail), (whole.consumed, whole.tail));
    Ok(())
}

fn before() -> impl Strategy<Value = Option<Encoding>> {
    proptest::option::of(proptest::sample::select(&Encoding::ALL))
}

proptest! {
    #[test]
    fn what_is_encoded_is_scanned(messages in vec(message(), 0..8)) {
        let buf: Vec<u8> = messages.iter().flat_map(|(_, _, raw)| raw.clone()).collect();
        let expected: Vec<_> = messages.into_iter().map(|(encoding, text, _)| (encoding, Ok(text))).collect();
        prop_assert_eq!(read(&buf, None), (expected, Tail::None));
    }

    #[test]
    fn a_file_of_any_text_in_one_encoding(encoding in proptest::sample::select(&Encoding::ALL), texts in vec(content(), 0..8)) {
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.trim().is_empty()).collect();
        let fits = |text: &str| encoding != Encoding::Gb18030 || from_utf8(&encode(text, encoding, false)).is_err() || text.is_ascii();
        prop_assume!(texts.iter().all(|text| fits(text)));
        let mut buf = encode("{\"a\":1}\n", encoding, true);
        buf.extend(texts.iter().flat_map(|text| encode(&format!("{text}\r\n"), encoding, false)));
        let read: Vec<String> = read(&buf, None).0.into_iter().skip(1).map(|(_, text)| text.unwrap()).collect();
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn piece_by_piece_is_the_same_as_at_once(messages in vec(message(), 1..6), cut in any::<prop::sample::Index>()) {
        let buf: Vec<u8> = messages.iter().flat_map(|(_, _, raw)| raw.clone()).collect();
        check_parts(&buf, cut.index(buf.len() + 1))?;
    }

    #[test]
    fn even_of_nasty_bytes(buf in nasty(), before in before()) {
        check_shape(&buf, before)?;
        for cut in 0..=buf.len() {
            check_parts(&buf, cut)?;
        }
    }

    #[test]
    fn no_bytes_make_it_panic(buf in vec(any::<u8>(), 0..300), before in before()) {
        check_shape(&buf, before)?;
    }
}
