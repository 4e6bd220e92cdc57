//! The daemon under a service manager: what it is told, what it logs; and `lanpost service`, as far as no service manager
//! is needed. The Windows service itself is tested by `.ci/windows/service`.

use std::fs;

use serde_json::Value;

use crate::common::process::{Follower, Lan};

/// What a daemon with a notify socket says, one message a line.
#[cfg(unix)]
struct Socket(std::os::unix::net::UnixDatagram);

#[cfg(unix)]
impl Socket {
    fn bind(path: &std::path::Path) -> Socket {
        let socket = std::os::unix::net::UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(crate::common::process::PATIENCE)).unwrap();
        Socket(socket)
    }

    /// Waits for a message with a line that begins so.
    fn hears(&self, line: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            let len =
                self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("waited in vain for {line}: {error}"));
            let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
            if text.lines().any(|it| it.starts_with(line)) {
                return text;
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn systemd_hears_that_the_daemon_is_ready_lives_and_stops_and_the_agent_hears_nothing_of_it() {
    use crate::common::process::{Settings, begin, until};
    // A socket's path must be short.
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::bind(&folder.path().join("s"));
    let lan = Lan::new();
    let heard = lan.path("environment");
    let script = format!("env > '{0}.tmp'; mv '{0}.tmp' '{0}'", heard.display());
    let lab = lan.join_with("lab", &Settings::waking(&["/bin/sh", "-c", &script], ""));
    let office = lan.join("office");
    let mut command = lab.command(&["run"]);
    command.env("NOTIFY_SOCKET", folder.path().join("s")).env("WATCHDOG_USEC", "600000");
    let mut daemon = begin(command.stderr(std::process::Stdio::null()));
    let ready = socket.hears("READY=1");
    assert!(ready.contains("STATUS=lanpost ") && ready.contains(" runs instance lab on "), "{ready}");
    socket.hears("WATCHDOG=1");
    socket.hears("WATCHDOG=1");
    office.send("lab", "wake up");
    crate::common::process::until_true("the wake", || heard.exists());
    let environment = fs::read_to_string(&heard).unwrap();
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    lanpost::sys::process::terminate(daemon.0.id());
    let stopping = socket.hears("STOPPING=1");
    assert!(stopping.contains("STATUS=SIGTERM"), "{stopping}");
    assert!(until("the daemon's end", || daemon.0.try_wait().unwrap()).success());
}

#[cfg(unix)]
#[test]
fn a_share_that_hangs_is_told_to_systemd_and_no_reason_to_be_killed() {
    use crate::common::hanging::DeadMount;
    use crate::common::process::begin;
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::bind(&folder.path().join("s"));
    let lan = Lan::new();
    let lab = lan.join("lab");
    let mut command = lab.command(&["run"]);
    command.env("NOTIFY_SOCKET", folder.path().join("s")).env("WATCHDOG_USEC", "600000");
    let _daemon = begin(command.stderr(std::process::Stdio::null()));
    socket.hears("READY=1");
    let Some(dead) = DeadMount::over(&lan.share()) else { return };
    socket.hears("STATUS=the share is stalled since ");
    for _ in 0..3 {
        socket.hears("WATCHDOG=1");
    }
    drop(dead);
    socket.hears("STATUS=the share answers again");
}

#[test]
fn the_log_file_tells_of_start_stop_and_failures_and_can_be_followed() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    lab.run(&["service", "logs"]).exits(3).says(&["lanpost.log", "lanpost run"]);
    let daemon = lab.daemon();
    let mut follower = Follower::start(lab.command(&["service", "logs", "--follow"]));
    assert!(follower.line().contains(" runs instance lab on "));
    // A second daemon is refused, and leaves the first one's log alone.
    lab.run(&["run"]).exits(75);
    daemon.stop();
    while !follower.line().ends_with(" stopped") {}
    assert!(follower.is_running());

    let lines: Vec<Value> = lab
        .ok(&["--json", "service", "logs", "-n", "2"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["text"].as_str().unwrap().starts_with("stopping: "), "{lines:?}");
    assert_eq!(lines[1]["text"], "stopped");
    assert!(lines[1]["at"].as_str().unwrap().ends_with('Z'));
    let log = lab.ok(&["service", "logs"]);
    assert_eq!(log.matches(" runs instance ").count(), 1, "{log}");
}

#[test]
fn a_log_that_cannot_be_written_stops_no_mail() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    fs::write(lab.state.join("log"), "a file where the folder should be").unwrap();
    let daemon = lab.daemon();
    office.send("lab", "all the same");
    lab.receives("all the same");
    daemon.stop();
}

#[test]
fn printing_shows_every_step_and_touches_nothing() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let before = fs::read_dir(&lab.home).unwrap().count();
    let shown = lab.json(&["service", "install", "--print", "--now"]);
    assert_eq!(shown["changed"], false);
    assert!(shown["service"].as_str().unwrap().contains("lab"), "{shown}");
    let text = shown["steps"].to_string();
    assert!(text.contains("lanpost.toml"), "{text}");
    assert!(shown["steps"].as_array().unwrap().len() > 2, "{text}");
    let people = lab.ok(&["service", "install", "--print"]);
    assert!(people.contains("lanpost.toml"), "{people}");
    for deed in ["start", "stop", "restart", "uninstall"] {
        assert!(!lab.ok(&["service", deed, "--print"]).is_empty(), "{deed}");
        lab.run(&["service", deed]).exits(3).says(&["not installed", "service install"]);
    }
    assert_eq!(fs::read_dir(&lab.home).unwrap().count(), before);
}

#[test]
fn status_of_a_service_that_is_not_there_says_so_and_tells_of_the_instance() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let status = lab.run(&["--json", "service", "status"]).exits(3).json();
    assert_eq!((&status["installed"], &status["running"]), (&Value::Bool(false), &Value::Bool(false)));
    assert!(status["instance"].as_str().unwrap().starts_with("lab: no daemon runs"), "{status}");
    assert!(lab.run(&["service", "status"]).exits(3).out.contains("not installed"));
    // Another instance's, whose config is not known here.
    let other = lab.run(&["service", "status", "--instance", "other"]).exits(3).out;
    assert!(other.contains("other: not installed") && !other.contains("config"), "{other}");
    lab.run(&["service", "install", "--instance", "other"]).exits(2).says(&["--config"]);
    // Without a config there is no instance to be meant.
    let bare = lan.pc("bare");
    bare.run(&["service", "status"]).exits(3).says(&["lanpost init"]);
    // Nobody starts it by hand; on Windows that takes the system 10 s to say.
    lab.run(&["service", "host", "lanpost-lab"]).exits(2).says(&["lanpost run"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_account_that_the_pc_does_not_know_is_refused() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let asked = ["service", "install", "--print", "--account", "no-such-account"];
    lab.run(&asked).exits(2).says(&["there is no account no-such-account on this PC", "--account"]);
    if !std::path::Path::new("/run/systemd/system").exists() {
        let done = lab.run(&["service", "install"]).exits(2);
        done.says(&["could not write /etc/systemd/system/lanpost-lab.service: systemd does not run here"]);
    }
}

#[cfg(unix)]
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    use std::process::Command;
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        // Not through the test harness, which would keep it to itself.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: judging the units needs systemd-analyze\n",
        );
        return;
    };
    assert!(version.status.success());
    let lan = Lan::new();
    let lab = lan.join_with("lab", &crate::common::process::Settings::waking(&["/bin/true"], ""));
    let office = lan.join("office");
    for (pc, flags) in [(&lab, &["--user"][..]), (&office, &["--user"]), (&lab, &[]), (&office, &[])] {
        let mut args = vec!["service", "install", "--print"];
        args.extend(flags);
        let shown = pc.json(&args);
        let unit = &shown["steps"][0]["write"];
        let name = std::path::Path::new(unit["path"].as_str().unwrap()).file_name().unwrap();
        let path = lan.path("units").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, unit["text"].as_str().unwrap()).unwrap();
        let checked =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        // It may complain of other units of this machine, but not of ours.
        let ours: Vec<_> = said.lines().filter(|line| line.contains(&*name.to_string_lossy())).collect();
        assert!(checked.status.success() && ours.is_empty(), "{flags:?}: {said}");
    }
}
