//! Leases on the share: who runs an instance.
//!
//! Taking over = create the next number with O_EXCL, list again, hold only if the highest is ours. After an error the
//! same call may be made again: it recognises what it made by the holder's word. A crash leaves a number that nobody
//! uses.

use crate::error::{Error, Kind, Result};
use crate::model::layout;
use crate::model::lease::{self, Lease, Standing};
use crate::model::name::Name;
use crate::store::claim::claim;
use crate::sys::share::Share;

const MAX: usize = 16 * 1024;
/// Races lost in a row before giving up; each loss means that another daemon of this instance is alive.
const TRIES: u32 = 8;

/// Where we stand; `ours` is the number our store remembers.
pub fn look(share: &dyn Share, instance: &Name, ours: Option<u64>) -> Result<Standing> {
    Ok(lease::standing([highest(share, instance)?], ours))
}

/// Takes the instance over and returns the lease's number, which is above every number found and above `floor`: the
/// highest that we know was given. Makes the instance's lease folder if need be.
pub fn acquire(share: &dyn Share, instance: &Name, wanted: &Lease, floor: u64) -> Result<u64> {
    share.make_folder(&layout::leases(instance))?;
    for _ in 0..TRIES {
        let highest = highest(share, instance)?;
        if highest > floor
            && holder(share, instance, highest)?.is_some_and(|lease| lease.holder == wanted.holder)
        {
            return Ok(highest);
        }
        let highest = highest.max(floor);
        if highest >= layout::LAST {
            let cause =
                format!("number {highest} is given, and there is none above; no daemon gets that far");
            let path = layout::lease(instance, highest);
            let error = Error::new(Kind::Corrupt, "take the lease of", instance, cause);
            return Err(error.next(format!("somebody put it there: remove {path} and all like it")));
        }
        let bytes = serde_json::to_vec_pretty(wanted).unwrap_or_default();
        claim(share, &layout::lease(instance, highest + 1), &bytes)?;
        if self::highest(share, instance)? == highest + 1
            && holder(share, instance, highest + 1)?.is_some_and(|lease| lease.holder == wanted.holder)
        {
            return Ok(highest + 1);
        }
    }
    let cause = "other daemons of the same instance keep taking it";
    let error = Error::new(Kind::Busy, "take the lease of", instance, cause);
    Err(error.next("look which PCs run it: leases/ on the share names them"))
}

/// What the lease `number` says; `None` if it is gone or not ours to understand.
pub fn holder(share: &dyn Share, instance: &Name, number: u64) -> Result<Option<Lease>> {
    let bytes = share.read(&layout::lease(instance, number), 0, MAX)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The highest number there is; 0 if there is none. Takes the same memory however many files lie there.
fn highest(share: &dyn Share, instance: &Name) -> Result<u64> {
    let mut highest = 0;
    share.list_those(&layout::leases(instance), &mut |name| {
        highest = layout::parse_lease(name).unwrap_or(0).max(highest);
        false
    })?;
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemoryShare;

    fn by(holder: &str) -> Lease {
        Lease { holder: holder.into(), host: "pc".into(), since: "now".into() }
    }

    #[test]
    fn a_newcomer_takes_over_and_the_old_holder_sees_it() {
        let (share, office) = (MemoryShare::new(), Name::parse("office").unwrap());
        share.make_folder(&layout::folders()[2]).unwrap();
        assert_eq!(acquire(&share, &office, &by("a"), 0).unwrap(), 1);
        assert_eq!(acquire(&share, &office, &by("a"), 0).unwrap(), 1, "our own lease is taken up again");
        assert_eq!(acquire(&share, &office, &by("b"), 0).unwrap(), 2);
        assert_eq!(look(&share, &office, Some(1)).unwrap(), Standing::Lost { to: 2 });
        assert_eq!(look(&share, &office, Some(2)).unwrap(), Standing::Held);
        assert_eq!(
            acquire(&share, &office, &by("c"), 7).unwrap(),
            8,
            "a number that was given is not given again"
        );
    }

    #[test]
    fn a_chain_at_its_largest_number_is_said_to_be_somebody_elses_doing() {
        let (share, office) = (MemoryShare::new(), Name::parse("office").unwrap());
        for folder in [layout::folders()[2].clone(), layout::leases(&office)] {
            share.make_folder(&folder).unwrap();
        }
        let last = layout::lease(&office, layout::LAST);
        share.create_new(&last, b"{}").unwrap();
        let said = acquire(&share, &office, &by("a"), 0).unwrap_err().to_string();
        assert!(said.contains("remove leases/office/4294967294.json"), "{said}");
        share.remove(&last).unwrap();
        assert_eq!(acquire(&share, &office, &by("a"), 7).unwrap(), 8);
    }
}
