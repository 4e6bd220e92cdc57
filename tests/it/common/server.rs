//! A server of HTTP on loopback that says what a test wants, well-behaved or not, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// What ends it.
const END: &str = "/the/end/of/this/server";

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// The value of a header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What it does about that.
pub enum Reply {
    /// Answers with this status, these lines of headers (each with its end), and this body.
    Status(u16, &'static str, String),
    /// Writes these bytes.
    Bytes(Vec<u8>),
    /// Ends the connection without a word.
    HangUp,
    /// Says nothing and keeps the connection.
    Silence,
    /// Answers 200 and never comes to the end of it.
    Endless,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        Reply::Status(status, "", String::new())
    }
}

/// A server behind a certificate that nobody believes; its port. It ends with the process.
pub fn unbelieved() -> u16 {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into());
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    port
}

/// A server of plain HTTP that speaks first, as to whoever begins with TLS; its port.
pub fn plain() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut hello = [0; 5];
            let _ = stream.read_exact(&mut hello);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    port
}

/// The server; it ends with this.
pub struct Server {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepts: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it; `reply` gets what is asked, and how many were before.
    pub fn new(reply: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(vec![]));
        let (noted, reply) = (asked.clone(), Arc::new(reply));
        let accepts = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, reply) = (noted.clone(), reply.clone());
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let Some(asked) = read(&mut reader) else { continue };
                if asked.path == END {
                    return;
                }
                let before = noted.lock().unwrap().len();
                let does = reply(&asked, before);
                noted.lock().unwrap().push(asked);
                std::thread::spawn(move || answer(stream, does));
            }
        });
        Server { port, asked, accepts: Some(accepts) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(format!("GET {END} HTTP/1.1\r\n\r\n").as_bytes());
        }
        self.accepts.take().map(JoinHandle::join);
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let line = |reader: &mut BufReader<TcpStream>| {
        let mut text = String::new();
        reader.read_line(&mut text).ok().filter(|read| *read > 0)?;
        Some(text.trim_end().to_owned())
    };
    let first = line(reader)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = vec![];
    loop {
        let text = line(reader)?;
        let Some((name, value)) = text.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

fn answer(mut stream: TcpStream, reply: Reply) {
    let _ = match reply {
        Reply::Status(status, headers, body) => stream.write_all(
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        ),
        Reply::Bytes(bytes) => stream.write_all(&bytes),
        Reply::HangUp => Ok(()),
        Reply::Silence => stream.set_read_timeout(Some(Duration::from_secs(60))).and_then(|()| {
            // Until the other side has had enough.
            stream.read(&mut [0; 16]).map(drop)
        }),
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            while stream.write_all(chunk.as_bytes()).is_ok() {}
            Ok(())
        }
    };
}
