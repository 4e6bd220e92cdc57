//! The template: its round trip, the defaults and ranges that it shows, what it keeps of a former config.

use super::*;

#[test]
fn what_a_former_config_says_and_is_not_given_anew_stays() {
    let former = "instance = 'lab'\nstate = '/s'\ntrust = 'manual'\n[share]\npath = '/old'\n[look]\nbusy = '70ms'\n\
                  [wake]\ncommand = ['old']\nattempts = 3\n\
                  quiet = ['22:00-07:00']\nzone = 'Asia/Shanghai'\n[[wake.rules]]\nfrom = 'lab'\nwake = 'never'\n\
                  [[wake.rules]]\ntype = 'task*'\nwake = 'now'\n[plain]\npolicy = 'deny'\n[limits]\npeers = 11\n\
                  [peers.\"pc.1\"]\nseal = true\npolicy = 'hold'\nwake = 'batch'\n\
                  [commands.disk]\nrun = ['df', '{path}']\npeers = ['pc.1']\nargs.path = { type = 'choice', of = ['/'] }\n";
    let share = ShareConfig::at("/new");
    let text = template_after(former, &name("lab"), &[], Path::new("/s"), &share, &["new".into()]).unwrap();
    let mut wanted = parse(former, Path::new("/x/config.toml")).unwrap();
    wanted.share = share;
    wanted.wake.command = vec!["new".into()];
    assert_eq!(parse(&text, Path::new("/x/config.toml")).unwrap(), wanted, "{text}");
    assert_eq!(
        text.lines().count(),
        template_after(&text, &name("lab"), &[], Path::new("/s"), &wanted.share, &["new".into()])
            .unwrap()
            .lines()
            .count()
    );
}

#[test]
fn the_template_gives_back_what_it_was_given() {
    for (state, share) in [
        ("/var/lib/lanpost", "/mnt/share"),
        (r"C:\x", r"\\server\share\文件"),
        (r"C:\Users\O'Brien\temp", r#"/mnt/"quoted"/it's"#),
    ] {
        for command in [vec![], vec![r"C:\Program Files\oc.exe", "", "it's \"x\"", "a\tb\nc\u{7f}", "文"]] {
            let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
            let (instance, agents) = (name("实验室"), [name("main"), name("b.2")]);
            let text =
                template(&instance, &agents, Path::new(state), &ShareConfig::at(share), &command).unwrap();
            let config = read(&text);
            assert_eq!((config.instance, config.agents.as_slice()), (instance, agents.as_slice()), "{text}");
            assert_eq!(
                (config.state.as_path(), config.share.path.as_path()),
                (Path::new(state), Path::new(share))
            );
            assert_eq!(
                (config.wake, config.look),
                (WakeConfig { command, ..Default::default() }, Look::default())
            );
        }
    }
}

#[test]
fn the_template_names_the_user_and_where_the_password_is() {
    let reference = SecretRef::File(r"C:\ProgramData\lanpost\密码".into());
    let share = ShareConfig {
        user: Some(r"NAS\代理".into()),
        password: Some(reference),
        ..ShareConfig::at(r"\\nas\共享")
    };
    let text = template(&name("lab"), &[], Path::new("/s"), &share, &[]).unwrap();
    assert_eq!(read(&text).share, share, "{text}");
}

/// The template's lines, with those of the commented-out defaults as `(line, key, comment above)`. The command at its
/// end is an example, and no default.
fn defaults(text: &str) -> Vec<(usize, &str, &str)> {
    let lines: Vec<&str> = text.lines().take_while(|line| !line.starts_with("# [commands.")).collect();
    let value = |line: &'_ str| line.starts_with("# ") && line.contains(" = ");
    let found = (1..lines.len()).filter(|&i| value(lines[i]));
    found.map(|i| (i, lines[i][2..].split(" = ").next().unwrap(), lines[i - 1])).collect()
}

#[test]
fn the_template_shows_the_true_defaults_and_ranges() {
    let text = template(&name("lab"), &[], Path::new("/s"), &ShareConfig::at("/m"), &[]).unwrap();
    let with = |replaced: &dyn Fn(usize, &str) -> String| {
        text.lines().enumerate().map(|(i, line)| replaced(i, line) + "\n").collect::<String>()
    };
    let defaults = defaults(&text);
    assert_eq!(defaults.len(), 54);
    let on = with(&|i, line| {
        if defaults.iter().any(|d| d.0 == i) { line[2..].to_owned() } else { line.to_owned() }
    });
    assert_eq!(read(&on), read(&text));

    for (at, key, comment) in &defaults {
        assert!(comment.starts_with(&format!("# {key}: ")), "{comment}");
        let Some((_, range)) = comment.split_once("; from ") else {
            let free = [
                "notify",
                "trust",
                "roles",
                "policy",
                "announce",
                "tls",
                "until_read",
                "refuse",
                "quiet",
                "quiet_urgent",
                "text",
                "stdin",
            ];
            assert!(free.contains(key), "{key}");
            continue;
        };
        let (min, max) = range.split_once(" to ").unwrap();
        let quote =
            |value: &str| if value.parse::<u32>().is_ok() { value.to_owned() } else { format!("'{value}'") };
        let set = |value: String| {
            with(&|i, line| if i == *at { format!("{key} = {value}") } else { line.to_owned() })
        };
        for good in [min, max] {
            if let Err(error) = parse(&set(quote(good)), Path::new("/x")) {
                // Alone, an extreme may contradict the default of its partner.
                assert!(error.to_string().contains("is longer than"), "{key} {good}: {error}");
            }
        }
        let beyond = if let Ok(max) = max.parse::<u32>() {
            (max + 1).to_string()
        } else {
            quote(
                &max.replace('1', "2")
                    .replace('5', "6")
                    .replace("30", "31")
                    .replace("64", "65")
                    .replace("24K", "25K"),
            )
        };
        assert!(refuse(&set(beyond.clone())).contains("out of range"), "{key} {beyond}");
    }
}

proptest! {
    #[test]
    fn any_text_survives_the_template(words in prop::collection::vec("[^\0]{1,9}", 1..4)) {
        prop_assume!(!words[0].trim().is_empty());
        let text = template(&name("lab"), &[], Path::new("/s"), &ShareConfig::at("/m"), &words).unwrap();
        prop_assert_eq!(read(&text).wake.command, words);
    }
}
