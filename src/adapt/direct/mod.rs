//! Direct delivery over HTTP: the server that takes lines from peers' daemons, and the client that hands ours to theirs.
//!
//! HTTP/1.1, over TLS unless the config says otherwise. No public key infrastructure: each daemon makes a certificate of
//! its own, its signed heartbeat tells the fingerprint, and the other side believes that one certificate and no other.
//! What is in the lines speaks for itself by their signatures; TLS keeps others on the network from reading them.

pub mod client;
pub mod guests;
pub mod server;
pub mod tls;
