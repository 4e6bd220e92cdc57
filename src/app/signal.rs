//! What the engine's thread is told while it works, or hangs with the share: a queue that does not grow.
//!
//! An event carries no information beyond its kind, so one that was not heard yet stands for all that follow. What may
//! have happened for hours on a share that hangs is a handful of signals when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::adapt::watch::Seen;
use crate::engine::Mounted;

/// What the engine's thread is told.
pub enum Signal {
    /// Something may have changed.
    Seen(Seen),
    /// How the share is mounted, and what is not heard of.
    Mount(Mounted),
    /// Stop, for this reason.
    Stop(&'static str),
}

/// The end that tells, from any thread.
#[derive(Clone)]
pub struct Teller {
    to: Sender<Signal>,
    unheard: Arc<AtomicU8>,
}

/// The end that hears.
pub struct Hearer {
    from: Receiver<Signal>,
    unheard: Arc<AtomicU8>,
}

/// A new pair.
pub fn queue() -> (Teller, Hearer) {
    let ((to, from), unheard) = (channel(), Arc::new(AtomicU8::new(0)));
    (Teller { to, unheard: unheard.clone() }, Hearer { from, unheard })
}

fn bit(seen: Seen) -> u8 {
    match seen {
        Seen::Mailbox => 1,
        Seen::Slot => 2,
        Seen::Status => 4,
        Seen::Local => 8,
        Seen::Everything => 16,
    }
}

impl Teller {
    /// Tells it; an event that waits to be heard already is not told twice.
    pub fn tell(&self, signal: Signal) {
        let waits = match signal {
            Signal::Seen(seen) => self.unheard.fetch_or(bit(seen), Ordering::AcqRel) & bit(seen) != 0,
            Signal::Mount(_) | Signal::Stop(_) => false,
        };
        if !waits {
            // Whoever should hear it ended: the shell sees that by itself.
            let _ = self.to.send(signal);
        }
    }
}

impl Hearer {
    /// The next one, waiting for it at most so long.
    ///
    /// # Errors
    /// Nothing came, or nothing can come any more.
    pub fn hear(&self, within: Duration) -> Result<Signal, RecvTimeoutError> {
        let signal = self.from.recv_timeout(within)?;
        if let Signal::Seen(seen) = &signal {
            // Before it is looked into: what happens from now on is told again.
            self.unheard.fetch_and(!bit(*seen), Ordering::AcqRel);
        }
        Ok(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_waits_stands_for_all_that_follow_and_none_is_lost() {
        let (teller, hearer) = queue();
        let heard = || {
            let mut heard = vec![];
            while let Ok(signal) = hearer.hear(Duration::ZERO) {
                heard.push(match signal {
                    Signal::Seen(seen) => format!("{seen:?}"),
                    Signal::Mount(mounted) => mounted.deaf.join(""),
                    Signal::Stop(why) => why.into(),
                });
            }
            heard
        };
        for _ in 0..10_000 {
            teller.tell(Signal::Seen(Seen::Mailbox));
            teller.tell(Signal::Seen(Seen::Slot));
        }
        teller.tell(Signal::Mount(Mounted { deaf: vec!["a".into()], ..Mounted::default() }));
        teller.tell(Signal::Mount(Mounted { deaf: vec!["b".into()], ..Mounted::default() }));
        assert_eq!(heard(), ["Mailbox", "Slot", "a", "b"]);
        teller.tell(Signal::Seen(Seen::Mailbox));
        teller.tell(Signal::Stop("enough"));
        assert_eq!(heard(), ["Mailbox", "enough"], "what was heard may happen again");
    }
}
