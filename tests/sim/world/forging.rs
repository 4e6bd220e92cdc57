//! The forger at work in a world: what it needs before it begins, its turns, and the leases that it takes.

use std::time::Duration;

use lanpost::model::layout;

use super::World;
use super::mishap::End;
use crate::forger::{FORGER, MARK, PUT_BACK};
use crate::server::Eye;

impl World {
    /// Everybody sees everybody's key: on first sight whoever comes first under a name is believed.
    pub(super) fn acquaint(&mut self) -> Result<(), String> {
        let until = self.now + Duration::from_secs(60);
        while self.now < until {
            let all = self.all().all(|site| self.names.iter().all(|name| site.has_pinned(name)));
            if all {
                return Ok(());
            }
            self.run(self.now + Duration::from_secs(1))?;
        }
        Err("in fair weather, they don't know each other's keys after a minute".into())
    }

    pub(super) fn forge(&mut self) {
        // What a copy of the state folder, or one that is restored, took for its own nobody can write again.
        let destroys = !(self.plan.twins || self.plan.backups);
        if !self.plan.twins && self.rng.per_mille(60) {
            return self.forge_lease();
        }
        let mut server = self.server.lock().unwrap();
        server.reach(self.now);
        let done = self.forger.act(&mut server, &self.names, destroys);
        drop(server);
        if let Some(what) = done {
            self.log.count(what);
            self.robbed |= what == PUT_BACK;
            self.note(&format!("FORGER: {what}"));
            self.tell();
        }
    }

    /// Takes somebody's lease: the next, or the largest number that there is. Anybody can stop a daemon by that, until a
    /// person removes it.
    fn forge_lease(&mut self) {
        let Some(node) = self.any() else { return };
        let mut server = self.server.lock().unwrap();
        server.reach(self.now);
        let folder = format!("{}/", layout::leases(&self.names[node]));
        let files = server.files();
        let numbers = files.iter().filter_map(|(path, _)| layout::parse_lease(path.strip_prefix(&folder)?));
        let highest = numbers.max().unwrap_or(0);
        let number = if self.rng.per_mille(500) { layout::LAST } else { (highest + 1).min(layout::LAST) };
        let lease = format!("{{\"holder\":\"{MARK}\",\"host\":\"{MARK}\",\"since\":\"now\"}}");
        let path = layout::lease(&self.names[node], number);
        if server.write(FORGER, path.as_str(), lease.as_bytes()) != Ok(true) {
            return;
        }
        drop(server);
        self.log.count("a forged lease");
        self.note(&format!("FORGER: took {path}"));
        self.evicted.insert(node);
        self.ends.push((self.now + self.rng.time(5_000, 90_000), End::Evict(node)));
    }

    /// A person does what `status` says: removes the lease, and starts the daemon again.
    pub(super) fn evict(&mut self, node: usize) {
        if !self.is_free(node) {
            return self.ends.push((self.now + Duration::from_secs(1), End::Evict(node)));
        }
        self.note(&format!("{} gets its lease back", self.names[node]));
        self.remove_forged_leases();
        if self.site(node).is_up() {
            if self.site(node).lost() {
                self.log.count("a daemon that a forged lease stopped");
            }
            let again = self.now + self.rng.time(100, 20_000);
            self.site_mut(node).crash(again);
        }
    }

    pub(super) fn remove_forged_leases(&self) {
        let mut server = self.server.lock().unwrap();
        let eye = Eye { node: FORGER, lag: Duration::ZERO };
        for (path, _) in server.files().into_iter().filter(|(path, _)| path.starts_with("leases/")) {
            let bytes = server.bytes(&path, eye, Duration::ZERO).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(MARK) {
                server.remove(FORGER, &path);
            }
        }
    }
}
