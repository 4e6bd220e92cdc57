//! One conformance suite for every share: the contract of `sys/share.rs`, verb by verb.
//!
//! Runs on the share in memory, on a temporary folder, and on the folder `$TEST_SHARE` if it is set (a Samba or NFS
//! mount): there in a folder of its own, which is removed afterwards. Each test makes its own little share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lanpost::model::blob::Blob;
use lanpost::model::layout::{self, LaneFile, SharePath};
use lanpost::model::name::Name;
use lanpost::sys::disk::DiskShare;
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;

use crate::common::name;

/// How long a condition may take to come true on a slow share.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `suite` on a fresh share of every kind; it is told how it may open the same share a second time.
fn on_every_share(suite: fn(&dyn Share, &dyn Fn() -> Box<dyn Share>)) {
    let memory = MemoryShare::new();
    suite(&memory.clone(), &|| Box::new(memory.clone()));
    let folder = tempfile::tempdir().unwrap();
    on_disk(folder.path(), suite);
    if let Some(test_share) = std::env::var_os("TEST_SHARE") {
        let folder = tempfile::tempdir_in(test_share).unwrap();
        on_disk(folder.path(), suite);
    }
}

fn on_disk(root: &Path, suite: fn(&dyn Share, &dyn Fn() -> Box<dyn Share>)) {
    let count = AtomicUsize::new(2);
    let another = || -> Box<dyn Share> {
        let holder = format!("holder-{}", count.fetch_add(1, Ordering::Relaxed));
        Box::new(DiskShare::new(root, &holder))
    };
    suite(&DiskShare::new(root, "holder-1"), &another);
}

/// A share with its folders and the mailbox `lab`; a lane file in it.
fn furnished(share: &dyn Share) -> SharePath {
    for folder in layout::folders() {
        share.make_folder(&folder).unwrap();
    }
    share.make_folder(&layout::mailbox(&name("lab"))).unwrap();
    lane("lab")
}

fn lane(to: &str) -> SharePath {
    layout::lane(&name(to), &LaneFile { from: name("office"), lease: 1, segment: 1 })
}

fn append(share: &dyn Share, path: &SharePath, bytes: &[u8]) {
    share.open_append(path).unwrap().append(bytes).unwrap();
}

fn names(share: &dyn Share, folder: &SharePath) -> Vec<String> {
    let mut names: Vec<_> =
        share.list(folder).unwrap().unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

#[test]
fn what_is_not_there_is_none_and_no_error() {
    on_every_share(|share, _| {
        let path = furnished(share);
        assert_eq!(share.stat(&path).unwrap(), None);
        assert_eq!(share.read(&path, 0, 10).unwrap(), None);
        assert_eq!(share.read(&path, 10, 10).unwrap(), None);
        assert_eq!(share.list(&layout::mailbox(&name("nobody"))).unwrap(), None);
        assert_eq!(share.stat(&lane("nobody")).unwrap(), None, "nor is its folder");
        assert_eq!(share.read(&lane("nobody"), 0, 10).unwrap(), None, "nor is its folder");
        assert_eq!(share.list(&layout::root()).unwrap().map(|entries| entries.len()), Some(3));
        share.remove(&path).unwrap();
    });
}

#[test]
fn a_missing_folder_is_never_made() {
    on_every_share(|share, _| {
        let (lane, bell, status) = (lane("lab"), layout::bell(&name("lab")), layout::status(&name("lab")));
        for path in [&lane, &bell, &status] {
            let gone = |result: lanpost::error::Result<()>| result.unwrap_err().is_not_found();
            assert!(gone(share.open_append(path).map(drop)), "open_append {path}");
            assert!(gone(share.create_new(path, b"x").map(drop)), "create_new {path}");
            assert!(gone(share.replace(path, b"x")), "replace {path}");
            assert!(gone(share.touch(path)), "touch {path}");
        }
        assert!(share.make_folder(&layout::mailbox(&name("lab"))).unwrap_err().is_not_found());
        share.remove(&lane).unwrap();
        assert_eq!(
            share.list(&layout::root()).unwrap(),
            Some(vec![]),
            "an unmounted mount point stays empty"
        );
        assert_eq!(share.list(&layout::messages()).unwrap(), None);
    });
}

#[test]
fn a_folder_is_made_once_and_not_over_a_file() {
    on_every_share(|share, _| {
        share.make_folder(&layout::messages()).unwrap();
        share.make_folder(&layout::messages()).unwrap();
        assert!(share.stat(&layout::messages()).unwrap().unwrap().folder);
        assert!(share.create_new(&layout::status_folder(), b"a file").unwrap());
        let error = share.make_folder(&layout::status_folder()).unwrap_err();
        assert!(error.to_string().contains("stands in its place") && !error.is_not_found(), "{error}");
        let meta = share.stat(&layout::status_folder()).unwrap().unwrap();
        assert_eq!((meta.folder, meta.len), (false, 6));
    });
}

#[test]
fn a_folder_is_no_file_and_a_file_is_no_folder() {
    on_every_share(|share, _| {
        let path = furnished(share);
        let folder = layout::mailbox(&name("lab"));
        assert!(share.read(&folder, 0, 10).is_err());
        assert!(share.open_append(&folder).is_err());
        assert!(!matches!(share.create_new(&folder, b"x"), Ok(true)));
        append(share, &path, b"x");
        assert!(!matches!(share.list(&path), Ok(Some(_))), "a file has no entries");
    });
}

#[test]
fn create_new_is_for_one_of_eight() {
    on_every_share(|share, another| {
        furnished(share);
        share.make_folder(&layout::leases(&name("lab"))).unwrap();
        for round in 1..=20 {
            let path = layout::lease(&name("lab"), round);
            let shares: Vec<_> = (0..8).map(|_| another()).collect();
            let (path, barrier) = (&path, &std::sync::Barrier::new(8));
            let made: Vec<bool> = std::thread::scope(|scope| {
                let mut threads = vec![];
                for (n, share) in shares.iter().enumerate() {
                    threads.push(scope.spawn(move || {
                        barrier.wait();
                        share.create_new(path, &[b'0' + n as u8; 9]).unwrap()
                    }));
                }
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winners: Vec<_> = (0..8).filter(|n| made[*n]).collect();
            assert_eq!(winners.len(), 1, "round {round}: {made:?}");
            let found = share.read(path, 0, 100).unwrap().unwrap();
            assert_eq!(found, [b'0' + winners[0] as u8; 9], "and what it wrote is there");
        }
    });
}

#[test]
fn an_append_goes_to_the_end_whoever_opens_the_file() {
    on_every_share(|share, another| {
        let path = furnished(share);
        let mut first = share.open_append(&path).unwrap();
        assert!(first.is_empty());
        assert_eq!(share.stat(&path).unwrap().unwrap().len, 0, "opening makes the file");
        first.append(b"one\n").unwrap();
        assert_eq!(first.len(), 4);
        drop(first);
        let other = another();
        let mut second = other.open_append(&path).unwrap();
        assert_eq!(second.len(), 4);
        second.append(b"two\n").unwrap();
        second.append("三\n".as_bytes()).unwrap();
        assert_eq!(second.len(), 12);
        drop(second);
        append(share, &path, b"four\n");
        assert_eq!(share.read(&path, 0, 100).unwrap().unwrap(), "one\ntwo\n三\nfour\n".as_bytes());
        assert_eq!(share.stat(&path).unwrap().unwrap().len, 17);
    });
}

#[test]
fn an_open_handle_appends_to_the_end_as_well() {
    on_every_share(|share, another| {
        let path = furnished(share);
        let (mut first, other) = (share.open_append(&path).unwrap(), another());
        first.append(b"a").unwrap();
        append(&*other, &path, b"b");
        first.append(b"c").unwrap();
        assert_eq!(share.read(&path, 0, 10).unwrap().unwrap(), b"abc", "nothing is overwritten on one PC");
    });
}

#[test]
fn a_read_takes_what_is_there_from_where_it_is_told() {
    on_every_share(|share, another| {
        let path = furnished(share);
        append(share, &path, b"0123456789");
        let read = |from, max| another().read(&path, from, max).unwrap().unwrap();
        assert_eq!(read(0, 100), b"0123456789");
        assert_eq!(read(3, 4), b"3456");
        assert_eq!(read(8, 100), b"89");
        assert_eq!(read(0, 0), b"");
        assert_eq!(read(10, 5), b"");
        assert_eq!(read(1_000, 5), b"", "beyond the end is nothing, not an error");
        assert_eq!(read(u64::from(u32::MAX) * 2, 5), b"");
    });
}

#[test]
fn a_replaced_file_is_never_seen_half() {
    on_every_share(|share, another| {
        furnished(share);
        let path = layout::status(&name("lab"));
        let letter = |n: usize| b'a' + (n % 26) as u8;
        let len = |n: usize| 1 + (n % 26) * 7_919 % 100_000;
        let content = |n: usize| vec![letter(n); len(n)];
        share.replace(&path, &content(0)).unwrap();
        let (done, looks) = (&AtomicBool::new(false), &AtomicUsize::new(0));
        let (reader, path) = (another(), &path);
        /// Ends the reader, however the writer ends.
        struct Ended<'a>(&'a AtomicBool);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let found = match reader.read(path, 0, 1 << 20) {
                        // What NFS says of a file that is replaced at every look: it was seen to do so five times.
                        Err(error) if error.is_stale() => None,
                        other => other.unwrap(),
                    };
                    let Some(found) = found else {
                        // What SMB does to a file that is open; everywhere else a rename is atomic.
                        assert!(std::env::var_os("TEST_SHARE").is_some(), "it is always there");
                        continue;
                    };
                    assert!(!found.is_empty(), "an empty file was seen");
                    assert!(found.iter().all(|byte| *byte == found[0]), "two contents were seen in one");
                    assert_eq!(found.len(), len(usize::from(found[0] - b'a')), "half of it was seen");
                    looks.fetch_add(1, Ordering::Relaxed);
                    // Where a rename waits for readers, one that never pauses lets nobody rename.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let _ended = Ended(done);
            let deadline = Instant::now() + PATIENCE;
            let mut n = 0;
            while (n < 100 || looks.load(Ordering::Relaxed) < 100) && Instant::now() < deadline {
                share.replace(path, &content(n)).unwrap();
                n += 1;
            }
        });
        assert!(looks.load(Ordering::Relaxed) >= 100, "nobody looked");
        assert_eq!(names(share, &layout::status_folder()), ["lab.json"], "nothing is left beside it");
    });
}

#[test]
fn a_touch_changes_the_stamp_and_nothing_else() {
    on_every_share(|share, another| {
        let path = furnished(share);
        let bell = layout::bell(&name("lab"));
        share.touch(&bell).unwrap();
        assert_eq!(share.read(&bell, 0, 10).unwrap().unwrap(), b"", "it holds nothing");
        append(share, &path, b"content\n");
        for path in [&bell, &path] {
            let before = another().stat(path).unwrap().unwrap();
            let deadline = Instant::now() + PATIENCE;
            // A server's clock may tick slowly.
            let after = loop {
                share.touch(path).unwrap();
                let after = another().stat(path).unwrap().unwrap();
                if after.stamp != before.stamp {
                    break after;
                }
                assert!(Instant::now() < deadline, "{path} was touched and shows the same time");
            };
            assert_eq!((after.len, after.folder), (before.len, before.folder));
        }
        assert_eq!(share.read(&path, 0, 100).unwrap().unwrap(), b"content\n");
    });
}

#[test]
fn a_file_that_another_puts_in_the_place_of_one_that_was_looked_at_is_what_is_seen_and_touched() {
    on_every_share(|share, another| {
        let path = furnished(share);
        for round in 0..3 {
            append(share, &path, b"first");
            share.touch(&path).unwrap();
            assert_eq!(share.stat(&path).unwrap().unwrap().len, 5);
            match round {
                0 => another().replace(&path, b"of another").unwrap(),
                _ => {
                    another().remove(&path).unwrap();
                    append(&*another(), &path, b"of another");
                }
            }
            share.touch(&path).unwrap();
            assert_eq!(share.stat(&path).unwrap().unwrap().len, 10);
            another().remove(&path).unwrap();
            assert_eq!(share.stat(&path).unwrap(), None);
        }
        share.touch(&path).unwrap();
        assert_eq!(share.stat(&path).unwrap().unwrap().len, 0, "what is missing is made");
    });
}

#[test]
fn a_change_of_content_changes_what_stat_says() {
    on_every_share(|share, another| {
        let path = furnished(share);
        append(share, &path, b"a");
        let before = another().stat(&path).unwrap().unwrap();
        append(share, &path, b"b");
        let after = another().stat(&path).unwrap().unwrap();
        assert_eq!((before.len, after.len), (1, 2));
        share.replace(&path, b"").unwrap();
        assert_eq!(another().stat(&path).unwrap().unwrap().len, 0);
    });
}

#[test]
fn list_and_stat_agree() {
    on_every_share(|share, another| {
        furnished(share);
        let folder = layout::mailbox(&name("lab"));
        assert_eq!(share.list(&folder).unwrap(), Some(vec![]));
        share.touch(&layout::bell(&name("lab"))).unwrap();
        for segment in 1..=20 {
            let file = LaneFile { from: name("office"), lease: 3, segment };
            append(share, &layout::lane(&name("lab"), &file), &vec![b'x'; segment as usize * 10]);
        }
        let other = another();
        let mut entries = other.list(&folder).unwrap().unwrap();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(entries.len(), 21);
        for entry in &entries {
            let path = match layout::parse_lane(&entry.name) {
                Some(file) => layout::lane(&name("lab"), &file),
                None => layout::bell(&name("lab")),
            };
            assert_eq!(other.stat(&path).unwrap(), Some(entry.meta), "{path}");
        }
        let messages = other.list(&layout::messages()).unwrap().unwrap();
        assert_eq!(
            messages.iter().map(|e| (e.name.as_str(), e.meta.folder)).collect::<Vec<_>>(),
            [("to-lab", true)]
        );
    });
}

#[test]
fn what_is_removed_is_gone_for_everybody() {
    on_every_share(|share, another| {
        let path = furnished(share);
        append(share, &path, b"x");
        another().remove(&path).unwrap();
        assert_eq!(share.stat(&path).unwrap(), None);
        share.remove(&path).unwrap();
        assert!(share.create_new(&path, b"new").unwrap(), "its name is free");
        assert!(!share.create_new(&path, b"newer").unwrap());
        assert_eq!(share.read(&path, 0, 10).unwrap().unwrap(), b"new");
    });
}

#[test]
fn a_walk_finds_every_file_and_stops_at_its_limit() {
    on_every_share(|share, _| {
        let path = furnished(share);
        append(share, &path, b"12345");
        assert!(share.create_new(&layout::identity(), b"{}").unwrap());
        let mut census = share.walk(100).unwrap();
        census.files.sort();
        assert_eq!(census.files, [("lanpost.json".to_owned(), 2), (path.as_str().to_owned(), 5)]);
        assert!(!census.cut);
        let cut = share.walk(1).unwrap();
        assert_eq!((cut.files.len(), cut.cut), (1, true));
        assert!(!share.walk(2).unwrap().cut, "as many as there are is not too many");
    });
}

#[test]
fn names_in_any_script_are_kept_as_they_are() {
    on_every_share(|share, another| {
        furnished(share);
        // Emoji are no letters, so no instance is called so; ideographs beyond the first plane take as many bytes.
        assert!(Name::parse("📮").is_err());
        for text in ["实验室", "办公室-PC.2", "𠮷野家", "Zoë", "Ελλάς", "दिल्ली"]
        {
            let name = name(text);
            share.make_folder(&layout::mailbox(&name)).unwrap();
            let path = layout::lane(&name, &LaneFile { from: name.clone(), lease: 1, segment: 1 });
            append(share, &path, text.as_bytes());
            append(share, &layout::open_slot(&name), b"{}\n");
            share.replace(&layout::status(&name), b"{}").unwrap();
            let other = another();
            assert_eq!(other.read(&path, 0, 100).unwrap().unwrap(), text.as_bytes());
            let entries = names(&*other, &layout::mailbox(&name));
            assert_eq!(layout::parse_lane(&entries[0]).unwrap().from, name);
            assert!(names(&*other, &layout::status_folder()).contains(&format!("{text}.json")), "{text}");
        }
    });
}

#[test]
fn a_large_file_is_written_and_read_whole() {
    on_every_share(|share, another| {
        let path = furnished(share);
        let piece: Vec<u8> = (0..3 << 20).map(|n: u32| (n % 251) as u8).collect();
        let mut file = share.open_append(&path).unwrap();
        for _ in 0..3 {
            file.append(&piece).unwrap();
        }
        let len = piece.len() as u64;
        assert_eq!(file.len(), 3 * len);
        let found = another().read(&path, len, piece.len()).unwrap().unwrap();
        assert!(found == piece, "the second piece came back otherwise");
    });
}

#[cfg(unix)]
mod special {
    //! What is no regular file: a link could lead outside, a pipe could hang.

    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::mpsc::channel;

    /// Runs `deed` on a thread of its own and fails if it does not come back.
    fn comes_back<T: Send + 'static>(what: &str, deed: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        std::thread::spawn(move || tell.send(deed()));
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what} hangs"))
    }

    fn pipe(at: &Path) {
        assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    }

    /// A share in a temporary folder, and outside of it a file with a secret.
    fn stage() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (root, secret) = (folder.path().join("share"), folder.path().join("secret"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(&secret, "a secret\n").unwrap();
        furnished(&DiskShare::new(&root, "t"));
        (folder, root, secret)
    }

    #[test]
    fn a_pipe_is_refused_and_hangs_nobody() {
        let (_folder, root, _) = stage();
        for path in
            [lane("lab"), layout::open_slot(&name("lab")), layout::status(&name("lab")), layout::identity()]
        {
            pipe(&root.join(path.as_str()));
            let share = DiskShare::new(&root, "t");
            let at = path.clone();
            comes_back("a pipe", move || {
                assert!(share.read(&at, 0, 10).is_err(), "read {at}");
                assert!(share.open_append(&at).is_err(), "open_append {at}");
                assert!(!share.create_new(&at, b"x").unwrap(), "create_new {at}");
                share.touch(&at).unwrap();
                assert!(!share.stat(&at).unwrap().unwrap().folder);
            });
        }
        let share = DiskShare::new(&root, "t");
        let listed = comes_back("list", move || share.list(&layout::messages()).unwrap().unwrap().len());
        assert_eq!(listed, 2);
    }

    #[test]
    fn a_link_in_place_of_a_file_is_not_followed() {
        let (_folder, root, secret) = stage();
        let share = DiskShare::new(&root, "t");
        let dangling = secret.with_file_name("not-there");
        for (path, target) in [
            (lane("lab"), &secret),
            (layout::open_slot(&name("lab")), &secret),
            (layout::open_slot(&name("other")), &dangling),
        ] {
            symlink(target, root.join(path.as_str())).unwrap();
            assert!(share.read(&path, 0, 10).is_err(), "read {path}");
            assert!(share.open_append(&path).is_err(), "open_append {path}");
            assert!(!share.create_new(&path, b"x").unwrap(), "create_new {path}");
            share.touch(&path).unwrap();
            share.stat(&path).unwrap().expect("the link itself is there");
            assert_eq!(share.walk(100).unwrap().files.len(), 1, "{path}: the walk stays inside");
            share.replace(&path, b"ours").unwrap();
            assert_eq!(
                share.read(&path, 0, 10).unwrap().unwrap(),
                b"ours",
                "the link is replaced, not its target"
            );
            share.remove(&path).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "a secret\n");
        assert!(!dangling.exists(), "a dangling link makes no file");
    }

    #[test]
    fn what_is_written_aside_does_not_follow_a_link() {
        let (_folder, root, secret) = stage();
        let share = DiskShare::new(&root, "t");
        let path = layout::status(&name("lab"));
        // Whoever knows our holder and process id can guess the name.
        let aside = path.aside(&format!("t-{}", std::process::id()));
        symlink(&secret, root.join(aside.as_str())).unwrap();
        let _ = share.replace(&path, b"ours");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "a secret\n", "the link was followed");
    }
}

#[test]
fn a_file_takes_another_name_and_the_place_of_another_file() {
    on_every_share(|share, another| {
        share.make_folder(&layout::tasks()).unwrap();
        let (page, aside) = (layout::task_page(), layout::task_page().aside("holder"));
        assert!(share.rename(&page, &aside, 5).is_err_and(|error| error.is_not_found()));
        share.replace(&page, b"first").unwrap();
        share.rename(&page, &aside, 5).unwrap();
        assert_eq!(share.stat(&page).unwrap(), None);
        assert_eq!(another().read(&aside, 0, 99).unwrap().unwrap(), b"first");
        share.replace(&page, b"other").unwrap();
        share.rename(&aside, &page, 5).unwrap();
        assert_eq!(another().read(&page, 0, 99).unwrap().unwrap(), b"first", "over what is there");
        assert_eq!(share.stat(&aside).unwrap(), None);
    });
}

#[test]
fn what_was_written_aside_in_pieces_takes_its_place_whole() {
    on_every_share(|share, another| {
        let blob = Blob::of(b"first second third");
        let (path, aside) = (layout::blob(&blob.blake3), layout::blob(&blob.blake3).aside("holder"));
        assert!(share.open_append(&aside).is_err(), "no verb makes a folder");
        share.make_folder(&layout::files()).unwrap();
        share.make_folder(&layout::blobs(&blob.blake3)).unwrap();
        let mut file = share.open_append(&aside).unwrap();
        file.write(b"first ").unwrap();
        drop(file);
        let mut file = share.open_append(&aside).unwrap();
        assert_eq!(file.len(), 6);
        file.write(b"second").unwrap();
        file.append(b" third").unwrap();
        assert_eq!(file.len(), blob.size);
        drop(file);
        assert_eq!(share.stat(&path).unwrap(), None);
        share.rename(&aside, &path, blob.size).unwrap();
        assert_eq!(share.stat(&aside).unwrap(), None);
        assert_eq!(another().read(&path, 6, 6).unwrap().unwrap(), b"second");
        append(share, &aside, b"other");
        share.rename(&aside, &path, 5).unwrap();
        assert_eq!(share.read(&path, 0, 99).unwrap().unwrap(), b"other", "over what is there");
        assert!(share.rename(&aside, &path, 6).is_err(), "nothing to rename, and not what was there");
    });
}
