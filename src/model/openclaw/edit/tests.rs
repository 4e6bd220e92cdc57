//! Editing JSON5: samples as people write them, and any document at all.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn comments_and_all_else_stay() {
    let text = "// my gateway\n{\n  gateway: {\n    port: 18789, // the usual one\n  },\n  /* { \"hooks\": 1 } */\n  \
                agents: { entries: { main: {} } }, // the end\n}\n";
    let made = edit(text, &[Change::set(&["hooks", "enabled"], true)]).unwrap();
    let wanted = text.replace("// the end\n}", "// the end\n  hooks: {\n    enabled: true\n  },\n}");
    assert_eq!(made, wanted);
    assert_eq!(edit(&made, &[]).unwrap(), made);
}

#[test]
fn what_is_there_is_replaced_and_lists_grow() {
    let text = "{\"hooks\": {\"enabled\": false, \"mappings\": [{\"id\": \"x}\"}], \"token\": 't'}}";
    let changes = [
        Change::set(&["hooks", "enabled"], true),
        Change::append(&["hooks", "mappings"], json!({ "id": "y" })),
        Change::append(&["hooks", "allowedAgentIds"], "main"),
    ];
    let wanted = "{\"hooks\": {\"enabled\": true, \"mappings\": [{\"id\": \"x}\"}, { \"id\": \"y\" }], \"token\": 't', \
                  \"allowedAgentIds\": [\"main\"]}}";
    assert_eq!(edit(text, &changes).unwrap(), wanted);
}

#[test]
fn a_member_of_an_element_is_replaced() {
    let text = "{a: [ // first\n  {b: 'x', c: 1}, /* second */ {\"b\": 'y', c: 2} ]}";
    let set = |number: &str| edit(text, &[Change::set(&["a", number, "b"], "new")]);
    assert_eq!(set("1").unwrap(), text.replace("'y'", "\"new\""));
    assert_eq!(set("0").unwrap(), text.replace("'x'", "\"new\""));
    assert!(set("2").is_err() && set("b").is_err());
}

#[test]
fn lines_end_as_they_do_and_a_mark_at_the_start_stays() {
    let text = "{\r\n\t\"a\": 1\r\n}\r\n";
    let made = edit(text, &[Change::set(&["hooks"], json!({ "b": 1, "c": [] }))]).unwrap();
    assert_eq!(made, "{\r\n\t\"a\": 1,\r\n\t\"hooks\": {\r\n\t  \"b\": 1,\r\n\t  \"c\": []\r\n\t}\r\n}\r\n");
}

#[test]
fn an_empty_document_gets_its_first_member() {
    assert_eq!(edit("{}", &[Change::set(&["a"], 1)]).unwrap(), "{\n  \"a\": 1\n}");
    assert_eq!(
        edit("{ // nothing yet\n}", &[Change::set(&["a"], 1)]).unwrap(),
        "{ // nothing yet\n  \"a\": 1\n}"
    );
}

#[test]
fn what_can_not_be_edited_is_refused() {
    for (text, path) in [
        ("", &["a"] as &[&str]),
        ("[]", &["a"]),
        ("{a: 1", &["a"]),
        ("{hooks: 'off'}", &["hooks", "enabled"]),
        ("{hooks: []}", &["hooks", "enabled"]),
        ("7", &["a"]),
    ] {
        assert!(edit(text, &[Change::set(path, 1)]).is_err(), "{text}");
    }
    assert!(edit("{a: {}}", &[Change::append(&["a"], 1)]).is_err());
}

#[test]
fn windows_paths_and_odd_strings_lead_nobody_astray() {
    let text = r#"{ 'a\'}': "C:\\x\\", b: 'it\'s // no comment', "c/*": .5, d: +Infinity, e: 0xFF, h\u006foks: {}, }"#;
    // Infinity is no JSON, so such a document is refused as a whole.
    let text = text.replace("d: +Infinity, ", "");
    let made = edit(&text, &[Change::set(&["hooks", "path"], r"C:\y")]).unwrap();
    assert_eq!(read(&made).unwrap()["hooks"], json!({ "path": r"C:\y" }));
    assert!(made.contains("'it\\'s // no comment'"), "{made}");
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\{}/*']{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_can_be_edited(members in prop::collection::btree_map("[a-c]", document(), 0..4), new in document(), pretty: bool) {
        let value = Value::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let made = edit(&text, &[Change::set(&["a"], new.clone()), Change::append(&["z"], new.clone())]).unwrap();
        let made = read(&made).unwrap();
        prop_assert_eq!(&made["a"], &new);
        prop_assert_eq!(&made["z"], &Value::from(vec![new]));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\]a:,'\"/*\n\\\\ ]{0,30}") {
        let _ = edit(&text, &[Change::set(&["a", "b"], 1), Change::append(&["c"], 1)]);
    }
}
