//! The servers of grpc/grpc `doc/negative-http2-interop-test-descriptions.md`: HTTP/2 by hand, byte by byte, because no
//! library would do what they do.

mod connection;
mod frames;

use connection::Connection;
use std::net::TcpListener;
use std::str::FromStr;
use std::thread::JoinHandle;

/// What a server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Sends GOAWAY after the first call.
    GoAway,
    /// Resets the stream after the headers of the answer.
    ResetAfterHeader,
    /// Resets the stream after half of the answer.
    ResetDuringData,
    /// Resets the stream after all of the answer but its trailers.
    ResetAfterData,
    /// Sends PINGs before and after the headers and the data of the answer.
    Ping,
    /// Allows one stream at a time, but not from the start.
    MaxStreams,
}

impl FromStr for Misbehaviour {
    type Err = String;

    fn from_str(case: &str) -> Result<Self, String> {
        match case {
            "goaway" => Ok(Self::GoAway),
            "rst_after_header" => Ok(Self::ResetAfterHeader),
            "rst_during_data" => Ok(Self::ResetDuringData),
            "rst_after_data" => Ok(Self::ResetAfterData),
            "ping" => Ok(Self::Ping),
            "max_streams" => Ok(Self::MaxStreams),
            _ => Err(format!("{case} is no case of a server that misbehaves")),
        }
    }
}

impl Misbehaviour {
    /// The calls that the case consists of.
    fn calls(self) -> usize {
        match self {
            Self::GoAway => 2,
            Self::MaxStreams => 11,
            _ => 1,
        }
    }

    /// Serves one client until the calls of the case have come and the connections have ended.
    ///
    /// # Errors
    /// What the client did that the case does not allow.
    pub fn serve(self, listener: &TcpListener) -> Result<(), String> {
        let mut calls = 0;
        let mut connections: Vec<JoinHandle<Result<(), String>>> = Vec::new();
        while calls < self.calls() {
            let (socket, _) = listener.accept().map_err(|error| format!("accepting: {error}"))?;
            let (connection, called) = Connection::new(self, socket);
            connections.push(std::thread::spawn(move || connection.run()));
            // A connection that is left without a call has ended, or got its GOAWAY: the next call needs another.
            for () in called {
                calls += 1;
            }
        }
        for connection in connections {
            connection.join().map_err(|_| "the connection's thread has panicked".to_owned())??;
        }
        Ok(())
    }
}
