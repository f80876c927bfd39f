//! What a peer may make us hold until it has proven itself: so many bytes, and none for a frame
//! that is not sent. tungstenite reserves room for a frame as soon as its header says how long it
//! will be, and what it allows cannot be raised later; so the headers are looked at here.

use protocol::limits;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Two frames of the handshake with their headers, and some.
const BYTES_MAX: usize = 3 * limits::HANDSHAKE_FRAME_MAX;

/// A stream that gives a stranger's bytes up to a bound and then fails.
pub(super) struct Bounded<S> {
    inner: S,
    left: usize,
    frames: Frames,
    admitted: Arc<AtomicBool>,
}

impl<S> Bounded<S> {
    /// Bounds `inner` until `admitted` is set.
    pub(super) fn new(inner: S, admitted: Arc<AtomicBool>) -> Self {
        Self {
            inner,
            left: BYTES_MAX,
            frames: Frames::default(),
            admitted,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.admitted.load(Ordering::Relaxed) {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("a stranger has said too much")));
        }
        let room = buffer.remaining().min(self.left);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        if !self.frames.pass(part.filled()) {
            return Poll::Ready(Err(io::Error::other("a stranger announces too much")));
        }
        let read = part.filled().len();
        buffer.advance(read);
        self.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Where in a stream of WebSocket frames the next byte stands (RFC 6455, 5.2).
#[derive(Debug, Default)]
struct Frames {
    /// What came of the present header; at most 14 bytes.
    header: Vec<u8>,
    /// Bytes of the present payload that are still to come.
    payload: u64,
}

impl Frames {
    /// Follows the next bytes; false when a header announces more than a stranger may send.
    fn pass(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let here = usize::try_from(self.payload).unwrap_or(usize::MAX);
                let (inside, after) = bytes.split_at(here.min(bytes.len()));
                self.payload -= inside.len() as u64;
                bytes = after;
                continue;
            }
            self.header.push(*first);
            bytes = rest;
            if let Some(length) = announced(&self.header) {
                if length > BYTES_MAX as u64 {
                    return false;
                }
                self.header.clear();
                self.payload = length;
            }
        }
        true
    }
}

/// How long the payload after this header is; none while the header is not complete.
fn announced(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else {
        return None;
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (wide, short) = match second & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        short => (0, u64::from(short)),
    };
    let wider = rest.get(..wide)?;
    rest.get(wide + mask..).map(|_| {
        let add = |length: u64, byte: &u8| length << 8 | u64::from(*byte);
        wider.iter().fold(short, add)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame's header and so much of a payload, as a client sends them.
    fn frame(announced: u64, sent: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match announced {
            0..=125 => bytes.push(0x80 | announced as u8),
            126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((announced as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend(announced.to_be_bytes());
            }
        }
        bytes.extend([0xff; 4]);
        bytes.extend(vec![0xff; sent]);
        bytes
    }

    #[test]
    fn a_header_that_announces_too_much_is_seen_however_it_is_cut() {
        let most = BYTES_MAX as u64;
        let good = [0, 5, 125, 126, 4_096, most];
        for (length, passes) in [(most, true), (most + 1, false), (u64::MAX, false)] {
            let mut bytes: Vec<u8> = Vec::new();
            for before in good {
                bytes.extend(frame(before, before as usize));
            }
            bytes.extend(frame(length, 0));
            for step in [1, 2, 7, 1_000, bytes.len()] {
                let mut frames = Frames::default();
                let all = bytes.chunks(step).all(|part| frames.pass(part));
                assert_eq!(all, passes, "{length} in pieces of {step}");
            }
        }
    }
}
