//! The one error of the crate: what was being done, to what, why it failed, and the next step to take.
//!
//! Callers never match on causes; they ask a predicate ([`Error::is_retryable`], [`Error::is_not_found`], …).
//! Expected states (nothing new, contended, a torn tail) are values, not errors.
//! The text is one sentence of the form `could not DEED SUBJECT: CAUSE; NEXT STEP`.

mod kind;
mod windows;

use std::fmt;
use std::io;
use std::path::Path;

pub use kind::Kind;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed, on which path or message, why, and what to do next.
pub struct Error(Box<Inner>);

struct Inner {
    deed: String,
    subject: String,
    kind: Kind,
    cause: String,
    next: Option<String>,
    local: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`: `deed` ("write the heartbeat to"), `subject` (a path, an id), `cause` in words.
    pub fn new(
        kind: Kind,
        deed: impl Into<String>,
        subject: impl fmt::Display,
        cause: impl fmt::Display,
    ) -> Self {
        Error(Box::new(Inner {
            deed: deed.into(),
            subject: subject.to_string(),
            kind,
            cause: cause.to_string(),
            next: None,
            local: false,
            source: None,
        }))
    }

    /// Wraps an I/O error with what was being done to which path; kind and next step follow from the error.
    pub fn io(deed: impl Into<String>, path: &Path, source: io::Error) -> Self {
        let verdict = kind::judge(&source);
        let mut error = match verdict.meaning {
            Some(meaning) => Error::new(verdict.kind, deed, path.display(), format!("{meaning} ({source})")),
            None => Error::new(verdict.kind, deed, path.display(), &source),
        };
        error.0.next = verdict.next.map(str::to_owned);
        error.0.source = Some(Box::new(source));
        error
    }

    /// A login that Windows refused, by its number (winerror.h), explained; the same text on every system.
    pub fn login(deed: impl Into<String>, subject: impl fmt::Display, number: i32) -> Self {
        match windows::login(number) {
            Some(verdict) => {
                let meaning = verdict.meaning.unwrap_or("Windows refused");
                let error = Error::new(verdict.kind, deed, subject, format!("{meaning} (error {number})"));
                error.next(verdict.next.unwrap_or(kind::AWAY))
            }
            None => Error::new(Kind::Away, deed, subject, format!("error {number} of Windows"))
                .next(format!("`net helpmsg {number}` tells more; it is tried again")),
        }
    }

    /// Bad input or a bad config: the sentence says what is wrong.
    pub fn usage(deed: impl Into<String>, subject: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Error::new(Kind::Usage, deed, subject, cause)
    }

    /// The same error with the step the person should take next.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.0.next = Some(step.into());
        self
    }

    /// The same error with this next step, unless it names one already.
    #[must_use]
    pub fn or_next(mut self, step: impl Into<String>) -> Self {
        self.0.next.get_or_insert_with(|| step.into());
        self
    }

    /// The step to take, if one is known.
    pub fn next_step(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// The sentence without the next step.
    pub fn what(&self) -> String {
        let Inner { deed, subject, cause, .. } = &*self.0;
        match subject.is_empty() {
            true => format!("could not {deed}: {cause}"),
            false => format!("could not {deed} {subject}: {cause}"),
        }
    }

    /// The same error under another kind (when the caller knows better than the errno).
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error, marked as one of the local store and not of the share.
    #[must_use]
    pub fn in_store(mut self) -> Self {
        self.0.local = true;
        self
    }

    /// Whether the local store failed, so that nothing can be promised; otherwise the share or a file of it did.
    pub fn is_in_store(&self) -> bool {
        self.0.local
    }

    /// The class of this failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the same call may succeed later without anybody changing the input.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, Kind::Io | Kind::Denied | Kind::Full | Kind::Away | Kind::Busy | Kind::Timeout)
    }

    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// Whether what is said of somebody lacks something: a look at the share may bring it.
    pub fn is_unknown(&self) -> bool {
        matches!(self.0.kind, Kind::NotFound | Kind::NoKey)
    }

    /// Whether a handle of the share means nothing any more; a fresh one may.
    pub fn is_stale(&self) -> bool {
        let source = self.0.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|error| error.kind() == io::ErrorKind::StaleNetworkFileHandle)
    }

    /// Whether the share is unreachable or not the one we know.
    pub fn is_away(&self) -> bool {
        self.0.kind == Kind::Away
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match &self.0.next {
            Some(step) => write!(f, "; {step}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

/// Adds deed and path to an I/O result.
pub trait At<T> {
    /// `result.at("read", path)?`
    fn at(self, deed: &str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, deed: &str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::io(deed, path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_deed_subject_cause_and_next_step() {
        let error = Error::usage("send to", "lb", "no such instance").next("did you mean lab?");
        assert_eq!(error.to_string(), "could not send to lb: no such instance; did you mean lab?");
        assert!(!error.is_retryable());
    }

    #[test]
    fn the_kind_follows_from_the_io_error() {
        let full = Error::io("write", Path::new("/x"), io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.kind(), Kind::Full);
        assert!(full.is_retryable());
    }
}
