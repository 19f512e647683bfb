//! The connections of a transfer: how they open and end, and when what is sent over them arrives.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use wstp_engine::http_source::{HttpAnswer, HttpOutput, HttpRequest, HttpSource};
use wstp_engine::{ConnectionId, Instant};
use wstp_protocol::{BLOCK_SIZE, BlockIndex, ClientMessage, RequestId, ServerMessage};

use super::{Event, World};
use crate::simulation::server::Early;

pub(super) struct Wire {
    pub(super) server: usize,
    pub(super) free_at: Instant,
    pub(super) silent: bool,
    /// The line between the transfer and a server of plain HTTP.
    pub(super) http: Option<HttpSource>,
    /// Bytes of blocks asked for and not answered.
    pub(super) asked: BTreeMap<RequestId, u64>,
    /// Blocks whose hashes were asked for.
    pub(super) pages: BTreeMap<RequestId, Range<BlockIndex>>,
}

impl World {
    pub(super) fn connect(&mut self, id: ConnectionId, server: usize) {
        self.connects += 1;
        let link = self.scenario.servers[server].1;
        let http = self.scenario.servers[server].0.plain.map(|_| HttpSource::default());
        let wire =
            Wire { server, free_at: self.now, silent: false, http, asked: BTreeMap::new(), pages: BTreeMap::new() };
        assert!(self.wires.insert(id, wire).is_none(), "a connection's name is used twice");
        assert!(self.wires.len() <= usize::from(self.connections.max(1)), "too many connections");
        if self.is_down(server) || (!self.is_calm() && self.random.chance(link.refused)) {
            self.schedule(link.delay, Event::Closed(id));
        } else {
            self.schedule(link.delay, Event::Connected(id));
        }
    }

    pub(super) fn connected(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get(&id) else { return };
        let (server, link) = (wire.server, self.scenario.servers[wire.server].1);
        if self.is_down(server) {
            return self.closed(id);
        }
        self.servers[server].opened(id);
        if let Some(lifetime) = link.lifetime.filter(|_| !self.is_calm()) {
            let end = self.random.up_to(lifetime * 2);
            let event = if self.random.chance(link.stalls) { Event::SilentlyDead(id) } else { Event::Closed(id) };
            self.schedule(end, event);
        }
        let takes_early = self.servers[server].script.early == Early::ByField;
        self.transfer.handle_opened(self.now, id, takes_early);
    }

    fn is_down(&self, server: usize) -> bool {
        self.down || self.dead.contains(&server)
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.remove(&id) else { return };
        self.servers[wire.server].closed(id);
        self.transfer.handle_closed(self.now, id);
    }

    pub(super) fn sent(&mut self, id: ConnectionId, message: ClientMessage) {
        let frame = message.encode();
        assert_eq!(ClientMessage::decode(&frame).as_ref(), Ok(&message), "a server could not decode this");
        let wire = self.wires.get_mut(&id).expect("only what is open is sent to");
        if let ClientMessage::Blocks(ask) = &message {
            let bytes = u64::from(ask.run.count) * BLOCK_SIZE;
            wire.asked.insert(ask.id, bytes);
            self.asked.push(ask.run);
            self.asked_of[wire.server].insert(ask.run.first..ask.run.end());
            let needs_page = wire.http.is_some() && self.transfer.progress().size.is_some_and(|size| size > BLOCK_SIZE);
            let run = ask.run.first..ask.run.end();
            assert!(!needs_page || self.proved.covers(&run), "plain HTTP is asked for blocks without hashes: {run:?}");
        }
        if let ClientMessage::Hashes(ask) = &message {
            // Nodes further up prove no single block.
            let proves = if ask.level == 0 { ask.first..ask.first + u64::from(ask.count) } else { 0..0 };
            wire.pages.insert(ask.id, proves);
        }
        if let Some(http) = &mut wire.http {
            http.handle_message(&message);
            return self.perform_http(id);
        }
        let delay = self.scenario.servers[wire.server].1.delay;
        self.schedule(delay, Event::ToServer(id, message));
    }

    /// Does what stands between the transfer and a server of plain HTTP wants done.
    fn perform_http(&mut self, id: ConnectionId) {
        while let Some(wire) = self.wires.get_mut(&id)
            && let Some(output) = wire.http.as_mut().and_then(HttpSource::poll_output)
        {
            let delay = self.scenario.servers[wire.server].1.delay;
            match output {
                HttpOutput::Message(message) => self.schedule(Duration::ZERO, Event::Came(id, message.into())),
                HttpOutput::Request(request, what) => self.schedule(delay, Event::HttpRequest(id, request, what)),
                // The answer may be on its way, and comes for nothing.
                HttpOutput::Abort(_) => {}
            }
        }
    }

    pub(super) fn http_request(&mut self, id: ConnectionId, request: RequestId, what: &HttpRequest) {
        let Some(server) = self.wires.get(&id).map(|wire| wire.server) else { return };
        let answer = self.servers[server].http(self.now, what, &mut self.random);
        let think = self.random.up_to(self.scenario.servers[server].0.thinking);
        let arrives = self.arrival(id, answer.body.len() + 200) + think;
        self.schedule(arrives, Event::HttpAnswer(id, request, answer));
    }

    pub(super) fn http_answer(&mut self, id: ConnectionId, request: RequestId, answer: HttpAnswer) {
        let Some(http) = self.wires.get_mut(&id).filter(|wire| !wire.silent).and_then(|wire| wire.http.as_mut()) else {
            return;
        };
        http.handle_answer(request, answer);
        self.perform_http(id);
    }

    pub(super) fn deliver(&mut self, id: ConnectionId, message: &ClientMessage) {
        let Some(server) = self.wires.get(&id).map(|wire| wire.server) else { return };
        for (after, request, answer) in self.servers[server].handle(self.now, id, message, &mut self.random) {
            self.schedule(after, Event::Answer(id, request, answer));
        }
    }

    pub(super) fn answer(&mut self, id: ConnectionId, request: Option<RequestId>, message: ServerMessage) {
        let Some(wire) = self.wires.get(&id) else { return };
        let message = match request {
            Some(request) => self.servers[wire.server].answer(id, request, message),
            None => Some(message),
        };
        if let Some(message) = message {
            self.transmit(id, &message);
        }
    }

    pub(super) fn transmit(&mut self, id: ConnectionId, message: &ServerMessage) {
        let frame = Bytes::from(message.encode());
        if self.wires.contains_key(&id) {
            let arrives = self.arrival(id, frame.len());
            self.schedule(arrives, Event::Came(id, frame.into()));
        }
    }

    /// When so many bytes sent now arrive, from now on; they keep the link busy.
    fn arrival(&mut self, id: ConnectionId, bytes: usize) -> Duration {
        let wire = self.wires.get_mut(&id).expect("only what is open is sent on");
        let link = self.scenario.servers[wire.server].1;
        let free_at = if link.shared { &mut self.pipes[wire.server] } else { &mut wire.free_at };
        let begin = (*free_at).max(self.now);
        *free_at = begin + Duration::from_secs_f64(bytes as f64 / link.rate);
        let (begin, end) = (begin + link.delay - self.now, *free_at + link.delay - self.now);
        for second in (1..=(end - begin).as_secs()).filter(|_| link.sees_bytes) {
            self.schedule(begin + Duration::from_secs(second), Event::Bytes(id));
        }
        end
    }
}
