//! The transport under rmcp: one JSON-RPC message a line, in and out. It answers what is no
//! message instead of dropping it, tells the core of the end of input before rmcp learns of it,
//! and keeps a message that comes before the handshake from ending the process.

use super::Calls;
use rmcp::model::{
    ClientRequest, ErrorCode, ErrorData, GetMeta, JsonRpcMessage, ProtocolVersion, RequestId,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest line accepted. No argument of ours needs a hundredth of it; without a bound a client
/// that never ends its line would fill the memory.
const LINE_MAX: usize = 16 * 1024 * 1024;

/// Messages that wait for a client that does not read. More wait in their senders.
const UNSENT_MAX: usize = 64;

/// How long closing waits for the last lines to leave.
const FLUSH_MAX: Duration = Duration::from_millis(100);

/// See the module's own words. `R` is stdin or stands for it.
pub(super) struct Lines<R, C> {
    input: BufReader<R>,
    line: Vec<u8>,
    state: State,
    // The client has said in which revision of MCP it speaks.
    begun: bool,
    output: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    calls: Arc<C>,
    stop: CancellationToken,
    ended: CancellationToken,
}

enum State {
    /// Lines come in.
    Reading,
    /// The present line is too long; its rest is dropped.
    Skipping,
    /// The input is over and the core answers what is open.
    Ending(JoinHandle<()>),
    /// The core is done.
    Ended,
}

enum Read {
    Line,
    TooLong,
    End,
}

impl<R, C> Lines<R, C>
where
    R: AsyncRead + Send + Unpin + 'static,
    C: Calls,
{
    /// Reads from `input`, writes to `output`. `stop` counts as the end of input; `ended` is fired
    /// as soon as that has come.
    pub(super) fn new<W>(
        input: R,
        output: W,
        calls: Arc<C>,
        stop: CancellationToken,
        ended: CancellationToken,
    ) -> Self
    where
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, unsent) = mpsc::channel(UNSENT_MAX);
        // A client that cannot be told anything is gone, even if its stdin is still open.
        let stop = stop.child_token();
        let deaf = stop.clone();
        let writer = tokio::spawn(async move {
            if let Err(error) = write(output, unsent).await {
                tracing::warn!(%error, "stdout cannot be written");
                deaf.cancel();
            }
        });
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            state: State::Reading,
            begun: false,
            output: Some(sender),
            writer: Some(writer),
            calls,
            stop,
            ended,
        }
    }

    /// Reads up to the end of a line into `self.line`. May be dropped at any await: what was read
    /// stays in `self`.
    async fn read_line(&mut self) -> Read {
        loop {
            let available = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Read::End,
                available = self.input.fill_buf() => match available {
                    Ok(available) => available,
                    Err(error) => {
                        tracing::warn!(%error, "stdin cannot be read");
                        return Read::End;
                    }
                },
            };
            if available.is_empty() {
                // A last line without its newline is a line.
                let rest = !self.line.is_empty() && matches!(self.state, State::Reading);
                return if rest { Read::Line } else { Read::End };
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            let skipping = matches!(self.state, State::Skipping);
            let too_long = !skipping && self.line.len() + taken > LINE_MAX;
            if !skipping && !too_long {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.input.consume(taken);
            if too_long {
                self.line.clear();
                self.state = if newline.is_some() {
                    State::Reading
                } else {
                    State::Skipping
                };
                return Read::TooLong;
            }
            if newline.is_some() {
                if !skipping {
                    return Read::Line;
                }
                self.state = State::Reading;
            }
        }
    }

    fn take_line(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let line = std::mem::take(&mut self.line);
        let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
        let text = text.trim_ascii();
        if text.is_empty() {
            return None;
        }
        match serde_json::from_slice(text) {
            Ok(message) => self.admit(message),
            Err(error) if error.is_syntax() || error.is_eof() => {
                self.complain(ErrorCode::PARSE_ERROR, "This line is not JSON.", None);
                None
            }
            Err(_) => {
                let (what, id) = misshapen(text);
                self.complain(ErrorCode::INVALID_REQUEST, what, id);
                None
            }
        }
    }

    /// Before the client has begun, only requests are of use: rmcp would take anything else for
    /// the end.
    fn admit(
        &mut self,
        message: RxJsonRpcMessage<RoleServer>,
    ) -> Option<RxJsonRpcMessage<RoleServer>> {
        let passes = match &message {
            JsonRpcMessage::Request(request) => {
                self.begun |= begins(&request.request);
                true
            }
            JsonRpcMessage::Response(_)
            | JsonRpcMessage::Notification(_)
            | JsonRpcMessage::Error(_) => self.begun,
        };
        passes.then_some(message)
    }

    fn complain(&self, code: ErrorCode, what: &'static str, id: Option<RequestId>) {
        let error = ErrorData::new(code, what, None);
        let message = TxJsonRpcMessage::<RoleServer>::error(error, id);
        if let (Some(output), Some(line)) = (&self.output, to_line(&message)) {
            // A client that reads nothing and writes nonsense gets no more of it than fits.
            let _ = output.try_send(line);
        }
    }
}

impl<R, C> Transport<RoleServer> for Lines<R, C>
where
    R: AsyncRead + Send + Unpin + 'static,
    C: Calls,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move {
            let line = to_line(&message).ok_or(io::ErrorKind::InvalidData)?;
            let output = output.ok_or(io::ErrorKind::NotConnected)?;
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            output.send(line).await.map_err(gone)
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match &mut self.state {
                State::Reading | State::Skipping => match self.read_line().await {
                    Read::Line => {
                        if let Some(message) = self.take_line() {
                            return Some(message);
                        }
                    }
                    Read::TooLong => {
                        let what = "This line is longer than 16 MiB.";
                        self.complain(ErrorCode::INVALID_REQUEST, what, None);
                    }
                    Read::End => {
                        self.ended.cancel();
                        let calls = self.calls.clone();
                        let end = async move {
                            let _ = tokio::time::timeout(super::ANSWER_MAX, calls.end()).await;
                        };
                        self.state = State::Ending(tokio::spawn(end));
                    }
                },
                State::Ending(task) => {
                    if let Err(error) = task.await {
                        tracing::error!(%error, "the end of input was not handled");
                    }
                    self.state = State::Ended;
                }
                State::Ended => return None,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output = None;
        if let Some(writer) = self.writer.take() {
            let _ = tokio::time::timeout(FLUSH_MAX, writer).await;
        }
        Ok(())
    }
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut unsent: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    while let Some(line) = unsent.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

fn to_line(message: &TxJsonRpcMessage<RoleServer>) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(message)
        .inspect_err(|error| tracing::error!(%error, "an answer is not JSON"))
        .ok()?;
    line.push(b'\n');
    Some(line)
}

/// Whether a client begins with this request: by `initialize`, or, from 2026-07-28 on, by any that says
/// all of that for itself. Until then it may only ask who we are.
fn begins(request: &ClientRequest) -> bool {
    if matches!(request, ClientRequest::InitializeRequest(_)) {
        return true;
    }
    let asks = matches!(
        request,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_)
    );
    let meta = request.get_meta();
    let known = |version| ProtocolVersion::KNOWN_VERSIONS.contains(&version);
    !asks
        && meta.protocol_version().is_some_and(known)
        && meta
            .missing_required_keys(&ProtocolVersion::V_2026_07_28)
            .is_empty()
}

/// What is wrong with JSON that is no message, and the id to answer to where it has one.
fn misshapen(text: &[u8]) -> (&'static str, Option<RequestId>) {
    match serde_json::from_slice::<Value>(text) {
        Ok(Value::Object(object)) => {
            let id = object.get("id").cloned();
            let id = id.and_then(|id| serde_json::from_value(id).ok());
            ("This is no JSON-RPC 2.0 message of MCP.", id)
        }
        Ok(Value::Array(_)) => ("Batches are not supported: one message a line.", None),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => {
            ("A message is a JSON object.", None)
        }
    }
}
