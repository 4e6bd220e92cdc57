//! Each step by examples, and for any name: found in whatever form it is stored, and never taken for another.

use proptest::prelude::*;

use super::misread::Code;
use super::*;

/// `text` written in one code and read in another.
fn misread(text: &str, written: Code, read: Code) -> String {
    read.read(&written.write(text).unwrap()).unwrap()
}

fn found(typed: &str, there: &[&[u8]]) -> Pick {
    pick(typed.as_bytes(), there)
}

fn gbk(text: &str) -> Vec<u8> {
    Code::Gb18030.write(text).unwrap()
}

#[test]
fn each_step_finds_what_it_is_for() {
    let twice = misread(&misread("共享", Code::Utf8, Code::Windows1252), Code::Utf8, Code::Windows1252);
    for (typed, there, how) in [
        ("共享", "共享".as_bytes().to_vec(), How::Exact),
        ("Büro", "Bu\u{308}ro".into(), How::Composition),
        ("Bu\u{308}ro", "Büro".into(), How::Composition),
        ("共享文件夹", gbk("共享文件夹"), How::Encoding),
        ("資料夾", Code::Big5.write("資料夾").unwrap(), How::Encoding),
        ("共有フォルダ", Code::ShiftJis.write("共有フォルダ").unwrap(), How::Encoding),
        ("Büro", b"B\xfcro".to_vec(), How::Encoding),
        ("Bu\u{308}ro", b"B\xfcro".to_vec(), How::Encoding),
        ("你好", "浣犲ソ".into(), How::Mojibake),
        ("你好", "ÄãºÃ".into(), How::Mojibake),
        ("你好", "ä½\u{a0}å¥½".into(), How::Mojibake),
        ("共享", twice.into(), How::Mojibake),
        // And the other way round: what was typed, or stands in the config, is the garbled one.
        ("浣犲ソ", "你好".into(), How::Mojibake),
        ("ÄãºÃ", "你好".into(), How::Mojibake),
        // GBK that happens to be UTF-8, too.
        ("一", gbk("一"), How::Mojibake),
    ] {
        let others = [b"other".as_slice(), "其他".as_bytes(), b"\xff\xfe", &there];
        assert_eq!(pick(typed.as_bytes(), &others), Pick::One(3, how), "{typed}: {there:?}");
    }
    assert_eq!(found("共享", &[b"shared", "共产".as_bytes(), &gbk("共有")]), Pick::None);
    assert_eq!(found("share", &[b"Share", b"shar\xe9"]), Pick::None, "ASCII stands for itself");
}

/// `text` in UTF-8, read as GBK by a program that writes `filler` for a byte that has no partner.
fn halved(text: &str, filler: &str) -> String {
    encoding_rs::GBK.decode_without_bom_handling(text.as_bytes()).0.replace('\u{fffd}', filler)
}

#[test]
fn a_misreading_that_lost_a_byte_is_seen_through() {
    let stored = halved("共享文件夹", "?");
    assert_eq!(stored, "鍏变韩鏂囦欢澶?", "as it is known from disks");
    for filler in ["\u{fffd}", "?", "_", " ", ""] {
        let mut all: Vec<(&str, String)> =
            ["共享文件夹", "邮件组", "资料库", "办公室文件"].map(|name| (name, halved(name, filler))).into();
        let twice = halved(&halved("你好", ""), filler);
        assert!(twice.starts_with("娴ｇ姴銈"), "{twice}");
        all.push(("你好", twice));
        all.push(("邮件组", halved(&halved("邮件组", filler), filler)));
        // A digit behind it makes no pair either.
        all.push(("文件夹2", halved("文件夹", filler) + "2"));
        for (name, stored) in all {
            let there = ["其他".as_bytes(), b"2020", stored.as_bytes(), "文件".as_bytes()];
            assert_eq!(pick(name.as_bytes(), &there), Pick::One(2, How::Damaged), "{name}: {stored}");
            let there = ["其他".as_bytes(), name.as_bytes()];
            assert_eq!(pick(stored.as_bytes(), &there), Pick::One(1, How::Damaged), "{stored}: {name}");
        }
    }
    // One character alone is a name, but for what shows that it is damaged.
    assert_eq!(pick("夹".as_bytes(), &["澶", "澶?", "澶_", "澶�"]), Pick::One(3, How::Damaged));
    // What lost nothing is closer, and two that lost the same are not chosen between.
    let (whole, half) = (misread("邮件", Code::Utf8, Code::Gb18030), halved("邮件夹", ""));
    assert_eq!(pick("邮件".as_bytes(), &[&half, &whole]), Pick::One(1, How::Mojibake));
    let typed = halved("共享文件夹", "?");
    let both = ["共享文件夹", "共享文件头"];
    assert_eq!(pick(typed.as_bytes(), &both), Pick::Several(How::Damaged, vec![0, 1]));
}

#[test]
fn a_closer_name_wins_over_a_farther_one() {
    let (exact, decomposed) = ("Büro".as_bytes(), "Bu\u{308}ro".as_bytes());
    let (old, garbled) = (b"B\xfcro".as_slice(), "BÃ¼ro".as_bytes());
    let all = [garbled, old, decomposed, exact];
    for (there, at, how) in [
        (&all[..], 3, How::Exact),
        (&all[..3], 2, How::Composition),
        (&all[..2], 1, How::Encoding),
        (&all[..1], 0, How::Mojibake),
    ] {
        assert_eq!(found("Büro", there), Pick::One(at, how));
    }
}

#[test]
fn two_names_of_one_step_are_not_chosen_between() {
    let (gbk, big5) = (gbk("共享"), Code::Big5.write("共享").unwrap());
    assert_eq!(found("共享", &[b"x", &gbk, &big5]), Pick::Several(How::Encoding, vec![1, 2]));
    let half = "o\u{302}\u{323}".as_bytes(); // neither NFC nor NFD
    assert_eq!(
        found("ộ", &["o\u{323}\u{302}".as_bytes(), half]),
        Pick::Several(How::Composition, vec![0, 1])
    );
}

#[test]
fn what_was_typed_in_an_older_encoding_is_found_too() {
    let typed = gbk("共享");
    assert_eq!(pick(&typed, &[b"x".as_slice(), &typed, "共享".as_bytes()]), Pick::One(1, How::Exact));
    assert_eq!(pick(&typed, &[b"x".as_slice(), "共享".as_bytes()]), Pick::One(1, How::Composition));
    assert_eq!(readable(&typed).as_deref(), Some("共享"));
    assert_eq!(readable("共享".as_bytes()).as_deref(), Some("共享"));
    assert_eq!(readable(b"caf\xe9").as_deref(), Some("café"), "alone at its end, it is no GBK");
    assert_eq!(readable(b"\xff\x1b\xff"), None);
}

#[test]
fn names_are_shown_with_the_bytes_that_they_are() {
    assert_eq!(shown(b"/mnt/\xb9\xb2\xcf\xed"), "/mnt/\\xb9\\xb2\\xcf\\xed");
    assert_eq!(shown("/mnt/共享".as_bytes()), "/mnt/共享");
    assert_eq!(shown(b"/\xd3\xc3\xbb\xa7/x"), r"/\xd3\xc3\xbb\xa7/x", "though its middle is UTF-8");
    assert_eq!(told(b"x", b"x"), "\"x\"");
    assert_eq!(told(&gbk("共享"), b"x"), r#""共享" (\xb9\xb2\xcf\xed)"#);
    assert_eq!(
        told("e\u{301}".as_bytes(), b"x").matches("\\xcc\\x81").count(),
        1,
        "what looks the same differs"
    );
    let there = [b"agent".as_slice(), &gbk("共享文件"), b"unlike"];
    assert_eq!(near(b"agents", &there), ["\"agent\""]);
    assert!(near("共享文件夹".as_bytes(), &there)[0].starts_with("\"共享文件\" (\\xb9"));
    assert_eq!(near(b"zzz", &there), [""; 0]);
    // Which of its readings a name is shown in: the one that was meant.
    for (typed, code) in [
        ("共有フォルダ", Code::ShiftJis),
        ("Büro", Code::Windows1252),
        ("共享", Code::Big5),
        ("共享", Code::Gb18030),
    ] {
        let name = code.write(typed).unwrap();
        assert!(
            told(&name, typed.as_bytes()).starts_with(&format!("{typed:?} (")),
            "{}",
            told(&name, typed.as_bytes())
        );
        let slip = format!("{typed}x");
        assert!(near(slip.as_bytes(), &[&name])[0].starts_with(&format!("{typed:?} (")), "{typed}");
    }
    let meant = |typed: &str, there: &[&str]| {
        near(typed.as_bytes(), there).first().map(|name| name.split('"').nth(1).unwrap().to_owned())
    };
    let there = ["图片", "资料", "音乐", "视频", "备份"];
    assert_eq!(meant("资科", &there).as_deref(), Some("资料"));
    assert_eq!(meant("邮局", &there), None);
    let whole = misread("共享文件", Code::Utf8, Code::Gb18030);
    let half = halved("共享文件夹", "?");
    assert_eq!(meant("共享文档", &["图片", &whole]), Some(whole));
    assert_eq!(meant("共亨文件夹", &["图片", &half]), Some(half));
}

fn name() -> impl Strategy<Value = String> {
    let plain = "[a-zA-Z0-9 ._-]{0,6}";
    (plain, "[\u{4e00}-\u{9fa5}あ-んア-ンéüñ\u{1f600}-\u{1f64f}\u{3400}-\u{3410}]{1,8}", plain)
        .prop_map(|(a, b, c)| format!("{a}{b}{c}"))
}

fn other() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z]{1,8}".prop_map(String::into_bytes),
        "[\u{4e00}-\u{9fa5}]{1,6}".prop_map(String::into_bytes),
        proptest::collection::vec(1_u8.., 1..12),
    ]
}

proptest! {
    #[test]
    fn a_name_is_found_in_whatever_form_it_is_stored(name in name(), before in "[a-z]{1,8}") {
        let mut stored = vec![name.nfc().collect::<String>().into_bytes(), name.nfd().collect::<String>().into_bytes()];
        stored.extend(Code::OLDER.iter().filter_map(|code| code.write(&name)));
        for read in [Code::Gb18030, Code::Big5, Code::ShiftJis, Code::Windows1252, Code::Latin1] {
            let once = read.read(name.as_bytes());
            let twice = once.as_ref().filter(|_| !matches!(read, Code::Big5 | Code::ShiftJis));
            let twice = twice.and_then(|once| read.read(once.as_bytes()));
            stored.extend([once, twice].into_iter().flatten().map(String::into_bytes));
        }
        for form in stored {
            let there = [before.as_bytes(), &form];
            prop_assert!(matches!(pick(name.as_bytes(), &there), Pick::One(1, _)), "{name:?} as {form:?}");
            // And back: what is on disk is found by its own bytes, and by the text that it reads as.
            prop_assert_eq!(pick(&form, &there), Pick::One(1, How::Exact));
            if let Some(text) = readable(&form) {
                prop_assert!(matches!(pick(text.as_bytes(), &there), Pick::One(1, _)), "{text:?} for {form:?}");
            }
        }
    }

    #[test]
    fn the_exact_name_wins_whatever_else_is_there(name in name(), mut there in proptest::collection::vec(other(), 0..6), at: prop::sample::Index) {
        there.extend(Code::OLDER.iter().filter_map(|code| code.write(&name)).filter(|form| *form != name.as_bytes()));
        there.extend(garbled(&name).into_iter().map(String::into_bytes));
        there.retain(|form| *form != name.as_bytes());
        let at = at.index(there.len() + 1);
        there.insert(at, name.clone().into_bytes());
        prop_assert_eq!(pick(name.as_bytes(), &there), Pick::One(at, How::Exact));
    }

    #[test]
    fn a_name_is_found_though_a_misreading_lost_some_of_it(
        name in "[\u{4e00}-\u{9fa5}]{2,8}", tail in "([0-9 .-][a-zA-Z]{0,3})?", filler in "[\u{fffd}?_ ]|",
    ) {
        let stored = halved(&name, &filler) + &tail; // which no byte pairs up with
        let name = name + &tail;
        let there = ["其他".as_bytes(), stored.as_bytes()];
        let found = pick(name.as_bytes(), &there);
        prop_assert!(matches!(found, Pick::One(1, How::Mojibake | How::Damaged)), "{name}: {stored} {found:?}");
    }

    #[test]
    fn no_other_name_is_found_but_one_that_lost_what_differs(
        name in "[\u{4e00}-\u{9fa5}]{1,6}", other in "[\u{4e00}-\u{9fa5}]{1,6}", filler in "[\u{fffd}?_ ]|",
    ) {
        prop_assume!(name != other);
        let there = [halved(&other, &filler), other.clone(), halved(&halved(&other, &filler), &filler)];
        match pick(name.as_bytes(), &there) {
            Pick::None => {}
            found => prop_assert_eq!(halved(&name, ""), halved(&other, ""), "{:?}", found),
        }
    }

    #[test]
    fn what_is_found_says_the_same(typed in other(), there in proptest::collection::vec(other(), 0..6)) {
        if let Pick::One(at, how) = pick(&typed, &there) {
            prop_assert!(how == How::Exact || !there[at].is_ascii());
            // The relation holds both ways.
            prop_assert_eq!(pick(&there[at], &[&typed]), Pick::One(0, how));
        }
        let _ = (near(&typed, &there), told(&typed, &typed), shown(&typed));
    }
}
