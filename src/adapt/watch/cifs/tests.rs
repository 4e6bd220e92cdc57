//! Servers that refuse, break off, and answer at once; and a crowd of folders.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::sys::clock::ManualClock;

const PATIENCE: Duration = Duration::from_secs(20);

/// What was said of a folder, and which hints were given.
type Told = (Receiver<Option<String>>, Receiver<Seen>);

fn job(folder: &Path) -> (Job, Told) {
    let ((say, said), (see, seen)) = (channel(), channel());
    let hint = Hint(Arc::new(Mutex::new(move |what| {
        let _ = see.send(what);
    })));
    let complain: Complain =
        Arc::new(move |_: &Path, why: Option<&str>| drop(say.send(why.map(str::to_owned))));
    let (folder, said_, over) = (folder.to_owned(), Mutex::default(), AtomicBool::default());
    (Job { folder, seen: Seen::Mailbox, hint, complain, said: said_, over }, (said, seen))
}

/// Asks a server that gives these answers, each after so many milliseconds, and then drops the folder. Returns the
/// pauses, in milliseconds, what was said, and the hints.
fn against(answers: &[(u64, Result<(), i32>)]) -> (Vec<u64>, Vec<Option<String>>, Vec<Seen>) {
    let (job, (said, seen)) = job(Path::new("/share/messages"));
    let (clock, left) = (Arc::new(ManualClock::new(1)), Arc::new(Mutex::new(answers.to_vec())));
    let pauses = RefCell::new(vec![]);
    let rest = |time: Duration| {
        pauses.borrow_mut().push(time.as_millis() as u64);
        clock.advance(time);
        if left.lock().unwrap().is_empty() {
            job.over.store(true, Ordering::Relaxed);
        }
    };
    let opened = Cell::new(0);
    let open = |_: &Path| {
        opened.set(opened.get() + 1);
        let (clock, left) = (clock.clone(), left.clone());
        Ok(Box::new(move || {
            let mut left = left.lock().unwrap();
            // One that never comes to a pause is ended by the last answer, which is always a failure.
            let (after, answer) = if left.is_empty() { (0, Err(25)) } else { left.remove(0) };
            clock.advance(Duration::from_millis(after));
            answer.map_err(io::Error::from_raw_os_error)
        }) as Question)
    };
    job.ask_on(&open, &*clock, &rest);
    (pauses.into_inner(), said.try_iter().collect(), seen.try_iter().collect())
}

#[test]
fn a_refusal_is_said_once_and_the_question_asked_again_until_it_is_answered() {
    let (pauses, said, seen) =
        against(&[(9, Err(5)), (9, Err(5)), (9, Err(5)), (900, Ok(())), (900, Err(5))]);
    assert_eq!(pauses, [1_000, 2_000, 4_000, 1_000], "the count begins anew after an answer");
    let said: Vec<_> =
        said.into_iter().map(|why| why.is_some_and(|why| why.contains("os error 5"))).collect();
    assert_eq!(said, [true, false, true]);
    assert_eq!(seen, [Seen::Mailbox], "a refusal is no event");
}

#[test]
fn what_a_broken_connection_hid_is_looked_for_and_proves_no_watcher() {
    const ECONNRESET: i32 = 104;
    let (pauses, said, seen) = against(&[(9, Err(ECONNRESET)), (9, Err(112)), (900, Ok(())), (9, Err(5))]);
    assert_eq!((pauses, said.len()), (vec![1_000, 2_000, 1_000], 1));
    assert_eq!(seen, [Seen::Everything, Seen::Everything, Seen::Mailbox]);
}

#[test]
fn a_server_that_answers_at_once_is_asked_at_a_bounded_rate() {
    let (pauses, _, seen) = against(&[(0, Ok(())); 100]);
    assert_eq!(pauses[..7], [25, 50, 100, 200, 400, 500, 500]);
    assert_eq!((pauses.len(), seen.len()), (100, 100));
    let (pauses, _, seen) = against(&[(0, Ok(())), (900, Ok(())), (0, Ok(())), (900, Err(25))]);
    assert_eq!((pauses, seen.len()), (vec![25, 25], 3), "changes that were waited for cost no pause");
}

#[test]
fn a_question_that_is_unknown_is_given_up() {
    let (pauses, said, seen) = against(&[(0, Err(25))]);
    assert_eq!((pauses.len(), said.len(), seen.len()), (0, 1, 0));
}

#[test]
fn folders_beyond_the_last_thread_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    // All threads are taken: no other test of this process starts any but for a moment.
    crowd().threads += MOST;
    let (hint, complain, told) = {
        let (job, (told, _)) = job(folder.path());
        (job.hint.clone(), job.complain.clone(), told)
    };
    let waits = Folder::start(folder.path().to_owned(), Seen::Status, hint.clone(), complain.clone());
    let gone = Folder::start(folder.path().to_owned(), Seen::Status, hint, complain);
    for _ in 0..2 {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap(), "too many wait already");
    }
    drop(gone);
    crowd().threads -= MOST;
    fill();
    // On a plain folder the question is unknown: the one that still waited was asked.
    assert!(told.recv_timeout(PATIENCE).unwrap().unwrap().contains("os error 25"));
    drop(waits);
    assert!(told.recv_timeout(PATIENCE).is_err(), "the other was dropped, and all is over");
}
