//! Tasks in a run: who adds them, who claims them, and what people write into the page; and what must hold in the end.

use lanpost::model::layout;

use super::World;
use crate::server::{Eye, What};
use std::time::Duration;

/// People at their editors; nobody's node.
const PERSON: usize = 98;

/// What was asked of tasks.
#[derive(Default)]
pub struct Chores {
    /// Titles that were accepted, or saved in the page.
    pub added: Vec<String>,
    /// Words that people saved in the page.
    pub words: Vec<String>,
}

impl World {
    /// Somebody does something with tasks.
    pub(super) fn do_chores(&mut self) -> Result<(), String> {
        let Some(node) = self.any() else { return Ok(()) };
        match self.rng.below(10) {
            0 if self.chores.added.len() < 12 => {
                self.counter += 1;
                let title = format!("chore {}", self.counter);
                if self.site_mut(node).add_task(&title)? && !self.has_twin(node) {
                    self.chores.added.push(title);
                }
            }
            1 => self.edit_page(),
            2..=5 => self.site_mut(node).wish()?,
            _ => self.site_mut(node).work_on_task()?,
        }
        self.bury(node);
        Ok(())
    }

    /// A person adds a line and some words to the page, and saves.
    fn edit_page(&mut self) {
        let page = layout::task_page();
        let mut server = self.server.lock().unwrap();
        let eye = Eye { node: PERSON, lag: Duration::ZERO };
        if !matches!(server.what(page.as_str()), What::File { .. }) || self.chores.words.len() >= 6 {
            return;
        }
        self.counter += 1;
        let (words, title) = (format!("words {}", self.counter), format!("by hand {}", self.counter));
        let mut bytes = server.bytes(page.as_str(), eye, Duration::ZERO).unwrap_or_default();
        // A page that was cut off in the middle of a line gets no words there.
        let apart = if bytes.last().is_none_or(|last| *last == b'\n') { "" } else { "\n" };
        bytes.extend_from_slice(format!("{apart}{words}\n- [ ] {title}\n").as_bytes());
        if server.write(PERSON, page.as_str(), &bytes) == Ok(true) {
            drop(server);
            self.log.count("a page of tasks that somebody saves");
            self.chores.words.push(words);
            self.chores.added.push(title);
        }
    }

    /// What is still to come with tasks, if anything is.
    pub fn unsettled_chores(&self) -> Option<String> {
        let sites: Vec<_> = self.all().collect();
        let seen: Vec<_> = sites.iter().map(|site| site.tasks()).collect();
        for (site, tasks) in sites.iter().zip(&seen) {
            if let Some(held) = site.held_tasks().first() {
                return Some(format!("{} sees {held} still", site.name));
            }
            if site.wishes() > 0 {
                return Some(format!("{} has wishes", site.name));
            }
            if let Some(odd) = tasks.iter().zip(&seen[0]).find(|(one, other)| one != other) {
                return Some(format!("{} and {} see {odd:?}", site.name, sites[0].name));
            }
            if tasks.len() != seen[0].len() {
                return Some(format!(
                    "{} sees {} tasks, {} {}",
                    site.name,
                    tasks.len(),
                    sites[0].name,
                    seen[0].len()
                ));
            }
            // What nobody read before it was taken off the share, nobody has.
            for title in self.chores.added.iter().filter(|_| !self.restored && self.went_back.is_empty()) {
                let of_it: Vec<_> =
                    tasks.iter().filter(|task| task.starts_with(&format!("{title} "))).collect();
                if of_it.len() != 1 {
                    return Some(format!("{} sees {title:?} {} times: {of_it:?}", site.name, of_it.len()));
                }
            }
        }
        let server = self.server.lock().unwrap();
        let eye = Eye { node: PERSON, lag: Duration::ZERO };
        let page = server.bytes(layout::task_page().as_str(), eye, Duration::ZERO).unwrap_or_default();
        let page = String::from_utf8_lossy(&page);
        let kept: Vec<String> = server
            .files()
            .into_iter()
            .filter(|(path, _)| {
                path.starts_with("tasks/shared-tasks.") && path != layout::task_page().as_str()
            })
            .map(|(path, _)| {
                String::from_utf8_lossy(&server.bytes(&path, eye, Duration::ZERO).unwrap_or_default())
                    .into_owned()
            })
            .collect();
        let lost = |words: &&String| {
            let is_in = |text: &str| text.lines().any(|line| line == words.as_str());
            !is_in(&page) && !kept.iter().any(|text| is_in(text))
        };
        let lost = self.chores.words.iter().filter(|_| !self.restored).find(lost);
        lost.map(|words| format!("{words:?} is gone from the page:\n{page}"))
    }
}
