//! A small local site over hand-written HTTP/1.1, with a log of its requests.
//!
//! Its pages are what the tests need a page to do: be slow, open popups and dialogs, run on, write
//! to the console, lead astray. Every click on a counter is reported to the server, so that a test
//! counts what really happened and not what a page believes. It answers the same to the same
//! request, whoever asks. What is on the pages stands in `site/pages.rs`.

mod controls;
mod frames;
mod pages;

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer heads than this are nobody's we know.
const HEAD_MAX: usize = 64 * 1024;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `/slow`
    pub path: String,
    /// The decoded query.
    pub query: BTreeMap<String, String>,
    /// When its head was complete.
    pub at: Instant,
}

impl Request {
    /// A query value, empty when absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// A query value as a number, 0 when absent.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }
}

/// The running site; dropping the last clone closes the listener.
#[derive(Clone)]
pub struct Site {
    port: u16,
    log: Arc<Mutex<Vec<Request>>>,
    _server: Arc<Server>,
}

struct Server(JoinHandle<()>);

impl Site {
    /// Starts the site on a port that the system picks.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("binding the site")?;
        let port = listener.local_addr()?.port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let server = tokio::spawn(serve(listener, Arc::clone(&log)));
        Ok(Self {
            port,
            log,
            _server: Arc::new(Server(server)),
        })
    }

    /// The address of `path` (which begins with a slash) on this site.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same by another name: another site, which Chromium draws in a process of its own.
    #[must_use]
    pub fn other_url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Requests of `path` so far.
    #[must_use]
    pub fn requests_of(&self, path: &str) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(|request| request.path == path)
            .collect()
    }

    /// How often the counter `name` was reported: clicks, timers, whatever a page counts there.
    #[must_use]
    pub fn hits(&self, name: &str) -> usize {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = |one: &&Request| one.path == "/hit" && one.get("name") == name;
        log.iter().filter(hit).count()
    }

    /// Waits until the counter `name` was reported `count` times at least.
    pub async fn until_hits(&self, name: &str, count: usize) -> Result<()> {
        crate::until(format!("{count} hits of {name} at the site"), async || {
            Ok((self.hits(name) >= count).then_some(()))
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(listener: TcpListener, log: Arc<Mutex<Vec<Request>>>) {
    // Owning the tasks here ends the slow answers with the site.
    let mut answers = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        answers.spawn(answer(socket, Arc::clone(&log)));
        while answers.try_join_next().is_some() {}
    }
}

/// One request per connection: nothing of one page can wait behind another's slow answer.
async fn answer(mut socket: TcpStream, log: Arc<Mutex<Vec<Request>>>) {
    let Some(request) = read_head(&mut socket).await else {
        return;
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request.clone());
    tokio::time::sleep(Duration::from_millis(request.number("delay"))).await;
    let page = pages::page(&request);
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
         Connection: close\r\n{}\r\n",
        page.status,
        page.kind,
        page.body.len(),
        page.location
            .map(|to| format!("Location: {to}\r\n"))
            .unwrap_or_default(),
    );
    // A page that was closed meanwhile does not want its answer: nothing to do about it.
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(page.body.as_bytes()).await;
    let _ = socket.shutdown().await;
}

async fn read_head(socket: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = socket.read(&mut chunk).await.ok()?;
        if read == 0 || head.len() > HEAD_MAX {
            return None;
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.lines().next()?.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    Some(Request {
        path: path.to_owned(),
        query,
        at: Instant::now(),
    })
}

/// Undoes the encoding of a query string.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = &tail[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(site: &Site, path: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", site.port()))
            .await
            .unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_hit_is_counted_under_its_name() {
        let site = Site::start().await.unwrap();
        get(&site, "/hit?name=a").await;
        get(&site, "/hit?name=a").await;
        get(&site, "/hit?name=b%20c").await;
        assert_eq!(
            (site.hits("a"), site.hits("b c"), site.hits("d")),
            (2, 1, 0)
        );
    }

    #[tokio::test]
    async fn a_slow_page_holds_up_no_other() {
        let site = Site::start().await.unwrap();
        let slow = get(&site, "/slow?name=late&delay=60000");
        let quick = get(&site, "/slow?name=soon");
        tokio::select! {
            _ = slow => panic!("the slow page came first"),
            text = quick => assert!(text.contains("<title>soon</title>"), "{text}"),
        }
    }

    #[tokio::test]
    async fn the_table_has_a_hundred_rows() {
        let site = Site::start().await.unwrap();
        let text = get(&site, "/table").await;
        assert_eq!(text.matches("<tr><td>").count(), 100);
    }

    #[tokio::test]
    async fn a_redirect_goes_where_the_query_says() {
        let site = Site::start().await.unwrap();
        let text = get(&site, "/redirect?to=file%3A%2F%2F%2Fetc%2Fpasswd").await;
        assert!(text.starts_with("HTTP/1.1 302"), "{text}");
        assert!(text.contains("Location: file:///etc/passwd\r\n"), "{text}");
    }

    #[tokio::test]
    async fn words_of_a_query_cannot_become_markup() {
        let site = Site::start().await.unwrap();
        let text = get(&site, "/slow?name=%3Cblink%3E").await;
        assert!(!text.contains("<blink>"), "{text}");
    }
}
