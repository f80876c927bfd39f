//! WebSocket close codes. A browser may itself only close with 1000 or 3000–4999. No reason text
//! goes with them, since an unproven peer learns nothing.

/// On purpose; a `goodbye` may have said why.
pub const NORMAL: u16 = 1000;
/// The server ends (RFC 6455, *going away*).
pub const GOING_AWAY: u16 = 1001;
/// A frame that was no frame, too large, or had no place there.
pub const BAD_FRAME: u16 = 4400;
/// The proof failed, the extension has no secret, or the secret was changed.
pub const NOT_PAIRED: u16 = 4401;
/// No version in common.
pub const NO_VERSION: u16 = 4406;
/// The handshake took too long, or the server could not read its secret, or the peer was silent for
/// too long.
pub const TIMEOUT: u16 = 4408;
/// Another socket took over: of the same browser, or of the same session.
pub const REPLACED: u16 = 4409;
/// Too many sockets.
pub const TOO_MANY: u16 = 4429;
