//! What an extension asks of the world, and the sockets between both browsers and the servers.

use super::side::Line;
use super::{Browsers, Due, Plant, secret};
use crate::chrome::Outcome;
use crate::network::Pipe;
use extension_core::input::ProbeAnswer;
use extension_core::{Effect, Input};
use protocol::frame::Frame;
use server_core::ConnId;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a write takes on a disk that is slow.
const SLOW: Duration = Duration::from_secs(1);

impl Browsers {
    pub(super) fn perform(&mut self, side: usize, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Probe { port } => {
                let answer = match self.listener(port) {
                    Some(_) => ProbeAnswer::Interlock { daemon: false },
                    None => ProbeAnswer::Refused,
                };
                let wait = 1 + self.chance.below(5);
                self.tell_later(side, wait, Input::Probed { port, answer });
            }
            Effect::Dial { socket, port, .. } => self.dial((side, socket), port),
            Effect::Send { socket, text } => {
                if let Some(pipe) = self.pipes.get(&(side, socket)) {
                    let conn = pipe.conn;
                    let said = server_core::Input::Frame { conn, text };
                    self.arrive_at_server((side, socket), said);
                }
            }
            Effect::Close { socket, code } => {
                if let Some(pipe) = self.pipes.get(&(side, socket)) {
                    let conn = pipe.conn;
                    let closed = server_core::Input::Closed { conn, code };
                    self.arrive_at_server((side, socket), closed);
                }
                self.pipes.remove(&(side, socket));
            }
            Effect::Ask { request, call } => {
                self.last_ticket += 1;
                let it = &mut self.sides[side];
                it.tickets.insert(self.last_ticket, (it.life, request));
                it.chrome.ask(self.last_ticket, &call, &mut self.chance);
            }
            Effect::Write { write, set, remove } => {
                let life = self.sides[side].life;
                let slow = self.now < self.sides[side].slow_until;
                let delay = Duration::from_millis(1 + self.chance.below(6));
                let delay = if slow { SLOW } else { delay };
                let full = self.now < self.sides[side].full_until;
                let due = Due::Stored {
                    side,
                    life,
                    write,
                    ok: !full || set.is_empty(),
                    set,
                    remove,
                };
                self.later(delay, due);
            }
            Effect::ReadSecret => {
                let secret = Ok(secret());
                self.tell_later(side, 2, Input::SecretRead { secret });
            }
            Effect::Reply { .. }
            | Effect::Badge(_)
            | Effect::EnsureAlarm { .. }
            | Effect::KeepAwake
            | Effect::Show(_)
            | Effect::Log { .. } => {}
        }
        Ok(())
    }

    fn tell_later(&mut self, side: usize, millis: u64, input: Input) {
        let life = self.sides[side].life;
        let input = Box::new(input);
        self.later(
            Duration::from_millis(millis),
            Due::Extension { side, life, input },
        );
    }

    pub(super) fn handle_chrome(&mut self, side: usize, outcome: Outcome) -> Result<(), String> {
        let it = &mut self.sides[side];
        match outcome {
            Outcome::Done { ticket, outcome } => match it.tickets.remove(&ticket) {
                Some((life, request)) if life == it.life => {
                    self.tell_extension(side, Input::Done { request, outcome })
                }
                Some(_) | None => Ok(()),
            },
            Outcome::Event(event) => self.tell_extension(side, Input::Browser(event)),
            Outcome::Remove { ticket, tab } => {
                let asker = it.tickets.get(&ticket).map(|(life, _)| *life);
                if asker == Some(it.life) && it.lives() {
                    it.chrome.remove(ticket, tab, &mut self.chance);
                    self.take_from_chrome(side);
                }
                Ok(())
            }
            Outcome::Dismissed { tab } => {
                it.chrome.dismiss(tab, &mut self.chance);
                self.take_from_chrome(side);
                self.check_acts(side)
            }
            Outcome::Resume { tab, work } => {
                it.chrome.resume(tab, work, &mut self.chance);
                self.take_from_chrome(side);
                self.check_acts(side)
            }
        }
    }

    pub(super) fn land(
        &mut self,
        side: usize,
        set: BTreeMap<String, serde_json::Value>,
        remove: &[String],
    ) {
        let storage = &mut self.sides[side].storage;
        storage.extend(set);
        for key in remove {
            storage.remove(key);
        }
    }

    fn listener(&self, port: u16) -> Option<usize> {
        let listens = |node: &super::Node| node.core.is_some() && node.port == port;
        self.nodes.iter().position(listens)
    }

    fn dial(&mut self, line: Line, port: u16) {
        let (side, socket) = line;
        let Some(server) = self.listener(port) else {
            self.tell_later(side, 2, Input::SocketClosed { socket, code: 1006 });
            return;
        };
        let node = &mut self.nodes[server];
        node.conns += 1;
        let conn = ConnId(node.conns);
        let pipe = Pipe {
            server,
            server_life: node.life,
            conn,
            half_open: false,
            deaf: false,
            last: String::new(),
            to_server: self.now,
            to_extension: self.now,
        };
        self.pipes.insert(line, pipe);
        let accepted = server_core::Input::Accepted {
            conn,
            address: "127.0.0.1".into(),
            port,
            path: "/".into(),
        };
        self.arrive_at_server(line, accepted);
        self.arrive_at_extension(line, Input::SocketOpened { socket });
    }

    /// The line of a server's connection, if it stands.
    pub(super) fn line(&self, server: usize, conn: ConnId) -> Option<Line> {
        let life = self.nodes[server].life;
        let is_it =
            |pipe: &Pipe| pipe.server == server && pipe.server_life == life && pipe.conn == conn;
        let mut lines = self.pipes.iter();
        lines.find(|(_, pipe)| is_it(pipe)).map(|(line, _)| *line)
    }

    /// A server says something on a connection. A broken one says a command to the other browser,
    /// or to the browser that its session leaves nothing at all.
    pub(super) fn say(&mut self, server: usize, conn: ConnId, text: String) -> Result<(), String> {
        let Some(mut line) = self.line(server, conn) else {
            return Ok(());
        };
        if self.plant == Some(Plant::CommandStrays) && text.contains("\"type\":\"command\"") {
            let other = |(other, pipe): &(&Line, &Pipe)| other.0 != line.0 && pipe.server == server;
            if let Some((other, _)) = self.pipes.iter().find(other) {
                line = *other;
                self.struck += 1;
            }
        }
        let leaves = text.contains("\"type\":\"sessionClose\"");
        if self.plant == Some(Plant::LeavesUnsaid) && (leaves || self.unsaid == Some(line)) {
            self.struck += 1;
            self.unsaid = leaves.then_some(line);
            return Ok(());
        }
        self.note_frame(server, line, &text)?;
        let socket = line.1;
        self.arrive_at_extension(line, Input::SocketText { socket, text });
        Ok(())
    }

    fn arrive_at_server(&mut self, line: Line, input: server_core::Input) {
        let at = self.now + Duration::from_millis(self.chance.below(4));
        let Some(pipe) = self.pipes.get_mut(&line) else {
            return;
        };
        if pipe.half_open {
            return;
        }
        pipe.to_server = pipe.to_server.max(at);
        let due = Due::Server {
            server: pipe.server,
            life: pipe.server_life,
            input: Box::new(input),
        };
        let at = pipe.to_server;
        self.at(at, due);
    }

    pub(super) fn arrive_at_extension(&mut self, line: Line, input: Input) {
        let at = self.now + Duration::from_millis(self.chance.below(4));
        let Some(pipe) = self.pipes.get_mut(&line) else {
            return;
        };
        if pipe.half_open {
            return;
        }
        pipe.to_extension = pipe.to_extension.max(at);
        let at = pipe.to_extension;
        let side = line.0;
        let life = self.sides[side].life;
        let input = Box::new(input);
        self.at(at, Due::Extension { side, life, input });
    }

    /// A connection is lost: both sides hear of it, each in its own time.
    pub(super) fn lose(&mut self, line: Line) {
        if let Some(pipe) = self.pipes.get(&line) {
            let (conn, code, socket) = (pipe.conn, 1006, line.1);
            self.arrive_at_extension(line, Input::SocketClosed { socket, code });
            self.arrive_at_server(line, server_core::Input::Closed { conn, code });
            self.pipes.remove(&line);
        }
    }

    /// A worker is no more: only the servers hear of it.
    pub(super) fn hang_up(&mut self, side: usize) {
        let lines = self.pipes.keys().copied();
        for line in lines.filter(|line| line.0 == side).collect::<Vec<_>>() {
            if let Some(pipe) = self.pipes.get(&line) {
                let (conn, code) = (pipe.conn, 1006);
                self.arrive_at_server(line, server_core::Input::Closed { conn, code });
            }
            self.pipes.remove(&line);
        }
    }

    /// A server is no more.
    pub(super) fn lose_server(&mut self, server: usize) {
        let of_it = |(_, pipe): &(&Line, &Pipe)| pipe.server == server;
        let lines = self.pipes.iter().filter(of_it).map(|(line, _)| *line);
        let lines: Vec<Line> = lines.collect();
        for line in lines {
            self.lose(line);
        }
    }

    /// What a frame says, if it is one.
    pub(super) fn read(text: &str) -> Option<Frame> {
        Frame::parse(text, protocol::limits::FRAME_MAX).ok()
    }
}
