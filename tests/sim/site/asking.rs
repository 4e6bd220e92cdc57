//! Requests in a run: a site asks and waits, works on what others ask, and takes back what it sent.

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Asking, Author, Draft, News};
use lanpost::error::{Kind, Result};
use lanpost::model::ask::REQUEST;
use lanpost::model::cancel::Order;
use lanpost::model::state::State;
use lanpost::store::db::{Filter, Message};
use lanpost::sys::clock::Clock as _;

use super::{Site, key};
use crate::life;

impl Site {
    /// Does something by the node, as a command beside the daemon does; `None` if the site is down, or died in it.
    fn by_hand<T>(
        &mut self,
        what: &str,
        deed: impl FnOnce(&mut Node) -> Result<T>,
    ) -> Result<Option<T>, String> {
        let Some(mut engine) = self.engine.take() else { return Ok(None) };
        let life = self.life.clone();
        let done = life::play(&life, || deed(engine.node_mut()));
        self.engine = Some(engine);
        if life.is_over() {
            return Ok(None);
        }
        self.due = self.clock.now();
        done.map(Some).map_err(|error| format!("{}: {what} failed: {error}", self.name))
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, to: &str, text: &str) -> Result<Option<Message>, String> {
        let draft = Draft { create: true, ..Draft::new(to.parse().unwrap(), text) };
        let asked = self.by_hand("asking", |node| {
            let mut asking = Asking::new(node);
            asking.ask(node, draft).map(|request| (asking, request))
        })?;
        let Some((asking, request)) = asked else { return Ok(None) };
        // Whoever asked before is as one that was killed.
        self.asking = Some(asking);
        self.view.count("a request");
        Ok(Some(request))
    }

    /// Looks whether the answer is there, or loses patience.
    pub fn listen(&mut self) -> Result<(), String> {
        let Some(mut asking) = self.asking.take() else { return Ok(()) };
        let Some((asking, news)) = self.by_hand("waiting", move |node| {
            let news = asking.look(node)?;
            Ok((asking, news))
        })?
        else {
            return Ok(());
        };
        let answer = news.iter().find_map(|news| match news {
            News::Answered { answer, .. } => Some(key(answer)),
            _ => None,
        });
        let gives_up = !asking.is_over() && self.rng.per_mille(100);
        if !asking.is_over() && !gives_up {
            self.asking = Some(asking);
            return Ok(());
        }
        if self.by_hand("ending to wait", move |node| asking.end(node, !gives_up))?.is_some() {
            if answer.is_some() {
                self.view.count("an answer that is shown");
            }
            self.shown.extend(answer);
        }
        Ok(())
    }

    /// Works on some request: says how far it is, or answers; returns what it wrote.
    pub fn work(&mut self, text: &str) -> Result<Option<Message>, String> {
        let pick = self.rng.next();
        let wrote = self.by_hand("answering", |node| {
            let open = ops::inbox(node, &Filter::default())?;
            let open: Vec<&Message> = open.iter().filter(|message| message.kind == REQUEST).collect();
            if open.is_empty() {
                return Ok(None);
            }
            let request = open[(pick >> 8) as usize % open.len()];
            let id = format!("{}:{}", request.peer, request.id);
            let wrote = match pick % 3 {
                0 => ops::progress(node, &id, text.into(), None, Author::Person)?,
                _ => ops::reply(node, &id, text.into(), None, Author::Person, false)?,
            };
            if pick % 3 == 2 {
                ops::ack(node, &[id], None)?;
            }
            Ok(Some(wrote))
        })?;
        Ok(wrote.flatten())
    }

    /// Takes a message back, if it may be; whether it had not left.
    pub fn take_back(&mut self, message: &Message) -> Result<bool, String> {
        let order = if message.kind == REQUEST { Order::Cancel } else { Order::Recall };
        let id = format!("{}:{}", message.peer, message.id);
        let taken =
            self.by_hand("taking back", |node| match ops::take_back(node, &id, order, Author::Person) {
                // A backup from before it was restored.
                Err(error) if error.kind() == Kind::NotFound => Ok(None),
                other => other.map(Some),
            })?;
        let Some(Some(withdrawal)) = taken else { return Ok(false) };
        self.note(&format!("TAKEN BACK {}", message.id));
        self.view.count(match withdrawal.order {
            Some(_) => "an order to take mail back",
            None => "mail that is taken back before it left, or too late",
        });
        Ok(withdrawal.order.is_none() && withdrawal.message.state == State::Cancelled)
    }
}
