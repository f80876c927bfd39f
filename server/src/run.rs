//! A stdio server's life: the machine starts, MCP is answered at once, and beside that the state
//! folder, the identity, the port and the registry are seen to.

use crate::cli::Serve;
use crate::driver::{self, Handle};
use crate::gate::Unpaired;
use crate::listen::{Bare, Wire};
use crate::outside::{Late, World};
use crate::registry::{LOOK_EVERY, Lookout};
use crate::sockets::{Sockets, Table};
use crate::state::{self, StateDir};
use crate::{identity, listen, mcp};
use protocol::ports::PortRange;
use server_core::{Config, Input, SessionKey};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Everything that a server is told.
#[derive(Debug)]
pub struct Options {
    /// See [`Serve`].
    pub serve: Serve,
    /// Where the state folder is, if not in the system's place.
    pub state_dir: Option<PathBuf>,
    /// Where servers sit.
    pub range: PortRange,
}

/// Serves the MCP client on stdin and stdout until it leaves or a signal comes. A read of stdin
/// may still be pending afterwards: leave by `exit`.
///
/// # Errors
/// When the system has no randomness.
pub async fn serve(options: Options) -> io::Result<mcp::End> {
    serve_over(options, Bare).await
}

/// As [`serve`], with `wire` around every connection.
///
/// # Errors
/// When the system has no randomness.
pub async fn serve_over(options: Options, wire: impl Wire) -> io::Result<mcp::End> {
    let stop = CancellationToken::new();
    stop_on_signal(&stop);
    let (handle, roots) = start(options, wire)?;
    tokio::spawn({
        let (handle, stop) = (handle.clone(), stop.clone());
        async move {
            // Should the machine ever be gone by itself, a server without one must not stay.
            handle.ended().await;
            stop.cancel();
        }
    });
    Ok(mcp::serve(Arc::new(handle), roots, stop).await)
}

/// Starts the machine and, beside it, all that it needs. Gives its handle and where tools may
/// write.
///
/// # Errors
/// When the system has no randomness.
pub fn start(options: Options, wire: impl Wire) -> io::Result<(Handle, mcp::Roots)> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let instance_id = options.serve.instance_id();
    let label = options.serve.label.as_deref();
    let config = Config {
        range: options.range,
        label: label.map(|label| mcp::fill_label(label, &cwd)),
        browser: options.serve.browser.clone(),
        explicit_instance: instance_id.is_some(),
        ..Config::default()
    };
    let (table, late) = (Table::default(), Late::default());
    let world = World {
        table: table.clone(),
        late: late.clone(),
    };
    let handle = driver::start(config, state::random()?, world);
    let roots = roots(&options, &cwd);
    let beside = Beside {
        handle: handle.clone(),
        table,
        late,
        range: options.range,
        port: options.serve.port,
        instance_id,
        unpaired: options.serve.allow_unpaired,
        state_dir: options.state_dir,
    };
    tokio::spawn(beside.run(wire));
    Ok((handle, roots))
}

fn roots(options: &Options, cwd: &Path) -> mcp::Roots {
    let home = etcetera::home_dir().ok();
    let state = options
        .state_dir
        .clone()
        .or_else(state::default_path)
        .unwrap_or_default();
    // Beside the state folder, which tools never write into.
    let mut name = state.file_name().unwrap_or_default().to_owned();
    name.push("-output");
    let output = state.with_file_name(name);
    let named = &options.serve.roots;
    mcp::Roots::new(cwd, home.as_deref(), named, &output, &state)
}

/// What is done beside the first answers.
struct Beside {
    handle: Handle,
    table: Table,
    late: Late,
    range: PortRange,
    port: Option<u16>,
    instance_id: Option<String>,
    unpaired: Option<Unpaired>,
    state_dir: Option<PathBuf>,
}

impl Beside {
    async fn run(self, wire: impl Wire) {
        if let Err(error) = self.prepare(wire).await {
            tracing::error!(%error, "no browser can connect");
            let why = format!("this server cannot listen: {error}");
            self.handle.input(Input::NotListening { why });
        }
    }

    async fn prepare(&self, wire: impl Wire) -> io::Result<()> {
        let path = self.state_dir.clone();
        let (state, read) = tokio::task::spawn_blocking(move || {
            let state = StateDir::open(path.as_deref())?;
            let read = state.read_secret();
            Ok::<_, io::Error>((state, read))
        })
        .await
        .map_err(io::Error::other)??;
        match read {
            // Once in a user's life, and in one breath: a server that ends at once would leave a
            // thread that does this halfway.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                state.secret()?;
            }
            // Whoever dials is told; the user may mend it meanwhile, and it is read again then.
            Err(error) => tracing::error!(%error, "cannot read the secret"),
            Ok(_) => {}
        }
        // It may wait for a former holder, and nothing else waits for it.
        tokio::spawn(identify(
            self.handle.clone(),
            self.late.clone(),
            state.clone(),
            self.instance_id.clone(),
        ));
        let stamp = state.secret_stamp();
        let _ = self.late.state.set(state.clone());
        let bound = self.bind().await?;
        let port = bound.port;
        self.handle.input(Input::Listening { port });
        tracing::info!(port, "listening");
        if let Some(unpaired) = &self.unpaired {
            tracing::warn!(?unpaired, "an extension that proves nothing is let in");
        }
        let sockets =
            Sockets::new(self.handle.clone(), self.table.clone()).letting_in(self.unpaired.clone());
        let lookout = Lookout::new(state.clone(), port);
        tokio::select! {
            () = listen::serve(bound, sockets, wire) => {}
            () = watch(&self.handle, lookout, &state, stamp) => {}
            () = self.late.deaf.cancelled() => {}
        }
        Ok(())
    }

    /// Takes a port, however long that takes; calls that wait for a browser hear why.
    async fn bind(&self) -> io::Result<listen::Bound> {
        let mut said = false;
        loop {
            let bound = match self.port {
                Some(port) => listen::bind(port)
                    .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}"))),
                None => listen::bind_range(self.range),
            };
            match bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    if !said {
                        tracing::warn!(%error, "waiting for a port");
                        let why = format!("this server has no port: {error}");
                        self.handle.input(Input::NotListening { why });
                        said = true;
                    }
                }
                bound => return bound,
            }
            tokio::time::sleep(BIND_EVERY).await;
        }
    }
}

/// How often a server without a port tries again: a restarted one may find its own still held by
/// the process that is ending.
const BIND_EVERY: Duration = Duration::from_millis(500);

async fn identify(handle: Handle, late: Late, state: StateDir, instance_id: Option<String>) {
    let taken = tokio::task::spawn_blocking(move || {
        let folder = state.folder("instances")?;
        let key = identity::key(instance_id.as_deref());
        identity::take(&folder, key.as_deref())
    })
    .await
    .map_err(io::Error::other)
    .flatten();
    let identity = match taken {
        Ok((keeper, identity, origin)) => {
            *late
                .keeper
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(keeper);
            match origin {
                identity::Origin::Fresh => {}
                identity::Origin::Resumed => {
                    tracing::info!("resuming the session of this instance")
                }
                identity::Origin::Damaged => tracing::warn!(
                    "the identity of this instance could not be read; this is a new session"
                ),
                identity::Origin::Held => tracing::warn!(
                    "another server of this instance is running; this one is a session of its own"
                ),
            }
            identity
        }
        Err(error) => {
            tracing::warn!(%error, "no identity can be kept; a restart will be a new session");
            match state::random() {
                Ok(seed) => server_core::fresh_identity(seed),
                Err(error) => {
                    tracing::error!(%error, "the system has no randomness");
                    return;
                }
            }
        }
    };
    let session = SessionKey::ONLY;
    handle.input(Input::Identity { session, identity });
}

/// Looks for siblings, and for a secret that was replaced.
async fn watch(
    handle: &Handle,
    mut lookout: Lookout,
    state: &StateDir,
    mut stamp: Option<std::time::SystemTime>,
) {
    loop {
        let ports = lookout.look();
        handle.input(Input::Siblings { ports });
        let now = state.secret_stamp();
        if now != stamp {
            stamp = now;
            tracing::warn!("the pairing secret was replaced");
            handle.input(Input::SecretRotated);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Fires `stop` when the system asks this process to end.
#[cfg(unix)]
fn stop_on_signal(stop: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ];
    for kind in kinds {
        let stop = stop.clone();
        match signal(kind) {
            Ok(mut signals) => {
                tokio::spawn(async move {
                    signals.recv().await;
                    stop.cancel();
                });
            }
            Err(error) => tracing::warn!(%error, "a signal will end this server without goodbye"),
        }
    }
}

#[cfg(not(unix))]
fn stop_on_signal(stop: &CancellationToken) {
    let stop = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
}
