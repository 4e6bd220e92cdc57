//! The unit file, as text. Grammar and meaning: systemd.unit(5), systemd.service(5), systemd.exec(5).
//!
//! A daemon that wakes nobody is locked in as far as its work allows. One that wakes an agent runs a program of the
//! user's own, with all that this one starts: `sudo`, containers, tmux sockets in `/tmp`, a browser. Nothing that would
//! break one of those stands in its unit; only the system's own files are write-protected.
//!
//! `ProtectSystem=strict` with the share in `ReadWritePaths=` is left out on purpose: the manager would look at the share
//! before each start, and a mount that hangs would keep the daemon from starting. A user's manager can't lock in at all
//! where user namespaces are restricted, so units of users have none of it.

use std::path::Path;

use super::super::{FINAL, Plan, Scope};
use crate::model::shell::Shell;

/// What locks in a daemon that wakes nobody; `systemd-analyze security` judges it.
const LOCKED_IN: &str = "\
ProtectSystem=full
PrivateDevices=yes
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";

/// What no program of a user ever notices.
const WAKES: &str = "\
# It wakes an agent, which may need anything: an agent that never uses sudo can do with NoNewPrivileges=yes.
ProtectSystem=full
";

/// The text of the unit.
pub fn text(plan: &Plan) -> String {
    let instance = &plan.service.instance;
    let system = plan.service.scope == Scope::System;
    let order = match system {
        // The share may be away at boot: then mail waits, so no mount is required.
        true => {
            "Wants=network-online.target\nAfter=network-online.target remote-fs.target nss-user-lookup.target\n"
        }
        false => "",
    };
    let account = plan.account.as_ref().filter(|_| system);
    let account = account.map(|account| format!("User={}\n", escaped(account))).unwrap_or_default();
    let locked = match (system, plan.wakes) {
        (false, _) => "",
        (true, true) => WAKES,
        (true, false) => LOCKED_IN,
    };
    // Root reads the files of others by a capability.
    let powerless = system && !plan.wakes && plan.account.as_deref().is_some_and(|account| account != "root");
    let powers = if powerless { "CapabilityBoundingSet=\n" } else { "" };
    let program = word(&plan.program);
    let config = word(&plan.config);
    let name = plan.service.name();
    let edit: &[&str] =
        if system { &["systemctl", "edit", &name] } else { &["systemctl", "--user", "edit", &name] };
    let wanted_by = if system { "multi-user.target" } else { "default.target" };
    format!(
        "# Written by `lanpost service install`, which writes it anew; changes of your own: `{edit}`.\n\
         [Unit]\n\
         Description=lanpost, the mailbox of {instance}\n\
         {order}\n\
         [Service]\n\
         Type=notify\n\
         ExecStart={program} --config {config} run\n\
         {account}\
         Restart=on-failure\n\
         RestartSec=5\n\
         # Wrong config, or no config: starting again does not help.\n\
         RestartPreventExitStatus={last}\n\
         # Pinged while the daemon works, also while it waits for a share that hangs.\n\
         WatchdogSec=3min\n\
         TimeoutStartSec=5min\n\
         TimeoutStopSec=10\n\
         KillMode=mixed\n\
         {locked}{powers}\n\
         [Install]\n\
         WantedBy={wanted_by}\n",
        edit = Shell::Posix.line(edit),
        last = FINAL.map(|code| code.to_string()).join(" "),
    )
}

/// A path as one word of a command line.
fn word(path: &Path) -> String {
    format!("\"{}\"", escaped(&path.to_string_lossy()).replace('$', "$$"))
}

/// Text in which the manager sees no specifier and no escape.
fn escaped(text: &str) -> String {
    text.replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"")
}

/// A text as part of a unit's name, as systemd-escape(1) does it.
pub fn name_part(text: &str) -> String {
    let mut out = String::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => out += "\\x2e",
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b':' | b'_' | b'.' | b'-' => out.push(char::from(byte)),
            _ => out += &format!("\\x{byte:02x}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::Service;
    use super::*;

    fn plan(scope: Scope, wakes: bool) -> Plan {
        Plan {
            service: Service { instance: "实验室".parse().unwrap(), scope },
            program: "/home/a b/100%/$x/lan\"post".into(),
            config: "/home/局域网/lanpost.toml".into(),
            state: "/home/局域网/state".into(),
            account: Some("me".into()),
            wakes,
            now: false,
        }
    }

    #[test]
    fn a_path_is_one_word_whatever_it_holds() {
        let text = text(&plan(Scope::System, false));
        let line =
            "ExecStart=\"/home/a b/100%%/$$x/lan\\\"post\" --config \"/home/局域网/lanpost.toml\" run\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\nRestartPreventExitStatus=2 3\n"), "{text}");
        assert!(text.contains("\nUser=me\n") && text.contains("\nWantedBy=multi-user.target\n"), "{text}");
    }

    #[test]
    fn what_wakes_is_not_locked_in_and_what_a_user_has_can_t_be() {
        assert!(text(&plan(Scope::System, false)).contains("\nNoNewPrivileges=yes\n"));
        let wakes = text(&plan(Scope::System, true));
        assert!(!wakes.contains("\nNoNewPrivileges") && !wakes.contains("\nPrivateTmp"), "{wakes}");
        let user = text(&plan(Scope::User, false));
        assert!(
            !user.contains("\nProtect") && !user.contains("\nUser=") && !user.contains("remote-fs"),
            "{user}"
        );
    }

    #[test]
    fn the_command_for_changes_of_one_s_own_can_be_pasted() {
        let edit = |scope| text(&plan(scope, false)).lines().next().map(str::to_owned).unwrap();
        assert!(
            edit(Scope::System)
                .ends_with(r"`systemctl edit 'lanpost-\xe5\xae\x9e\xe9\xaa\x8c\xe5\xae\xa4'`.")
        );
        assert!(edit(Scope::User).contains("`systemctl --user edit 'lanpost-"), "{}", edit(Scope::User));
    }

    #[test]
    fn a_unit_s_name_is_escaped_as_systemd_does_it() {
        assert_eq!(name_part("lab-2"), "lab-2");
        assert_eq!(name_part("实"), "\\xe5\\xae\\x9e");
    }
}
