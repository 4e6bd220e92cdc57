//! Lets the world live while one node works: the baton that makes interleavings without threads.
//!
//! Whoever steps a site puts the world on the stage; each call of the site's view on the share may then take it from
//! there, let others take whole steps, and put it back. One thread, one order, decided by the seed.

use std::cell::Cell;

use crate::clock::SimClock;
use crate::world::World;

thread_local! {
    static STAGE: Cell<Option<World>> = const { Cell::new(None) };
}

/// Does `work`, in whose calls the others may live on.
pub fn perform<T>(world: &mut World, work: impl FnOnce() -> T) -> T {
    STAGE.set(Some(std::mem::take(world)));
    let done = work();
    *world = STAGE.take().expect("whoever takes the world puts it back");
    done
}

/// A call lasts until `clock` shows now: the others live until then. Nothing, if nobody put the world here.
pub fn meanwhile(node: usize, clock: &SimClock) {
    let Some(mut world) = STAGE.take() else { return };
    world.meanwhile(node, clock);
    STAGE.set(Some(world));
}

/// A run that panicked may have left its world behind.
pub fn clear() {
    STAGE.set(None);
}
