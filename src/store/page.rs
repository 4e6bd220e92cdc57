//! The page of tasks on the share: a file of people's, which editors hold open and save as they like.
//!
//! It is never replaced as it lies there. It is given another name first, and what then stands under that name is what is
//! rendered anew: whatever was saved up to that moment is in it. The new page is made with O_EXCL, so that one that somebody
//! saves meanwhile is not written over. What was put aside stays until a later look has seen that nobody wrote into it
//! after it was read. So no text is lost to a rendering, whenever an editor saves.
//!
//! A crash in between leaves no page and what was put aside; whoever sees that for [`GONE`] puts it back.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::model::layout::{self, SharePath};
use crate::model::name::Name;
use crate::model::task::page::MOST;
use crate::store::claim::claim;
use crate::sys::share::{Meta, Share};

/// For how long there must be no page before what was put aside is put back.
pub const GONE: Duration = Duration::from_secs(30);

/// What came of a rendering.
#[derive(Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The new page is there.
    Done,
    /// Somebody saved it just before: it is as it was, and to be read again.
    Changed,
    /// Somebody made another one just then, and what was read lies aside.
    Raced,
}

/// What is known of the page without reading it. Cost: 1 stat.
pub fn look(share: &dyn Share) -> Result<Option<Meta>> {
    Ok(share.stat(&layout::task_page())?.filter(|meta| meta.regular))
}

/// The page's bytes; `None` if there is none. Cost: 1 read.
///
/// # Errors
/// It is larger than any page is.
pub fn read(share: &dyn Share) -> Result<Option<Vec<u8>>> {
    let bytes = share.read(&layout::task_page(), 0, MOST + 1)?;
    match bytes {
        Some(bytes) if bytes.len() > MOST => {
            let cause = format!("it is longer than {MOST} bytes");
            Err(Error::new(Kind::Full, "read", layout::task_page(), cause)
                .next("move a part of it elsewhere"))
        }
        other => Ok(other),
    }
}

/// Makes a page where there was none; `false` if there is one by now, or one that was put aside. Cost: 1 list, 1 create.
///
/// # Errors
/// The share's. Then a part of the page may be there, if it could not be removed.
pub fn make(share: &dyn Share, bytes: &[u8]) -> Result<bool> {
    if share.names(&layout::tasks())?.iter().any(|name| layout::is_task_page(name)) {
        return Ok(false);
    }
    write(share, bytes)
}

/// Puts a page in the place of one that was read as `read`. Cost: 1 rename, 1 read, 1 create; another rename if it was
/// saved since.
///
/// # Errors
/// Somebody has it open; the share's. Then the page is there as it was, or will be put back.
pub fn swap(share: &dyn Share, us: &Name, read: &[u8], new: &[u8]) -> Result<Swapped> {
    let (page, aside) = (layout::task_page(), layout::task_page_aside(us));
    match share.rename(&page, &aside, read.len() as u64) {
        Err(error) if error.is_not_found() => return Ok(Swapped::Changed),
        other => other?,
    }
    let found = share.read(&aside, 0, MOST + 1)?.unwrap_or_default();
    if found != read {
        put_back(share, &aside)?;
        return Ok(Swapped::Changed);
    }
    match write(share, new) {
        Ok(true) => Ok(Swapped::Done),
        // Another one's; what was put aside is kept.
        Ok(false) => Ok(Swapped::Raced),
        Err(error) => {
            // If this fails, too, somebody puts back what was put aside.
            put_back(share, &aside)?;
            Err(error)
        }
    }
}

/// Writes the page where there is none; `false` if there is one. A part of it, after an error, is nobody's text, and goes.
fn write(share: &dyn Share, bytes: &[u8]) -> Result<bool> {
    let page = layout::task_page();
    let error = match claim(share, &page, bytes) {
        Err(error) => error,
        made => return made,
    };
    let part = share.read(&page, 0, bytes.len())?;
    if part.is_some_and(|part| part.len() < bytes.len() && bytes.starts_with(&part)) {
        share.remove(&page)?;
    }
    Err(error)
}

/// Ends what a rendering of ours left: what was put aside goes, if it holds what was read (`read`), and is kept under a
/// name that people see, if it does not. Returns that name. Only while there is a page. Cost: 1 stat; a read and an unlink if
/// something was put aside.
pub fn tidy(share: &dyn Share, us: &Name, read: Option<&[u8; 32]>, now: i64) -> Result<Option<SharePath>> {
    let aside = layout::task_page_aside(us);
    if share.stat(&aside)?.is_none() {
        return Ok(None);
    }
    let found = share.read(&aside, 0, MOST + 1)?.unwrap_or_default();
    if read.is_some_and(|read| blake3::hash(&found) == *read) {
        return share.remove(&aside).map(|()| None);
    }
    let kept = layout::task_page_kept(us, now.max(0).unsigned_abs());
    share.rename(&aside, &kept, found.len() as u64)?;
    Ok(Some(kept))
}

/// Puts back what was put aside last, if there is no page; the caller has seen that for [`GONE`]. Returns whether something
/// was. Cost: 1 list with a stat for each, 2 stats, 1 rename.
pub fn restore(share: &dyn Share) -> Result<bool> {
    let mut is_aside = |name: &str| layout::parse_task_page_aside(name).is_some();
    let all = share.list_those(&layout::tasks(), &mut is_aside)?.unwrap_or_default();
    // The others are older: each was made into the next.
    let newest = all.iter().max_by_key(|entry| entry.meta.stamp);
    match newest.and_then(|entry| layout::parse_task_page_aside(&entry.name)) {
        Some(us) => put_back(share, &layout::task_page_aside(&us)),
        None => Ok(false),
    }
}

/// Gives the page its name back, unless there is another one by now.
fn put_back(share: &dyn Share, aside: &SharePath) -> Result<bool> {
    let page = layout::task_page();
    if share.stat(&page)?.is_some() {
        return Ok(false);
    }
    let len = share.stat(aside)?.map_or(0, |meta| meta.len);
    share.rename(aside, &page, len).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemoryShare;

    fn share() -> (MemoryShare, Name) {
        let share = MemoryShare::new();
        share.make_folder(&layout::tasks()).unwrap();
        (share, Name::parse("lab").unwrap())
    }

    fn hash(text: &[u8]) -> [u8; 32] {
        *blake3::hash(text).as_bytes()
    }

    #[test]
    fn a_page_is_swapped_only_for_the_one_that_was_read() {
        let (share, us) = share();
        assert!(make(&share, b"one").unwrap());
        assert!(!make(&share, b"two").unwrap());
        assert_eq!(swap(&share, &us, b"one", b"two").unwrap(), Swapped::Done);
        assert_eq!(read(&share).unwrap().unwrap(), b"two");
        assert_eq!(tidy(&share, &us, Some(&hash(b"one")), 0).unwrap(), None);
        assert_eq!(share.names(&layout::tasks()).unwrap(), ["shared-tasks.md"]);
        share.replace(&layout::task_page(), b"saved").unwrap();
        assert_eq!(swap(&share, &us, b"two", b"three").unwrap(), Swapped::Changed);
        assert_eq!(read(&share).unwrap().unwrap(), b"saved", "as it was");
    }

    #[test]
    fn what_somebody_wrote_into_a_page_that_was_put_aside_is_kept_where_people_see_it() {
        let (share, us) = share();
        make(&share, b"one").unwrap();
        swap(&share, &us, b"one", b"two").unwrap();
        share.open_append(&layout::task_page_aside(&us)).unwrap().append(b" and more").unwrap();
        let kept = tidy(&share, &us, Some(&hash(b"one")), 7).unwrap().unwrap();
        assert_eq!(share.read(&kept, 0, 99).unwrap().unwrap(), b"one and more");
        assert_eq!(kept.as_str(), "tasks/shared-tasks.lab.7.md");
    }

    #[test]
    fn of_several_that_were_put_aside_the_last_one_comes_back() {
        let (share, us) = share();
        let other = Name::parse("zoe").unwrap();
        make(&share, b"one").unwrap();
        swap(&share, &other, b"one", b"two").unwrap();
        swap(&share, &us, b"two", b"three").unwrap();
        share.rename(&layout::task_page(), &layout::task_page_aside(&us), 5).unwrap();
        assert!(restore(&share).unwrap());
        assert_eq!(read(&share).unwrap().unwrap(), b"three");
    }

    #[test]
    fn a_crash_in_between_leaves_a_page_that_comes_back() {
        let (share, us) = share();
        make(&share, b"one").unwrap();
        share.rename(&layout::task_page(), &layout::task_page_aside(&us), 3).unwrap();
        assert!(!make(&share, b"new").unwrap(), "nobody takes it for missing");
        assert!(restore(&share).unwrap() && !restore(&share).unwrap());
        assert_eq!(read(&share).unwrap().unwrap(), b"one");
    }
}
