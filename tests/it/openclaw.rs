//! `lanpost init --wake openclaw` on made-up homes, with a gateway that answers as the real one does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lanpost::model::openclaw::edit;
use serde_json::{Value, json};

use crate::common::process::{Lan, Pc, Settings, finish, listing};
use crate::common::server::{self, Asked, Reply, Server};

/// A gateway whose hooks are those of the config at `path`, read anew for each request.
fn gateway(path: PathBuf) -> Server {
    Server::new(move |asked: &Asked, _| {
        let hooks = read(&path)["hooks"].clone();
        let right =
            asked.header("authorization") == format!("Bearer {}", hooks["token"].as_str().unwrap_or("-"));
        let maps =
            |mapping: &Value| asked.path == format!("/hooks/{}", mapping["match"]["path"].as_str().unwrap());
        match (hooks["enabled"] == true, right) {
            (false, _) => Reply::Status(404, "", "Not Found".into()),
            (true, false) => Reply::Status(401, "", "Unauthorized".into()),
            (true, true) if asked.json() != json!({}) => {
                Reply::Status(400, "", r#"{"error":"not valid JSON"}"#.into())
            }
            _ if hooks["mappings"].as_array().is_some_and(|all| all.iter().any(maps)) => {
                let said = r#"{"ok":false,"error":"hook mapping sessionKey template rendered empty"}"#;
                Reply::Status(400, "", said.into())
            }
            _ => Reply::Status(404, "", "Not Found".into()),
        }
    })
}

fn read(path: &Path) -> Value {
    edit::read(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What people keep in theirs.
const SAMPLE: &str = "// my gateway\n{\n  gateway: { port: PORT, auth: { token: '${GATEWAY_TOKEN}' } }, // local\n  \
                      agents: { defaults: { workspace: \"C:\\\\Users\\\\me\\\\claw\" }, list: [{ id: 'main' }] },\n}\n";

/// A PC with a gateway's config in the usual place.
fn home(pc: &Pc, text: &str) -> PathBuf {
    let path = pc.path(".openclaw/openclaw.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// `lanpost ARGS` where nothing else of OpenClaw is named.
fn command(pc: &Pc, args: &[&str]) -> Command {
    let mut command = pc.command(args);
    for variable in
        ["CONFIG_PATH", "STATE_DIR", "HOME", "PROFILE", "GATEWAY_PORT"].map(|it| format!("OPENCLAW_{it}"))
    {
        command.env_remove(variable);
    }
    command
}

fn init(pc: &Pc, more: &[&str]) -> Command {
    command(pc, &[&["init", "--wake", "openclaw"][..], more].concat())
}

#[test]
fn it_is_shown_then_written_then_there() {
    let lan = Lan::new();
    let pc = lan.join_with("office", &Settings { agents: vec!["main"], ..Settings::default() });
    let place = pc.path(".openclaw/openclaw.json");
    let server = gateway(place.clone());
    let text = SAMPLE.replace("PORT", &server.port.to_string());
    home(&pc, &text);
    let ours = fs::read_to_string(&pc.config).unwrap();

    let shown = finish(init(&pc, &[]), b"").exits(0).out;
    for word in
        ["allowedSessionKeyPrefixes", "messageTemplate", "lanpost --config", "agent    main", "--apply"]
    {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    assert_eq!(
        (fs::read_to_string(&place).unwrap(), fs::read_to_string(&pc.config).unwrap()),
        (text.clone(), ours)
    );
    assert_eq!(listing(&pc.path(".openclaw")), ["openclaw.json"]);

    let written = finish(init(&pc, &["--apply"]), b"").exits(0).out;
    assert!(written.contains("takes our mail (nobody was woken)"), "{written}");
    let made = fs::read_to_string(&place).unwrap();
    for line in text.lines().filter(|line| line.contains("//")) {
        assert!(made.contains(line), "{line} in {made}");
    }
    let hooks = read(&place)["hooks"].clone();
    let token = hooks["token"].as_str().unwrap();
    assert!(token.len() >= 48 && !written.contains(token), "{written}");
    assert_eq!(hooks["mappings"][0]["agentId"], "main");
    assert_eq!(fs::read_to_string(pc.state.join("openclaw-token")).unwrap(), token);
    let names = listing(&pc.path(".openclaw"));
    let backup = names.iter().find(|name| name.ends_with(".bak")).unwrap();
    assert_eq!(fs::read_to_string(pc.path(".openclaw").join(backup)).unwrap(), text);
    let ours = fs::read_to_string(&pc.config).unwrap();
    assert!(ours.contains("[wake.openclaw]") && !ours.contains(token), "{ours}");

    let again = finish(init(&pc, &["--apply"]), b"").exits(0).out;
    assert!(again.contains("nothing is missing there") && again.contains("takes our mail"), "{again}");
    assert_eq!(fs::read_to_string(&place).unwrap(), made);
    assert_eq!(fs::read_to_string(&pc.config).unwrap(), ours);
    assert_eq!(listing(&pc.path(".openclaw")), names);
    let told: Value =
        finish(command(&pc, &["--json", "init", "--wake", "openclaw", "--apply"]), b"").exits(0).json();
    assert_eq!((&told["openclaw"]["probe"], &told["openclaw"]["adds"]), (&json!("right"), &json!("")));
    assert!(
        server.asked().iter().all(|asked| asked.json() == json!({}) || asked.body == b"no JSON"),
        "nobody is woken"
    );
}

#[test]
fn a_new_instance_is_set_up_with_it_while_the_gateway_is_down() {
    let lan = Lan::new();
    let pc = lan.pc("office");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = home(&pc, &format!("{{gateway: {{port: {port}}}}}"));
    finish(init(&pc, &[]), b"").exits(3).says(&["no instance is set up here", "--share PATH"]);
    let share = lan.share().display().to_string();
    let state = pc.state.display().to_string();
    let args = ["--share", &share, "--instance", "office", "--state", &state, "--apply"];
    let said = finish(init(&pc, &args), b"").exits(0).out;
    assert!(said.contains("set up office") && said.contains("nobody listens"), "{said}");
    assert_eq!(read(&place)["hooks"]["enabled"], true);
    assert!(fs::read_to_string(&pc.config).unwrap().contains("[wake.openclaw]"));
}

#[test]
fn the_place_is_the_one_that_openclaw_takes() {
    let lan = Lan::new();
    let pc = lan.join("office");
    finish(init(&pc, &[]), b"").exits(3).says(&[".openclaw", "--openclaw-config"]);
    let old = pc.path(".clawdbot/clawdbot.json");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, "{}").unwrap();
    let place = |command: Command| {
        let out = finish(command, b"").exits(0).out;
        out.lines().find_map(|line| line.strip_prefix("OpenClaw: ")).unwrap().to_owned()
    };
    assert!(place(init(&pc, &[])).ends_with("clawdbot.json"));
    home(&pc, "{}");
    assert!(place(init(&pc, &[])).contains(".openclaw"));
    let profile = pc.path(".openclaw-work/openclaw.json");
    fs::create_dir_all(profile.parent().unwrap()).unwrap();
    fs::write(&profile, "{}").unwrap();
    assert!(place(init(&pc, &["--profile", "work"])).contains(".openclaw-work"));
    let mut named = init(&pc, &[]);
    named.env("OPENCLAW_CONFIG_PATH", &old);
    assert!(place(named).ends_with("clawdbot.json"));
    let mut state = init(&pc, &[]);
    state.env("OPENCLAW_STATE_DIR", profile.parent().unwrap());
    assert!(place(state).contains(".openclaw-work"));
}

#[test]
fn a_token_that_is_there_is_taken_over() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let place = pc.path(".openclaw/openclaw.json");
    let server = gateway(place.clone());
    home(
        &pc,
        &format!(
            "{{gateway: {{port: {}}}, hooks: {{enabled: true, token: '${{HOOK}}', mappings: []}}}}",
            server.port
        ),
    );
    fs::write(pc.path(".openclaw/.env"), "HOOK=\"from the file\"\n").unwrap();
    finish(init(&pc, &["--apply"]), b"").exits(6);
    // This gateway knows no variables; ours found it all the same.
    assert_eq!(fs::read_to_string(pc.state.join("openclaw-token")).unwrap(), "from the file");
    assert_eq!(read(&place)["hooks"]["token"], "${HOOK}");
    fs::remove_file(pc.path(".openclaw/.env")).unwrap();
    let said = finish(init(&pc, &["--apply"]), b"").out;
    assert!(said.contains("in the variable HOOK") && said.contains("lanpost secret set"), "{said}");
}

#[test]
fn what_can_not_be_edited_is_left_alone() {
    let lan = Lan::new();
    let pc = lan.join_with("office", &Settings::waking(&["echo"], ""));
    let place = home(&pc, "{}");
    finish(init(&pc, &["--apply"]), b"").exits(2).says(&["another way", "--force"]);
    pc.configure(&Settings::default());
    for (text, word) in [
        ("{gateway: ", "no JSON5"),
        ("{$include: 'more.json5'}", "included file"),
        ("{agents: {entries: {a: {}, b: {}}}}", "--openclaw-agent"),
        ("{hooks: 'off'}", "by hand"),
    ] {
        fs::write(&place, text).unwrap();
        fs::write(pc.path(".openclaw/more.json5"), "{hooks: {enabled: true}}").unwrap();
        let word = if word == "included file" { "a file that it includes" } else { word };
        finish(init(&pc, &["--apply"]), b"").exits(2).says(&[word]);
        assert_eq!(fs::read_to_string(&place).unwrap(), text);
        assert!(!fs::read_to_string(&pc.config).unwrap().contains("openclaw"));
    }
}

#[test]
#[cfg(unix)]
fn a_link_is_followed_and_rights_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let lan = Lan::new();
    let pc = lan.join("office");
    let real = pc.path("dotfiles.json");
    fs::write(&real, "{}").unwrap();
    fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    let place = home(&pc, "");
    fs::remove_file(&place).unwrap();
    symlink(&real, &place).unwrap();
    finish(init(&pc, &["--apply"]), b"").exits(0);
    assert!(place.is_symlink() && fs::metadata(&real).unwrap().permissions().mode() & 0o777 == 0o640);
    assert_eq!(read(&real)["hooks"]["enabled"], true);
}

#[test]
fn agents_that_somebody_named_stay_and_get_their_mappings() {
    let lan = Lan::new();
    let pc = lan.join_with("office", &Settings { agents: vec!["scout", "main"], ..Settings::default() });
    let place = home(&pc, "{agents: {entries: {main: {}, ops: {}}}}");
    let ours = fs::read_to_string(&pc.config).unwrap();
    let agents = "agents = { scout = \"ops\" }";
    fs::write(&pc.config, format!("{ours}\n[wake.openclaw]\nagent = \"main\"\n{agents}\n")).unwrap();
    let shown = finish(init(&pc, &[]), b"").exits(0).out;
    assert!(shown.contains("lanpost/ops") && shown.contains("ops, for mail to scout"), "{shown}");
    finish(init(&pc, &["--apply"]), b"").exits(0);
    assert!(fs::read_to_string(&pc.config).unwrap().contains(agents));
    let hooks = read(&place)["hooks"].clone();
    assert_eq!(hooks["allowedAgentIds"], json!(["main", "ops"]));
    assert_eq!(hooks["mappings"][1]["match"]["path"], "lanpost/ops");
    let gone = fs::read_to_string(&pc.config).unwrap().replace("\"ops\"", "\"gone\"");
    fs::write(&pc.config, gone).unwrap();
    finish(init(&pc, &["--apply"]), b"").exits(2).says(&["gone", "scout", "main, ops"]);
}

#[test]
fn two_instances_have_a_mapping_each_and_a_stale_one_is_renewed() {
    let lan = Lan::new();
    let (lab, office) = (lan.join("lab"), lan.join("office"));
    let place = home(&lab, "{}");
    let named = ["--openclaw-config", place.to_str().unwrap(), "--apply"];
    finish(init(&lab, &named), b"").exits(0);
    let said = finish(init(&office, &named), b"").exits(0).out;
    assert!(said.contains("lanpost-office"), "{said}");
    let mappings = read(&place)["hooks"]["mappings"].clone();
    for (number, (pc, path)) in [(&lab, "lanpost"), (&office, "lanpost-office")].into_iter().enumerate() {
        let config = pc.config.display().to_string();
        let template = mappings[number]["messageTemplate"].as_str().unwrap();
        assert!(template.contains(&config), "{config} in {template}");
        assert_eq!(mappings[number]["match"]["path"], path);
    }
    assert!(fs::read_to_string(&office.config).unwrap().contains("path = \"lanpost-office\""));
    // As when the config was moved.
    let text = fs::read_to_string(&place).unwrap();
    let written = serde_json::to_string(office.config.to_str().unwrap()).unwrap();
    fs::write(&place, text.replace(written.trim_matches('"'), "/was/here.toml")).unwrap();
    let shown = finish(init(&office, &named[..2]), b"").exits(0).out;
    assert!(shown.contains("stale") && shown.contains("/was/here.toml"), "{shown}");
    finish(init(&office, &named), b"").exits(0);
    assert_eq!(fs::read_to_string(&place).unwrap(), text);
}

#[test]
fn variables_come_from_the_state_folder_and_a_token_nobody_knows_is_a_problem() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let config = pc.path("elsewhere.json");
    fs::write(&config, "{hooks: {enabled: true, token: '${HOOKTOK}'}}").unwrap();
    let run = |more: &[&str]| {
        let mut command = init(&pc, more);
        command.env("OPENCLAW_CONFIG_PATH", &config).env_remove("HOOKTOK");
        finish(command, b"")
    };
    for more in [&[][..], &["--apply"], &[]] {
        let out = run(more).exits(6).out;
        assert!(out.contains("HOOKTOK") && out.contains("lanpost secret set"), "{out}");
    }
    fs::create_dir_all(pc.path(".openclaw")).unwrap();
    fs::write(pc.path(".openclaw/.env"), "HOOKTOK=of-the-state-folder\n").unwrap();
    run(&["--apply"]).exits(0);
    assert_eq!(fs::read_to_string(pc.state.join("openclaw-token")).unwrap(), "of-the-state-folder");
}

#[test]
fn a_gateway_that_is_named_has_its_own_port() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let profile = pc.path(".openclaw-work/openclaw.json");
    fs::create_dir_all(profile.parent().unwrap()).unwrap();
    fs::write(&profile, "{gateway: {port: 40001}}").unwrap();
    let mut command = init(&pc, &["--profile", "work", "--apply"]);
    command.env("OPENCLAW_GATEWAY_PORT", "18789");
    finish(command, b"").exits(0);
    let ours = fs::read_to_string(&pc.config).unwrap();
    assert!(ours.contains("http://127.0.0.1:40001"), "{ours}");
}

#[test]
fn a_gateway_whose_certificate_is_not_believed_is_a_problem() {
    let lan = Lan::new();
    let pc = lan.join("office");
    home(&pc, &format!("{{gateway: {{port: {}, tls: {{enabled: true}}}}}}", server::unbelieved()));
    let out = finish(init(&pc, &["--apply"]), b"").exits(6).out;
    assert!(out.contains("its certificate is not believed") && !out.contains("is it running"), "{out}");
}

#[test]
fn hooks_that_can_not_be_named_are_refused_before_anything_is_written() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let place = home(&pc, "{hooks: {path: '/my hooks'}}");
    let before = (fs::read(&place).unwrap(), fs::read(&pc.config).unwrap());
    for more in [&["--apply"][..], &[]] {
        finish(init(&pc, more), b"").exits(2).says(&["hooks.path", "/my hooks", "openclaw.json"]);
    }
    assert_eq!((fs::read(&place).unwrap(), fs::read(&pc.config).unwrap()), before);
}

#[test]
fn an_address_that_somebody_wrote_stays_and_one_of_ours_follows_the_port() {
    let lan = Lan::new();
    let pc = lan.join("office");
    let place = home(&pc, "{gateway: {port: 40001}}");
    let url = |of: &Pc| fs::read_to_string(&of.config).unwrap();
    finish(init(&pc, &["--apply"]), b"").exits(0);
    fs::write(&place, fs::read_to_string(&place).unwrap().replace("40001", "40002")).unwrap();
    finish(init(&pc, &["--apply"]), b"").exits(0);
    assert!(url(&pc).contains("\"http://127.0.0.1:40002\""), "{}", url(&pc));
    fs::write(&pc.config, url(&pc).replace("127.0.0.1:40002", "localhost:40003")).unwrap();
    let out = finish(init(&pc, &["--apply"]), b"").exits(0).out;
    assert!(out.contains("http://localhost:40003, as our config says"), "{out}");
    assert!(url(&pc).contains("\"http://localhost:40003\""), "{}", url(&pc));
}
