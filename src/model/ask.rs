//! Requests: mail whose writer waits for an answer, and what belongs to one. Pure.
//!
//! ```text
//! request  := type "request",  any content
//! answer   := any other type,  in_reply_to the request, from the instance that was asked
//! progress := type "progress", in_reply_to the request, content a text: how far it is
//! ```
//! A progress note is no answer: it wakes nobody and takes no place among unread mail.

/// The type of a request.
pub const REQUEST: &str = "request";
/// The type of a note on how far a request is.
pub const PROGRESS: &str = "progress";
