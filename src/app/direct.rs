//! The threads of direct delivery: one hands mail over, one takes it in.
//!
//! Both work on the local store alone, so mail goes to and from peers while the share hangs. The courier's posts nothing
//! itself: the shell does, and tells how it went. The reception's is apart from it, since whoever reaches the port can
//! give it work; little waits for it, and nothing of somebody who went away.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::adapt::direct::server::Knock;
use crate::adapt::watch::Seen;
use crate::app::log::Log;
use crate::app::shell::{Nudge, Said};
use crate::app::signal::{Signal, Teller};
use crate::engine::courier::{Courier, PostResult};
use crate::engine::envoy::{Envoy, EnvoyResult};
use crate::engine::listening::{Crowd, Listening};
use crate::engine::reception::{Received, Reception};
use crate::error::Result;

/// How long the thread rests after the local store failed.
const STORE_FAILED: Duration = Duration::from_secs(2);

/// Posts that wait to be taken in; whoever comes when there are more is to come later.
pub const WAITING: usize = 16;

/// What the courier's thread is told.
pub enum Call {
    /// Something may wait to be handed over.
    Look,
    /// A command of this PC changed something: the waker is to look, too, when nothing waits to be handed over any more.
    Bell,
    /// Where mail is taken directly, or why nowhere, is another than it was.
    Listens(Listening),
    /// There was no room for all where it is.
    Crowded(Crowd),
    /// An order ended.
    Ended(PostResult),
    /// One to a gateway did.
    Heard(EnvoyResult),
    /// Stop.
    Stop,
}

/// The courier's thread.
///
/// # Errors
/// The local store's, if trying again can't help.
pub fn see_to_peers(
    (mut courier, mut envoy): (Courier, Envoy),
    calls: &Receiver<Call>,
    shell: &UnboundedSender<Said>,
    (engine, waker): (&Teller, &Sender<Nudge>),
    log: &Log,
) -> Result<()> {
    let (mut ended, mut heard): (Vec<PostResult>, Vec<EnvoyResult>) = (vec![], vec![]);
    let mut rung = false;
    loop {
        let speak = match envoy.step(&mut heard) {
            Ok(step) => {
                step.notes.iter().for_each(|note| log.info(note));
                step.orders.into_iter().for_each(|order| drop(shell.send(Said::Ask(Box::new(order)))));
                if step.left {
                    engine.tell(Signal::Seen(Seen::Local));
                }
                if step.arrived {
                    let _ = waker.send(Nudge::Look);
                }
                step.rest
            }
            Err(error) if error.is_retryable() => {
                log.problem(&error.to_string());
                STORE_FAILED
            }
            Err(error) => return Err(error),
        };
        // After it: what it leaves may go directly.
        let rest = match courier.step(&mut ended) {
            Ok(step) => {
                step.notes.iter().for_each(|note| log.info(note));
                step.posts.into_iter().for_each(|post| drop(shell.send(Said::Post(post))));
                step.probes.into_iter().for_each(|probe| drop(shell.send(Said::Probe(probe))));
                if step.fell_back {
                    engine.tell(Signal::Seen(Seen::Local));
                }
                step.rest
            }
            Err(error) if error.is_retryable() => {
                log.problem(&error.to_string());
                STORE_FAILED
            }
            Err(error) => return Err(error),
        };
        if std::mem::take(&mut rung) {
            let _ = waker.send(Nudge::Look);
        }
        let mut next = calls.recv_timeout(rest.min(speak));
        loop {
            match next {
                Ok(Call::Look) => {}
                Ok(Call::Bell) => rung = true,
                Ok(Call::Ended(result)) => ended.push(result),
                Ok(Call::Heard(result)) => heard.push(result),
                Ok(Call::Listens(listening)) => noted(courier.listens(&listening), log)?,
                Ok(Call::Crowded(crowd)) => {
                    log.problem(&format!("no room for all who come directly: {}", crowd.words()));
                    noted(courier.crowded(crowd), log)?;
                }
                Ok(Call::Stop) | Err(RecvTimeoutError::Disconnected) => return courier.stop(),
                Err(RecvTimeoutError::Timeout) => break,
            }
            next = calls.recv_timeout(Duration::ZERO);
        }
    }
}

/// What the store could not note now is noted the next time, or at the next start.
fn noted(stored: Result<()>, log: &Log) -> Result<()> {
    match stored {
        Err(error) if error.is_retryable() => {
            log.problem(&error.to_string());
            Ok(())
        }
        stored => stored,
    }
}

/// The reception's thread. It ends with whoever may knock.
///
/// # Errors
/// The local store's, if trying again can't help.
pub fn take_in(
    mut reception: Reception,
    knocks: &Receiver<Knock>,
    (courier, waker): (&Sender<Call>, &Sender<Nudge>),
    log: &Log,
) -> Result<()> {
    // Who went away sends the same again, if it was a daemon.
    for knock in knocks.iter().filter(|knock| !knock.answer.is_closed()) {
        answer(&mut reception, knock, waker, log)?;
        // Receipts may have come, and others be owed.
        let _ = courier.send(Call::Look);
    }
    Ok(())
}

/// Takes lines in and answers their sender; without an answer it hears that the store failed.
fn answer(reception: &mut Reception, knock: Knock, waker: &Sender<Nudge>, log: &Log) -> Result<()> {
    let mut arrived = || drop(waker.send(Nudge::Look));
    match reception.take(&knock.from, knock.lease, &knock.lines, &mut arrived) {
        Ok(Received { reply, refused }) => {
            refused.iter().for_each(|refused| log.problem(refused));
            // Who went away meanwhile sends them again.
            let _ = knock.answer.send(reply);
            Ok(())
        }
        Err(error) if error.is_retryable() => {
            log.problem(&error.to_string());
            Ok(())
        }
        Err(error) => Err(error),
    }
}
