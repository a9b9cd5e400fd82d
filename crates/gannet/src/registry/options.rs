//! The options of sockets that channelz tells of.

use socket2::SockRef;
use std::io;
use std::time::Duration;

/// An option of a connection's socket, as it was when the connection began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketOption {
    /// As the system calls it: `TCP_NODELAY`.
    pub name: &'static str,
    /// What it is set to.
    pub value: SocketOptionValue,
}

/// What an option is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOptionValue {
    /// On or off.
    Flag(bool),
    /// A number; sizes are in bytes.
    Number(u64),
    /// A word.
    Text(String),
    /// A time; `None` where there is no limit.
    Timeout(Option<Duration>),
    /// `SO_LINGER`: how long closing waits; `None` where it does not.
    Linger(Option<Duration>),
}

/// The options of a Unix domain socket.
pub(crate) fn of_unix(socket: SockRef<'_>) -> Vec<SocketOption> {
    use SocketOptionValue::{Linger, Timeout};
    let bytes = |bytes: usize| SocketOptionValue::Number(bytes as u64);
    let options = [
        ("SO_LINGER", socket.linger().map(Linger)),
        ("SO_RCVTIMEO", socket.read_timeout().map(Timeout)),
        ("SO_SNDTIMEO", socket.write_timeout().map(Timeout)),
        ("SO_RCVBUF", socket.recv_buffer_size().map(bytes)),
        ("SO_SNDBUF", socket.send_buffer_size().map(bytes)),
    ];
    known(options)
}

/// The options of a TCP socket. TCP_INFO is not among them: nothing reads it without `unsafe`.
pub(crate) fn of_tcp(socket: SockRef<'_>) -> Vec<SocketOption> {
    use SocketOptionValue::{Flag, Number, Text, Timeout};
    let text = |bytes: Vec<u8>| Text(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned());
    let options = [
        ("SO_KEEPALIVE", socket.keepalive().map(Flag)),
        ("SO_REUSEPORT", socket.reuse_port().map(Flag)),
        ("TCP_NODELAY", socket.tcp_nodelay().map(Flag)),
        ("TCP_USER_TIMEOUT", socket.tcp_user_timeout().map(Timeout)),
        ("TCP_MAXSEG", socket.tcp_mss().map(u64::from).map(Number)),
        ("TCP_CONGESTION", socket.tcp_congestion().map(text)),
    ];
    let mut all = of_unix(socket);
    all.extend(known(options));
    all
}

/// Those that the system tells.
fn known<const N: usize>(options: [(&'static str, io::Result<SocketOptionValue>); N]) -> Vec<SocketOption> {
    let known =
        options.into_iter().filter_map(|(name, value)| Some(SocketOption { name, value: value.ok()? }));
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(options: &[SocketOption], name: &str) -> Option<SocketOptionValue> {
        options.iter().find(|option| option.name == name).map(|option| option.value.clone())
    }

    #[test]
    fn of_tcp_as_they_are_set() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let timeout = Duration::from_secs(20);
        socket.set_nodelay(true).unwrap();
        let reference = SockRef::from(&socket);
        reference.set_tcp_user_timeout(Some(timeout)).unwrap();
        reference.set_linger(Some(Duration::from_secs(3))).unwrap();
        let options = of_tcp(SockRef::from(&socket));
        let of = |name| value(&options, name);
        assert_eq!(of("TCP_NODELAY"), Some(SocketOptionValue::Flag(true)));
        assert_eq!(of("TCP_USER_TIMEOUT"), Some(SocketOptionValue::Timeout(Some(timeout))));
        assert_eq!(of("SO_LINGER"), Some(SocketOptionValue::Linger(Some(Duration::from_secs(3)))));
        assert_eq!(of("SO_RCVTIMEO"), Some(SocketOptionValue::Timeout(None)));
        assert_eq!(of("SO_KEEPALIVE"), Some(SocketOptionValue::Flag(false)));
        assert!(matches!(of("SO_RCVBUF"), Some(SocketOptionValue::Number(1024..))));
        assert!(matches!(of("TCP_MAXSEG"), Some(SocketOptionValue::Number(500..))));
        assert!(matches!(of("TCP_CONGESTION"), Some(SocketOptionValue::Text(name)) if name.is_ascii()));
    }

    #[test]
    fn of_unix_without_those_of_tcp() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
        let options = of_unix(SockRef::from(&socket));
        let timeout = SocketOptionValue::Timeout(Some(Duration::from_millis(1500)));
        assert_eq!(value(&options, "SO_RCVTIMEO"), Some(timeout));
        assert!(options.iter().all(|option| option.name.starts_with("SO_")), "{options:?}");
    }
}
