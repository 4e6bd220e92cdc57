//! What came of a request: whether anything was done, and whether anybody knows.

use std::time::Duration;

use super::Heard;
use crate::model::a2a::{self, Answer};

/// What a result means for the request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The gateway says.
    Answer(Answer),
    /// Nothing was done; after a pause it may be.
    Later(Option<Duration>),
    /// Nothing was done, and nothing will be for now; `passing`: until a probe goes well.
    Nothing { why: String, wait: Option<Duration>, passing: bool },
    /// Whether something was done is not known.
    Unknown(String),
}

/// What it means.
pub(super) fn judge(heard: &Heard) -> Judged {
    let (status, wait, body) = match heard {
        Heard::Unsent(why) => return Judged::Nothing { why: why.clone(), wait: None, passing: true },
        Heard::Lost(why) => return Judged::Unknown(why.clone()),
        Heard::Answered { status, retry_after, body } => (*status, *retry_after, body),
    };
    let nothing = |why: &str| Judged::Nothing { why: why.to_owned(), wait, passing: status == 503 };
    match status {
        200 => a2a::read(body).map_or_else(Judged::Unknown, Judged::Answer),
        401 | 403 => {
            nothing("does not accept our token: see to `token` here and to `channels.a2a.peers` there")
        }
        404 => nothing("has no a2a there: see to `url` here and to `channels.a2a.enabled` there"),
        413 => nothing("says that a message is too large"),
        429 => Judged::Later(wait),
        503 => nothing("is starting or stopping (503)"),
        300..=499 => nothing(&format!("answered {status}")),
        status => Judged::Unknown(format!("answered {status}")),
    }
}
