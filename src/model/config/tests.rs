//! The config: defaults, one error sample per file in `testdata/config`.

mod template;

use proptest::prelude::*;

use super::*;

const MINIMAL: &str = "instance = 'lab'\nstate = 'state'\nshare.path = '/mnt/share'\n";

fn read(text: &str) -> Config {
    parse(text, Path::new("/etc/lanpost/config.toml")).unwrap()
}

fn refuse(text: &str) -> String {
    parse(text, Path::new("/etc/lanpost/config.toml")).unwrap_err().to_string()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn other_ways_to_wake_are_read_and_kept() {
    let table = "[wake.openclaw]\ntoken = 'file:token'\nhooks = 'in/'\nagents = { Scout = 'ops' }\n";
    let config = read(&format!("{MINIMAL}{table}"));
    let openclaw = config.wake.openclaw.clone().unwrap();
    assert!(config.wake.is_on() && openclaw.mode == HookMode::Mapping);
    assert_eq!(openclaw.token, Some(SecretRef::File("/etc/lanpost/token".into())));
    assert_eq!(
        (openclaw.hooks.as_str(), openclaw.path.as_str(), openclaw.url.origin().as_str()),
        ("/in", "lanpost", "http://127.0.0.1:18789")
    );
    assert_eq!(
        (openclaw.agent("scout"), openclaw.agent("SCOUT"), openclaw.agent("")),
        (Some("ops"), Some("ops"), None)
    );
    let text = template_after(
        &format!("{MINIMAL}{table}"),
        &name("lab"),
        &[],
        Path::new("/s"),
        &ShareConfig::at("/x"),
        &[],
    );
    let again = parse(&text.unwrap(), Path::new("/etc/lanpost/config.toml")).unwrap();
    assert_eq!(again.wake.openclaw.unwrap(), openclaw);
    for bad in [
        "url = 'http://127.0.0.1:18789/base'",
        "url = 'https://gw/?x=1'",
        "url = 'http://me@gw'",
        "url = 'http://gw/#x'",
        "hooks = '/'",
        "hooks = 'a b'",
        "path = '../x'",
        "agent = ''",
        "agents = { 'a/b' = 'x' }",
        "timeout = '0s'",
    ] {
        refuse(&format!("{MINIMAL}[wake.openclaw]\n{bad}\n"));
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let config = read(MINIMAL);
    assert_eq!(config.instance.as_str(), "lab");
    assert!(config.agents.is_empty() && config.wake.command.is_empty());
    assert_eq!((config.look, config.wake, config.limits), Default::default());
    assert_eq!(Look::default().busy, Duration::from_millis(50));
    assert_eq!(WakeConfig::default().attempts, 10);
    assert_eq!(Limits::default().segment, Size(8 << 20));
}

#[test]
fn what_is_written_counts() {
    let more = "[look]\nnotify = false\nidle = '1m 30s'\n[wake]\ncommand = ['run', 'a b']\nbatch = 7\n\
                [limits]\nmessage = 2048\nsegment = '1MB'\nsegment_age = '2h'\n";
    let config = read(&format!("\u{feff}agents = ['main', '助手']\n{MINIMAL}{more}").replace('\n', "\r\n"));
    assert_eq!(config.agents, [name("main"), name("助手")]);
    assert_eq!((config.look.notify, config.look.idle), (false, Duration::from_secs(90)));
    assert_eq!((config.wake.command, config.wake.batch), (vec!["run".to_owned(), "a b".to_owned()], 7));
    assert_eq!((config.limits.message, config.limits.segment), (Size(2048), Size(1_000_000)));
    assert_eq!(config.limits.segment_age, Duration::from_secs(7200));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    for (written, resolved) in [
        ("state", "/etc/lanpost/state"),
        ("../x", "/etc/lanpost/../x"),
        ("/var/x", "/var/x"),
        (r"\\server\share", r"\\server\share"),
        (r"C:\x", r"C:\x"),
        ("d:/x", "d:/x"),
    ] {
        let config = read(&format!("instance = 'lab'\nstate = '{written}'\nshare.path = '{written}'\n"));
        assert_eq!(
            (config.state.as_path(), config.share.path.as_path()),
            (Path::new(resolved), Path::new(resolved))
        );
    }
    assert_eq!(parse(MINIMAL, Path::new("config.toml")).unwrap().state, Path::new("state"));
}

macro_rules! samples {
    ($($name:literal,)*) => {
        [$((
            $name,
            include_str!(concat!("../../../testdata/config/", $name, ".toml")),
            include_str!(concat!("../../../testdata/config/", $name, ".expected")),
        )),*]
    };
}

#[test]
fn each_bad_sample_says_what_is_wrong_and_where() {
    for (name, text, expected) in samples![
        "again-over-max",
        "attempts-zero",
        "bad-instance",
        "batch-negative",
        "bool-duration",
        "busy-over-idle",
        "busy-too-short",
        "command-no-program",
        "command-text",
        "device-agent",
        "duration-overflow",
        "empty-file",
        "empty-share-path",
        "empty-state",
        "escape-in-key",
        "heartbeat-too-short",
        "home-path",
        "hook-token-in-clear",
        "message-too-small",
        "missing-instance",
        "missing-share",
        "missing-share-path",
        "no-unit",
        "openclaw-mode",
        "password-in-clear",
        "quiet-all-day",
        "quiet-no-span",
        "rest-too-long",
        "retry-over-max",
        "rule-bad-from",
        "rule-bad-wake",
        "rule-no-wake",
        "segment-too-small",
        "size-overflow",
        "size-unit",
        "syntax",
        "text-max-too-large",
        "timeout-too-short",
        "twice",
        "twin-agents",
        "two-ways",
        "unclosed-text",
        "unknown-key",
        "unknown-table",
        "unknown-wake-key",
        "user-alone",
        "webhook-header",
        "webhook-user",
        "windows-path-escape",
        "windows-path-tab",
        "zone-unknown",
    ] {
        let origin = format!("/x/config/{name}.toml");
        let error = parse(text, Path::new(&origin)).expect_err(name).to_string();
        assert!(error.starts_with(&format!("could not read the config {origin}: ")), "{name}: {error}");
        assert!(!error.contains(char::is_control), "{name}: {error:?}");
        for part in expected.lines() {
            assert!(error.contains(part), "{name}: {error}\nlacks {part}");
        }
    }
}

#[test]
fn all_agents_have_room_in_a_heartbeat() {
    let with = |count: usize| {
        let agents: Vec<String> = (0..count).map(|n| format!("{n}{}", "x".repeat(60))).collect();
        format!("instance = \"lab\"\nagents = {agents:?}\nstate = \"/s\"\n[share]\npath = \"/m\"\n")
    };
    assert_eq!(read(&with(100)).agents.len(), 100);
    assert!(refuse(&with(101)).contains("at most 100"));
}

#[test]
fn sizes_have_binary_and_decimal_units() {
    for (text, bytes, shown) in [
        ("1MiB", 1 << 20, "1MiB"),
        ("500KiB", 500 << 10, "500KiB"),
        ("8388608", 8 << 20, "8MiB"),
        ("1MB", 1_000_000, "1000000"),
        (" 2 gib ", 2 << 30, "2GiB"),
        ("3kb", 3000, "3000"),
        ("7 B", 7, "7"),
        ("0", 0, "0"),
    ] {
        let size = Size::parse(text).unwrap();
        assert_eq!((size, size.to_string().as_str()), (Size(bytes), shown));
        assert_eq!(Size::parse(shown), Ok(size));
    }
    for bad in [
        "",
        " ",
        "MiB",
        "1M",
        "1.5MiB",
        "-1",
        "+1",
        "1 2",
        "1XiB",
        "１MiB",
        "18446744073709551616",
        "99999999999GiB",
    ] {
        assert!(Size::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn commands_split_at_whitespace_and_keep_backslashes() {
    for (text, words) in [
        ("", &[][..]),
        ("  openclaw  wake ", &["openclaw", "wake"]),
        (r#""C:\Program Files\oc.exe" --to "a b""#, &[r"C:\Program Files\oc.exe", "--to", "a b"]),
        (r"C:\oc\ x", &[r"C:\oc\", "x"]),
        (r#"x --name='it "is"' "" y"z"'"#.trim_end_matches('\''), &["x", r#"--name=it "is""#, "", "yz"]),
        (r#" ["a b", "\\x", ""]"#, &["a b", r"\x", ""]),
        ("[]", &[]),
        ("\"[\" x", &["[", "x"]),
    ] {
        assert_eq!(split_command(text).unwrap(), words, "{text}");
    }
    for (bad, says) in [
        (
            r#"x "a b"#,
            "could not split the wake command \"x \\\"a b\": the quote \" is not closed; write PROGRAM",
        ),
        ("don't", "the quote ' is not closed"),
        ("[x", "could not split"),
        ("[1]", "expected a string"),
        (r#""" x"#, "the program, is empty"),
        ("a \0", "holds NUL"),
    ] {
        let error = split_command(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
}

/// Texts that often get past the syntax.
fn config_text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<String>().prop_map(|text| format!("{text:?}")),
        "'[0-9.]{0,12} ?(ms|s|m|h|d|y|µs|MiB|GB|)( [0-9]{1,22}(s|ms|ns|y))?'",
        any::<i64>().prop_map(|n| n.to_string()),
        "[\\[\\]{}'\"a=.,]{0,8}",
    ];
    let key =
        "(look\\.|wake\\.|limits\\.|)(busy|idle|window|message|segment|command|batch|attempts|state|agents)";
    (any::<bool>(), prop::collection::vec((key, value), 0..4)).prop_map(|(minimal, pairs)| {
        let pairs = pairs.iter().map(|(key, value)| format!("{key} = {value}\n"));
        pairs.fold(if minimal { MINIMAL } else { "" }.to_owned(), |text, pair| text + &pair)
    })
}

proptest! {
    #[test]
    fn any_text_is_a_config_or_one_line_of_error(text in prop_oneof![any::<String>(), config_text()]) {
        if let Err(error) = parse(&text, Path::new("/x")) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn any_duration_or_size_is_a_value_or_an_error(
        text in prop_oneof![any::<String>(), "([0-9]{1,21}(\\.[0-9]{1,21})?(ns|us|ms|s|m|h|d|w|M|y) ?){1,3}"],
    ) {
        let _ = (parse_duration(&text), Size::parse(&text));
    }

    #[test]
    fn any_command_splits_or_fails(text in any::<String>()) {
        let _ = split_command(&text);
    }
}

#[test]
fn deep_nesting_is_an_error() {
    refuse(&format!("agents = {}", "[".repeat(100_000)));
    refuse(&format!("{}x = 1", "a.".repeat(100_000)));
}

#[test]
fn eleven_digits_of_years_do_not_overflow() {
    assert!(parse_duration("99999999999y").is_ok());
    assert!(parse_duration("100000000000y").is_err());
}

#[test]
fn a_secret_is_named_and_a_path_to_one_starts_at_the_folder_of_the_file() {
    for (written, read_as) in [
        ("env:X", SecretRef::Env("X".into())),
        ("keyring:share-password", SecretRef::Keyring(name("share-password"))),
        ("file:pw.txt", SecretRef::File("/etc/lanpost/pw.txt".into())),
        (r"file:C:\pw.txt", SecretRef::File(r"C:\pw.txt".into())),
    ] {
        let config = read(&format!("{MINIMAL}share.user = 'PC1\\agents'\nshare.password = '{written}'\n"));
        assert_eq!(
            (config.share.user.as_deref(), config.share.password),
            (Some(r"PC1\agents"), Some(read_as))
        );
    }
    for (lines, says) in [
        ("share.user = 'x'", "`user` needs a `password`"),
        ("share.password = 'env:X'", "`password` needs a `user`"),
        ("share.user = ' '", "no user name"),
    ] {
        let said = refuse(&format!("{MINIMAL}{lines}\n"));
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_password_in_clear_is_refused_with_the_way_out_and_never_repeated() {
    let texts = [
        "'hunter2'",
        "'pass:hunter2'",
        "'env:hunter 2'",
        "'keyring:hunter/2'",
        "\"hunter2\"",
        "4711",
        "47.11",
    ];
    let others = ["4711-01-01", "['hunter2']", "{ hunter2 = 4711 }"];
    let slips = [
        "hunter2",
        "'hunter2",
        "\"hunter2",
        "\"hun\\ter2\"",
        "'hunter2' 4711",
        "'hunter2'4711",
        "4711x",
        "hunter 2",
    ];
    for clear in texts.into_iter().chain(others).chain(slips) {
        for (start, end) in [("share.user = 'x'\nshare.password = ", "\n"), ("share.password = ", "")] {
            let said = refuse(&format!("{MINIMAL}{start}{clear}{end}"));
            let leaks = ["hunter", "4711", "47.11", "ter2"].iter().any(|part| said.contains(part));
            assert!(!leaks, "{clear}: {said}");
            assert!(!texts.contains(&clear) || said.contains("lanpost secret set"), "{clear}: {said}");
        }
    }
}
