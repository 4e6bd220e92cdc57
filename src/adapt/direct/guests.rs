//! Who is at the port, by address: how many connections it has, what of it is held in memory, and how often it was refused.
//!
//! A PC has as many addresses of its IPv6 network (a /64) as it likes, so connections and memory are counted by network
//! there. Refusals and posts that wait are counted by address all the same: who is refused is no burden to its neighbours.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Connections at a time of one IPv4 address, and of one IPv6 network, in which many PCs may be.
const CONNECTIONS: (usize, usize) = (32, 64);
/// Posts of one address that wait to be taken in: a daemon sends one after another, but several may share an address.
const POSTS: u32 = 4;
/// Refusals of one address within [`SPAN`].
pub const REFUSALS: u32 = 30;
/// For so long refusals count; and the time between two words that it is crowded.
pub const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered; when there are more, all begin anew.
const ADDRESSES: usize = 10_000;
/// So much of each body is no matter of room: connections bound it, and most mail is shorter.
pub const FREE: usize = 64 << 10;

/// Who is there.
#[derive(Default)]
pub struct Guests(Mutex<Crowd>);

#[derive(Default)]
struct Crowd {
    guests: HashMap<IpAddr, Guest>,
    /// Bytes of all.
    held: usize,
    told: Option<Duration>,
}

#[derive(Default)]
struct Guest {
    connections: usize,
    held: usize,
    waiting: u32,
    refusals: u32,
    since: Duration,
}

impl Crowd {
    fn of(&mut self, who: IpAddr, now: Duration) -> &mut Guest {
        if self.guests.len() >= ADDRESSES {
            self.guests.retain(|_, guest| guest.connections > 0 || guest.held > 0 || guest.waiting > 0);
        }
        let guest = self.guests.entry(who).or_default();
        if now.saturating_sub(guest.since) >= SPAN {
            (guest.refusals, guest.since) = (0, now);
        }
        guest
    }
}

/// All addresses that a PC can have as easily as this one.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
        v4 => v4,
    }
}

impl Guests {
    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is there; whether it may stay. It has to leave either way.
    pub fn enters(&self, ip: IpAddr, now: Duration) -> bool {
        let most = if ip.to_canonical().is_ipv4() { CONNECTIONS.0 } else { CONNECTIONS.1 };
        let mut crowd = self.crowd();
        let guest = crowd.of(network(ip), now);
        guest.connections += 1;
        guest.connections <= most
    }

    /// A connection ended.
    pub fn leaves(&self, ip: IpAddr, now: Duration) {
        let mut crowd = self.crowd();
        let guest = crowd.of(network(ip), now);
        guest.connections = guest.connections.saturating_sub(1);
    }

    /// How often an address was refused lately.
    pub fn refusals(&self, ip: IpAddr, now: Duration) -> u32 {
        self.crowd().of(ip, now).refusals
    }

    /// A post is here; whether it may wait to be taken in, or too many others of its address do.
    pub fn may_wait(&self, ip: IpAddr, now: Duration) -> bool {
        let mut crowd = self.crowd();
        let guest = crowd.of(ip, now);
        let enters = guest.waiting < POSTS;
        guest.waiting += u32::from(enters);
        enters
    }

    /// A request that `waited` is done with.
    pub fn done(&self, ip: IpAddr, now: Duration, waited: bool, refused: bool) {
        let mut crowd = self.crowd();
        let guest = crowd.of(ip, now);
        guest.waiting = guest.waiting.saturating_sub(u32::from(waited));
        guest.refusals += u32::from(refused);
    }

    /// Room for a body, of which nothing is here yet: there are `room` bytes for all, and for one address a quarter of them,
    /// but at least one body of the `largest` kind.
    pub fn held(self: &Arc<Self>, ip: IpAddr, room: usize, largest: usize) -> Held {
        let most = (room, largest.max(room / 4));
        Held { guests: self.clone(), who: network(ip), most, bytes: 0 }
    }

    /// Whether it is time to say again that it is crowded.
    pub fn is_news(&self, now: Duration) -> bool {
        let mut crowd = self.crowd();
        let news = crowd.told.is_none_or(|told| now.saturating_sub(told) >= SPAN);
        if news {
            crowd.told = Some(now);
        }
        news
    }
}

/// The room in memory that a body takes; it is free again when this is dropped.
pub struct Held {
    guests: Arc<Guests>,
    who: IpAddr,
    /// For all, and for one.
    most: (usize, usize),
    bytes: usize,
}

impl Held {
    /// Makes it room for `size` bytes, if there is so much.
    pub fn grow(&mut self, size: usize, now: Duration) -> bool {
        let more = size.saturating_sub(FREE).saturating_sub(self.bytes);
        let mut crowd = self.guests.crowd();
        let (all, one) = (crowd.held + more, crowd.of(self.who, now).held + more);
        let fits = more == 0 || all <= self.most.0 && one <= self.most.1;
        if fits {
            crowd.held = all;
            crowd.of(self.who, now).held = one;
            self.bytes += more;
        }
        fits
    }

    /// Gives it back.
    pub fn free(&mut self) {
        let mut crowd = self.guests.crowd();
        crowd.held -= self.bytes;
        if let Some(guest) = crowd.guests.get_mut(&self.who) {
            guest.held = guest.held.saturating_sub(self.bytes);
        }
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const MIB: usize = 1 << 20;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn room_is_bounded_for_one_and_for_all_and_free_again_when_its_body_is_gone() {
        let guests = Arc::new(Guests::default());
        let body = |from: &str| guests.held(ip(from), 8 * MIB, 3 * MIB);
        let mut first = body("10.0.0.1");
        assert!(first.grow(MIB, NOW) && first.grow(3 * MIB, NOW));
        let mut second = body("10.0.0.1");
        assert!(second.grow(FREE, NOW), "a short letter always has room");
        assert!(!second.grow(MIB, NOW), "of one address there is one such body");
        let others: Vec<Held> = ["10.0.0.2", "10.0.0.3", "10.0.0.4"].map(body).into();
        let fit: Vec<bool> = others.into_iter().map(|mut held| held.grow(3 * MIB, NOW)).collect();
        assert_eq!(fit, [true, true, true], "each is gone before the next comes");
        let mut others = ["10.0.0.2", "10.0.0.3", "10.0.0.4"].map(body);
        let fit: Vec<bool> = others.iter_mut().map(|held| held.grow(3 * MIB, NOW)).collect();
        assert_eq!(fit, [true, false, false], "and for all there are so many bytes");
        drop((first, others));
        assert!(second.grow(3 * MIB, NOW));
        drop(second);
        assert_eq!(guests.crowd().held, 0);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_its_refusals_do_not() {
        let guests = Arc::new(Guests::default());
        let at = |n: usize| ip(&format!("2001:db8:1:2::{n:x}"));
        assert!((0..CONNECTIONS.1).all(|n| guests.enters(at(n), NOW)));
        assert!(!guests.enters(at(9_999), NOW) && guests.enters(ip("2001:db8:1:3::1"), NOW));
        (0..=CONNECTIONS.1).for_each(|n| guests.leaves(at(n), NOW));
        assert!(guests.enters(at(1), NOW));
        assert!((0..CONNECTIONS.0).all(|_| guests.enters(ip("::ffff:10.0.0.1"), NOW)));
        assert!(!guests.enters(ip("10.0.0.1"), NOW));
        (0..REFUSALS).for_each(|_| guests.done(at(1), NOW, false, true));
        assert_eq!((guests.refusals(at(1), NOW), guests.refusals(at(2), NOW)), (REFUSALS, 0));
        assert_eq!(guests.refusals(at(1), NOW + SPAN), 0, "for a minute");
    }

    #[test]
    fn that_it_is_crowded_is_said_once_in_a_while() {
        let guests = Guests::default();
        assert!(guests.is_news(NOW) && !guests.is_news(NOW + SPAN / 2) && guests.is_news(NOW + SPAN));
    }
}
