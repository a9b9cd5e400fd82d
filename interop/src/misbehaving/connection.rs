//! One connection of a server that misbehaves.

use super::Misbehaviour;
use super::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
    PING, PREFACE, RESPONSE_HEADERS, RST_STREAM, SETTINGS, TRAILERS, WINDOW_UPDATE, frame,
};
use crate::proto::grpc::testing::{Payload, SimpleResponse};
use gannet::buffa::Message as _;
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What every case asks for.
const RESPONSE_SIZE: usize = 314_159;
/// The largest DATA frame that every client accepts (RFC 9113 §4.2).
const MAX_FRAME_SIZE: usize = 16_384;
/// A window of both sides at the start (RFC 9113 §6.9.2).
const DEFAULT_WINDOW: i64 = 65_535;
/// A client that says nothing for so long has left something out.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Connection {
    misbehaviour: Misbehaviour,
    socket: TcpStream,
    /// Told of every whole call; closed when no more are to come on this connection.
    calls: Option<Sender<()>>,
    window: i64,
    initial_window: i64,
    streams: BTreeMap<u32, Stream>,
    /// PINGs that are not acknowledged yet.
    pings: usize,
    /// SETTINGS that are not acknowledged yet.
    settings: usize,
    limit: Limit,
    going_away: bool,
}

/// How far the client knows that there may be one stream at a time.
#[derive(PartialEq)]
enum Limit {
    Unsaid,
    Sent,
    Acknowledged,
}

/// An open stream.
struct Stream {
    window: i64,
    /// What is to be sent, in order.
    output: VecDeque<Step>,
}

/// A step of an answer.
enum Step {
    /// Goes out at once.
    Frame(Vec<u8>),
    /// Goes out as the windows allow.
    Data(Vec<u8>),
    Ping,
    /// Waits until all PINGs are acknowledged: a client that had its whole answer might end before it has done so.
    AwaitPings,
    /// The last step: this frame, and the stream is closed.
    Close(Vec<u8>),
}

impl Connection {
    /// The connection, and word of each call that comes on it.
    pub(super) fn new(misbehaviour: Misbehaviour, socket: TcpStream) -> (Self, Receiver<()>) {
        let (calls, called) = channel();
        let connection = Self {
            misbehaviour,
            socket,
            calls: Some(calls),
            window: DEFAULT_WINDOW,
            initial_window: DEFAULT_WINDOW,
            streams: BTreeMap::new(),
            pings: 0,
            settings: 0,
            limit: Limit::Unsaid,
            going_away: false,
        };
        (connection, called)
    }

    /// Runs it until the client closes it. An error is what the client did wrong.
    pub(super) fn run(mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("the connection: {error}");
        self.socket.set_read_timeout(Some(SILENCE)).map_err(failed)?;
        let mut preface = [0; PREFACE.len()];
        match self.socket.read_exact(&mut preface) {
            // Somebody who only looked whether the server is there.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result.map_err(failed)?,
        }
        if preface != PREFACE {
            return Err("the client does not begin as RFC 9113 §3.4 says".to_owned());
        }
        self.send_settings(&[])?;
        while let Some(frame) = self.next()? {
            self.handle(&frame)?;
            self.send_steps()?;
        }
        if self.pings > 0 {
            return Err(format!("{} PINGs are not acknowledged (RFC 9113 §6.7)", self.pings));
        }
        Ok(())
    }

    /// The next frame; `None` at the end. Clients that end before they have read all reset the connection.
    fn next(&mut self) -> Result<Option<Frame>, String> {
        use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
        match Frame::read(&mut self.socket) {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if matches!(error.kind(), UnexpectedEof | ConnectionReset) => Ok(None),
            Err(error) => Err(format!("reading: {error}")),
        }
    }

    fn handle(&mut self, frame: &Frame) -> Result<(), String> {
        match frame.kind {
            SETTINGS if frame.flags & ACK != 0 => {
                self.settings = self.settings.saturating_sub(1);
                if self.settings == 0 && self.limit == Limit::Sent {
                    self.limit = Limit::Acknowledged;
                }
                Ok(())
            }
            SETTINGS => self.apply_settings(frame),
            PING if frame.flags & ACK != 0 => {
                self.pings = self.pings.checked_sub(1).ok_or("a PING is acknowledged that was not sent")?;
                Ok(())
            }
            PING => self.send(PING, ACK, 0, &frame.payload),
            HEADERS => self.open(frame),
            DATA => self.data(frame),
            RST_STREAM => {
                self.streams.remove(&frame.stream);
                Ok(())
            }
            WINDOW_UPDATE => {
                match frame.stream {
                    0 => self.window += frame.increment(),
                    id => {
                        if let Some(stream) = self.streams.get_mut(&id) {
                            stream.window += frame.increment();
                        }
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9113 §6.9.2: a new initial size changes the windows of open streams as well.
    fn apply_settings(&mut self, frame: &Frame) -> Result<(), String> {
        if let Some(size) = frame.setting(INITIAL_WINDOW_SIZE) {
            let change = i64::from(size) - self.initial_window;
            self.initial_window += change;
            self.streams.values_mut().for_each(|stream| stream.window += change);
        }
        self.send(SETTINGS, ACK, 0, &[])
    }

    fn open(&mut self, frame: &Frame) -> Result<(), String> {
        if self.going_away {
            return Err("a call came after GOAWAY (RFC 9113 §6.8)".to_owned());
        }
        let stream = Stream { window: self.initial_window, output: VecDeque::new() };
        self.streams.insert(frame.stream, stream);
        if self.limit == Limit::Acknowledged && self.streams.len() > 1 {
            return Err(format!("{} streams where one is allowed (RFC 9113 §5.1.2)", self.streams.len()));
        }
        self.end(frame)
    }

    fn data(&mut self, frame: &Frame) -> Result<(), String> {
        let len = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
        if len > 0 {
            self.send(WINDOW_UPDATE, 0, 0, &len.to_be_bytes())?;
            if frame.flags & END_STREAM == 0 {
                self.send(WINDOW_UPDATE, 0, frame.stream, &len.to_be_bytes())?;
            }
        }
        self.end(frame)
    }

    /// A request that has come whole gets its answer.
    fn end(&mut self, frame: &Frame) -> Result<(), String> {
        if frame.flags & END_STREAM == 0 {
            return Ok(());
        }
        if let Some(calls) = &self.calls {
            // Refused where nobody counts any more.
            let _ = calls.send(());
        }
        match self.misbehaviour {
            Misbehaviour::GoAway => {
                self.going_away = true;
                self.calls = None;
                let last = frame.stream.to_be_bytes();
                self.send(GOAWAY, 0, 0, &[last, [0; 4]].concat())?;
            }
            Misbehaviour::MaxStreams if self.limit == Limit::Unsaid => {
                self.limit = Limit::Sent;
                let setting = [&MAX_CONCURRENT_STREAMS.to_be_bytes()[..], &1_u32.to_be_bytes()];
                self.send_settings(&setting.concat())?;
            }
            _ => {}
        }
        if let Some(stream) = self.streams.get_mut(&frame.stream) {
            stream.output = answer(self.misbehaviour, frame.stream);
        }
        Ok(())
    }

    fn send_steps(&mut self) -> Result<(), String> {
        for (id, mut stream) in std::mem::take(&mut self.streams) {
            if self.send_steps_of(id, &mut stream)? {
                self.streams.insert(id, stream);
            }
        }
        Ok(())
    }

    /// Whether the stream is still open.
    fn send_steps_of(&mut self, id: u32, stream: &mut Stream) -> Result<bool, String> {
        while let Some(step) = stream.output.pop_front() {
            match step {
                Step::Frame(bytes) => self.write(&bytes)?,
                Step::Ping => {
                    self.pings += 1;
                    self.send(PING, 0, 0, &[0; 8])?;
                }
                Step::AwaitPings if self.pings > 0 => {
                    stream.output.push_front(step);
                    break;
                }
                Step::AwaitPings => {}
                Step::Data(bytes) => {
                    let left = self.send_data(id, stream, bytes)?;
                    if !left.is_empty() {
                        stream.output.push_front(Step::Data(left));
                        break;
                    }
                }
                Step::Close(bytes) => {
                    self.write(&bytes)?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Sends what the windows allow, and gives the rest back.
    fn send_data(&mut self, id: u32, stream: &mut Stream, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        loop {
            let allowed = usize::try_from(self.window.min(stream.window)).unwrap_or(0);
            let len = allowed.min(MAX_FRAME_SIZE).min(bytes.len());
            if len == 0 {
                return Ok(bytes);
            }
            let rest = bytes.split_off(len);
            self.send(DATA, 0, id, &bytes)?;
            self.window -= len as i64;
            stream.window -= len as i64;
            bytes = rest;
        }
    }

    fn send_settings(&mut self, settings: &[u8]) -> Result<(), String> {
        self.settings += 1;
        self.send(SETTINGS, 0, 0, settings)
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), String> {
        self.write(&frame(kind, flags, stream, payload))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self.socket.write_all(bytes) {
            // The client has gone, as reading will tell.
            Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => Ok(()),
            Err(error) => Err(format!("writing: {error}")),
            Ok(()) => Ok(()),
        }
    }
}

/// The steps of the answer to a call.
fn answer(misbehaviour: Misbehaviour, id: u32) -> VecDeque<Step> {
    let headers = Step::Frame(frame(HEADERS, END_HEADERS, id, RESPONSE_HEADERS));
    let trailers = Step::Close(frame(HEADERS, END_HEADERS | END_STREAM, id, TRAILERS));
    // The code of all these resets is NO_ERROR.
    let reset = Step::Close(frame(RST_STREAM, 0, id, &[0; 4]));
    let message = message();
    let half = message[..message.len() / 2].to_vec();
    let steps = match misbehaviour {
        Misbehaviour::ResetAfterHeader => vec![headers, reset],
        Misbehaviour::ResetDuringData => vec![headers, Step::Data(half), reset],
        Misbehaviour::ResetAfterData => vec![headers, Step::Data(message), reset],
        Misbehaviour::Ping => {
            let data = Step::Data(message);
            vec![Step::Ping, headers, Step::Ping, data, Step::Ping, Step::AwaitPings, trailers]
        }
        Misbehaviour::GoAway | Misbehaviour::MaxStreams => vec![headers, Step::Data(message), trailers],
    };
    steps.into()
}

/// The answer as a message of gRPC (PROTOCOL-HTTP2, Length-Prefixed-Message).
fn message() -> Vec<u8> {
    let payload = Payload { body: vec![0; RESPONSE_SIZE], ..Default::default() };
    let message = SimpleResponse { payload: payload.into(), ..Default::default() }.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(message);
    bytes
}
