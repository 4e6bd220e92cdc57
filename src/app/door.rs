//! Where the daemon listens for mail that comes directly. A place that can't be had is asked for again and again, and
//! announced only once it is ours; until then mail comes by the share. Where all addresses of this PC are listened on, they
//! are looked at again and again: a laptop gets others while the daemon runs, and a PC its first after it has started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::adapt::direct::server::{Knock, Limits, Server};
use crate::adapt::direct::tls;
use crate::app::addresses;
use crate::app::direct::Call;
use crate::app::log::Log;
use crate::engine::listening::{self, Listening};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::config::DirectConfig;
use crate::model::direct::{Announcement, Endpoint, fingerprint};
use crate::model::retry::backoff;
use crate::sys::{interfaces, listen};

/// A body may be so much longer than the largest message: a batch of them, with all that is around their contents.
const BATCH: usize = 2 << 20;
/// The pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Our addresses are looked at this often, at most.
const LOOK: Duration = Duration::from_secs(10);

/// A place where we listen, or will.
pub struct Door {
    place: Place,
    server: Server,
    open: Option<Open>,
}

/// Where that is to be.
struct Place {
    at: SocketAddr,
    config: DirectConfig,
    state: PathBuf,
    /// How often our addresses are looked at.
    look: Duration,
}

/// It is ours.
struct Open {
    listener: TcpListener,
    at: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    announced: Announcement,
}

/// Begins to listen, if the config says so, and notes where, or why not. What stands against it is told, and the daemon
/// works without.
///
/// # Errors
/// The local store's.
pub fn listen(
    node: &mut Node,
    runtime: &Runtime,
    (knocks, calls): (&SyncSender<Knock>, &Sender<Call>),
    log: &Log,
) -> Result<Option<Door>> {
    let Some(at) = node.config.direct.listen else {
        listening::store(&mut node.db, &Listening::Nowhere)?;
        return Ok(None);
    };
    let (config, state) = (node.config.direct.clone(), node.config.state.clone());
    let place = Place { at, config, state, look: node.config.look.heartbeat.max(LOOK) };
    let opened = runtime.block_on(place.open());
    listening::store(&mut node.db, &told(&opened, log))?;
    let limit = usize::try_from(node.config.limits.message.0).unwrap_or(usize::MAX).saturating_add(BATCH);
    let (knocks, calls) = (knocks.clone(), calls.clone());
    let server = Server {
        instance: node.instance().clone(),
        limits: Limits::of(limit),
        take: Box::new(move |knock| knocks.try_send(knock).is_ok()),
        // Without the thread the daemon ends.
        crowded: Box::new(move |crowd| drop(calls.send(Call::Crowded(crowd)))),
        clock: node.clock.clone(),
        guests: Arc::default(),
    };
    Ok(Some(Door { place, server, open: opened.ok() }))
}

/// Says in the log how an attempt went, and returns it as it is noted.
fn told(opened: &Result<Open>, log: &Log) -> Listening {
    match opened {
        Ok(Open { announced, .. }) => here(announced, log),
        Err(error) => {
            log.problem(&error.to_string());
            Listening::Not(error.to_string())
        }
    }
}

fn here(announced: &Announcement, log: &Log) -> Listening {
    log.info(&format!("takes mail directly at {}", announced.urls.join(", ")));
    Listening::At(announced.clone())
}

fn away(at: SocketAddr) -> Error {
    let next = "mail comes by the share until it is back; if this PC has another now, name that, or 0.0.0.0 for all, as `listen` \
                in the config's table `direct` and restart the daemon";
    Error::new(Kind::Io, "be reached at", at, "no interface of this PC has that address any more").next(next)
}

fn words(urls: &[Endpoint]) -> Vec<String> {
    urls.iter().map(ToString::to_string).collect()
}

impl Place {
    async fn open(&self) -> Result<Open> {
        let at = self.at;
        let failed = |error: std::io::Error| {
            let next = "it is tried again by itself, and until then mail comes by the share; end what else listens there, or \
                        change `listen` in the config's table `direct` and restart the daemon";
            Error::new(Kind::Io, "listen on", at, error).next(next)
        };
        let (tls, cert) = match self.config.tls {
            true => Some(tls::load_or_make(&self.state)?).unzip(),
            false => (None, None),
        };
        let listener = listen::listen(at).and_then(TcpListener::from_std).map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        let urls = match self.config.announce.as_slice() {
            [] => addresses::own(at, tls.is_some()),
            named => named.to_vec(),
        };
        let announced = Announcement { urls: words(&urls), cert: cert.as_ref().map(fingerprint) };
        Ok(Open { listener, at, tls, announced })
    }

    /// Has others announced whenever our addresses are others; and none while the one that we listen on is not ours.
    async fn keep_announced(
        &self,
        at: SocketAddr,
        mut announced: Announcement,
        calls: &Sender<Call>,
        log: &Log,
    ) {
        let tls = self.config.tls;
        let mut gone = false;
        while !at.ip().is_unspecified() {
            tokio::time::sleep(self.look).await;
            let is_gone = tokio::task::spawn_blocking(move || !interfaces::has(at.ip())).await;
            let Some(is_gone) = is_gone.ok().filter(|is| *is != gone) else { continue };
            gone = is_gone;
            let _ = calls.send(Call::Listens(match gone {
                true => told(&Err(away(at)), log),
                false => here(&announced, log),
            }));
        }
        while self.config.announce.is_empty() {
            tokio::time::sleep(self.look).await;
            let Ok(urls) = tokio::task::spawn_blocking(move || addresses::own(at, tls)).await else {
                continue;
            };
            if announced.urls != words(&urls) {
                announced.urls = words(&urls);
                let _ = calls.send(Call::Listens(here(&announced, log)));
            }
        }
    }

    /// Tries until it is ours; each change of what is told goes to `calls`, too.
    async fn open_at_last(&self, calls: &Sender<Call>, log: &Log) -> Open {
        let mut failures = 1;
        loop {
            tokio::time::sleep(backoff(PAUSES.0, PAUSES.1, failures)).await;
            let opened = self.open().await;
            // Without the thread the daemon ends.
            let _ = calls.send(Call::Listens(told(&opened, log)));
            if let Ok(open) = opened {
                return open;
            }
            failures += 1;
        }
    }
}

impl Door {
    /// Serves whoever comes, as long as the runtime lives.
    pub fn serve(self, runtime: &Runtime, calls: &Sender<Call>, log: &Log) {
        let (calls, log) = (calls.clone(), log.clone());
        runtime.spawn(async move {
            let open = match self.open {
                Some(open) => open,
                None => self.place.open_at_last(&calls, &log).await,
            };
            let Open { listener, at, tls, announced } = open;
            tokio::join!(
                self.server.run(listener, tls),
                self.place.keep_announced(at, announced, &calls, &log)
            );
        });
    }
}
