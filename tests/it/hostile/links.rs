//! Links in the place of folders and files of the share: none is followed, nothing outside is read or written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanpost::model::blob::Blob;
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::name::Name;
use lanpost::sys::disk::DiskShare;
use lanpost::sys::share::Share;

use crate::common::pair::Pair;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Everything below a folder, with its content.
fn all(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    files.map(|file| (file.path().to_owned(), fs::read(file.path()).unwrap_or_default())).collect()
}

/// `share/place` is moved to `elsewhere`, and a link to it put there.
fn lead_out(share: &Path, place: &str, elsewhere: &Path) {
    let folder = share.join(place);
    fs::rename(&folder, elsewhere).unwrap();
    symlink(elsewhere, folder).unwrap();
}

#[test]
fn no_verb_goes_through_a_link_in_the_place_of_a_folder() {
    let (a, b) = (name("a"), name("b"));
    for place in ["messages", "messages/to-b", "status", "leases", "leases/a"] {
        for held_before in [false, true] {
            let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let root = root.path();
            for folder in ["messages/to-b", "status", "leases/a"] {
                fs::create_dir_all(root.join(folder)).unwrap();
            }
            let file = match place {
                "status" => layout::status(&a),
                "leases" | "leases/a" => layout::lease(&a, 1),
                _ => layout::lane(&b, &LaneFile { from: a.clone(), lease: 1, segment: 1 }),
            };
            fs::write(root.join(file.as_str()), "secret").unwrap();
            let share = DiskShare::new(root, "test");
            if held_before {
                assert_eq!(share.read(&file, 0, 9).unwrap().unwrap(), b"secret");
            }
            let elsewhere = outside.path().join("elsewhere");
            lead_out(root, place, &elsewhere);
            // Whoever holds a folder goes on in it; at the latest with the next look at the identity it lets go.
            assert_eq!(share.read(&layout::identity(), 0, 9).unwrap(), None);
            let before = all(&elsewhere);
            let folder = file.parent();
            let refused = [
                share.stat(&file).err(),
                share.read(&file, 0, 9).err(),
                share.list(&folder).err(),
                share.names(&folder).err(),
                share.open_append(&file).err(),
                share.create_new(&file, b"x").err(),
                share.replace(&file, b"x").err(),
                share.touch(&file).err(),
                share.remove(&file).err(),
                share.make_folder(&folder).err(),
            ];
            for (verb, refused) in refused.into_iter().enumerate() {
                let said = refused.unwrap_or_else(|| panic!("{place}: verb {verb} went through")).to_string();
                assert!(said.contains("a link stands in its place"), "{place}: {said}");
            }
            assert_eq!(all(&elsewhere), before, "{place}");
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_file_is_neither_read_nor_written_through() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::create_dir_all(root.path().join("status")).unwrap();
    let (share, path) = (DiskShare::new(root.path(), "test"), layout::status(&name("a")));
    symlink(&secret, root.path().join(path.as_str())).unwrap();
    for refused in [share.read(&path, 0, 9).err(), share.open_append(&path).err()] {
        assert!(refused.unwrap().to_string().contains("no link is followed"));
    }
    assert!(!share.create_new(&path, b"x").unwrap(), "something is there");
    let before = fs::metadata(&secret).unwrap().modified().unwrap();
    let _ = share.touch(&path);
    assert_eq!(fs::metadata(&secret).unwrap().modified().unwrap(), before);
    share.replace(&path, b"ours").unwrap();
    assert_eq!(share.read(&path, 0, 9).unwrap().unwrap(), b"ours", "the link itself is replaced");
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
}

#[test]
fn a_walk_stays_on_the_share() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(root.path().join("messages")).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), root.path().join("messages/to-b")).unwrap();
    let found = DiskShare::new(root.path(), "test").walk(100).unwrap();
    assert_eq!(found.files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["messages/to-b"]);
}

/// The daemons say so, believe nothing of it, write nothing there, and go on when the folder is back.
#[test]
fn a_mailbox_that_leads_elsewhere_is_not_used() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let share: Arc<dyn Share> = Arc::new(DiskShare::new(root.path(), "test"));
    let mut pair = Pair::on(share, |config| config.look.notify = false);
    pair.a.send("b", &["before".into()]);
    pair.until("the first", |pair| pair.b.texts() == ["before"]);
    let elsewhere = outside.path().join("elsewhere");
    let (mailbox, kept) = (root.path().join("messages/to-b"), outside.path().join("kept"));
    fs::rename(&mailbox, &kept).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("bell"), "").unwrap();
    symlink(&elsewhere, &mailbox).unwrap();
    let lane = elsewhere.join("from-x.1-000001.jsonl");
    fs::write(
        &lane,
        "{\"v\":1,\"id\":\"1\",\"seq\":1,\"from\":\"x\",\"to\":\"b\",\"content\":\"led astray\"}\n",
    )
    .unwrap();
    pair.run(std::time::Duration::from_secs(60));
    let before = all(&elsewhere);
    pair.a.send("b", &["waits".into()]);
    pair.run(std::time::Duration::from_secs(300));
    assert_eq!(all(&elsewhere), before);
    assert_eq!(pair.b.texts(), ["before"]);
    for site in [&pair.a, &pair.b] {
        assert!(
            site.problems.iter().any(|said| said.contains("a link stands in its place")),
            "{:?}",
            site.problems
        );
    }
    fs::remove_file(&mailbox).unwrap();
    fs::rename(&kept, &mailbox).unwrap();
    pair.until("the rest", |pair| pair.b.texts() == ["before", "waits"]);
}

#[test]
fn no_attachment_is_put_or_fetched_through_a_link() {
    let blob = Blob::of(b"secret");
    let path = layout::blob(&blob.blake3);
    let aside = path.aside("holder");
    for place in ["files", layout::blobs(&blob.blake3).as_str()] {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = root.path();
        fs::create_dir_all(root.join(path.as_str()).parent().unwrap()).unwrap();
        fs::write(root.join(path.as_str()), "secret").unwrap();
        fs::write(root.join(aside.as_str()), "mine").unwrap();
        let elsewhere = outside.path().join("elsewhere");
        lead_out(root, place, &elsewhere);
        let before = all(&elsewhere);
        let share = DiskShare::new(root, "test");
        let refused = [
            share.stat(&path).err(),
            share.read(&path, 0, 9).err(),
            share.open_append(&aside).err(),
            share.rename(&aside, &path, 4).err(),
            share.touch(&path).err(),
        ];
        assert!(refused.iter().all(Option::is_some), "{place}: {refused:?}");
        assert_eq!(all(&elsewhere), before, "{place}");
    }
    // In the place of the file itself it is no file, and is replaced.
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(root.path().join(path.as_str()).parent().unwrap()).unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, root.path().join(path.as_str())).unwrap();
    symlink(&secret, root.path().join(aside.as_str())).unwrap();
    let share = DiskShare::new(root.path(), "test");
    assert!(!share.stat(&path).unwrap().unwrap().regular && share.read(&path, 0, 9).is_err());
    assert!(share.open_append(&aside).is_err());
    share.remove(&aside).unwrap();
    share.open_append(&aside).unwrap().append(b"whole!").unwrap();
    share.rename(&aside, &path, 6).unwrap();
    assert_eq!(
        (fs::read(&secret).unwrap(), share.read(&path, 0, 9).unwrap()),
        (b"secret".to_vec(), Some(b"whole!".to_vec()))
    );
}
