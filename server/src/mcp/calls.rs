//! What the MCP side asks of the rest of the server, so that its tests can answer instead.

use crate::driver::Handle;
use server_core::{Answer, CallProgress, CallRequest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Carries calls to the browser and brings their answers home.
pub trait Calls: Send + Sync + 'static {
    /// Makes one call and waits for its one answer, which always comes: soon after `cancel` has
    /// fired, too. Dropping the future is a cancellation whose answer goes nowhere. `progress`
    /// gets what the call waits for, as it changes.
    fn call(
        &self,
        request: CallRequest,
        progress: mpsc::UnboundedSender<CallProgress>,
        cancel: CancellationToken,
    ) -> impl Future<Output = Answer> + Send;

    /// Says what the client calls itself.
    fn set_label(&self, label: String);

    /// Stdin has ended or a signal has come: every open call is answered within
    /// [`super::ANSWER_MAX`]; then this is done.
    fn end(&self) -> impl Future<Output = ()> + Send;
}

impl Calls for Handle {
    fn call(
        &self,
        request: CallRequest,
        progress: mpsc::UnboundedSender<CallProgress>,
        cancel: CancellationToken,
    ) -> impl Future<Output = Answer> + Send {
        Self::call(self, request, progress, cancel)
    }

    fn set_label(&self, label: String) {
        Self::set_label(self, label);
    }

    async fn end(&self) {
        self.stdin_ended();
        self.ended().await;
    }
}
