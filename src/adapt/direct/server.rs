//! The server: takes lines from peers' daemons. What it makes of a request is decided elsewhere; here it is kept in bounds.
//!
//! Whoever can reach the port may send anything, so everything has a limit: connections, in all and of one address; the
//! time for a handshake, for a request's head, and for its body; the body's size, before a byte of it is read; the bytes of
//! all bodies that are here at a time; and how often an address may be refused before it has to wait, without anything of
//! it being looked at ([`Guests`]). Whoever goes away before it is answered counts as refused: the work was the same.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guests::{Guests, Held, REFUSALS, SPAN};
use crate::engine::listening::Crowd;
use crate::engine::reception::Reply;
use crate::model::direct::{HEALTH, parse_lane_path};
use crate::model::name::Name;
use crate::sys::clock::Clock;

/// Connections at a time.
pub const CONNECTIONS: usize = 256;
/// The bytes of all bodies that are here at a time, where the largest is not more than half of that.
const ROOM: usize = 16 << 20;
/// For whoever takes the lines in.
const TAKING: Duration = Duration::from_secs(60);
/// For whoever finds that too many wait.
const BUSY: Duration = Duration::from_secs(5);

/// Lines that a peer hands over.
pub struct Knock {
    /// Whose lane they are of.
    pub from: Name,
    /// Under which lease.
    pub lease: u64,
    /// The lines.
    pub lines: Vec<u8>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Reply>,
    /// Their room; it is free again with them.
    pub held: Held,
}

/// What one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body.
    pub bytes: usize,
    /// All bodies that are here at a time, but for the beginning of each.
    pub room: usize,
    /// For a handshake, and for a request's head; who keeps a connection open and says nothing loses it, and makes another.
    pub head: Duration,
    /// For a request's body, all of it.
    pub body: Duration,
}

impl Limits {
    /// For bodies of so many bytes at most.
    pub fn of(bytes: usize) -> Limits {
        let room = ROOM.max(bytes.saturating_mul(2));
        Limits { bytes, room, head: Duration::from_secs(20), body: Duration::from_secs(30) }
    }
}

/// What a server needs to know.
pub struct Server {
    /// Who is asked for, in the answer to a probe.
    pub instance: Name,
    /// What a request may take.
    pub limits: Limits,
    /// Who takes the lines in; `false`: nobody now, since too many wait, or it stops.
    pub take: Box<dyn Fn(Knock) -> bool + Send + Sync>,
    /// Hears of it when there is no room for all, once in a while.
    pub crowded: Box<dyn Fn(Crowd) + Send + Sync>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who has been refused, and who is there.
    pub guests: Arc<Guests>,
}

impl Server {
    /// Serves whoever connects, for ever.
    pub async fn run(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let (server, tls) = (Arc::new(self), tls.map(TlsAcceptor::from));
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            if room.available_permits() == 0 {
                server.tell(Crowd::Connections);
            }
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, from)) => {
                    tokio::spawn(server.clone().admit(stream, from, tls.clone(), permit));
                }
                // No more files, say: others are closed meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        tls: Option<TlsAcceptor>,
        permit: OwnedSemaphorePermit,
    ) {
        let ip = from.ip().to_canonical();
        if self.guests.enters(ip, self.clock.now()) {
            let _ = stream.set_nodelay(true);
            match tls {
                None => self.clone().serve(TokioIo::new(stream), ip).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(self.limits.head, tls.accept(stream)).await {
                        self.clone().serve(TokioIo::new(stream), ip).await;
                    }
                }
            }
        }
        self.guests.leaves(ip, self.clock.now());
        drop(permit);
    }

    async fn serve<S>(self: Arc<Self>, stream: TokioIo<S>, ip: IpAddr)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    {
        let service = service_fn(|request| {
            let server = self.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request, ip).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.limits.head).max_buf_size(16 << 10);
        // However it ended: what was taken was answered.
        let _ = http.serve_connection(stream, service).await;
    }

    async fn answer(&self, request: Request<Incoming>, ip: IpAddr) -> Response<Full<Bytes>> {
        let now = self.clock.now();
        if self.guests.refusals(ip, now) >= REFUSALS {
            return later(
                StatusCode::TOO_MANY_REQUESTS,
                SPAN,
                "too many requests of this address were refused",
            );
        }
        let lane = match (request.method(), request.uri().path()) {
            (&Method::GET, HEALTH) => return self.health(),
            (&Method::POST, path) => parse_lane_path(path),
            _ => None,
        };
        let mut visit = Visit { server: self, ip, waits: false, refused: true };
        let response = match lane {
            Some((from, lease)) => self.take_in(from, lease, request, &mut visit).await,
            None => plain(StatusCode::NOT_FOUND, "there is nothing here"),
        };
        visit.end(response.status());
        response
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let (version, name) = (env!("CARGO_PKG_VERSION"), self.instance.as_str());
        let body = format!("{{\"lanpost\":\"{version}\",\"instance\":\"{name}\"}}\n");
        with(StatusCode::OK, "application/json", body)
    }

    async fn take_in(
        &self,
        from: Name,
        lease: u64,
        request: Request<Incoming>,
        visit: &mut Visit<'_>,
    ) -> Response<Full<Bytes>> {
        let body = request.into_body();
        if body.size_hint().upper().is_some_and(|size| size > self.limits.bytes as u64) {
            return too_long();
        }
        let mut held = self.guests.held(visit.ip, self.limits.room, self.limits.bytes);
        let lines = match timeout(self.limits.body, self.read(body, &mut held)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(response)) => return *response,
            Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "too slow"),
        };
        if !visit.may_wait() {
            return later(
                StatusCode::SERVICE_UNAVAILABLE,
                BUSY,
                "other posts of this address are not done with",
            );
        }
        let (answer, answered) = oneshot::channel();
        if !(self.take)(Knock { from, lease, lines, answer, held }) {
            return later(
                StatusCode::SERVICE_UNAVAILABLE,
                BUSY,
                "too much waits to be taken in, or it stops",
            );
        }
        match timeout(TAKING, answered).await {
            Ok(Ok(Reply::Taken(receipt))) => with(StatusCode::OK, "application/jsonl", receipt),
            Ok(Ok(Reply::Gap(receipt))) => with(StatusCode::CONFLICT, "application/jsonl", receipt),
            Ok(Ok(Reply::Refused(status, why))) => plain(status_of(status), &why),
            Ok(Ok(Reply::Later(status, wait, why))) => later(status_of(status), wait, &why),
            _ => later(StatusCode::SERVICE_UNAVAILABLE, SPAN, "its store failed, or it stops"),
        }
    }

    /// Reads a body piece by piece, each into room that is claimed for it. What finds none is dropped as it comes: its sender
    /// hears the answer only when it has sent it all.
    async fn read(&self, mut body: Incoming, held: &mut Held) -> Result<Vec<u8>, Box<Response<Full<Bytes>>>> {
        let (mut lines, mut length, mut fits) = (vec![], 0_usize, true);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| plain(StatusCode::BAD_REQUEST, "half a body"))?;
            let Ok(piece) = frame.into_data() else { continue };
            length = length.saturating_add(piece.len());
            if length > self.limits.bytes {
                return Err(too_long().into());
            }
            if fits && length > lines.capacity() {
                let size = length.max(lines.capacity().saturating_mul(2)).min(self.limits.bytes);
                fits = held.grow(size, self.clock.now());
                match fits {
                    true => lines.reserve_exact(size - lines.len()),
                    false => {
                        lines = vec![];
                        held.free();
                        self.tell(Crowd::Bodies);
                    }
                }
            }
            if fits {
                lines.extend_from_slice(&piece);
            }
        }
        match fits {
            true => Ok(lines),
            false => {
                Err(later(StatusCode::SERVICE_UNAVAILABLE, BUSY, "there is no room for more posts now")
                    .into())
            }
        }
    }

    fn tell(&self, crowd: Crowd) {
        if self.guests.is_news(self.clock.now()) {
            (self.crowded)(crowd);
        }
    }
}

/// A request that is being dealt with.
struct Visit<'a> {
    server: &'a Server,
    ip: IpAddr,
    /// Its lines wait to be taken in.
    waits: bool,
    refused: bool,
}

impl Visit<'_> {
    /// Its lines are here; `false` if those of too many others of its address wait.
    fn may_wait(&mut self) -> bool {
        self.waits = self.server.guests.may_wait(self.ip, self.server.clock.now());
        self.waits
    }

    fn end(mut self, status: StatusCode) {
        self.refused = status.is_client_error() && status != StatusCode::CONFLICT;
    }
}

impl Drop for Visit<'_> {
    /// Also where the other side went away and nobody waits for the answer.
    fn drop(&mut self) {
        self.server.guests.done(self.ip, self.server.clock.now(), self.waits, self.refused);
    }
}

fn too_long() -> Response<Full<Bytes>> {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "more than is taken at once")
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn later(status: StatusCode, wait: Duration, why: &str) -> Response<Full<Bytes>> {
    let mut response = plain(status, why);
    response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    response
}

fn plain(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

fn with(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
