//! Claiming a name on the share with O_EXCL, and believing neither its success nor its failure without a look.
//!
//! A file server whose answer was lost is asked again by the client's kernel, and then says "it exists" of the file
//! that we just made; a timeout says nothing at all (RFC 1813 §4.2 on retransmission; Postfix's `sane_link.c` looks
//! again for the same reason). So what is claimed holds bytes that nobody else writes, and they tell whose it is.
//! Used for leases, lockfiles and the share's identity.

use crate::error::Result;
use crate::model::layout::SharePath;
use crate::sys::share::Share;

/// Makes `path` with `bytes`, which no other claim of it ever holds; `false` if somebody else has it.
/// Cost: 1 create, and a read if it exists or the answer was an error.
///
/// # Errors
/// The create failed and nothing of ours is there.
pub fn claim(share: &dyn Share, path: &SharePath, bytes: &[u8]) -> Result<bool> {
    let created = share.create_new(path, bytes);
    if let Ok(true) = created {
        return Ok(true);
    }
    // One byte more than ours: a longer file is not ours.
    match share.read(path, 0, bytes.len() + 1) {
        Ok(Some(found)) if found == bytes => Ok(true),
        Ok(_) => created,
        Err(error) => created.and(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout;
    use crate::sys::memory::MemoryShare;

    #[test]
    fn a_name_has_one_owner_who_may_ask_twice() {
        let share = MemoryShare::new();
        assert!(claim(&share, &layout::identity(), b"mine").unwrap());
        assert!(claim(&share, &layout::identity(), b"mine").unwrap(), "the first answer may have been lost");
        assert!(!claim(&share, &layout::identity(), b"other").unwrap());
        assert!(!claim(&share, &layout::identity(), b"min").unwrap());
    }
}
