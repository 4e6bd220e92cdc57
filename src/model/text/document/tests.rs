//! What is read, what is refused, and the property that valid UTF-8 is never altered.

use super::super::encode;
use super::*;
use proptest::prelude::*;

fn taken(bytes: &[u8]) -> Result<(String, Encoding), Damage> {
    decode_document(bytes).map(|document| (document.text, document.encoding))
}

#[test]
fn a_document_is_read_as_a_whole() {
    for toml in [
        "# 共享文件夹\r\nname = \"lab\"\n",
        "# 공유 폴더\nname = \"lab\"\n",
        "一开\r\n最是\r\n需要一点，说明！\r\n",
    ] {
        for encoding in Encoding::ALL {
            assert_eq!(taken(&encode(toml, encoding, true)), Ok((toml.to_owned(), encoding)));
            if encoding != Encoding::Utf8Bom {
                assert_eq!(taken(&encode(toml, encoding, false)), Ok((toml.to_owned(), encoding)));
            }
        }
    }
    assert_eq!(taken(b""), Ok((String::new(), Encoding::Utf8)));
    assert_eq!(taken(b"a\xFF\xFFb"), Err(Damage::Undecodable));
    assert_eq!(taken(b"a = 1\n\0\0\0\0"), Err(Damage::Nul));
}

#[test]
fn two_editors_may_have_written_it() {
    // One comment in GBK makes no GBK of the rest, nor a line that is both by chance UTF-8 of the rest.
    let gbk = |text: &str| encode(text, Encoding::Gb18030, false);
    for mark in [&b""[..], b"\xEF\xBB\xBF"] {
        let mixed =
            [mark, &gbk("# 注释\n"), "path = \"/mnt/共享\"\n# é\n".as_bytes(), &gbk("# 说明")].concat();
        let text = "# 注释\npath = \"/mnt/共享\"\n# é\n# 说明";
        assert_eq!(taken(&mixed), Ok((text.to_owned(), Encoding::Gb18030)));
    }
    let chance = "path = \"/mnt/一\"\n# 注释\n";
    assert_eq!(taken(&gbk(chance)), Ok((chance.to_owned(), Encoding::Gb18030)));
    assert_eq!(taken(&[&gbk("# 注释\n")[..], b"\0\0\n"].concat()), Err(Damage::Nul));
    assert_eq!(taken(&[&gbk("# 注释\n")[..], b"\xff\n"].concat()), Err(Damage::Undecodable));
}

#[test]
fn utf8_with_a_few_nuls_is_refused() {
    for text in [
        "a 你好\0b\0c",
        "hello\0",
        "file1\0file2\0",
        "你好\0",
        "abc\0d\0e\0",
        "ok\n\0",
        "\0",
        "\0\0",
        "a\0b\0c",
    ] {
        assert_eq!(taken(text.as_bytes()), Err(Damage::Nul), "{text:?}");
    }
    for (text, encoding) in [("a\0b\0", Encoding::Utf16Le), ("\0a\0b", Encoding::Utf16Be)] {
        assert_eq!(taken(text.as_bytes()), Ok(("ab".to_owned(), encoding)));
    }
    let gbk = encode("你好\0b\0c", Encoding::Gb18030, false);
    assert_eq!(taken(&gbk), Err(Damage::Nul));
}

#[test]
fn chinese_in_utf16_without_bom_is_read_or_doubted() {
    for text in ["收到，请回复", "我们已经完成了测试", "测试通过", "编译一共三个警告。请看日志！", "第一开始"]
    {
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let bytes = encode(text, encoding, false);
            assert_eq!(taken(&bytes), Ok((text.to_owned(), encoding)), "{text}");
        }
    }
    // As good in GBK: `轛`, a line end and `Y`.
    assert_eq!(taken(&encode("回复", Encoding::Utf16Le, false)), Err(Damage::Unclear));
    // ASCII as well, and so not touched: "`O}Y".
    let both = decode_document(&encode("你好", Encoding::Utf16Le, false)).unwrap();
    assert_eq!((&*both.text, both.encoding), ("`O}Y", Encoding::Utf8));
    assert!(both.note.unwrap().contains("你好"));
}

#[test]
fn a_note_shows_little_of_a_long_text() {
    let note = decode_document("z".repeat(100_000).as_bytes()).unwrap().note.unwrap();
    assert!(note.contains("空…") && note.len() < 300, "{note}");
}

#[test]
fn utf8_that_was_cut_is_never_gbk() {
    let text = "我们已经完成了测试，请回复";
    for cut in 1..text.len() {
        let whole = text.is_char_boundary(cut);
        let expected = if whole { Ok((text[..cut].to_owned(), Encoding::Utf8)) } else { Err(Damage::Cut) };
        assert_eq!(taken(&text.as_bytes()[..cut]), expected, "{cut}");
    }
    for from in [1, 2] {
        assert_eq!(taken(&text.as_bytes()[from..]), Err(Damage::Cut));
    }
    let mixed = [text.as_bytes(), &encode("好", Encoding::Gb18030, false), text.as_bytes()].concat();
    assert_eq!(taken(&mixed), Err(Damage::Cut));
}

#[test]
fn a_guess_is_told() {
    let note = |encoding, bom| decode_document(&encode("回复 abc", encoding, bom)).unwrap().note;
    for encoding in [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Utf16Le, Encoding::Utf16Be] {
        assert_eq!(note(encoding, true), None);
    }
    assert_eq!(note(Encoding::Utf8, false), None);
    for (encoding, word) in [(Encoding::Gb18030, "GBK"), (Encoding::Utf16Le, "UTF-16LE without BOM")] {
        assert!(note(encoding, false).unwrap().contains(word));
    }
    for plain in
        ["ok", "test", "done", "yes!", "build 42 passed", "{\"a\":1}", "hello world", "a=b\n", "SGVsbG8="]
    {
        assert_eq!(decode_document(plain.as_bytes()).unwrap().note, None, "{plain}");
    }
}

#[test]
fn western_text_is_not_taken_for_chinese() {
    for bytes in [&b"M\xFCller"[..], b"100 \xB0C", b"\xA1Hola"] {
        assert_eq!(taken(bytes), Err(Damage::Unclear), "{}", bytes.escape_ascii());
    }
}

/// Whether it is ASCII in UTF-16 as well: the one kind of valid UTF-8 that is read otherwise.
fn is_alternating(text: &str) -> bool {
    let nul = |first: usize| text.bytes().skip(first).step_by(2).all(|byte| byte == 0);
    nul(0) || nul(1)
}

proptest! {
    #[test]
    fn valid_utf8_is_never_altered(text in "[a-c一-龥\0\n你é😀 ]{0,12}") {
        match taken(text.as_bytes()) {
            Ok(read) => prop_assert!(read == (text.clone(), Encoding::Utf8) || is_alternating(&text), "{:?}", read),
            Err(damage) => prop_assert!(text.contains('\0'), "{}", damage),
        }
    }

    #[test]
    fn any_utf8_without_nuls_is_taken_as_it_is(text in "[^\0\u{feff}]{0,40}") {
        prop_assert_eq!(taken(text.as_bytes()), Ok((text, Encoding::Utf8)));
    }

    #[test]
    fn everyday_gbk_is_read(text in "[我们已经完成了测试请回复编译一共三个警告看日志在是有的，。 a-z0-9]{1,30}你") {
        let bytes = encode(&text, Encoding::Gb18030, false);
        prop_assert_eq!(taken(&bytes), Ok((text, Encoding::Gb18030)));
    }

    #[test]
    fn everyday_utf16_is_read_or_refused(text in "[我们已经完成了测试请回复编译一共三个警告看日志在是有的，。a-z0-9\n]{1,30}", le in any::<bool>()) {
        let encoding = if le { Encoding::Utf16Le } else { Encoding::Utf16Be };
        let bytes = encode(&text, encoding, false);
        match decode_document(&bytes) {
            // U+4E00 and U+5F00 alone are ASCII in the other order.
            Ok(read) if bytes.is_ascii() && read.encoding != encoding && read.text.len() * 2 == bytes.len() => {
                prop_assert!(read.note.is_some());
            }
            Ok(read) if read.encoding == Encoding::Utf8 => prop_assert_eq!(read.text.as_bytes(), &bytes[..]),
            Ok(read) => prop_assert_eq!((read.text, read.encoding), (text, encoding)),
            Err(_) => {}
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = decode_document(&bytes);
    }
}

#[test]
fn western_text_is_refused_however_short() {
    for bytes in [
        &b"\xC7a va?"[..],
        b"M\xFCller",
        b"cr\xE9\xE9e",
        b"\xC9l y yo",
        b"INFORMA\xC7\xC3O",
        b"100 \xB0C",
        b"\xD6l",
        b"Gr\xF6\xDFe",
        b"caf\xE9.",
        b"o\xF9 es-tu",
    ] {
        let read = decode_document(bytes);
        assert!(read.is_err(), "{read:?}");
    }
}
