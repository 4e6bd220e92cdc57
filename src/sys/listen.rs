//! A place where others connect. `[::]` takes those with IPv4, too, whatever the system would do by itself: Windows and
//! some BSDs would not.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens at `at`, without blocking.
///
/// # Errors
/// What stands against it.
pub fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    if at.is_ipv6() && at.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    if super::REBINDS {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn all_addresses_are_all_addresses() {
        let listener = match listen("[::]:0".parse().unwrap()) {
            Ok(listener) => listener,
            Err(error) => return eprintln!("SKIPPED: this PC has no IPv6: {error}"),
        };
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("one with IPv4 to get in");
    }

    #[test]
    fn a_place_that_is_taken_is_not_had_twice() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(listen(first.local_addr().unwrap()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
