//! Whether this user may write where lanpost writes on a share: its folders, its own mailbox, those of the peers.
//!
//! A share of several users may let one of them make a folder at its top and none in another one's: mail would stay in
//! the spool. In each folder an empty file is made and removed; an open slot is opened to be appended to, and is not
//! written. What is not there yet is left so.

use crate::error::{Error, Result};
use crate::model::finding::{self, Finding, Grade};
use crate::model::layout::{self, MessagesEntry, SharePath};
use crate::model::name::Name;
use crate::sys::share::Share;

/// Mailboxes that are tried: more would take longer than a person waits.
const MAILBOXES: usize = 50;
/// Refusals that are named.
const FEW: usize = 4;

/// Why it comes to that, mostly.
const USERS: &str = "if the PCs are several users to the server, mount the share as one and the same on all of them, or give \
                     all one group, umask 002 and setgid folders";

/// The folders of lanpost's that are on a share, but for those of leases.
///
/// # Errors
/// The share can't be asked.
pub fn folders(share: &dyn Share) -> Result<Vec<SharePath>> {
    let mut found = vec![];
    for folder in layout::folders() {
        found.extend(share.stat(&folder)?.filter(|meta| meta.folder).map(|_| folder));
    }
    let mailboxes = mailboxes(share)?.into_iter().map(|name| layout::mailbox(&name));
    found.extend(mailboxes.take(MAILBOXES));
    Ok(found)
}

/// What is refused to this user in lanpost's folders, as findings; `instance` is who we are, if that is known.
pub fn findings(share: &dyn Share, run: [u8; 6], instance: Option<&Name>) -> Vec<Finding> {
    let own = own(share, instance).map(|places| tried(share, run, "folders", &places));
    let others = others(share, instance).map(|places| tried(share, run, "mailboxes", &places));
    let told = |check, tried: Result<Option<Finding>>| {
        tried.unwrap_or_else(|error| Some(finding::failed(check, &error, "let this user list the share")))
    };
    [told("folders", own), told("mailboxes", others)].into_iter().flatten().collect()
}

/// Somewhere that lanpost writes.
enum Place {
    Folder(SharePath),
    OpenSlot(SharePath),
}

fn own(share: &dyn Share, instance: Option<&Name>) -> Result<Vec<Place>> {
    let ours = instance.map(|name| [layout::leases(name), layout::mailbox(name)]);
    let mut found = vec![];
    for folder in layout::folders().into_iter().chain(ours.into_iter().flatten()) {
        found.extend(share.stat(&folder)?.filter(|meta| meta.folder).map(|_| Place::Folder(folder)));
    }
    Ok(found)
}

/// The peers' mailboxes, and the open slots of those that have none.
fn others(share: &dyn Share, instance: Option<&Name>) -> Result<Vec<Place>> {
    let boxes = mailboxes(share)?;
    let foreign = |name: &&Name| instance.is_none_or(|own| !own.same_as(name));
    let mut found: Vec<Place> =
        boxes.iter().filter(foreign).map(|name| Place::Folder(layout::mailbox(name))).collect();
    for name in share.names(&layout::messages())? {
        if let Some(MessagesEntry::OpenSlot(name)) = layout::parse_messages(&name)
            && foreign(&&name)
            && !boxes.iter().any(|other| other.same_as(&name))
        {
            found.push(Place::OpenSlot(layout::open_slot(&name)));
        }
    }
    found.truncate(MAILBOXES);
    Ok(found)
}

fn mailboxes(share: &dyn Share) -> Result<Vec<Name>> {
    let names = share.names(&layout::messages())?;
    let mailbox = |name: &String| match layout::parse_messages(name) {
        Some(MessagesEntry::Mailbox(name)) => Some(name),
        _ => None,
    };
    Ok(names.iter().filter_map(mailbox).collect())
}

/// Tries all of them; `None` if there are none.
fn tried(share: &dyn Share, run: [u8; 6], check: &'static str, places: &[Place]) -> Option<Finding> {
    let refused: Vec<Error> = places.iter().filter_map(|place| attempt(share, run, place).err()).collect();
    let Some(first) = refused.first() else {
        let found = match check {
            "folders" => "this user may write in lanpost's own folders".to_owned(),
            _ => format!("this user may write to the {} mailboxes of others", places.len()),
        };
        return (!places.is_empty()).then(|| Finding::new(check, Grade::Good, found));
    };
    let mut said: Vec<String> = refused.iter().take(FEW).map(Error::what).collect();
    said.extend((refused.len() > FEW).then(|| format!("and {} more", refused.len() - FEW)));
    let means = match check {
        "folders" => "a daemon of this user can't work here, and its mail waits in the spool",
        _ => "mail for them waits in the spool",
    };
    let named =
        Finding { found: said.join("; "), ..finding::failed(check, first, "let this user write there") };
    Some(named.means(format!("{means}; {USERS}")))
}

fn attempt(share: &dyn Share, run: [u8; 6], place: &Place) -> Result<()> {
    match place {
        Place::Folder(folder) => {
            let probe = layout::probe_in(folder, run);
            share.create_new(&probe, b"")?;
            share.remove(&probe)
        }
        Place::OpenSlot(slot) => share.open_append(slot).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemoryShare;

    #[test]
    fn what_may_be_written_is_left_as_it_was() {
        let share = MemoryShare::new();
        assert_eq!(findings(&share, [7; 6], None), [], "nothing is there yet");
        layout::folders().iter().for_each(|folder| share.make_folder(folder).unwrap());
        let [lab, office] = ["lab", "office"].map(|name| Name::parse(name).unwrap());
        share.make_folder(&layout::mailbox(&lab)).unwrap();
        share.create_new(&layout::open_slot(&office), b"mail\n").unwrap();
        let before = share.walk(100).unwrap();
        let said = findings(&share, [7; 6], Some(&lab));
        assert!(said.len() == 2 && said.iter().all(|finding| finding.grade == Grade::Good), "{said:?}");
        assert!(said[1].found.contains("the 1 mailboxes"), "{said:?}");
        assert_eq!(share.walk(100).unwrap(), before);
    }
}
