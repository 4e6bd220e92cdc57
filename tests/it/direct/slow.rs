//! Who keeps a connection and gives it little or nothing loses it in time, and holds nobody else up.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use lanpost::adapt::direct::server::{Limits, Server};
use lanpost::engine::listening::Crowd;
use lanpost::engine::reception::Reply;
use lanpost::sys::clock::SystemClock;
use tokio::net::TcpListener;

use crate::common::name;
use crate::common::process::PATIENCE;

const HEAD: Duration = Duration::from_millis(400);
const BODY: Duration = Duration::from_millis(600);
const POST: &str = "POST /v1/lanes/office.1 HTTP/1.1\r\nhost: lab\r\n";

/// Where a server is that takes whatever comes whole, within these limits. It ends with the tests.
fn server() -> SocketAddr {
    server_with(Limits { bytes: 64, room: 64, head: HEAD, body: BODY }).0
}

/// The same within others; and what it says of being crowded.
fn server_with(limits: Limits) -> (SocketAddr, Receiver<Crowd>) {
    let (crowded, told) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = listener.local_addr().unwrap();
    let server = Server {
        instance: name("lab"),
        limits,
        take: Box::new(|knock| knock.answer.send(Reply::Taken(knock.lines)).is_ok()),
        clock: Arc::new(SystemClock::new()),
        crowded: Box::new(move |crowd| crowded.send(crowd).unwrap_or_default()),
        guests: Arc::default(),
    };
    std::thread::spawn(move || runtime.block_on(server.run(listener, None)));
    (at, told)
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that is answered, until the other side closes.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Gives a byte every 50 ms, for as long as it is taken; how long that was, and what was answered.
fn drip(at: SocketAddr, head: &str) -> (Duration, String) {
    let mut stream = connect(at);
    stream.write_all(head.as_bytes()).unwrap();
    let (began, mut closed) = (Instant::now(), [0]);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // A byte of an answer, or its end, says that it is over; without one the time of the next drop is here.
    while stream.peek(&mut closed).is_err() && began.elapsed() < PATIENCE {
        if stream.write_all(b"x").is_err() {
            break;
        }
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (began.elapsed(), rest(stream))
}

#[test]
fn a_body_that_drips_is_given_up() {
    let at = server();
    let (took, answer) = drip(at, &format!("{POST}content-length: 60\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(took >= BODY, "{took:?}");
    // One whose length is not said is measured as it comes.
    let (_, answer) = drip(at, &format!("{POST}transfer-encoding: chunked\r\n\r\n40\r\n"));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
}

#[test]
fn a_head_that_drips_or_never_comes_is_given_up() {
    let at = server();
    let (took, answer) = drip(at, "GET /health HTTP/1.1\r\nx-slow: ");
    assert!(!answer.contains(" 200 "), "{answer:?}");
    assert!(took >= HEAD, "{took:?}");
    assert_eq!(rest(connect(at)), "", "a connection without a word");
}

#[test]
fn who_drips_holds_nobody_up() {
    let at = server();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drip(at, &format!("{POST}content-length: 60\r\n\r\n")));
        }
        for _ in 0..8 {
            let mut stream = connect(at);
            stream
                .write_all(format!("{POST}connection: close\r\ncontent-length: 3\r\n\r\nyes").as_bytes())
                .unwrap();
            let answer = rest(stream);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nyes"), "{answer:?}");
        }
    });
}

/// Sends a whole body, and returns what is answered.
fn post(at: SocketAddr, body: &[u8]) -> String {
    let mut stream = connect(at);
    write!(stream, "{POST}connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    rest(stream)
}

#[test]
fn half_sent_bodies_take_no_more_than_their_room_and_leave_it() {
    const SIZE: usize = 1 << 20;
    let limits = Limits { bytes: SIZE, room: SIZE, ..Limits::of(SIZE) };
    let (at, told) = server_with(limits);
    let body = vec![b'x'; SIZE];
    // What comes whole may be there first, and have the room: then the half has none, and another one is begun.
    let began = Instant::now();
    let (half, answer) = loop {
        let mut half = connect(at);
        write!(half, "{POST}content-length: {SIZE}\r\n\r\n").unwrap();
        half.write_all(&body[1..]).unwrap();
        let answer = post(at, &body);
        if answer.starts_with("HTTP/1.1 503 ") {
            break (half, answer);
        }
        assert!(began.elapsed() < PATIENCE, "{answer:.80}");
    };
    assert!(answer.contains("retry-after: 5"), "{answer:.80}");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Crowd::Bodies));
    assert!(post(at, b"yes").starts_with("HTTP/1.1 200 "), "a short letter comes in all the same");
    drop(half);
    let began = Instant::now();
    while !post(at, &body).starts_with("HTTP/1.1 200 ") {
        assert!(began.elapsed() < PATIENCE, "its room is not free again");
    }
}
