//! Tasks: one holder at a time, whatever happens to it; the same picture everywhere; nothing lost, nothing idle.

mod commands;
mod page;
mod race;
mod steps;
