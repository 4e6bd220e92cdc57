//! The client: hands lines to a peer's daemon, and asks whether it is there.
//!
//! A connection to each peer is kept open, so that a message costs one round trip. Of several addresses all are tried at
//! once, and the first that answers with the right certificate is used; without TLS, the first that says, when asked, that it
//! is the peer's: an address may be another one's by now, who is to see nobody's mail. An attempt ends within its time, whatever the
//! other side does. A request that fails on a connection which was kept open is made once more on a new one: it may have
//! been closed meanwhile, and lines that come twice are known.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::tls;
use crate::engine::courier::{Post, PostResult, Posted, Probe};
use crate::model::direct::{self, Endpoint, HEALTH, Target};

/// The longest answer that is read: receipts, and nothing else.
const ANSWER: usize = 1 << 20;

type Sender = SendRequest<Full<Bytes>>;

/// Open connections, by the peer they lead to.
#[derive(Clone, Default)]
pub struct Client {
    open: Arc<Mutex<HashMap<String, Open>>>,
}

struct Open {
    target: Target,
    url: Endpoint,
    sender: Sender,
}

impl Client {
    /// Hands lines over; the outcome is known within the time of the order.
    pub async fn post(&self, post: Post) -> PostResult {
        let Post { peer, target, path, body, timeout } = post;
        let (body, shown) = (Bytes::from(body), AtomicBool::new(false));
        let attempt = self.request(&peer, &target, &shown, |url| {
            Request::post(&path)
                .header(header::HOST, url.authority())
                .header(header::CONTENT_TYPE, "application/jsonl")
                .body(Full::new(body.clone()))
        });
        let outcome = match within(timeout, attempt).await {
            Ok((url, status, retry_after, body)) => {
                Posted::Answered { status: status.as_u16(), retry_after, body, url: url.to_string() }
            }
            Err(Missed { why, late }) => {
                self.forget(&peer);
                match shown.into_inner() {
                    true => Posted::Unanswered { why, late },
                    false => Posted::Failed(why),
                }
            }
        };
        PostResult { peer, outcome }
    }

    /// Asks whether a peer's daemon is there.
    pub async fn probe(&self, probe: Probe) -> PostResult {
        let Probe { peer, target, timeout } = probe;
        let shown = AtomicBool::new(false);
        let attempt = self.request(&peer, &target, &shown, |url| {
            Request::get(HEALTH).header(header::HOST, url.authority()).body(Full::default())
        });
        let outcome = match within(timeout, attempt).await {
            Ok((_, StatusCode::OK, _, body)) if body.starts_with(b"{\"lanpost\":") => Posted::There,
            Ok((_, status, ..)) => Posted::Absent(format!("answered {status}")),
            Err(Missed { why, .. }) => {
                self.forget(&peer);
                Posted::Absent(why)
            }
        };
        PostResult { peer, outcome }
    }

    async fn request(
        &self,
        peer: &str,
        target: &Target,
        shown: &AtomicBool,
        make: impl Fn(&Endpoint) -> Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<(Endpoint, StatusCode, Option<Duration>, Vec<u8>), String> {
        if let Some(Open { target, url, mut sender }) = self.take(peer, target)
            && let Ok(request) = make(&url)
            && let Ok(response) = show(&mut sender, request, shown).await
        {
            self.keep(peer, Open { target, url: url.clone(), sender });
            let (status, retry_after, body) = read(response).await?;
            return Ok((url, status, retry_after, body));
        }
        let (url, mut sender) = connect(peer, target).await?;
        let request = make(&url).map_err(|error| error.to_string())?;
        let response = show(&mut sender, request, shown).await?;
        let (status, retry_after, body) = read(response).await?;
        self.keep(peer, Open { target: target.clone(), url: url.clone(), sender });
        Ok((url, status, retry_after, body))
    }

    fn take(&self, peer: &str, target: &Target) -> Option<Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(peer).filter(|open| open.target == *target && !open.sender.is_closed())
    }

    fn keep(&self, peer: &str, one: Open) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(peer.to_owned(), one);
    }

    fn forget(&self, peer: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }
}

/// Why there is no answer.
struct Missed {
    why: String,
    /// The time was over.
    late: bool,
}

async fn within<T>(time: Duration, attempt: impl Future<Output = Result<T, String>>) -> Result<T, Missed> {
    match tokio::time::timeout(time, attempt).await {
        Ok(ended) => ended.map_err(|why| Missed { why, late: false }),
        Err(_) => {
            let why = format!("did not answer within {}", humantime::format_duration(time));
            Err(Missed { why, late: true })
        }
    }
}

/// Sends a request of which nobody knows from now on whether it was taken.
async fn show(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    shown: &AtomicBool,
) -> Result<Response<Incoming>, String> {
    sender.ready().await.map_err(|error| words(&error))?;
    shown.store(true, Ordering::Relaxed);
    ask(sender, request).await
}

async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    sender.ready().await.map_err(|error| words(&error))?;
    sender.send_request(request).await.map_err(|error| words(&error))
}

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Option<Duration>, Vec<u8>), String> {
    let status = response.status();
    let seconds =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), ANSWER).collect().await;
    let body = body.map_err(|error| format!("sent half an answer: {error}"))?;
    Ok((status, seconds.map(Duration::from_secs), body.to_bytes().to_vec()))
}

/// Tries all addresses at once; the first where the peer is counts. Why the first of them is not, if none is.
async fn connect(peer: &str, target: &Target) -> Result<(Endpoint, Sender), String> {
    let mut attempts = JoinSet::new();
    for (index, url) in target.urls.iter().cloned().enumerate() {
        let cert = target.cert;
        let (peer, one) = (peer.to_owned(), target.urls.len() == 1);
        attempts.spawn(async move {
            let opened = match open(&url, cert).await {
                Ok(sender) if !url.tls => is_of(&peer, &url, sender).await,
                opened => opened,
            };
            let at = url.authority();
            let opened = opened.map_err(|why| if one { why } else { format!("{why} at {at}") });
            (index, opened.map(|sender| (url, sender)))
        });
    }
    let mut failed: Option<(usize, String)> = None;
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok((_, Ok(found))) => return Ok(found),
            Ok((index, Err(why))) if failed.as_ref().is_none_or(|(first, _)| index < *first) => {
                failed = Some((index, why));
            }
            _ => {}
        }
    }
    Err(failed.map_or_else(|| "has no address".to_owned(), |(_, why)| why))
}

/// Asks who is there, before mail is shown.
async fn is_of(peer: &str, url: &Endpoint, mut sender: Sender) -> Result<Sender, String> {
    let asked = Request::get(HEALTH).header(header::HOST, url.authority()).body(Full::default());
    let (status, _, body) = read(ask(&mut sender, asked.map_err(|error| error.to_string())?).await?).await?;
    match (status, direct::instance(&body)) {
        (StatusCode::OK, Some(name)) if name.fold() == peer => Ok(sender),
        (StatusCode::OK, Some(name)) => Err(format!("is not there, but {name}")),
        (StatusCode::OK, None) => Err("is not there, but something else".to_owned()),
        (status, _) => Err(format!("answered {status}")),
    }
}

async fn open(url: &Endpoint, cert: Option<[u8; 32]>) -> Result<Sender, String> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|error| refused(&error))?;
    // Small requests that wait for small answers.
    let _ = stream.set_nodelay(true);
    match (url.tls, cert) {
        (false, _) => speak(TokioIo::new(stream)).await,
        (true, Some(cert)) => {
            let connector = TlsConnector::from(tls::client(cert)?);
            let stream = connector.connect(tls::name(), stream).await;
            speak(TokioIo::new(stream.map_err(|error| unproven(&error))?)).await
        }
        (true, None) => Err("named no certificate".into()),
    }
}

async fn speak<S>(stream: TokioIo<S>) -> Result<Sender, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(stream).await.map_err(|error| words(&error))?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn refused(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        _ => format!("can't be reached ({error})"),
    }
}

/// Why there is no TLS: only what is wrong with a certificate speaks of who is there.
fn unproven(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            format!("showed no certificate of its own: {error}")
        }
        Some(rustls::Error::InvalidMessage(_)) => format!("speaks no TLS ({error})"),
        _ => format!("broke off ({error})"),
    }
}

fn words(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error.is_parse() {
        true => format!("broke off ({cause}: if it speaks TLS there, write https://)"),
        false => format!("broke off ({cause})"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_a_wrong_certificate_speaks_of_who_is_there() {
        let of = |error: rustls::Error| unproven(&io::Error::new(io::ErrorKind::InvalidData, error));
        let wrong = rustls::CertificateError::ApplicationVerificationFailure;
        assert!(of(wrong.into()).starts_with("showed no certificate of its own: "));
        assert!(of(rustls::InvalidMessage::InvalidContentType.into()).starts_with("speaks no TLS ("));
        assert!(of(rustls::Error::HandshakeNotComplete).starts_with("broke off ("));
        assert!(unproven(&io::ErrorKind::ConnectionReset.into()).starts_with("broke off ("));
        assert_eq!(
            unproven(&io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof")),
            "broke off (tls handshake eof)"
        );
    }
}
