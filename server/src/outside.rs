//! Carries out what the machine asks for outside itself: sockets, the secret, the identity's file,
//! words to the user. Files here are a few hundred bytes and touched a few times in a life, so
//! they are read and written in place.

use crate::driver::{Handle, Outside};
use crate::identity::Keeper;
use crate::sockets::Table;
use crate::state::StateDir;
use protocol::error::Unpaired;
use protocol::limits;
use server_core::{Effect, Input, Note};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What becomes known beside the first answers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Late {
    /// Set before the first socket is accepted.
    pub state: Arc<OnceLock<StateDir>>,
    /// Set before the machine learns its identity; taken at the end, which frees its lock.
    pub keeper: Arc<Mutex<Option<Keeper>>>,
    /// Fired when the listener has to close.
    pub deaf: CancellationToken,
}

/// See the module's own words.
#[derive(Debug)]
pub struct World {
    /// The open sockets.
    pub table: Table,
    /// See [`Late`].
    pub late: Late,
}

impl Outside for World {
    fn carry_out(&mut self, effect: Effect, handle: &Handle) {
        match effect {
            Effect::Send { conn, text } => self.table.send(conn, text),
            Effect::Close { conn, code } => self.table.close(conn, code),
            Effect::Admit { conn } => self.table.admit(conn),
            Effect::ReadSecret { conn } => {
                let secret = match self.late.state.get() {
                    Some(state) => state.read_secret().map_err(|error| error.to_string()),
                    None => Err("there is no state folder yet".into()),
                };
                handle.input(Input::Secret { conn, secret });
            }
            Effect::SaveIdentity { identity, .. } => self.keep(|keeper| keeper.save(&identity)),
            Effect::MarkEnding { .. } => self.keep(|keeper| keeper.mark_ending()),
            Effect::StopListening => self.late.deaf.cancel(),
            Effect::Note(note) => say(&note),
            // The driver's own.
            Effect::Answer { .. } | Effect::Progress { .. } | Effect::Exit => {}
        }
    }

    async fn flush(&mut self, at_most: Duration) {
        self.table.closed(at_most).await;
    }
}

impl World {
    fn keep(&self, act: impl FnOnce(&mut Keeper) -> std::io::Result<()>) {
        let mut keeper = self
            .late
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keeper.as_mut()
            && let Err(error) = act(keeper)
        {
            tracing::warn!(%error, "cannot write the identity down; a restart will be a new session");
        }
    }
}

fn say(note: &Note) {
    match note {
        Note::NotPaired(extension) => {
            let lacks = match extension {
                Unpaired::HasNoSecret => "finds no secret in its pairing.json",
                Unpaired::HasAnotherSecret => "has another secret",
            };
            tracing::warn!(
                "not_paired: a browser's extension {lacks}; run `interlock extension DIR \
                 --pair-only` for the folder it was loaded from"
            );
        }
        Note::SecretUnreadable { why } => {
            tracing::error!("nobody can pair: {why}; `interlock pair --rotate` makes a new secret");
        }
        Note::SessionOpened { browser } => tracing::info!(browser, "connected"),
        Note::StandsBy { browser } => {
            tracing::info!(browser, "stands by: the session belongs to another browser");
        }
        Note::SessionRefused => tracing::warn!(
            "the browser held this session under another token; it went on as a new session"
        ),
        Note::BrowserFull { browser } => tracing::warn!(
            browser,
            "the browser takes no further session: {} are open; this one waits until others end",
            limits::SESSIONS_MAX
        ),
        Note::BrowserLost { browser } => tracing::warn!(browser, "the connection was lost"),
    }
}
