//! Many who have not proven themselves, and slow ones: they are let go, each at its limit, and
//! keep nobody out. Time is asserted generously: a stage that had no limit would last for ever.

use anyhow::{Context, Result};
use e2e::{World, ports_of};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Sockets of a flood at least; it lasts until the extension has come through it three times.
const FLOOD_MIN: usize = 10_000;
/// And at most, which takes minutes.
const FLOOD_MAX: usize = 200_000;
/// Who open them.
const FLOODS: usize = 8;
/// How long each waits from one to the next: 1,000 a second come at most. As many as a quiet machine
/// can open, 5,000, keep the extension out for twenty seconds, and on a busy one for longer than a
/// test waits.
const PACE: Duration = Duration::from_millis(8);
/// Sockets that each of those holds open.
const HELD: usize = 128;
/// Sockets that a server has at most: half of what the flood would hold. Besides its 64 that are no
/// WebSockets yet, 16 that have not proven themselves and 16 that are told so, it has those whose
/// arrival waits for its attention.
const KEPT_MAX: usize = FLOODS * HELD / 2;
/// A return of the extension counts where so many came meanwhile: all the seats there are.
const PRESSED: usize = 64 + 16;
/// A backlog that is full answers after a second; whoever floods tries anew instead.
const CONNECT_MAX: Duration = Duration::from_millis(100);
/// The longest limit of a stage is ten seconds; busy cores may double it.
const LIMIT: Duration = Duration::from_secs(25);

fn upgrade(port: u16) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: interlock.2\r\n\
         Origin: chrome-extension://pccggijclfpjeomnfodccfggcnkogjdg\r\n\r\n"
    )
}

/// One text frame, masked with zeros as a client may.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0x81, 0x80 | 126];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

fn hello() -> String {
    format!(
        "{{\"type\":\"hello\",\"versions\":[\"2.0\"],\"nonceExt\":\"{}\",\"extensionId\":\
         \"pccggijclfpjeomnfodccfggcnkogjdg\",\"browserId\":\"flood\",\"browserName\":\"flood\"}}",
        "5a".repeat(32)
    )
}

async fn connected() -> Result<(World, e2e::Agent, i64, u16)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=still")).await?;
    let port = *ports_of(one.pid())?.first().context("no port")?;
    Ok((world, one, tab, port))
}

/// What a flood did, and what came of it.
#[derive(Default)]
struct Tally {
    opened: AtomicUsize,
    upgraded: AtomicUsize,
    challenged: AtomicUsize,
    /// Words that are due to nobody of a flood.
    helped: Mutex<Vec<String>>,
}

impl Tally {
    fn helped(&self) -> MutexGuard<'_, Vec<String>> {
        self.helped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket of a flood, and what the server said to it.
struct Flooding {
    socket: TcpStream,
    said: Vec<u8>,
}

impl Flooding {
    /// Hears what came; whether the server has let go.
    fn is_over(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.try_read(&mut chunk) {
                Ok(0) => return true,
                Ok(read) => self.said.extend(&chunk[..read]),
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    fn count(self, tally: &Tally) {
        let said = String::from_utf8_lossy(&self.said);
        let mut types = said.split("\"type\":\"").skip(1);
        let is_upgraded = said.starts_with("HTTP/1.1 101 ");
        if is_upgraded {
            tally.upgraded.fetch_add(1, Ordering::Relaxed);
        }
        if said.contains("\"type\":\"challenge\"") {
            tally.challenged.fetch_add(1, Ordering::Relaxed);
        }
        let is_due = is_upgraded && types.all(|word| word.starts_with("challenge\""));
        if !said.is_empty() && !is_due {
            tally.helped().push(said.into_owned());
        }
    }
}

/// Opens sockets one after the other and goes with them as far as anybody can: some say nothing, some
/// upgrade, some say `hello`, some lie. It keeps those that are not let go.
async fn flood(port: u16, tally: Arc<Tally>) {
    let head = upgrade(port).into_bytes();
    let greeted = [head.clone(), frame(&hello())].concat();
    let lie = format!("{{\"type\":\"proof\",\"mac\":\"{}\"}}", "5a".repeat(32));
    let lied = [greeted.clone(), frame(&lie)].concat();
    let kinds = [Vec::new(), head, greeted, lied];
    let mut held = VecDeque::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for bytes in kinds.iter().cycle() {
        pace.tick().await;
        let connecting = TcpStream::connect(("127.0.0.1", port));
        let Ok(connected) = tokio::time::timeout(CONNECT_MAX, connecting).await else {
            continue;
        };
        let Ok(mut socket) = connected else {
            // No address is free for a moment.
            tokio::time::sleep(CONNECT_MAX).await;
            continue;
        };
        // It may have been let go already.
        let _ = socket.write_all(bytes).await;
        let said = Vec::new();
        held.push_back(Flooding { socket, said });
        if held.len() > HELD {
            let over = held.iter_mut().position(Flooding::is_over);
            if let Some(last) = held.remove(over.unwrap_or(0)) {
                last.count(&tally);
            }
        }
        if tally.opened.fetch_add(1, Ordering::Relaxed) >= FLOOD_MAX {
            return;
        }
    }
}

/// Sockets of process `pid`, for as long as it is asked: the most that were seen at once.
async fn most_sockets(pid: i32, most: Arc<AtomicUsize>) {
    let folder = format!("/proc/{pid}/fd");
    while let Ok(files) = std::fs::read_dir(&folder) {
        // One that is closed meanwhile is none.
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
        most.fetch_max(sockets.count(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_extension_gets_in_amid_ten_thousand_unproven_sockets() -> Result<()> {
    let (world, one, tab, port) = connected().await?;
    let (tally, most) = <(Arc<Tally>, Arc<AtomicUsize>)>::default();
    let opened = || tally.opened.load(Ordering::Relaxed);
    let began = Instant::now();
    let mut floods = JoinSet::new();
    for _ in 0..FLOODS {
        floods.spawn(flood(port, Arc::clone(&tally)));
    }
    let watch = tokio::spawn(most_sockets(one.pid(), Arc::clone(&most)));
    let mut returns = Vec::new();
    let pressed = |returns: &[usize]| returns.iter().filter(|during| **during > PRESSED).count();
    while pressed(&returns) < 3 && returns.len() < 10 {
        let before = opened();
        e2e::until("the flood to go on", async || {
            Ok((opened() > before + 1_000).then_some(()))
        })
        .await?;
        let before = opened();
        world.browser().kill_worker().await?;
        e2e::until("the extension to get in", async || {
            let reading = e2e::reading(tab, "document.title");
            let read = one.call("browser_evaluate", reading).await?;
            Ok(read.is_ok().then_some(()))
        })
        .await?;
        returns.push(opened() - before);
    }
    e2e::until("ten thousand sockets", async || {
        Ok((opened() >= FLOOD_MIN).then_some(()))
    })
    .await?;
    let (opened, took) = (opened(), began.elapsed());
    floods.shutdown().await;
    watch.abort();
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    let (upgraded, challenged) = (count(&tally.upgraded), count(&tally.challenged));
    let most = count(&most);
    let rate = opened as f64 / took.as_secs_f64();
    let did = format!(
        "{opened} sockets, {rate:.0} a second, {upgraded} upgraded, {challenged} challenged; \
         {returns:?} while the extension came back; the server had {most} at most"
    );
    eprintln!("{did}");
    assert!(opened < FLOOD_MAX, "it was let in after the flood: {did}");
    assert_eq!(pressed(&returns), 3, "nobody was in its way: {did}");
    assert!(
        upgraded > FLOOD_MIN / 10,
        "it was no flood of sockets: {did}"
    );
    assert!(challenged > FLOOD_MIN / 20, "nor of greetings: {did}");
    assert!(most <= KEPT_MAX, "the server keeps them: {did}");
    let helped = std::mem::take(&mut *tally.helped());
    assert_eq!(helped, Vec::<String>::new(), "{did}");
    assert_eq!(one.read(tab, "document.title").await?, "still");
    assert!(!one.log().contains("panicked"), "{}", one.log());
    world.close().await
}

/// Sends `first` at once and `rest` one byte a second, over and over, until the peer closes: how
/// long it took, and what the peer said.
async fn drip(mut socket: TcpStream, first: &[u8], rest: &[u8]) -> Result<(Duration, Vec<u8>)> {
    let began = Instant::now();
    let mut said = Vec::new();
    socket.write_all(first).await?;
    let mut drops = rest.iter().cycle();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut chunk = [0; 4096];
    while began.elapsed() < 2 * LIMIT {
        tokio::select! {
            read = socket.read(&mut chunk) => match read {
                Ok(0) | Err(_) => break,
                Ok(read) => said.extend(&chunk[..read]),
            },
            _ = second.tick() => {
                let one = drops.next().context("nothing to send")?;
                // The end is seen by reading: what was said before it shall not be lost.
                let _ = socket.write_all(&[*one]).await;
            }
        }
    }
    Ok((began.elapsed(), said))
}

/// A stage of a connection: its name, what is sent at once, what is sent a byte a second over and
/// over, and how the server's words end.
type Stage<'a> = (&'static str, Vec<u8>, Vec<u8>, &'a [u8]);

/// The last frame of a server that closes with this code (RFC 6455, 5.5.1).
fn closing(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x88, 2, high, low]
}

#[tokio::test]
async fn a_byte_a_second_is_let_go_at_every_stage() -> Result<()> {
    let (world, one, tab, port) = connected().await?;
    let head = upgrade(port).into_bytes();
    let line = b"GET / HTTP/1.1\r\nHost: ".to_vec();
    let post = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 90\r\n\r\n");
    let greeted = [head.clone(), frame(&hello())].concat();
    let proof = frame("{\"type\":\"proof\",\"mac\":\"00\"}");
    // Frames of a byte each that never make a message, and pings.
    let pieces = vec![0x01, 0x81, 0, 0, 0, 0, b' ', 0x00, 0x81, 0, 0, 0, 0, b' '];
    let pings = vec![0x89, 0x80, 0, 0, 0, 0];
    let late = closing(4408);
    let stages: [Stage<'_>; 8] = [
        ("the first line", Vec::new(), head.clone(), b""),
        ("the headers", line, b"a".to_vec(), b""),
        ("a body", post.into_bytes(), b"a".to_vec(), b""),
        ("the first frame", head.clone(), frame(&hello()), &late),
        ("pings", head.clone(), pings, &late),
        ("pieces of a frame", head, pieces, &late),
        ("the proof", greeted.clone(), proof, &late),
        ("a long length", greeted, vec![0x81, 0xfe, 0x0f], &late),
    ];
    let mut all = JoinSet::new();
    for (name, first, rest, end) in stages {
        let end = end.to_vec();
        let socket = TcpStream::connect(("127.0.0.1", port)).await?;
        all.spawn(async move { (name, end, drip(socket, &first, &rest).await) });
    }
    while let Some(done) = all.join_next().await {
        let (name, end, dripped) = done?;
        let (took, said) = dripped.with_context(|| name.to_owned())?;
        assert!(took < LIMIT, "{name} was kept for {took:?}");
        let text = String::from_utf8_lossy(&said);
        assert!(said.ends_with(&end), "{name}: {text}");
        // No more than was due to anybody at this stage.
        assert!(
            !text.contains("helloAck") && !text.contains("session"),
            "{name}: {text}"
        );
        assert_eq!(
            text.contains("HTTP/1.1 101"),
            !end.is_empty(),
            "{name}: {text}"
        );
    }
    assert_eq!(one.read(tab, "document.title").await?, "still");
    world.close().await
}

/// Reads a request and answers a byte a second: how long the client bore it.
async fn answers_slowly(listener: &TcpListener, request: &str, answer: &str) -> Result<Duration> {
    loop {
        let (mut socket, _) = listener.accept().await?;
        let mut head = [0; 4096];
        let read = socket.read(&mut head).await?;
        if head[..read].starts_with(request.as_bytes()) {
            return Ok(drip(socket, b"", answer.as_bytes()).await?.0);
        }
        let found = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\
                     Connection: close\r\n\r\n{\"interlock\": 1}";
        socket.write_all(found.as_bytes()).await?;
    }
}

#[tokio::test]
async fn the_extension_lets_go_of_servers_that_answer_a_byte_a_second() -> Result<()> {
    let world = World::start().await?;
    let probe = TcpListener::bind(("127.0.0.1", world.ports.first())).await?;
    let dial = TcpListener::bind(("127.0.0.1", world.ports.first() + 1)).await?;
    let found = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"interlock\": 1}";
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
    let slow = async {
        tokio::try_join!(
            answers_slowly(&probe, "GET /.well-known/", found),
            answers_slowly(&dial, "GET / ", switched),
        )
    };
    let works = async {
        let one = world.agent("one").await?;
        one.open(&world.site.url("/")).await
    };
    let ((probed, dialled), _) = tokio::try_join!(e2e::within("the slow answers", slow), works)?;
    assert!(probed < LIMIT && dialled < LIMIT, "{probed:?} {dialled:?}");
    drop((probe, dial));
    world.close().await
}
