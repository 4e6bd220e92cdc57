//! One test per attack of whoever may write to the share: what can be put there, and what comes of it. Bounds are
//! checked by counting (verbs, bytes, rows), never by a clock. What is promised: docs/security.md.

mod crowds;
mod files;
#[cfg(unix)]
mod links;
mod names;
mod quota;
mod terminal;
