//! Handles the messages of servers.

use std::time::Duration;

use wstp_protocol::zeros;
use wstp_protocol::{BlocksReply, ErrorCode, Failure, HashPage, MirrorUrl};

use super::Transfer;
use super::connection::{Ask, BlockAsk, PageAsk};
use crate::peer::{Blame, Event, Reply, SessionError, bounded, wait_of};
use crate::{ConnectionId, Incoming, Output, Problem};

/// How long to wait before a block is asked for again that the server could not read.
const UNREADABLE_WAIT: Duration = Duration::from_secs(1);

impl Transfer {
    pub(super) fn read_frame(&mut self, id: ConnectionId, frame: Incoming) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.peer.handle_frame(self.now, frame) {
            Ok(event) => self.handle_event(id, event),
            Err(error) => self.not_wstp(id, &error),
        }
    }

    fn not_wstp(&mut self, id: ConnectionId, error: &SessionError) {
        self.distrust(id, Problem::Protocol(error.to_string()));
    }

    fn handle_event(&mut self, id: ConnectionId, event: Event<Ask>) {
        match event {
            Event::Welcome => self.welcomed(id),
            Event::Reply { context, reply, saved } => self.handle_reply(id, context, reply, saved),
            Event::Cancelled { context } => {
                self.request_ended(id, &context);
                self.open_if_possible(id);
            }
            Event::RootReady(ready) => self.root_ready(id, ready),
            Event::Stale(stale) => self.went_stale(id, stale),
            Event::Pong => {}
            Event::Goodbye(goodbye) => {
                self.drop_connection(id, Problem::Connection, Some(bounded(goodbye.retry_after_ms)));
            }
            Event::Mirrors(mirrors) => self.mirrors_offered(id, mirrors.urls),
            Event::Refused(failure) => self.refused(id, &failure),
        }
    }

    /// Each connection says it anew; the caller is told what it does not know yet.
    fn mirrors_offered(&mut self, id: ConnectionId, urls: Vec<MirrorUrl>) {
        let Some(source) = self.connections.get(&id).map(|open| open.source) else { return };
        let news = self.source_mut(source).is_some_and(|source| source.offered != urls);
        if let Some(known) = self.source_mut(source).filter(|_| news) {
            known.offered.clone_from(&urls);
            self.outputs.push_back(Output::Mirrors { source, urls });
        }
    }

    fn handle_reply(&mut self, id: ConnectionId, ask: Ask, reply: Reply, saved: u64) {
        self.request_ended(id, &ask);
        match (ask, reply) {
            (Ask::Open, Reply::Opened(opened)) => self.file_opened(id, &opened),
            (Ask::Blocks(ask), Reply::Blocks(reply)) => self.blocks_arrived(id, &ask, &reply, saved),
            (Ask::Blocks(ask), Reply::Zeros(reply)) => self.zeros_told(id, &ask, reply),
            (Ask::Page(ask), Reply::HashPage(page)) => self.page_arrived(id, &ask, &page),
            (Ask::Stat, Reply::Stat(reply)) => {
                self.outputs.push_back(Output::Modified { modified_ms: reply.entry.modified_ms });
            }
            // It is of no importance; what matters, the answer to Open says as well.
            (Ask::Stat, Reply::Failure(_)) => {}
            (ask, Reply::Failure(failure)) => self.request_failed(id, &ask, &failure),
            _ => self.not_wstp(id, &SessionError::WrongReply),
        }
        self.open_if_possible(id);
    }

    /// However a request ended, it is no longer under way.
    fn request_ended(&mut self, id: ConnectionId, ask: &Ask) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match ask {
            Ask::Blocks(ask) => {
                connection.peer.in_flight -= ask.bytes;
                self.asked_bytes -= ask.bytes;
            }
            Ask::Page(_) => connection.pages_in_flight -= 1,
            Ask::Open | Ask::Stat => {}
        }
    }

    /// The data count in full, except where the line is measured: compression saved so many bytes there.
    fn blocks_arrived(&mut self, id: ConnectionId, ask: &BlockAsk, reply: &BlocksReply, saved: u64) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let source = connection.source;
        if reply.data.len() as u64 != ask.bytes {
            self.release_run(ask);
            return self
                .distrust(id, Problem::Protocol("a block has not the length the file's size gives it".to_owned()));
        }
        let wanted = self.file.and_then(|file| ask.run.byte_range(file.size));
        if wanted.is_none_or(|(_, length)| u64::from(length) != ask.bytes) {
            // It was asked for of the file that was taken for this one before.
            return self.release_run(ask);
        }
        connection.peer.window.arrived(now, &ask.stamp, ask.bytes);
        if let Some(source) = self.source_mut(source) {
            source.delivered(now, ask.bytes);
            source.path.arrived(now, ask.sent, ask.bytes);
        }
        self.problem = None;
        self.rate.add(now, ask.bytes);
        self.width.arrived(now, id, ask.bytes.saturating_sub(saved));
        let bad = self.take_run(source, ask.run, &reply.data);
        if bad.is_empty() {
            if ask.twice {
                self.cancel_all(|other| other.is_for_run(ask.run));
            }
            return;
        }
        self.release_run(ask);
        self.distrust(id, Problem::BadBlocks);
        // Other bytes elsewhere say nothing about the block at the origin.
        if self.proves(source) {
            self.suspect(&bad, Problem::BadBlocks);
        }
    }

    fn page_arrived(&mut self, id: ConnectionId, ask: &PageAsk, page: &HashPage) {
        let part = ask.part;
        let Some((file, root)) = self.file.and_then(|file| Some((file, file.root?))) else { return };
        let accepted = match part.level {
            0 => self.pages.accept(&file, &root, part, page),
            zeros::VOID_LEVEL => self.voids.accept(&file, &root, part, page),
            _ => self.summits.nodes().accept(&file, &root, part, page),
        };
        if let Err(error) = accepted {
            self.release_page(ask);
            return self.distrust(id, Problem::Protocol(error.to_string()));
        }
        if ask.twice {
            self.cancel_all(|other| other.is_for_part(part));
        }
    }

    fn request_failed(&mut self, id: ConnectionId, ask: &Ask, failure: &Failure) {
        let handle = match ask {
            Ask::Blocks(ask) => {
                self.release_run(ask);
                Some(ask.handle)
            }
            Ask::Page(ask) => {
                self.release_page(ask);
                Some(ask.handle)
            }
            Ask::Open | Ask::Stat => None,
        };
        match (failure.code, handle, ask) {
            (ErrorCode::Changed | ErrorCode::BadHandle, Some(handle), _) => return self.reopen(id, handle),
            (ErrorCode::NotReady, Some(_), _) => {
                return self.leave_alone(id, wait_of(failure).unwrap_or(UNREADABLE_WAIT));
            }
            (ErrorCode::Io, Some(_), Ask::Blocks(ask)) => {
                self.leave_alone(id, wait_of(failure).unwrap_or(UNREADABLE_WAIT));
                return self.suspect(&[super::blocks::range_of(ask.run)], Problem::from(failure));
            }
            _ => {}
        }
        match Blame::of(failure) {
            Blame::Busy(wait) if handle.is_some() => self.leave_alone(id, wait),
            Blame::Lie => self.distrust(id, Problem::from(failure)),
            Blame::Busy(_) | Blame::Refusal => self.refused(id, failure),
        }
    }

    /// The server does not want this connection, or not this file.
    fn refused(&mut self, id: ConnectionId, failure: &Failure) {
        let Some(source) = self.connections.get(&id).map(|connection| connection.source) else { return };
        match failure.code {
            ErrorCode::NotFound
            | ErrorCode::Forbidden
            | ErrorCode::UsedUp
            | ErrorCode::NotAFile
            | ErrorCode::InvalidPath
            | ErrorCode::Unauthorized
            | ErrorCode::UnsupportedVersion => self.give_up(source, Problem::from(failure)),
            _ => self.drop_connection(id, Problem::from(failure), wait_of(failure)),
        }
    }

    fn leave_alone(&mut self, id: ConnectionId, wait: Duration) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.peer.leave_alone(self.now, wait);
        }
    }
}
