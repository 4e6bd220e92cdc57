//! The agent that is woken: how lanpost is told of it, how it is woken raw, and how it says that it is awake.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::Outcome;
use crate::raw::{self, Bell};
use crate::stage::PATIENCE;

/// One agent.
pub trait Agent: Sync {
    /// The lines of the config's table `wake` that say how it is woken.
    fn config(&self) -> Outcome<String>;

    /// Wakes it with nothing of lanpost, and returns when that is over.
    fn wake(&self) -> Outcome<()>;

    /// Waits until it is awake.
    fn wait(&self) -> Outcome<()>;
}

/// A command; what it starts rings the bell.
impl Agent for Bell {
    fn config(&self) -> Outcome<String> {
        Ok(format!("command = {}", serde_json::to_string(&self.command()?)?))
    }

    fn wake(&self) -> Outcome<()> {
        raw::start(&self.command()?)?.wait()?;
        Ok(())
    }

    fn wait(&self) -> Outcome<()> {
        self.heard()
    }
}

/// A server on this PC, as a gateway is; it is awake when it has read all of a post.
pub struct Server {
    at: SocketAddr,
    told: Mutex<Receiver<()>>,
}

impl Server {
    pub fn new() -> Outcome<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let at = listener.local_addr()?;
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                // It ends when the other side closes, or says what is no post.
                std::thread::spawn(move || drop(serve(stream, &tell)));
            }
        });
        Ok(Server { at, told: Mutex::new(told) })
    }
}

fn serve(stream: TcpStream, tell: &Sender<()>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end().to_lowercase().split_once("content-length:") {
                Some((_, value)) => length = value.trim().parse()?,
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        from.read_exact(&mut vec![0; length])?;
        tell.send(())?;
        to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

impl Agent for Server {
    fn config(&self) -> Outcome<String> {
        Ok(format!("webhook = {{ url = \"http://{}/\" }}", self.at))
    }

    fn wake(&self) -> Outcome<()> {
        let mut stream = TcpStream::connect(self.at)?;
        stream.set_nodelay(true)?;
        stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")?;
        stream.read_exact(&mut [0; 12])?;
        Ok(())
    }

    fn wait(&self) -> Outcome<()> {
        let told = self.told.lock().map_err(|_| "the server's thread panicked")?;
        Ok(told.recv_timeout(PATIENCE).map_err(|error| format!("no wake came: {error}"))?)
    }
}
