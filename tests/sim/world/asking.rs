//! Requests between the nodes: somebody asks, waits, works on one, or takes something back.

use lanpost::store::db::Message;

use super::{Sent, World};

impl World {
    pub(super) fn stir_requests(&mut self) -> Result<(), String> {
        let Some(node) = self.any() else { return Ok(()) };
        match self.rng.below(4) {
            0 if self.sent.len() < self.plan.messages => {
                let to = self.rng.below(self.sites.len());
                let text = self.text("question");
                let address = self.names[to].as_str().to_owned();
                let asked = self.site_mut(node).ask(&address, &text)?;
                self.note_sent(node, Some(to), asked, text);
            }
            0 | 1 => self.site_mut(node).listen()?,
            2 => {
                let text = self.text("answer");
                let wrote = self.site_mut(node).work(&text)?;
                let to = wrote
                    .as_ref()
                    .and_then(|wrote| self.names.iter().position(|name| name.fold() == wrote.peer));
                self.note_sent(node, to, wrote, text);
            }
            _ => {
                let own = |one: &&mut Sent| one.from == node;
                let count = self.sent.iter_mut().filter(own).count();
                let pick = self.rng.below(count.max(1));
                if let Some(one) = self.sent.iter_mut().filter(own).nth(pick) {
                    one.withdrawn |= self.sites[node].borrow_mut().take_back(&one.message)?;
                }
            }
        }
        self.bury(node);
        Ok(())
    }

    fn text(&mut self, what: &str) -> String {
        self.counter += 1;
        format!("message {}, a {what}", self.counter)
    }

    fn note_sent(&mut self, from: usize, to: Option<usize>, message: Option<Message>, text: String) {
        let Some(message) = message else { return };
        self.site(from).note(&format!("SENT 1 to {}", message.to));
        let seen = message.state;
        self.sent.push(Sent { from, to, message, text, ttl: false, withdrawn: false, file: None, seen });
    }
}
