//! WebSocket close codes. A browser may only close with 1000 or 3000–4999, so both sides use
//! these; no reason text goes with them, since an unproven peer learns nothing.

/// On purpose; a `goodbye` may have said why.
pub const NORMAL: u16 = 1000;
/// A frame that was no frame, too large, or out of order.
pub const BAD_FRAME: u16 = 4400;
/// The proof failed, or one side has no secret to prove.
pub const NOT_PAIRED: u16 = 4401;
/// The handshake took too long, or the peer was silent for too long.
pub const TIMEOUT: u16 = 4408;
/// Another socket carries this session.
pub const DUPLICATE: u16 = 4409;
