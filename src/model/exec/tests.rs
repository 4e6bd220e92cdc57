//! What a caller may write into a command, what may not be configured, and what is cut.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn command(run: &[&str], args: &[(&str, Arg)]) -> RemoteCommand {
    RemoteCommand {
        run: run.iter().map(ToString::to_string).collect(),
        folder: None,
        peers: vec![],
        timeout: Duration::from_secs(1),
        output: 100,
        args: args.iter().map(|(name, arg)| ((*name).to_owned(), arg.clone())).collect(),
    }
}

fn text() -> Arg {
    Arg::Text { max: 5, default: None }
}

fn words(command: &RemoteCommand, args: Value) -> Result<Vec<String>, String> {
    command.words(&serde_json::from_value(args).unwrap())
}

#[test]
fn arguments_go_where_they_are_named_and_nowhere_else() {
    let args = [
        ("path", text()),
        ("n", Arg::Integer { min: -3, max: 9, default: Some(1) }),
        ("how", Arg::Choice { of: vec!["all".into(), "-v".into()], default: Some("all".into()) }),
    ];
    let tool = command(&["tool", "{path}", "-n{n}", "{n}", "--how={how}", "{}", "{ x}", "a{b"], &args);
    tool.check("tool").unwrap();
    let expected = ["tool", "a b;", "-n-2", "-2", "--how=-v", "{}", "{ x}", "a{b"];
    assert_eq!(words(&tool, json!({"path": "a b;", "n": "-2", "how": "-v"})).unwrap(), expected);
    assert_eq!(words(&tool, json!({"path": "{n}"})).unwrap()[1], "{n}", "a value is not looked into");
}

#[test]
fn what_is_not_as_it_must_be_is_told() {
    let args = [("path", text()), ("n", Arg::Integer { min: 0, max: 9, default: Some(1) })];
    let tool = command(&["tool", "{path}", "{n}"], &args);
    for (args, part) in [
        (json!({}), "\"path\" is missing"),
        (json!({"path": "123456"}), "at most 5 characters"),
        (json!({"path": "a\nb"}), "on one line"),
        (json!({"path": "-rf"}), "like an option"),
        (json!({"path": 7}), "must be a text"),
        (json!({"path": ["a"]}), "must be a text"),
        (json!({"path": "a", "n": 10}), "from 0 to 9"),
        (json!({"path": "a", "n": 1.5}), "from 0 to 9"),
        (json!({"path": "a", "n": "1e3"}), "from 0 to 9"),
        (json!({"path": "a", "PATH": "b"}), "no argument \"PATH\"; its arguments: n, path"),
    ] {
        let why = words(&tool, args.clone()).unwrap_err();
        assert!(why.contains(part), "{args}: {why}");
    }
}

#[test]
fn a_config_that_cannot_be_meant_is_refused() {
    for (run, args, part) in [
        (vec![], vec![], "names no program"),
        (vec![" "], vec![], "names no program"),
        (vec!["{tool}"], vec![("tool", text())], "must be fixed"),
        (vec!["/bin/{tool}"], vec![("tool", text())], "must be fixed"),
        (vec!["tool", "{path}"], vec![], "which is no argument"),
        (vec!["tool"], vec![("path", text())], "not used"),
        (vec!["tool", "a\0"], vec![], "NUL"),
        (vec!["tool", "{a}"], vec![("a", Arg::Choice { of: vec![], default: None })], "nothing to choose"),
        (vec!["tool", "{a}"], vec![("a", Arg::Integer { min: 0, max: 1, default: Some(2) })], "from 0 to 1"),
        (vec!["tool", "{a b}"], vec![("a b", text())], "no name"),
    ] {
        let why = command(&run, &args).check("tool").unwrap_err();
        assert!(why.contains(part), "{run:?}: {why}");
    }
}

#[test]
fn a_command_has_a_plain_name() {
    for name in ["", "-x", "a b", "a/b", "ä"] {
        assert!(command(&["tool"], &[]).check(name).is_err(), "{name}");
    }
}

#[test]
fn an_answer_is_cut_until_it_fits() {
    let mut answer = Answer {
        status: Status::Ran,
        exit: Some(0),
        stdout: "你\u{1}".repeat(1_000),
        stderr: "e".into(),
        cut: false,
        reason: None,
    };
    answer.fit(1_000);
    assert!(serde_json::to_string(&answer).unwrap().len() <= 1_000);
    assert!(answer.cut && answer.stderr == "e" && answer.stdout.starts_with("你\u{1}"));
    let back: Answer = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
    assert_eq!(back, answer);
    let unknown = r#"{"status":"ran","exit":3,"new":1}"#;
    assert_eq!(serde_json::from_str::<Answer>(unknown).unwrap().exit, Some(3));
}

proptest! {
    /// A value makes no second word, no program, no option, whatever it is.
    #[test]
    fn a_value_stays_one_word(value in any::<String>()) {
        let tool = command(&["tool", "{path}", "--x={path}"], &[("path", Arg::Text { max: 64, default: None })]);
        if let Ok(words) = words(&tool, json!({"path": value})) {
            prop_assert_eq!(&words[..], &["tool".to_owned(), value.clone(), format!("--x={value}")][..]);
            prop_assert!(!value.starts_with('-') && !value.chars().any(char::is_control));
        }
    }

    #[test]
    fn any_word_of_a_config_falls_into_pieces(word in "[a{} n-]{0,12}") {
        let whole: String = pieces(&word)
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Arg(name) => format!("{{{name}}}"),
            })
            .collect();
        prop_assert_eq!(whole, word);
    }
}
