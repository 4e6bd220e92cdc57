//! How far a long copy is: one line on standard error that is written over, where a person looks at it; else nothing.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::app::tongue;
use crate::engine::node::Node;
use crate::model::config::Size;
use crate::sys::clock::Clock;

/// The time between two of them.
const EVERY: Duration = Duration::from_millis(200);
/// Columns of the bar.
const WIDTH: usize = 24;

/// A bar. Dropped, it leaves no trace.
pub struct Bar {
    deed: &'static str,
    clock: std::sync::Arc<dyn Clock>,
    next: Duration,
    shown: bool,
}

impl Bar {
    /// A bar of what is done; it shows itself when it takes a while.
    pub fn new(deed: &'static str, node: &Node) -> Bar {
        let clock = node.clock.clone();
        let shows = io::stderr().is_terminal();
        let next = if shows { clock.now() + EVERY } else { Duration::MAX };
        Bar { deed, clock, next, shown: false }
    }

    /// So many bytes are done, of so many.
    pub fn tell(&mut self, done: u64, all: u64) {
        if self.next == Duration::MAX || self.clock.now() < self.next {
            return;
        }
        self.next = self.clock.now() + EVERY;
        self.shown = true;
        let line = line(self.deed, done, all);
        let _ = write!(io::stderr(), "\r{}", tongue::said(tongue::of_stderr(), &line));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:70}\r", "");
        }
    }
}

fn line(deed: &str, done: u64, all: u64) -> String {
    let done = done.min(all);
    let full = (done as u128 * WIDTH as u128 / (all as u128).max(1)) as usize;
    let percent = done as u128 * 100 / (all as u128).max(1);
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(WIDTH - full));
    format!("{deed} [{bar}] {percent:3} % of {:<12}", short(all))
}

/// A number of bytes for people, rounded down: `4.6 GiB`.
pub fn short(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes.is_multiple_of(unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{} bytes", Size(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        assert_eq!(line("copies", 0, 0), "copies [------------------------]   0 % of 0 bytes     ");
        assert!(line("x", 1 << 30, 2 << 30).contains("[############------------]  50 % of 2 GiB"));
        assert!(line("x", 9, 3).contains("100 %"));
        assert_eq!((short(1536 << 20), short(1023)), ("1.5 GiB".into(), "1023 bytes".into()));
        assert!(line("x", u64::MAX, u64::MAX).contains("100 %"));
    }
}
