//! A client of HTTP servers for the adapters to share: one request, one answer, and what went wrong in a word.
//!
//! - No redirect is followed, no proxy is used (whatever the environment says), no answer is read beyond [`MOST`], or what the caller says.
//! - Two deadlines: for the connection, and for all of it. What came of the body until then is the body.
//! - `https` is verified as the system does it, or by a [`ClientConfig`] that the caller brings.
//! - No error holds a header or a path: they may be secrets.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::Sleep;

use crate::model::url::HttpUrl;

/// The most that is read of an answer's body, unless the caller wants more.
pub const MOST: usize = 64 * 1024;
/// How long a connection that may be used again is kept open.
const IDLE: Duration = Duration::from_secs(20);
/// What we call ourselves.
const AGENT: &str = concat!("lanpost/", env!("CARGO_PKG_VERSION"));

/// A client. Clones share their connections.
#[derive(Clone)]
pub struct Http {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// Made when the first `https` needs it: the system's store of certificates takes a while to read.
    secure: Arc<OnceLock<Result<Secure, String>>>,
    tls: Option<ClientConfig>,
    connect: Duration,
    reuse: bool,
    most: usize,
}

type Secure = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What is asked of a server.
pub struct Ask<'a> {
    /// GET or POST.
    pub method: Method,
    /// Of whom.
    pub url: &'a HttpUrl,
    /// What stands above it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Given up after this.
    pub timeout: Duration,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What stands above it.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more of it, or it broke off.
    pub cut: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In a word.
    pub trouble: Trouble,
    /// In words, without any secret.
    pub words: String,
}

/// What kept an answer from coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there.
    Refused,
    /// The server's name or address leads nowhere, or not within the time for a connection.
    Unreachable,
    /// Its certificate is not believed, or it speaks no TLS.
    Tls,
    /// The time was up: whether it took the request is not known.
    TimedOut,
    /// It broke the connection off: whether it took the request is not known.
    Reset,
    /// What it said is no HTTP.
    Protocol,
}

impl Failure {
    /// Whether the server surely saw nothing of the request.
    pub fn is_unsent(&self) -> bool {
        matches!(self.trouble, Trouble::Refused | Trouble::Unreachable | Trouble::Tls)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Http {
    /// A client that gives up on a connection after `connect`; `reuse`: connections are kept for the next request.
    /// `tls` says whom to believe; without it, the system does.
    pub fn new(connect: Duration, reuse: bool, tls: Option<ClientConfig>) -> Http {
        let plain = builder(reuse).build(connector(connect));
        Http { plain, secure: Arc::default(), tls, connect, reuse, most: MOST }
    }

    /// The same, reading so much of an answer's body.
    pub fn reading(self, most: usize) -> Http {
        Http { most, ..self }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// There is none.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let up = tokio::time::sleep(ask.timeout);
        tokio::pin!(up);
        let whom = ask.url.origin();
        let fail = |trouble, words: String| Failure { trouble, words: format!("{whom}: {words}") };
        let secure = match ask.url.is_https() {
            false => None,
            true => Some(self.secure().await.map_err(|why| fail(Trouble::Tls, why))?),
        };
        let mut request = Request::new(Full::new(Bytes::from(ask.body)));
        *request.method_mut() = ask.method;
        *request.uri_mut() = ask.url.uri().clone();
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if !self.reuse {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request.headers_mut().extend(ask.headers);
        let limit = humantime::format_duration(ask.timeout);
        let answer = match secure {
            Some(client) => client.request(request),
            None => self.plain.request(request),
        };
        tokio::select! {
            () = &mut up => Err(fail(Trouble::TimedOut, format!("no answer within {limit}"))),
            answer = answer => match answer {
                Ok(response) => Ok(taken(response, self.most, up).await),
                Err(error) => {
                    let (trouble, mut words) = judge(&error, self.connect);
                    if trouble == Trouble::Protocol && !ask.url.is_https() {
                        words += "; if it speaks TLS, write https://";
                    }
                    Err(fail(trouble, words))
                }
            },
        }
    }

    async fn secure(&self) -> Result<Secure, String> {
        if let Some(made) = self.secure.get() {
            return made.clone();
        }
        let (cell, tls, connect, reuse) = (self.secure.clone(), self.tls.clone(), self.connect, self.reuse);
        let make = move || {
            let tls = match tls {
                Some(tls) => tls,
                None => system().map_err(|error| format!("no certificate can be verified here: {error}"))?,
            };
            let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
            Ok(builder(reuse).build(https.enable_http1().wrap_connector(connector(connect))))
        };
        let made = tokio::task::spawn_blocking(move || cell.get_or_init(make).clone()).await;
        made.unwrap_or_else(|error| Err(error.to_string()))
    }
}

fn connector(connect: Duration) -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect));
    http
}

fn builder(reuse: bool) -> legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    builder.pool_max_idle_per_host(if reuse { 4 } else { 0 });
    builder
}

/// Whom the system believes.
fn system() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_platform_verifier()?.with_no_client_auth())
}

/// Reads the body, until the time is `up` and as far as is allowed.
async fn taken(response: Response<Incoming>, most: usize, mut up: Pin<&mut Sleep>) -> Answer {
    let (head, mut rest) = response.into_parts();
    let mut body = vec![];
    let cut = loop {
        if body.len() >= most {
            break !rest.is_end_stream();
        }
        let frame = tokio::select! {
            () = &mut up => break true,
            frame = rest.frame() => frame,
        };
        match frame {
            Some(Ok(frame)) => body.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    let cut = cut || body.len() > most;
    body.truncate(most);
    Answer { status: head.status.as_u16(), headers: head.headers, body, cut }
}

/// The causes behind an error, the nearest first.
fn behind<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The error that others were wrapped around; wrapping hides it from [`behind`].
fn innermost(error: &io::Error) -> &io::Error {
    error.get_ref().and_then(|inner| inner.downcast_ref()).map_or(error, innermost)
}

/// The failure of TLS in an error, however deep it lies: what is wrapped in an [`io::Error`] is no source of it.
fn tls_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let behind = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    error.downcast_ref().or_else(|| tls_of(behind?))
}

/// What an error of the client means, by the causes behind it.
fn judge(error: &legacy::Error, connect: Duration) -> (Trouble, String) {
    if let Some(tls) = tls_of(error) {
        return (Trouble::Tls, worded(tls));
    }
    let io = behind(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(innermost);
    let said = io.map_or_else(|| error.to_string(), ToString::to_string);
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) if error.is_connect() => {
            (Trouble::Refused, "connection refused: nobody listens there".into())
        }
        Some(io::ErrorKind::TimedOut) if error.is_connect() => {
            let limit = humantime::format_duration(connect);
            (Trouble::Unreachable, format!("no connection within {limit}"))
        }
        Some(io::ErrorKind::UnexpectedEof) if error.is_connect() => {
            (Trouble::Tls, "it broke off where TLS begins: is it http?".into())
        }
        _ if error.is_connect() => {
            let deepest = behind(error).last().map_or(said, ToString::to_string);
            (Trouble::Unreachable, format!("no connection: {deepest}"))
        }
        Some(_) => (Trouble::Reset, format!("the connection broke: {said}")),
        None => {
            let http = behind(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
            match http {
                Some(http) if http.is_parse() => {
                    (Trouble::Protocol, format!("what it answers is no HTTP: {http}"))
                }
                Some(http) => (Trouble::Reset, format!("it ended the connection without an answer: {http}")),
                None => (Trouble::Protocol, said),
            }
        }
    }
}

/// What is wrong with a certificate, and what to do about it.
fn unbelieved(why: &CertificateError) -> String {
    use CertificateError as Why;
    let said = match why {
        Why::UnknownIssuer => "nobody here knows who signed it; let this system trust that authority",
        Why::Expired | Why::ExpiredContext { .. } => {
            "it has expired; renew it there, or set this PC's clock right"
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "it is not valid yet; set this PC's clock, or that one's, right"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            "it is for another name; use the name in the address that it is for"
        }
        Why::Revoked => "it was revoked; get a new one there",
        Why::BadSignature => "its signature is wrong; make it anew there",
        // The words of the library that checks certificates; the system's own are others.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is an authority's own, as `openssl req -x509` makes them, and no server's; make it anew with `-addext \
             basicConstraints=critical,CA:FALSE`, and let this system trust it"
        }
        other => return format!("{}; let this system trust whoever signed it", plain(&format!("{other:?}"))),
    };
    said.to_owned()
}

/// The innermost words of what a library shows for programmers: `Other(OtherError(This))` is `This`.
fn plain(shown: &str) -> &str {
    match shown.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((_, inner)) => plain(inner),
        None => shown,
    }
}

/// A failure of TLS, for people.
fn worded(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!("its certificate is not believed: {}", unbelieved(why))
        }
        rustls::Error::InvalidMessage(_) => "it speaks no TLS there: is it http?".into(),
        other => format!("TLS failed: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::OtherError;

    use super::*;

    #[derive(Debug)]
    struct CaUsedAsEndEntity;

    impl fmt::Display for CaUsedAsEndEntity {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self, f)
        }
    }

    impl StdError for CaUsedAsEndEntity {}

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        let own = CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)));
        for (why, word) in [
            (own, "CA:FALSE"),
            (CertificateError::Expired, "expired"),
            (CertificateError::UnknownIssuer, "who signed"),
            (CertificateError::BadEncoding, "BadEncoding"),
        ] {
            let said = worded(&rustls::Error::InvalidCertificate(why));
            assert!(said.starts_with("its certificate is not believed: ") && said.contains(word), "{said}");
            assert!(!said.contains("Other"), "{said}");
        }
        assert_eq!(plain("Other(OtherError(Odd(\"x\")))"), "\"x\"");
    }
}
