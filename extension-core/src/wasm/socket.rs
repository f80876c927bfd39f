//! One WebSocket to a server. Dropping it closes it and unhooks every callback, so what it says
//! afterwards reaches nobody; the core never sees a socket's name twice.

use super::{SOCKETS, drive, is_alive, with_shell};
use crate::dialect::Dialect;
use crate::input::{Input, SocketId};
use crate::links::UNPAIRED_FRAME_MAX;
use js_sys::JsString;
use protocol::SUBPROTOCOL;
use protocol::close::{BAD_FRAME, NORMAL};
use protocol::limits::{FRAME_MAX, HANDSHAKE_FRAME_MAX};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// Close code of a connection that was lost, or never came about (RFC 6455, 7.4.1).
const LOST: u16 = 1006;
/// The codes that the browser lets us close with, beside 1000, which stands in for all others.
const OWN_CODES: std::ops::RangeInclusive<u16> = 3000..=4999;
/// The messages of a server in the handshake: `challenge` and `helloAck`, or in v1 `helloAck` alone.
/// After those the core has closed the socket, or the server is let in.
fn handshake_messages(dialect: Dialect) -> u32 {
    match dialect {
        Dialect::V2 => 2,
        Dialect::V1 => 1,
    }
}

pub(super) struct Socket {
    socket: WebSocket,
    code: u16,
    // Held for as long as the socket may call them.
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Closed already, or being closed: then there is nothing to do.
        let _ = self.socket.close_with_code(self.code);
        with_shell(|shell| {
            shell.sockets().delete(&self.socket);
        });
    }
}

/// Opens `ws://127.0.0.1:PORT/`.
pub(super) fn dial(id: SocketId, port: u16, dialect: Dialect) {
    match open(id, port, dialect) {
        Ok(socket) => SOCKETS.with_borrow_mut(|sockets| {
            sockets.insert(id, socket);
        }),
        // Later, as every answer: never within the effect.
        Err(_) => spawn_local(async move { closed(id, LOST) }),
    }
}

fn open(id: SocketId, port: u16, dialect: Dialect) -> Result<Socket, JsValue> {
    let url = format!("ws://127.0.0.1:{port}/");
    let socket = match dialect {
        Dialect::V2 => WebSocket::new_with_str(&url, SUBPROTOCOL)?,
        Dialect::V1 => WebSocket::new(&url)?,
    };
    socket.set_binary_type(BinaryType::Arraybuffer);
    let on_open = Closure::new(move || drive(Input::SocketOpened { socket: id }));
    let mut short = handshake_messages(dialect);
    let on_message = Closure::new(move |event: MessageEvent| {
        let text = frame(&event.data(), frame_max(dialect, short > 0));
        short = short.saturating_sub(1);
        match text {
            Some(text) => drive(Input::SocketText { socket: id, text }),
            None if is_alive() => {
                close(id, BAD_FRAME);
                closed(id, BAD_FRAME);
            }
            None => {}
        }
    });
    let on_close = Closure::new(move |event: CloseEvent| {
        if is_alive() {
            closed(id, event.code());
        }
    });
    socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    with_shell(|shell| {
        shell.sockets().add(&socket);
    });
    Ok(Socket {
        socket,
        code: NORMAL,
        _on_open: on_open,
        _on_message: on_message,
        _on_close: on_close,
    })
}

/// The longest frame that may come, in bytes: a short one in the handshake.
pub(super) fn frame_max(dialect: Dialect, short: bool) -> usize {
    match dialect {
        _ if short => HANDSHAKE_FRAME_MAX,
        Dialect::V2 => FRAME_MAX,
        Dialect::V1 => UNPAIRED_FRAME_MAX,
    }
}

/// The text of a message. None for a binary one, since every frame is text, and for one longer than
/// `max`: it is never copied out of the engine, where a length counts UTF-16 units, of which no text
/// has more than bytes. The core counts the bytes.
pub(super) fn frame(data: &JsValue, max: usize) -> Option<String> {
    let text: &JsString = data.dyn_ref()?;
    (usize::try_from(text.length()).ok()? <= max).then(|| text.into())
}

/// Sends a text message; to a socket that is gone or not yet open, nothing. Sending on one that
/// has begun to close, whose `close` event is still on its way, would be an error in the console.
pub(super) fn send(id: SocketId, text: &str) {
    SOCKETS.with_borrow(|sockets| {
        if let Some(socket) = sockets.get(&id)
            && socket.socket.ready_state() == WebSocket::OPEN
        {
            // Open, it throws for nothing but lone surrogates, which no text of ours has.
            let _ = socket.socket.send_with_str(text);
        }
    });
}

/// Closes a socket of ours; nothing more is heard of it.
pub(super) fn close(id: SocketId, code: u16) {
    if let Some(mut socket) = take(id)
        && OWN_CODES.contains(&code)
    {
        socket.code = code;
    }
}

fn closed(id: SocketId, code: u16) {
    drop(take(id));
    drive(Input::SocketClosed { socket: id, code });
}

fn take(id: SocketId) -> Option<Socket> {
    SOCKETS.with_borrow_mut(|sockets| sockets.remove(&id))
}
