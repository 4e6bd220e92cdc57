//! What is never sent: the state folder, a key, a backup.

use std::fs;
use std::path::Path;

use lanpost::engine::ops::{self, Draft};
use lanpost::error::{Error, Kind};

use super::file;
use crate::common::process::Lan;
use crate::common::{Pair, Site};

fn attach(site: &mut Site, path: &Path) -> Result<Vec<String>, Error> {
    let mut draft = Draft::new("b".parse().unwrap(), "x");
    ops::attach(site.node_mut(), &mut draft, &[path.to_owned()], &mut |_, _| {})
}

fn refusal(site: &mut Site, path: &Path) -> String {
    let error = attach(site, path).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    error.to_string()
}

#[test]
fn no_key_is_attached_from_the_state_folder_and_none_from_elsewhere() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let state = pair.a.node().config.state.clone();
    for path in [state.clone(), state.join("key"), state.join("lanpost.db"), state.join("files/../key.pub")] {
        fs::create_dir_all(state.join("files")).unwrap();
        let said = refusal(&mut pair.a, &path);
        assert!(said.contains("own state folder") && said.contains("nothing was sent"), "{said}");
    }
    // The copies somebody made, and another instance's.
    let other = pair.b.node().config.state.clone();
    let copies = top.path().join("home/copies");
    fs::create_dir_all(&copies).unwrap();
    for (name, from) in [("key", "key"), ("key.old", "key"), ("sealing", "seal")] {
        fs::copy(other.join(from), copies.join(name)).unwrap();
        let said = refusal(&mut pair.a, &copies.join(name));
        assert!(said.contains("secret key"), "{said}");
    }
    // What is no secret goes: the public half, a sum.
    fs::copy(other.join("key.pub"), copies.join("key.pub")).unwrap();
    file(&copies, "notes", 64, 1);
    fs::write(copies.join("sum"), blake3::hash(b"x").to_hex().as_str()).unwrap();
    let left_out = attach(&mut pair.a, &top.path().join("home")).unwrap();
    let mut names: Vec<_> = left_out.iter().map(|said| said.split(": ").nth(1).unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["copies/key", "copies/key.old", "copies/sealing"], "{left_out:?}");
}

#[cfg(unix)]
#[test]
fn no_link_leads_to_the_state_folder() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let state = pair.a.node().config.state.clone();
    let link = top.path().join("link");
    std::os::unix::fs::symlink(&state, &link).unwrap();
    assert!(refusal(&mut pair.a, &link).contains("own state folder"));
    assert!(refusal(&mut pair.a, &link.join("seal")).contains("own state folder"));
    std::os::unix::fs::symlink(state.join("key"), top.path().join("harmless.txt")).unwrap();
    assert!(refusal(&mut pair.a, &top.path().join("harmless.txt")).contains("own state folder"));
    // The folder that it is in, by another name.
    let above = top.path().join("above");
    std::os::unix::fs::symlink(state.parent().unwrap(), &above).unwrap();
    file(state.parent().unwrap(), "beside", 10, 1);
    let left_out = attach(&mut pair.a, &above).unwrap();
    assert!(left_out.len() == 1 && left_out[0].starts_with("above: a: it is lanpost's own"), "{left_out:?}");
}

#[test]
fn a_backup_is_not_sent() {
    let lan = Lan::new();
    let (office, _lab) = (lan.join("office"), lan.join("lab"));
    office.ok(&["peers"]);
    let folder = office.path("mine");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("report.txt"), "all green").unwrap();
    let backup = folder.join("lanpost.backup");
    office.ok(&["backup", backup.to_str().unwrap()]);
    let named = office.run(&["send", "lab", "x", "--attach", backup.to_str().unwrap()]).exits(2);
    assert!(named.err.contains("a backup of lanpost's"), "{}", named.err);
    let sent = office.run(&["send", "lab", "x", "--attach", folder.to_str().unwrap()]).exits(0);
    assert!(sent.err.contains("not attached: mine: lanpost.backup: it is a backup"), "{}", sent.err);
}
