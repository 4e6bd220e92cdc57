//! What a seed has in store: which kinds of bad luck, how many nodes, for how long.

use crate::rng::Rng;

/// The kinds of bad luck of one run; each seed draws some.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub nodes: usize,
    /// How long the bad luck lasts, in seconds.
    pub seconds: u64,
    pub messages: usize,
    pub errors: bool,
    pub lost_answers: bool,
    pub torn: bool,
    pub hangs: bool,
    pub stale: bool,
    pub holes: bool,
    /// Notifications: none at all, or some lost, late and doubled.
    pub deaf: bool,
    pub crashes: bool,
    pub cuts: bool,
    pub power_cuts: bool,
    pub restores: bool,
    pub swaps: bool,
    pub full: bool,
    pub clock_jumps: bool,
    pub strangers: bool,
    pub twins: bool,
    pub stops: bool,
    pub expiry: bool,
    pub plain_peer: bool,
    pub gone: bool,
    /// What is replaced is missing for a moment.
    pub misses: bool,
    /// Strangers that append to open slots without a lock.
    pub careless: bool,
    /// People who delete files.
    pub deletions: bool,
    /// Notifications don't tell of backups and power cuts.
    pub unheard: bool,
    /// Wall clocks that nobody sets right.
    pub skewed: bool,
    /// Nodes take steps between two calls of others.
    pub races: bool,
    /// State folders that are restored from a backup.
    pub backups: bool,
    /// Somebody writes in the names of others.
    pub forger: bool,
    /// Daemons hand mail to each other, over a network that has moods of its own.
    pub direct: bool,
    /// Somebody sends to all at once.
    pub groups: bool,
    /// Agents write back to whoever they are woken for.
    pub chatty: bool,
    /// Mail is to go later.
    pub scheduled: bool,
    /// Agents put mail off.
    pub snoozes: bool,
    /// Nodes share tasks.
    pub tasks: bool,
    /// Files are attached to mail.
    pub files: bool,
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut rng = Rng::new(seed);
        let mut one = |per_mille| rng.per_mille(per_mille);
        let mut plan = Plan {
            errors: one(450),
            lost_answers: one(450),
            torn: one(350),
            hangs: one(200),
            stale: one(450),
            holes: one(400),
            deaf: one(300),
            crashes: one(500),
            cuts: one(300),
            power_cuts: one(250),
            restores: one(120),
            swaps: one(250),
            full: one(200),
            clock_jumps: one(200),
            strangers: one(350),
            twins: one(200),
            stops: one(250),
            expiry: one(200),
            plain_peer: one(250),
            gone: one(150),
            misses: one(300),
            careless: one(300),
            deletions: one(200),
            unheard: one(500),
            skewed: one(500),
            races: one(600),
            ..Plan::default()
        };
        // What a copy of the state folder took in and acknowledged is nobody's when the share then forgets it.
        plan.restores &= !plan.twins;
        // What a copy wrote and somebody deleted, nobody can write again.
        plan.deletions &= !plan.twins;
        plan.nodes = 2 + rng.below(3);
        plan.seconds = [60, 180, 480][rng.below(3)];
        plan.messages = [8, 25, 60][rng.below(3)];
        plan.backups = rng.per_mille(250);
        // What the share lost, or a copy of the state folder took in, it can't tell a restored one.
        plan.backups &= !(plan.restores || plan.power_cuts || plan.deletions || plan.twins);
        plan.forger = rng.per_mille(300);
        plan.direct = rng.per_mille(500);
        plan.chatty = rng.per_mille(150);
        plan.groups = rng.per_mille(400);
        plan.scheduled = rng.per_mille(300);
        // A restored store may put off again what came back already.
        plan.snoozes = rng.per_mille(300) && !plan.backups;
        plan.tasks = rng.per_mille(400);
        plan.files = rng.per_mille(200);
        plan
    }
}
