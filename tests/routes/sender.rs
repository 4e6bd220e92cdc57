//! Somebody on a PC who sends much mail through the library, as a long-lived agent would: numbers, from 1 on.

use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::model::name::{Address, Name};

use crate::process::Pc;

/// The pause between two messages, so that mail flows for as long as something happens.
const APART: Duration = Duration::from_millis(20);

/// A sender on one PC.
pub struct Sender {
    node: Node,
    to: Address,
    /// How many were sent.
    pub sent: usize,
}

impl Sender {
    pub fn on(pc: &Pc, to: &str) -> Sender {
        let to = Address { instance: Name::parse(to).unwrap(), agent: None };
        Sender { node: pc.node(), to, sent: 0 }
    }

    /// Sends the next `count` numbers.
    pub fn send(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.sent + 1;
            ops::send(&mut self.node, Draft::new(self.to.clone(), number.to_string())).unwrap();
            self.sent = number;
            std::thread::sleep(APART);
        }
    }
}
