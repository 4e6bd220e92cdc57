//! The life of one process: it may end before, during or after any verb on the share and any commit of the store.
//!
//! From that point on nothing that the process does takes effect: the share's verbs fail, and a hook that SQLite asks
//! before each commit refuses, so that the transaction is rolled back. The hook is installed on every connection that
//! is opened, and asks the life that its thread currently plays.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, Once};

use rusqlite::ffi;

/// Where a step of the process is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Fine,
    Before,
    During,
    After,
}

#[derive(Debug, Default)]
struct Inner {
    dead: bool,
    fuse: Option<(u64, Moment)>,
}

/// One process.
#[derive(Debug, Default)]
pub struct Life(Mutex<Inner>);

impl Life {
    pub fn is_over(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    /// Ends after so many more steps, at this moment of the last one.
    pub fn end_after(&self, steps: u64, how: Moment) {
        self.0.lock().unwrap().fuse = Some((steps, how));
    }

    /// Disarms the fuse.
    pub fn spare(&self) {
        self.0.lock().unwrap().fuse = None;
    }

    /// One durable step is about to happen.
    pub fn step(&self) -> Moment {
        let mut life = self.0.lock().unwrap();
        if life.dead {
            return Moment::Before;
        }
        match &mut life.fuse {
            None => Moment::Fine,
            Some((0, how)) => {
                let how = *how;
                life.dead = true;
                how
            }
            Some((left, _)) => {
                *left -= 1;
                Moment::Fine
            }
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Life>>> = const { RefCell::new(None) };
}

/// Lets this thread play `life` while `work` runs; within it others may be played.
pub fn play<T>(life: &Arc<Life>, work: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(Some(life.clone()));
    let done = work();
    CURRENT.set(outer);
    done
}

/// Has every connection that SQLite opens from now on ask before it commits.
pub fn watch_commits() {
    static ONCE: Once = Once::new();
    // SAFETY: the entry point has the signature that SQLite calls, and neither it nor the hook holds any state.
    ONCE.call_once(|| unsafe {
        assert_eq!(
            ffi::sqlite3_auto_extension(Some(install)),
            ffi::SQLITE_OK,
            "the commit hook is installed"
        );
    });
}

unsafe extern "C" fn install(
    db: *mut ffi::sqlite3,
    _error: *mut *mut c_char,
    _api: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite hands over the connection that it is opening.
    unsafe { ffi::sqlite3_commit_hook(db, Some(asked), std::ptr::null_mut()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn asked(_: *mut c_void) -> c_int {
    CURRENT.with_borrow(|life| match life.as_ref().map(|life| life.step()) {
        // `After`: the commit goes through, and its process dies before it knows.
        None | Some(Moment::Fine | Moment::After) => 0,
        Some(_) => 1,
    })
}
