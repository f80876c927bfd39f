//! Every bound that both sides must know, each with its reason. Bounds of one side stand in it.

use std::time::Duration;

/// Largest frame either side sends or accepts. A full-page screenshot of 20 MB fits in base64.
pub const FRAME_MAX: usize = 32 * 1024 * 1024;
/// Frames before the handshake is complete are short; nobody unproven makes us hold more.
pub const HANDSHAKE_FRAME_MAX: usize = 4 * 1024;
/// Connecting, and the handshake: a peer on the same machine needs milliseconds.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// See [`CONNECT_MAX`].
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// The seed's heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// Three missed heartbeats are a loss (seed 000's servers use the same 90 s).
pub const SILENCE_MAX: Duration = Duration::from_secs(90);
/// Chrome stops a worker after 30 s without an event; 20 s leaves room for a late timer.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often a port list is asked for (seed 000).
pub const PORT_LIST_EVERY: Duration = Duration::from_secs(15);
/// How long a claim waits unless its caller says otherwise (seed 000's tab lock).
pub const CLAIM_WAIT: Duration = Duration::from_secs(30);
/// The longest wait a caller may ask for.
pub const CLAIM_WAIT_MAX: Duration = Duration::from_secs(300);
/// How long a call waits for an extension, or for the return of one that was lost.
pub const RECONNECT_WAIT: Duration = Duration::from_secs(10);
/// Orphan grace after an unexpected loss (seed 001).
pub const ORPHAN_GRACE: Duration = Duration::from_secs(300);
/// Grace after a stated end: clients restart their servers at once or not at all.
pub const ENDING_GRACE: Duration = Duration::from_secs(10);
/// The time that a call may take once its turn has begun, unless its caller says otherwise.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// The longest deadline that a caller may ask for.
pub const CALL_DEADLINE_MAX: Duration = Duration::from_secs(300);
/// Synchronous work of a script, unless the call names another: nobody waits longer for a tab.
pub const SCRIPT_MAX_DEFAULT: Duration = Duration::from_secs(5);
/// The longest synchronous work a call may name.
pub const SCRIPT_MAX: Duration = Duration::from_secs(30);
/// Sessions on one browser. Twenty is what people run; a thousand is what the bench runs.
pub const SESSIONS_MAX: usize = 1024;
/// Calls of one session that are queued, waiting or running.
pub const CALLS_PER_SESSION_MAX: usize = 64;
/// How many answers of a session are kept at least: those to so many commands that were sent after
/// another, and to all that were under way with it.
pub const RESULTS_KEPT: usize = 2 * CALLS_PER_SESSION_MAX;
/// Claims that wait for one tab.
pub const CLAIMS_PER_TAB_MAX: usize = 64;
/// Tabs that one session may own.
pub const TABS_PER_SESSION_MAX: usize = 100;
/// Longest id of a browser; ours have 32 digits.
pub const BROWSER_ID_MAX: usize = 128;
/// Longest label, in characters; longer ones are cut.
pub const LABEL_MAX: usize = 80;
/// Deepest value inside a frame or the store. JSON readers stop at 127 levels, and around the value
/// stand some of envelope, session and store: one result must not make all of them unreadable.
pub const DEPTH_MAX: usize = 64;
/// Longest `originId` that is carried home, in bytes of JSON.
pub const ORIGIN_ID_MAX: usize = 256;
