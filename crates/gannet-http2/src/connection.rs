//! One HTTP/2 connection of either role (RFC 9113), as a value.

mod bandwidth;
mod flow;
mod input;
mod message;
mod receive;
mod reset;
mod send;
mod shutdown;

pub(crate) use send::TRANSMIT_BYTES;

use crate::error::{ConnectionError, ErrorCode};
use crate::event::Event;
use crate::frame;
use crate::hpack::{Decoder, Encoder};
use crate::limits::{Config, Limit, LimitHits};
use crate::output::Output;
use crate::settings::{DEFAULT_INITIAL_WINDOW_SIZE, Settings};
use crate::streams::{StreamKey, Streams};
use bandwidth::Bandwidth;
use bytes::Bytes;
use flow::Pool;
use input::Input;
use message::{Block, Judged};
use reset::{ClosedStreams, Floods};
use shutdown::Shutdown;
use std::collections::VecDeque;
use std::time::Instant;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// One HTTP/2 connection.
///
/// Its methods are of four kinds: `handle_*` bring bytes and time in, commands (`open`, `send_*`, `reset`, …) say what
/// the application wants, `poll_*` give events, bytes and the next time out, the rest are getters. After each `handle_*`
/// the events are drained; commands may be given in between. A command for a dead key is ignored.
///
/// ```
/// use gannet_http2::{Config, Connection, Event, Fields, Name, Output};
/// use std::time::Instant;
///
/// let now = Instant::now(); // the driver's clock; this crate has none
/// let mut client = Connection::client(Config::default(), now);
/// let mut server = Connection::server(Config::default(), now);
///
/// let mut request = Fields::new();
/// for (name, value) in [(Name::Method, "GET"), (Name::Scheme, "http"), (Name::Path, "/"), (Name::Authority, "a")] {
///     request.push(name, value.as_bytes());
/// }
/// client.open(&request, true).unwrap();
///
/// let mut wire = Output::new();
/// client.poll_transmit(now, &mut wire);
/// server.handle_bytes(now, wire.into_bytes());
/// while let Some(event) = server.poll_event(now) {
///     if let Event::Headers { key, fields, .. } = event {
///         assert_eq!(fields.get(Name::Path), Some(&b"/"[..]));
///         let mut response = Fields::new();
///         response.push(Name::Status, b"204");
///         server.send_headers(key, &response, true);
///     }
/// }
/// let mut wire = Output::new();
/// server.poll_transmit(now, &mut wire);
/// let wake_at = server.poll_timeout(); // the only timer
/// # let _ = wake_at;
/// ```
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    input: Input,
    events: VecDeque<Event>,
    streams: Streams,
    decoder: Decoder,
    encoder: Encoder,
    /// A header block whose CONTINUATION frames are still to come.
    block: Option<Block>,
    judged: Judged,
    peer_settings: Settings,
    /// The peer's first SETTINGS have come.
    settled: bool,
    /// Until when the peer may take to acknowledge our SETTINGS; `None` once it has.
    settings_deadline: Option<Instant>,
    /// Frames that can go at once.
    out: Output,
    /// Bytes of `out` that answer control frames.
    control_bytes: usize,
    /// Header blocks are encoded here.
    scratch: Vec<u8>,
    /// Streams with data to send, taking turns.
    turns: VecDeque<StreamKey>,
    send_window: i64,
    receive_window: i64,
    /// Received on the connection and not yet given back as WINDOW_UPDATE.
    returned: u32,
    pool: Pool,
    bandwidth: Bandwidth,
    /// Received on open streams and not yet released.
    unread: u64,
    /// DATA that waits for windows or turns.
    queued: usize,
    /// Memory is short everywhere.
    under_pressure: bool,
    /// Nothing is read from the peer, for it does not read either.
    held_back: bool,
    /// How many WINDOW_UPDATEs our DATA explains.
    explained_updates: u32,
    /// The highest stream that the peer has opened.
    last_peer_id: u32,
    next_id: u32,
    /// `open` was refused for want of streams.
    open_refused: bool,
    closed_streams: ClosedStreams,
    floods: Floods,
    hits: LimitHits,
    shutdown: Shutdown,
    /// Headers or data have been sent since the peer's last PING.
    moved: bool,
    /// The last event has been given, or stands in `events`.
    closed: bool,
    /// Until when a closed connection may take to hand out its last bytes.
    close_deadline: Option<Instant>,
    abandoned: bool,
    header_deadline: Option<Instant>,
    /// The last time that was told.
    now: Instant,
}

impl Connection {
    /// A server's end. Its SETTINGS are the first thing to be sent.
    #[must_use]
    pub fn server(config: Config, now: Instant) -> Self {
        Self::new(Role::Server, config, now)
    }

    /// A client's end. Preface and SETTINGS are the first thing to be sent.
    #[must_use]
    pub fn client(config: Config, now: Instant) -> Self {
        Self::new(Role::Client, config, now)
    }

    fn new(role: Role, config: Config, now: Instant) -> Self {
        let mut connection = Self {
            role,
            input: Input::new(if role == Role::Server { frame::PREFACE } else { b"" }, config.max_frame_size),
            events: VecDeque::new(),
            streams: Streams::default(),
            // RFC 9113 §4.3.1: before our SETTINGS are acknowledged the peer may use the initial table size.
            decoder: Decoder::new(
                config.header_table_size.max(4096) as usize,
                config.max_header_list_size as usize,
            ),
            encoder: Encoder::new(4096),
            block: None,
            judged: Judged::new(config.enable_connect_protocol),
            peer_settings: Settings::default(),
            settled: false,
            settings_deadline: Some(now + config.settings_timeout),
            out: Output::new(),
            control_bytes: 0,
            scratch: Vec::new(),
            turns: VecDeque::new(),
            send_window: i64::from(DEFAULT_INITIAL_WINDOW_SIZE),
            receive_window: i64::from(config.receive_budget.max(DEFAULT_INITIAL_WINDOW_SIZE)),
            returned: 0,
            pool: Pool::new(config.receive_budget / 2, config.growth()),
            bandwidth: Bandwidth::default(),
            unread: 0,
            queued: 0,
            under_pressure: false,
            held_back: false,
            explained_updates: 0,
            last_peer_id: 0,
            next_id: 1,
            open_refused: false,
            closed_streams: ClosedStreams::new(config.max_concurrent_streams),
            floods: Floods::new(now),
            hits: LimitHits::default(),
            shutdown: Shutdown::default(),
            moved: false,
            closed: false,
            close_deadline: None,
            abandoned: false,
            header_deadline: Some(now + config.header_block_timeout),
            now,
            config,
        };
        connection.send_preface();
        connection
    }

    /// RFC 9113 §3.4: the client's preface, then SETTINGS from both.
    fn send_preface(&mut self) {
        if self.role == Role::Client {
            self.out.put_slice(frame::PREFACE);
        }
        let settings = Settings {
            header_table_size: self.config.header_table_size,
            enable_push: self.role == Role::Server,
            max_concurrent_streams: (self.role == Role::Server).then_some(self.config.max_concurrent_streams),
            initial_window_size: self.config.initial_window_size(),
            max_frame_size: self.config.max_frame_size,
            max_header_list_size: Some(self.config.max_header_list_size),
            enable_connect_protocol: self.role == Role::Server && self.config.enable_connect_protocol,
        };
        frame::put(&mut self.out, frame::kind::SETTINGS, 0, 0, &settings.encode());
        let extra = self.config.receive_budget.saturating_sub(DEFAULT_INITIAL_WINDOW_SIZE);
        if extra > 0 {
            frame::put_window_update(&mut self.out, 0, extra);
        }
    }

    /// Bytes from the peer. They are parsed by [`Connection::poll_event`], frame by frame.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) {
        self.now = now;
        if !self.closed {
            self.input.push(bytes);
        }
    }

    /// The peer has closed its side of the transport: nothing more comes.
    pub fn handle_eof(&mut self) {
        if self.closed {
            return;
        }
        let regular = self.streams.len() == 0 && self.input.is_between_frames();
        let reason = "the peer closed the connection while calls were open";
        let error =
            ConnectionError { code: ErrorCode::NO_ERROR, reason, initiator: crate::error::Initiator::Peer };
        self.finish((!regular).then_some(error));
    }

    /// A time that [`Connection::poll_timeout`] asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.closed {
            if self.close_deadline.take_if(|at| *at <= now).is_some() {
                self.hits.count(Limit::CloseTime);
                self.abandoned = true;
                self.out.clear();
            }
            return;
        }
        if self.held_back {
            self.forgive_lateness(now);
        }
        if self.header_deadline.take_if(|at| *at <= now).is_some() {
            let reason = "a header block or the first SETTINGS did not come whole in time";
            let error = self.over(Limit::HeaderBlockTime, reason);
            return self.fail(error);
        }
        if self.settings_deadline.take_if(|at| *at <= now).is_some() {
            self.hits.count(Limit::SettingsTime);
            let reason = "SETTINGS were not acknowledged in time (RFC 9113 §6.5.3)";
            return self.fail(ConnectionError::local(ErrorCode::SETTINGS_TIMEOUT, reason));
        }
        self.end_shutdown_in_time(now);
    }

    /// What the peer was to send may be there: nobody has read it.
    fn forgive_lateness(&mut self, now: Instant) {
        self.header_deadline = self.header_deadline.map(|_| now + self.config.header_block_timeout);
        self.settings_deadline = self.settings_deadline.map(|_| now + self.config.settings_timeout);
    }

    /// The next time to call [`Connection::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return self.close_deadline;
        }
        let deadlines = [self.header_deadline, self.settings_deadline, self.shutdown.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// The next event; `None` when all bytes so far have been taken in.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        self.now = now;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.closed {
                return None;
            }
            match self.input.next_frame() {
                Ok(Some((head, payload))) => {
                    match self.receive(now, head, payload) {
                        Ok(None) => {}
                        Ok(event) => return event,
                        Err(error) => self.fail(error),
                    }
                    if self.control_bytes > self.config.max_queued_control {
                        let reason = "the peer makes us answer and does not read the answers";
                        let error = self.over(Limit::QueuedControl, reason);
                        self.fail(error);
                    }
                }
                Ok(None) => {
                    if self.input.is_in_header_block() {
                        self.header_deadline.get_or_insert(now + self.config.header_block_timeout);
                    }
                    return None;
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Lends a buffer for what will be sent, where there is none: an idle connection keeps none of its own.
    #[inline]
    pub fn lend_buffer(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        if !self.out.has_buffer() {
            self.out.lend_buffer(buffer());
        }
    }

    /// Takes the lent buffer back, unless bytes wait in it.
    #[inline]
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        self.out.take_buffer()
    }

    /// Ends the connection with GOAWAY at once; open streams are over.
    pub fn close(&mut self, code: ErrorCode, reason: &'static str) {
        if code == ErrorCode::NO_ERROR && !self.closed {
            frame::put_go_away(&mut self.out, self.last_peer_id, code, reason);
            self.finish(None);
        } else {
            self.fail(ConnectionError::local(code, reason));
        }
    }

    /// RFC 9113 §5.4.1: GOAWAY with the reason, and nothing after it.
    fn fail(&mut self, error: ConnectionError) {
        if self.closed {
            return;
        }
        frame::put_go_away(&mut self.out, self.last_peer_id, error.code, error.reason);
        self.finish(Some(error));
    }

    fn finish(&mut self, error: Option<ConnectionError>) {
        self.closed = true;
        self.close_deadline = Some(self.now + self.config.close_timeout);
        self.input.clear();
        self.turns = VecDeque::new();
        for key in self.streams.keys() {
            self.streams.remove(key);
        }
        (self.queued, self.unread) = (0, 0);
        self.events.push_back(Event::Closed { error });
    }

    /// How many bytes this end may send, and the other one, on all streams together (RFC 9113 §5.2).
    #[must_use]
    pub fn windows(&self) -> (u64, u64) {
        let [send, receive] =
            [self.send_window, self.receive_window].map(|window| u64::try_from(window).unwrap_or(0));
        (send, receive)
    }

    /// Bytes of DATA that wait on this stream for windows or for its turn.
    #[must_use]
    pub fn queued(&self, key: StreamKey) -> usize {
        self.streams.get(key).map_or(0, |stream| stream.queued_bytes())
    }

    /// Whether events wait that no new bytes brought: sending makes some as well.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Bytes that could be sent and have not been asked for by [`Connection::poll_transmit`].
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is to be read from the peer, because it takes too little of what there is for it
    /// ([`Config::max_unsent`]). `unwritten` is what the transport has got from [`Connection::poll_transmit`] and the
    /// socket has not taken.
    #[inline]
    #[must_use]
    pub fn is_held_back(&mut self, unwritten: usize) -> bool {
        let is_held = self.out.len() + unwritten >= self.config.max_unsent;
        if is_held != self.held_back {
            self.held_back = is_held;
            if is_held {
                self.hits.count(Limit::Unsent);
            }
        }
        is_held
    }

    /// The stream's identifier on the wire; `None` for a dead key.
    #[must_use]
    pub fn stream_id(&self, key: StreamKey) -> Option<u32> {
        self.streams.get(key).map(|stream| stream.id)
    }

    /// How many streams are open or half-closed.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Nothing more will happen: what waits to be written is written, then the transport is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The peer did not read the last bytes in time: the transport is to be closed without them.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Tells which limits the peer has run into since the last call, and how often.
    #[inline]
    pub fn take_limit_hits(&mut self, each: impl FnMut(Limit, u32)) {
        self.hits.take(each);
    }

    /// What the peer has announced.
    #[must_use]
    pub fn peer_settings(&self) -> &Settings {
        &self.peer_settings
    }

    /// Whether the peer's first SETTINGS have come.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }
}
