//! Names: tables of good and bad ones, and properties over any text.
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn good_names_pass_as_they_are() {
    let longest = "x".repeat(64);
    for good in [
        "lab",
        "Lab-2",
        "a",
        "7",
        "office.7",
        "my_gateway",
        "a..b",
        "实验室",
        "办公室-2",
        "Ünal",
        "हिन्दी",
        "한국어",
        "console",
        "com",
        "com10",
        "comx",
        "nulls",
        "x.con",
        "json",
        "lock",
        "a.json.b",
        "alle",
        "to-lab",
        &longest,
    ] {
        assert_eq!(Name::parse(good).map(String::from).as_deref(), Ok(good));
    }
}

#[test]
fn bad_names_say_what_is_wrong() {
    let chinese = "名".repeat(22);
    let marks = format!("e{}", "\u{5d0}".repeat(40));
    for (bad, says) in [
        ("", "the name is empty"),
        ("a:b", r#""a:b" holds ':'; allowed are letters, digits, '-', '_' and '.'"#),
        ("a b", r#""a b" holds ' '"#),
        ("a/b", r#"holds '/'"#),
        (r"a\b", r#""a\\b" holds '\\'"#),
        ("a\0b", r#""a\0b" holds '\0'"#),
        ("a\u{1b}[31m", r#""a\u{1b}[31m" holds '\u{1b}'"#),
        ("a\u{202e}b", r"holds '\u{202e}'"),
        ("a\u{200d}b", r"holds '\u{200d}'"),
        ("a\u{3164}", r"holds '\u{3164}'"),
        ("a\u{fe0f}", r"holds '\u{fe0f}'"),
        ("CONIN$", "holds '$'"),
        ("🦀", "holds '🦀'"),
        (".hidden", r#"".hidden" begins with '.'; a name begins with a letter or a digit"#),
        ("..", "begins with '.'"),
        ("-v", "begins with '-'"),
        ("_a", "begins with '_'"),
        ("\u{301}a", r"begins with '\u{301}'"),
        (&chinese, "is 66 bytes long; at most 64"),
        (&marks, "is 81 bytes long; at most 64"),
        ("lab.", "ends with '.', which Windows drops"),
        ("lab.JSON", r#""lab.JSON" ends in ".json" like a file"#),
        ("lab.jsonl", r#"ends in ".jsonl""#),
        ("lab.Lock", r#"ends in ".lock""#),
        ("lab.tmp", r#"ends in ".tmp""#),
        ("CON", r#""CON" is a device name on Windows"#),
        ("nul.x", "is a device name"),
        ("Aux.a.b", "is a device name"),
        ("prn", "is a device name"),
        ("COM0", "is a device name"),
        ("lpt9.log", "is a device name"),
        ("com¹", "is a device name"),
        ("LPT³", "is a device name"),
        ("All", r#""All" is reserved"#),
    ] {
        let error = Name::parse(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad:?}: {error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    assert!(Name::parse(&":".repeat(1 << 20)).unwrap_err().to_string().len() < 200);
}

#[test]
fn names_are_composed_and_keep_their_case() {
    assert_eq!(name("Cafe\u{301}").as_str(), "Café");
    assert_eq!(name("Cafe\u{301}"), name("Café"));
    assert_ne!(name("Lab"), name("lab"));
    // 63 bytes once composed, though 94 as given.
    assert_eq!(name(&format!("{}a", "e\u{301}".repeat(31))).as_str().len(), 63);
}

#[test]
fn names_that_may_share_a_file_have_one_fold() {
    for (a, b) in [
        ("Lab", "lAB"),
        ("CAFE\u{301}", "café"),
        ("ΟΔΟΣ", "οδος"),
        ("ΟΔΟΣ", "οδοσ"),
        ("Straẞe", "straße"),
        ("STRASSE", "straße"),
        ("Kelvin\u{212a}", "kelvink"),
        ("Ｌａｂ", "ｌＡＢ"),
    ] {
        assert!(name(a).same_as(&name(b)), "{a} {b}: {} {}", name(a).fold(), name(b).fold());
    }
    assert!(!name("lab").same_as(&name("lab2")));
    assert!(!name("实验室").same_as(&name("试验室")));
}

#[test]
fn every_character_folds_like_its_other_case() {
    for c in (char::MIN..=char::MAX).filter(|&c| allowed(c)) {
        let given = format!("a{c}");
        let folded = fold(&given);
        assert_eq!(fold(&folded), folded, "{c:?}");
        assert_eq!(fold(&given.to_uppercase()), folded, "{c:?}");
        assert_eq!(fold(&given.to_lowercase()), folded, "{c:?}");
        assert_eq!(fold(&given.nfd().collect::<String>()), folded, "{c:?}");
    }
}

#[test]
fn addresses_are_an_instance_and_perhaps_an_agent() {
    let both: Address = "办公室/main".parse().unwrap();
    assert_eq!((both.instance.as_str(), both.agent.as_ref().map(Name::as_str)), ("办公室", Some("main")));
    assert_eq!(both.to_string(), "办公室/main");
    assert_eq!("lab".parse::<Address>().unwrap(), Address::from(name("lab")));
    for (bad, says) in [
        ("", "the name is empty"),
        ("/", "lacks a name"),
        ("lab/", r#""lab/" lacks a name beside its '/'; write instance or instance/agent"#),
        ("/main", "lacks a name"),
        ("a/b/c", r#""b/c" holds '/'"#),
        ("../x", "begins with '.'"),
    ] {
        let error = bad.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains(says), "{bad:?}: {error}");
    }
}

#[test]
fn json_holds_strings_and_is_checked() {
    let address: Address = serde_json::from_str(r#""lab/main""#).unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), r#""lab/main""#);
    assert_eq!(serde_json::to_string(&name("lab")).unwrap(), r#""lab""#);
    assert!(serde_json::from_str::<Name>(r#""a/b""#).unwrap_err().to_string().contains("holds '/'"));
    assert!(serde_json::from_str::<Address>("7").is_err());
}

#[test]
fn near_finds_slips_and_nothing_else() {
    let known = ["lab", "office", "office2", "实验室", "办公室", "workshop", "lab"];
    for (wanted, finds) in [
        ("lb", &["lab"][..]),
        ("LAB", &["lab"]),
        ("ofice", &["office", "office2"]),
        ("Office2", &["office2", "office"]),
        ("wrokshop", &["workshop"]),
        ("实验室2", &["实验室"]),
        ("办公", &["办公室"]),
        ("事务室", &[]),
        ("zebra", &[]),
        ("", &[]),
    ] {
        assert_eq!(near(wanted, known), finds, "{wanted}");
    }
    assert_eq!(near("资科", ["图片", "资料", "备份"]), ["资料"], "one of two characters");
    assert!(near(&"lab".repeat(1000), known).is_empty());
    assert_eq!(near("pc", ["pc4", "pc3", "pc2", "pc1"]), ["pc1", "pc2", "pc3"]);
}

/// Text that is often nearly a name.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9._ßΣσςé\u{301}\u{345}İı名ᾳŉ-]{0,70}",
        "(?i)(con|com[0-9¹]|all)(\\.[a-z]{0,5})?"
    ]
}

proptest! {
    #[test]
    fn an_accepted_name_is_safe_and_stable(given in text()) {
        if let Ok(name) = Name::parse(&given) {
            prop_assert_eq!(&Name::parse(name.as_str()).unwrap(), &name);
            prop_assert!(!name.as_str().chars().any(|c| matches!(c, '/' | '\\' | ':' | '\0') || c.is_control()));
            prop_assert!((1..=MAX_BYTES).contains(&name.as_str().len()));
            let folded = name.fold();
            prop_assert_eq!(fold(&folded), folded);
            prop_assert!(name.same_as(&name));
        }
    }

    #[test]
    fn any_text_is_an_address_or_an_error(given in text(), other in text()) {
        let joined = format!("{given}/{other}");
        match joined.parse::<Address>() {
            Ok(address) => prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address),
            Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control)),
        }
        near(&given, [other.as_str(), "lab"]);
    }
}
