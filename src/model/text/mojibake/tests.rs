//! What is mended, and a corpus of ordinary sentences in which nothing is.

use super::*;
use proptest::prelude::*;

fn misread(bytes: &[u8], wrong: &'static Encoding) -> Option<String> {
    wrong.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn what_was_read_wrongly_once_is_told() {
    for (text, expected) in [
        ("ÄãºÃ", "你好"),
        ("浣犲ソ", "你好"),
        ("ä½\u{a0}å¥½", "你好"),
        ("ÄãºÃ£¬ÊÀ½ç", "你好，世界"),
        ("ä¸\u{ad}æ–‡", "中文"),
        ("build: ä½\u{a0}å¥½ ok", "build: 你好 ok"),
        ("dÃ©jÃ\u{a0} vu Ã\u{a0} lâ€™Ã©tÃ©", "déjà vu à l’été"),
        ("ÐŸÑ€Ð¸Ð²ÐµÑ‚, Ð¼Ð¸Ñ€", "Привет, мир"),
        ("鏀跺埌馃榾", "收到😀"),
        ("縺薙ｓ縺ｫ縺｡縺ｯ荳也阜", "こんにちは世界"),
        ("ì•ˆë…•í•˜ì„¸ìš”", "안녕하세요"),
        ("Ã¤Â½Â\u{a0}Ã¥Â¥Â½", "你好"),
        ("MÃ¼ller", "Müller"),
        ("Ãœberraschung", "Überraschung"),
        ("Ã–sterreich", "Österreich"),
        ("un cafÃ©, SVP", "un café, SVP"),
        ("SÃ£o Paulo", "São Paulo"),
        ("Ã‡a va?", "Ça va?"),
        ("MÃƒÂ¼ller", "Müller"),
        ("cafÃƒÂ©", "café"),
        ("SÃƒÂ£o", "São"),
        ("Ã¢â€šÂ¬100", "€100"),
        ("MÃƒÆ’Ã‚Â¼ller", "Müller"),
    ] {
        assert_eq!(original(text).as_deref(), Some(expected), "{text:?}");
    }
}

#[test]
fn and_twice() {
    let text = "我们已经完成了，请回复";
    let once = latin1(text.as_bytes());
    assert_eq!(original(&once).as_deref(), Some(text));
    assert_eq!(original(&latin1(once.as_bytes())).as_deref(), Some(text));
    let gbk = GBK.encode("收到请回复").0;
    let twice = misread(misread(&gbk, WINDOWS_1252).unwrap().as_bytes(), WINDOWS_1252).unwrap();
    assert_eq!(original(&twice).as_deref(), Some("收到请回复"));
    let once = misread("你好世间".as_bytes(), GBK).unwrap();
    let twice = misread(once.as_bytes(), WINDOWS_1252).or_else(|| Some(latin1(once.as_bytes()))).unwrap();
    assert_eq!(original(&twice).as_deref(), Some("你好世间"));
}

#[test]
fn what_lost_something_or_says_too_little_is_left_alone() {
    for text in
        ["", "plain", "浣犲ソ\u{fffd}", "鍚?", "Ã©", "茅", "caf茅", "好", "Â°", "EDUCAÇÃO", "ÄÖÜß", "créée"]
    {
        assert_eq!(original(text), None, "{text:?}");
    }
}

#[test]
fn a_content_keeps_its_shape() {
    let content = serde_json::json!({"a": ["ÄãºÃ", 1, "x"], "b": {"c": null}, "d": "好"});
    let expected = serde_json::json!({"a": ["你好", 1, "x"], "b": {"c": null}, "d": "好"});
    assert_eq!(original_of(&content, None), Some(expected));
    assert_eq!(original_of(&serde_json::json!(["好", {"x": "y"}, 7]), None), None);
}

#[test]
fn western_text_is_told_only_where_we_took_it_for_gbk() {
    let content = serde_json::json!({"name": "M黮ler", "at": ["100 癈", 1]});
    let expected = serde_json::json!({"name": "Müller", "at": ["100 °C", 1]});
    assert_eq!(original_of(&content, Some(Written::Gb18030)), Some(expected));
    assert_eq!(original_of(&content, Some(Written::Utf8)), None);
    assert_eq!(original_of(&content, None), None);
    let chinese = serde_json::json!(["M黮ler", "你好"]);
    assert_eq!(original_of(&chinese, Some(Written::Gb18030)), None);
}

/// Ordinary sentences: none of them, no part of one, and no two together may be "mended".
const ORDINARY: &[&str] = &[
    "Le café est fermé ; où êtes-vous allés ? « Là-bas », répondit-elle : « à l’hôtel… »",
    "Ça coûte 12 € — c’est très élevé, naïvement créée à Noël. Œuvre n° 3, 20 °C ± 2.",
    "Die Größe der Straße in Österreich: „Übermäßig schön“, äußerte Jürgen – 5 µm, § 3.",
    "ÄÖÜ äöü ß; MÜNCHEN, GRÖSSE, FÜR, ÖFFNEN, ÜBUNG, ÄRGER…",
    "A educação não é só informação: AÇÃO, INFORMAÇÕES, SÃO PAULO, MANHÃ… “AMANHÃ”.",
    "¿Qué pasó, señor? ¡Él también! El 1.º año; la 2.ª vez; ÁÉÍÓÚ ÑÑ áéíóú ñ ü",
    "Minha IRMÃ, a «AMANHû e a “ROMÔ: IRMÃ’s, MAÇÃ… MANHÖou, MAÇÃ®, MAÇÃ™, FÃ³, Ã, ‘Ã’, à – letra, ÃO, IRMî.",
    "SERTÃO, PÃO, MÃE, NÃO, CÃES, Ãgua, AVIÃO; LÔde”, BALCÃ£, ÃÃ, Âmbar, 5 €, Ä°, Å“, É¼, à ½ kg",
    "Perché no? È così, più o meno: «città», l’età, già, lunedì, virtù.",
    "På ön bor en älg; blåbærsyltetøy, smørrebrød, ÆØÅ æøå, Håkon, Åse, ÅÄÖ.",
    "Það er rigning í dag. Ég heiti Þórður og ég á heima á Ísafirði.",
    "Tôi là người Việt Nam; xin chào các bạn, cảm ơn! ĐÂY LÀ TIẾNG VIỆT. Ừ, được ạ.",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň. Árvíztűrő tükörfúrógép. Își dorește țuică.",
    "Şişli'de güneş ığdır; İstanbul çok güzel, öğrenci değil mi?",
    "Съешь ещё этих мягких французских булок, да выпей чаю. Її ґанок.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "你好，我是A实例，收到请回复。构建完成，一共三个警告，请看日志。",
    "朱镕基、陶喆、李玟和王菲；浣熊、浣纱溪、涓涓细流、瀚海、鏖战、馃子。",
    "龘靐齉爩，饕餮、魑魅魍魉、氤氲、旖旎、蹉跎、踟蹰、缱绻、鹡鸰、鸳鸯。",
    "繁體中文：您好，請問這個檔案在哪裡？謝謝您的幫忙，測試已經完成。",
    "今日は良い天気ですね。ファイルを確認して、返信してください。半角ｶﾀｶﾅも。",
    "薔薇、檸檬、憂鬱、縺れる、蜘蛛、鬱蒼、繧繝、荳荑。",
    "안녕하세요, 파일을 확인해 주세요. 감사합니다!",
    "שלום עולם, مرحبا بالعالم, नमस्ते दुनिया, สวัสดีชาวโลก",
    "😀🎉👩‍🔬 done ✓ → 100 % ≥ 3 × 4 · “quoted” ‘single’ — ½ ¾ ² ³ ©®™ €£¥",
    "touché… café® Nestlé™ résumé» naïve° 3º 2ª ¡Olé! él¿",
    "C:\\Users\\张三\\文档\\新建文件夹\\报告（最终版）.docx",
];

#[test]
fn ordinary_text_is_left_alone() {
    let mut looked = 0;
    let looks_western = |text: &str| {
        let left_alone = text.is_ascii() || GBK.encode(text).2 || western_of(text).is_none();
        !left_alone
    };
    for sentence in ORDINARY {
        assert_eq!(original(sentence), None, "{sentence}");
        assert!(!looks_western(sentence), "{sentence}");
        let words: Vec<&str> = sentence.split([' ', '，', '、', '。', '；']).collect();
        for from in 0..words.len() {
            for to in from + 1..=words.len() {
                let part = words[from..to].join(" ");
                assert_eq!(original(&part), None, "{part}");
                looked += 1;
            }
        }
        let chars: Vec<char> = sentence.chars().collect();
        for part in (1..=8).flat_map(|len| chars.windows(len)) {
            let part: String = part.iter().collect();
            assert_eq!(original(&part), None, "{part}");
            assert!(!looks_western(&part), "{part}");
            looked += 1;
        }
    }
    assert!(looked > 8_000, "{looked} parts");
}

/// Text of the characters that make up half of all that is written in Chinese.
fn common() -> impl Strategy<Value = String> {
    let often: Vec<char> = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多\
                            然于心学么之都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动"
        .chars()
        .filter(|c| !c.is_ascii())
        .collect();
    proptest::collection::vec(proptest::sample::select(often), 4..24).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn common_chinese_that_was_misread_is_told(text in common()) {
        for wrong in [WINDOWS_1252, GBK, BIG5, SHIFT_JIS] {
            let Some(misread) = misread(text.as_bytes(), wrong) else { continue };
            // Where reading it lost nothing, it can be told.
            let exact = bytes_of(&misread, wrong).is_some_and(|bytes| *bytes == *text.as_bytes());
            let found = original(&misread);
            prop_assert!(!exact || found.is_some(), "{misread}");
        }
        prop_assert_eq!(original(&latin1(text.as_bytes())), Some(text));
    }

    /// Rare characters may read in two ways; then nothing is told.
    #[test]
    fn what_is_told_of_misread_chinese_is_never_anything_else(text in "[一-龥]{2,20}[ -~]{0,10}[一-龥]{2,10}") {
        for wrong in [WINDOWS_1252, GBK, BIG5, SHIFT_JIS] {
            let Some(misread) = misread(text.as_bytes(), wrong) else { continue };
            let found = original(&misread);
            prop_assert!(found.is_none() || found.as_deref() == Some(&text), "{misread} became {found:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = original(&text);
    }

    #[test]
    fn random_chinese_is_left_alone(text in "[一-龥，。]{1,30}") {
        prop_assert_eq!(original(&text), None);
    }
}
