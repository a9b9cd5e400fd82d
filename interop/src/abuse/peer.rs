//! A connection that keeps to no rules.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is written at once: enough that the system is not what slows the attack.
const PIECE_BYTES: usize = 16 * 1024;

/// Sends `hello` and then what `next` makes of 0, 1, 2, … until the server ends the connection, `next` has no more or the time
/// is over. Says when the server ended it.
pub(super) async fn flood(
    address: SocketAddr,
    hello: Vec<u8>,
    reads: bool,
    most: Duration,
    mut next: impl FnMut(u32) -> Option<Vec<u8>> + Send,
) -> Option<Duration> {
    let start = Instant::now();
    let socket = TcpStream::connect(address).await.ok()?;
    socket.set_nodelay(true).ok()?;
    let (mut from, mut to) = socket.into_split();
    let write = async {
        to.write_all(&hello).await.ok()?;
        let mut number = 0;
        loop {
            let mut piece = Vec::new();
            while piece.len() < PIECE_BYTES {
                let Some(frames) = next(number) else { break };
                piece.extend(frames);
                number += 1;
            }
            if piece.is_empty() {
                std::future::pending::<()>().await;
            }
            to.write_all(&piece).await.ok()?;
        }
    };
    let read = async {
        if !reads {
            std::future::pending::<()>().await;
        }
        let mut buffer = vec![0; 64 * 1024];
        while from.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    };
    ended(start, most, write, read).await
}

async fn ended(
    start: Instant,
    most: Duration,
    write: impl Future<Output = Option<()>>,
    read: impl Future<Output = ()>,
) -> Option<Duration> {
    tokio::select! {
        _ = write => Some(start.elapsed()),
        () = read => Some(start.elapsed()),
        () = tokio::time::sleep(most) => None,
    }
}

/// Sends these pieces one by one, each in a write of its own, and then waits for the server to end the connection.
pub(super) async fn dribble(
    address: SocketAddr,
    pieces: impl IntoIterator<Item = Vec<u8>> + Send,
    most: Duration,
) -> Option<Duration> {
    let start = Instant::now();
    let socket = TcpStream::connect(address).await.ok()?;
    socket.set_nodelay(true).ok()?;
    let (mut from, mut to) = socket.into_split();
    let write = async {
        for piece in pieces {
            to.write_all(&piece).await.ok()?;
            tokio::task::yield_now().await;
        }
        std::future::pending().await
    };
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        while from.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    };
    ended(start, most, write, read).await
}
