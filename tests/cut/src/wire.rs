//! Connections that break once, after so many bytes.
//!
//! Bytes count from the answer that makes a connection a WebSocket (`HTTP/1.1 101`, itself included),
//! over all of them together; probes are never touched. What was let through has arrived: the broken
//! connection is closed behind it, by an end (FIN) or a reset (RST), and whoever serves it here is told
//! that it was reset.
//!
//! The trace has a line for every write and read, with the bytes that have then passed on that side
//! (`written 1200`), and one for the cut (`cut written 1200`).

use interlock::listen::Wire;
use std::fs::File;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How a connection begins to be a WebSocket.
const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// Where the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes to the extension.
    Written(u64),
    /// After so many bytes from it.
    Read(u64),
    /// Nowhere.
    Never,
}

/// What the peer is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// That nothing more comes: what most programs that die leave behind.
    Ends,
    /// That nobody is there: what a machine that restarted says, or a firewall.
    Resets,
}

impl How {
    /// `end` or `reset`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text {
            "end" => Some(Self::Ends),
            "reset" => Some(Self::Resets),
            _ => None,
        }
    }
}

impl Cut {
    /// `written:N`, `read:N` or `never`, with an N of 1 at least.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text == "never" {
            return Some(Self::Never);
        }
        let (side, after) = text.split_once(':')?;
        let after = after.parse().ok().filter(|after| *after > 0)?;
        match side {
            "written" => Some(Self::Written(after)),
            "read" => Some(Self::Read(after)),
            _ => None,
        }
    }
}

/// One cut, for all connections of a server.
#[derive(Clone)]
pub(crate) struct Breaking(Arc<Mutex<Account>>);

struct Account {
    cut: Cut,
    how: How,
    written: u64,
    read: u64,
    trace: File,
}

impl Breaking {
    pub(crate) fn new(cut: Cut, how: How, trace: File) -> Self {
        Self(Arc::new(Mutex::new(Account {
            cut,
            how,
            written: 0,
            read: 0,
            trace,
        })))
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream<S>(&self, inner: S) -> Stream<S> {
        Stream {
            inner,
            breaking: self.clone(),
            state: State::Probe,
            reader: None,
        }
    }
}

impl Wire for Breaking {
    type Stream = Stream<TcpStream>;

    fn around(&self, stream: TcpStream) -> Self::Stream {
        self.stream(stream)
    }
}

impl Account {
    /// How many of `wanted` bytes may still be written before the cut.
    fn room_to_write(&self, wanted: usize) -> usize {
        match self.cut {
            Cut::Written(after) => least(wanted, after - self.written),
            Cut::Read(_) | Cut::Never => wanted,
        }
    }

    /// How many of `wanted` bytes may still be read before the cut.
    fn room_to_read(&self, wanted: usize) -> usize {
        match self.cut {
            Cut::Read(after) => least(wanted, after - self.read),
            Cut::Written(_) | Cut::Never => wanted,
        }
    }

    fn has_written(&mut self, bytes: usize) {
        self.written += bytes as u64;
        self.note(&format!("written {}", self.written));
    }

    fn has_read(&mut self, bytes: usize) {
        self.read += bytes as u64;
        self.note(&format!("read {}", self.read));
    }

    /// How the connection that has just been used breaks now, if it does. The next ones do not.
    fn breaks(&mut self) -> Option<How> {
        let line = match self.cut {
            Cut::Written(after) if after == self.written => format!("cut written {after}"),
            Cut::Read(after) if after == self.read => format!("cut read {after}"),
            Cut::Written(_) | Cut::Read(_) | Cut::Never => return None,
        };
        self.cut = Cut::Never;
        self.note(&line);
        Some(self.how)
    }

    fn note(&mut self, line: &str) {
        // In one piece, for whoever reads meanwhile; a test that misses the line fails.
        let _ = self.trace.write_all(format!("{line}\n").as_bytes());
    }
}

fn least(wanted: usize, left: u64) -> usize {
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
}

/// A connection of [`Breaking`].
pub(crate) struct Stream<S> {
    inner: S,
    breaking: Breaking,
    state: State,
    /// Who waits for bytes, to be told that none will come.
    reader: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Plain HTTP so far.
    Probe,
    /// A WebSocket.
    Open,
    Broken,
}

/// A connection that can be closed by a reset.
pub(crate) trait Resets {
    fn reset_when_dropped(&self);
}

impl Resets for TcpStream {
    fn reset_when_dropped(&self) {
        // Without it the peer sees an end, and a test of resets that looks for them fails.
        let _ = self.set_zero_linger();
    }
}

impl<S: Resets> Stream<S> {
    fn break_if_due(&mut self) {
        let how = self.breaking.account().breaks();
        if how == Some(How::Resets) {
            self.inner.reset_when_dropped();
        }
        if how.is_some() {
            self.state = State::Broken;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl<S: AsyncRead + Resets + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reader = Some(cx.waker().clone());
        match self.state {
            State::Probe => return Pin::new(&mut self.inner).poll_read(cx, buffer),
            State::Open => {}
            State::Broken => return Poll::Ready(Err(reset())),
        }
        let room = self.breaking.account().room_to_read(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        self.breaking.account().has_read(read);
        self.break_if_due();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Resets + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.state {
            State::Probe if bytes.starts_with(SWITCHING) => self.state = State::Open,
            State::Probe => return Pin::new(&mut self.inner).poll_write(cx, bytes),
            State::Open => {}
            State::Broken => return Poll::Ready(Err(reset())),
        }
        let room = self.breaking.account().room_to_write(bytes.len());
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &bytes[..room]))?;
        self.breaking.account().has_written(written);
        self.break_if_due();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.state {
            State::Probe | State::Open => Pin::new(&mut self.inner).poll_flush(cx),
            State::Broken => Poll::Ready(Err(reset())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::net::TcpListener;

    const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

    impl Resets for DuplexStream {
        fn reset_when_dropped(&self) {}
    }

    /// With the file of its trace.
    fn breaking(cut: Cut, test: &str) -> (Breaking, PathBuf) {
        let path = std::env::temp_dir().join(format!("cut-{}-{test}", std::process::id()));
        let breaking = Breaking::new(cut, How::Ends, File::create(&path).unwrap());
        (breaking, path)
    }

    #[tokio::test]
    async fn what_is_written_breaks_off_after_so_many_bytes_and_the_next_connection_is_whole() {
        let after = ANSWER.len() as u64 + 3;
        let (breaking, trace) = breaking(Cut::Written(after), "written");
        let (ours, mut theirs) = duplex(1024);
        let mut stream = breaking.stream(ours);
        stream.write_all(ANSWER).await.unwrap();
        let failed = stream.write_all(b"a frame").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
        let failed = stream.read_u8().await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
        drop(stream);
        let mut arrived = Vec::new();
        theirs.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, [ANSWER, b"a f"].concat());
        let (ours, mut theirs) = duplex(1024);
        let mut stream = breaking.stream(ours);
        stream.write_all(ANSWER).await.unwrap();
        stream.write_all(b"a frame").await.unwrap();
        drop(stream);
        let mut arrived = Vec::new();
        theirs.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, [ANSWER, b"a frame"].concat());
        let told = fs::read_to_string(&trace).unwrap();
        assert!(told.contains(&format!("\ncut written {after}\n")), "{told}");
        fs::remove_file(trace).unwrap();
    }

    #[tokio::test]
    async fn what_is_read_breaks_off_after_so_many_bytes_whatever_arrives_behind_them() {
        let (breaking, trace) = breaking(Cut::Read(3), "read");
        let (ours, mut theirs) = duplex(1024);
        let mut stream = breaking.stream(ours);
        stream.write_all(ANSWER).await.unwrap();
        theirs.write_all(b"a frame").await.unwrap();
        let mut arrived = [0; 3];
        stream.read_exact(&mut arrived).await.unwrap();
        assert_eq!(&arrived, b"a f");
        let failed = stream.read_u8().await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
        fs::remove_file(trace).unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_bytes_is_told_when_writing_breaks_the_connection() {
        let (breaking, trace) = breaking(Cut::Written(ANSWER.len() as u64), "waiting");
        let (ours, _theirs) = duplex(1024);
        let (mut reading, mut writing) = tokio::io::split(breaking.stream(ours));
        let waiting = tokio::spawn(async move { reading.read_u8().await });
        // Until it waits.
        tokio::task::yield_now().await;
        writing.write_all(ANSWER).await.unwrap();
        let failed = waiting.await.unwrap().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
        fs::remove_file(trace).unwrap();
    }

    #[tokio::test]
    async fn behind_what_was_let_through_the_peer_finds_an_end_or_a_reset() {
        for how in [How::Ends, How::Resets] {
            let (breaking, trace) = breaking(Cut::Written(ANSWER.len() as u64), "peer");
            breaking.account().how = how;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut theirs = TcpStream::connect(address).await.unwrap();
            let mut stream = breaking.around(listener.accept().await.unwrap().0);
            stream.write_all(ANSWER).await.unwrap();
            drop(stream);
            let mut arrived = vec![0; ANSWER.len()];
            theirs.read_exact(&mut arrived).await.unwrap();
            assert_eq!(arrived, ANSWER);
            let found = theirs.read(&mut arrived).await.map_err(|why| why.kind());
            match how {
                How::Ends => assert_eq!(found, Ok(0)),
                How::Resets => assert_eq!(found, Err(io::ErrorKind::ConnectionReset)),
            }
            fs::remove_file(trace).unwrap();
        }
    }

    #[tokio::test]
    async fn a_probe_is_never_touched_nor_counted() {
        let (breaking, trace) = breaking(Cut::Written(1), "probe");
        let (ours, mut theirs) = duplex(1024);
        let mut stream = breaking.stream(ours);
        theirs.write_all(b"GET").await.unwrap();
        let mut asked = [0; 3];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        assert_eq!(fs::read_to_string(&trace).unwrap(), "");
        fs::remove_file(trace).unwrap();
    }

    #[test]
    fn a_cut_is_read_as_it_is_written_on_the_command_line() {
        assert_eq!(Cut::read("written:1200"), Some(Cut::Written(1200)));
        assert_eq!(Cut::read("read:7"), Some(Cut::Read(7)));
        assert_eq!(Cut::read("never"), Some(Cut::Never));
        for wrong in ["", "written", "written:0", "read:x", "sent:3"] {
            assert_eq!(Cut::read(wrong), None, "{wrong}");
        }
    }
}
