//! Standard input and output as the protocol's pipe. Where input ends, whoever started us is gone, and what waits on its behalf
//! is told so at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rmcp::transport::io::{StdioReader, StdioWriter, stdio_pipes};
use tokio::io::{AsyncRead, ReadBuf};

/// The pipe; `ended` becomes true with the end of input. Must be called within the runtime.
pub fn standard(ended: Arc<AtomicBool>) -> (Input<StdioReader>, StdioWriter) {
    let (from, to) = stdio_pipes();
    (Input { from, ended }, to)
}

/// Input that tells of its end.
pub struct Input<R> {
    from: R,
    ended: Arc<AtomicBool>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Input<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.from).poll_read(cx, buf));
        if read.is_err() || buf.filled().len() == before {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}
