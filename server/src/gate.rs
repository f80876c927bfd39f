//! Who may ask anything of the listener: `design/security.md`, *Listening*. Every request passes
//! [`check`] before it is routed, whatever its path; what is left is one of few [`Route`]s. A
//! function of the request's head and our port, without IO.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};
use protocol::ports::{PATHS, Serves};
use protocol::{EXTENSION_ID, SUBPROTOCOL, SessionId};

/// Fetch metadata: browsers send it where they send no `Origin`.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose socket is let in though it proves nothing (`design/security.md`, *Unpaired peers*).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaired {
    /// A program's, which no browser runs: it names no `Origin`.
    Program,
    /// This extension's: 32 letters from `a` to `p`.
    Extension(String),
}

impl Unpaired {
    /// What the request's `Origin` must be.
    fn origin(&self) -> Option<String> {
        match self {
            Self::Program => None,
            Self::Extension(id) => Some(format!("chrome-extension://{id}")),
        }
    }
}

/// What a request that was let in wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// What kind of thing listens here.
    Probe,
    /// A paired extension's socket.
    Extension {
        /// Part of the proof.
        path: String,
        /// `Sec-WebSocket-Key`.
        key: HeaderValue,
    },
    /// The socket of an extension that proves nothing.
    Unpaired {
        /// `Sec-WebSocket-Key`.
        key: HeaderValue,
    },
}

/// Checks a request's head and says what it wants. `unpaired` is let in at `/` without the
/// sub-protocol that the others offer.
///
/// # Errors
/// The status to refuse it with; nothing else is said.
pub fn check(head: &Parts, port: u16, unpaired: Option<&Unpaired>) -> Result<Route, StatusCode> {
    let path = head.uri.path();
    let serves = serves(path);
    check_head(head, port)?;
    if let Some(unpaired) = unpaired
        && path == "/"
        && head.method == Method::GET
        && !head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
        && is_of(&head.headers, unpaired)
        && upgrade(&head.headers).is_ok()
    {
        let key = websocket_key(&head.headers)?;
        return Ok(Route::Unpaired { key });
    }
    check_origin(&head.headers, serves == Some(Serves::Extension))?;
    match (serves.ok_or(StatusCode::NOT_FOUND)?, &head.method) {
        (Serves::Probe, &Method::GET) => Ok(Route::Probe),
        (Serves::Extension, &Method::GET) => {
            upgrade(&head.headers)?;
            // A socket without it is an older dialect, and this is nobody who is let in for it.
            if !has_token(&head.headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
                return Err(StatusCode::FORBIDDEN);
            }
            Ok(Route::Extension {
                path: path.to_owned(),
                key: websocket_key(&head.headers)?,
            })
        }
        (Serves::Extension, &Method::HEAD) => Err(StatusCode::UPGRADE_REQUIRED),
        (Serves::Extension | Serves::Probe, _) => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn serves(path: &str) -> Option<Serves> {
    let named = |pattern: &str| match pattern.strip_suffix('*') {
        Some(before) => {
            let id = path.strip_prefix(before);
            id.is_some_and(|id| SessionId::new(id).is_ok())
        }
        None => path == pattern,
    };
    let (_, serves) = PATHS.iter().find(|(pattern, _)| named(pattern))?;
    Some(*serves)
}

fn check_head(head: &Parts, port: u16) -> Result<(), StatusCode> {
    if head.version != Version::HTTP_11 || head.uri.authority().is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let host = only(&head.headers, &HOST).ok_or(StatusCode::FORBIDDEN)?;
    let ours = ["127.0.0.1", "localhost", "[::1]"];
    if !ours.iter().any(|name| *host == format!("{name}:{port}")) {
        return Err(StatusCode::FORBIDDEN);
    }
    // No-cors requests and images carry no Origin, but this.
    let mut sites = head.headers.get_all(SEC_FETCH_SITE).iter();
    if sites.any(|site| site != "none") {
        return Err(StatusCode::FORBIDDEN);
    }
    // Nothing here takes a body.
    let length = head.headers.get(CONTENT_LENGTH);
    if head.headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(())
}

/// Whether the request's one `Origin`, or that there is none, is what is let in.
fn is_of(headers: &HeaderMap, unpaired: &Unpaired) -> bool {
    match unpaired.origin() {
        None => !headers.contains_key(ORIGIN),
        Some(origin) => only(headers, &ORIGIN).is_some_and(|named| *named == origin),
    }
}

fn check_origin(headers: &HeaderMap, extension_path: bool) -> Result<(), StatusCode> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let ours = format!("chrome-extension://{EXTENSION_ID}");
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if extension_path && *origin == ours => Ok(()),
        (Some(_), _) => Err(StatusCode::FORBIDDEN),
    }
}

/// The server's half of RFC 6455, 4.2.1, up to the key.
fn upgrade(headers: &HeaderMap) -> Result<(), StatusCode> {
    if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    Ok(())
}

/// 16 bytes in base64.
fn websocket_key(headers: &HeaderMap) -> Result<HeaderValue, StatusCode> {
    only(headers, &SEC_WEBSOCKET_KEY)
        .filter(|key| key.len() == 24 && key.as_bytes().ends_with(b"=="))
        .cloned()
        .ok_or(StatusCode::BAD_REQUEST)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|each| each.trim().eq_ignore_ascii_case(token))
}
