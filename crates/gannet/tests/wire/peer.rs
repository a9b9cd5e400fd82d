//! The other end of gannet: HTTP/2 by hand, and what it sees, a line for each thing that comes.

use gannet_http2::{Config, Connection, Event, Fields, Output, StreamKey};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing in these tests takes time; a loaded machine does.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Peer {
    pub(crate) http2: Connection,
    socket: TcpStream,
    now: Instant,
    /// All that was read.
    read: Vec<u8>,
}

/// Names and values.
pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn fields(pairs: Pairs<'_>) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        fields.push_text(name.as_bytes(), value.as_bytes());
    }
    fields
}

/// `name=value name=value`, in order; bytes beyond ASCII escaped.
pub(crate) fn text(fields: &Fields) -> String {
    let pair = |field: gannet_http2::Field<'_>| {
        format!("{}={}", field.text.escape_ascii(), String::from_utf8_lossy(field.value))
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(" ")
}

impl Peer {
    pub(crate) fn client(socket: TcpStream, config: Config) -> Self {
        let now = Instant::now();
        Self { http2: Connection::client(config, now), socket, now, read: Vec::new() }
    }

    pub(crate) fn server(socket: TcpStream) -> Self {
        let now = Instant::now();
        Self { http2: Connection::server(Config::default(), now), socket, now, read: Vec::new() }
    }

    pub(crate) fn send(&mut self, key: StreamKey, bytes: &[u8]) {
        let mut out = Output::new();
        out.put_slice(bytes);
        self.http2.send_data(key, &mut out);
    }

    pub(crate) async fn flush(&mut self) {
        let mut out = Output::new();
        self.http2.poll_transmit(self.now, &mut out);
        // The other end may have closed the connection: then that is the next event.
        let _ = self.socket.write_all(&out.to_vec()).await;
    }

    /// The next event; `None` once the connection is closed.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            self.flush().await;
            if let Some(event) = self.http2.poll_event(self.now) {
                return Some(event);
            }
            let mut buffer = vec![0; 16 * 1024];
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut buffer));
            match read.await.expect("the other end says nothing") {
                Ok(0) | Err(_) => return None,
                Ok(count) => {
                    buffer.truncate(count);
                    self.read.extend_from_slice(&buffer);
                    self.http2.handle_bytes(self.now, buffer.into());
                }
            }
        }
    }

    /// The codes of the RST_STREAM frames that have come to a server, also those for streams that were over (which make
    /// no event).
    pub(crate) fn resets(&self) -> Vec<u32> {
        const PREFACE: usize = 24;
        const RST_STREAM: u8 = 3;
        let (mut resets, mut rest) = (Vec::new(), self.read.get(PREFACE..).unwrap_or_default());
        while let Some((&[a, b, c, kind, _, _, _, _, _], payload)) = rest.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, later)) = payload.split_at_checked(length) else { break };
            if let (RST_STREAM, Some(&code)) = (kind, payload.first_chunk()) {
                resets.push(u32::from_be_bytes(code));
            }
            rest = later;
        }
        resets
    }

    /// Everything that comes on this stream until its end, or until it is reset where that is to follow.
    pub(crate) async fn lines(&mut self, stream: StreamKey, until_reset: bool) -> Vec<String> {
        let (mut lines, mut data) = (Vec::new(), Vec::new());
        while let Some(event) = self.event().await {
            let end = match event {
                Event::Headers { key, fields, end_stream, .. } if key == stream => {
                    lines.push(format!("HEADERS {}", text(&fields)));
                    end_stream
                }
                Event::Data { key, data: piece, end_stream } if key == stream => {
                    self.http2.release_capacity(key, piece.len());
                    data.extend_from_slice(&piece);
                    messages(&mut data, &mut lines);
                    end_stream
                }
                Event::Trailers { key, fields, .. } if key == stream => {
                    lines.push(format!("TRAILERS {}", text(&fields)));
                    true
                }
                Event::Reset { key, code, .. } if key == stream => {
                    lines.push(format!("RESET {}", code.0));
                    return lines;
                }
                _ => false,
            };
            if end && !until_reset {
                break;
            }
        }
        lines
    }
}

/// Cuts whole messages off the front.
fn messages(data: &mut Vec<u8>, lines: &mut Vec<String>) {
    while let Some(&[flag, a, b, c, d]) = data.first_chunk() {
        let end = 5 + u32::from_be_bytes([a, b, c, d]) as usize;
        if data.len() < end {
            return;
        }
        let message: Vec<u8> = data.drain(..end).skip(5).collect();
        lines.push(match flag {
            0 => format!("MESSAGE {}", message.escape_ascii()),
            _ => format!("COMPRESSED {}", message[..2].escape_ascii()),
        });
    }
}
