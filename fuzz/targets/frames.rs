//! Whole connections of both roles against arbitrary bytes, cut anywhere.
#![no_main]

use bytes::Bytes;
use gannet_http2::{Config, Connection, Event, Fields, Name, Output};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};

fn fields(list: &[(Name, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push(*name, value.as_bytes());
    }
    fields
}

fuzz_target!(|data: &[u8]| {
    let [role, cut, data @ ..] = data else { return };
    let start = Instant::now();
    let mut now = start;
    let mut connection = if role & 1 == 0 {
        let mut connection = Connection::server(Config::default(), now);
        connection.handle_bytes(now, Bytes::from_static(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"));
        connection
    } else {
        let request =
            [(Name::Method, "POST"), (Name::Scheme, "http"), (Name::Path, "/a"), (Name::Authority, "a")];
        let mut connection = Connection::client(Config::default(), now);
        for _ in 0..3 {
            let _ = connection.open(&fields(&request), false);
        }
        connection.handle_bytes(now, Bytes::from_static(b"\0\0\0\x04\0\0\0\0\0"));
        connection
    };
    let mut out = Output::new();
    for piece in data.chunks(usize::from(*cut).max(1)) {
        while let Some(event) = connection.poll_event(now) {
            match event {
                Event::Headers { key, .. } if role & 1 == 0 => {
                    connection.send_headers(key, &fields(&[(Name::Status, "200")]), false);
                    out.put_slice(&[0; 100]);
                    connection.send_data(key, &mut out);
                }
                Event::Data { key, data, end_stream } => {
                    connection.release_capacity(key, data.len());
                    connection.request_credit(key, data.len() * 3);
                    if end_stream {
                        connection.send_trailers(key, &fields(&[(Name::GrpcStatus, "0")]));
                    }
                }
                _ => {}
            }
        }
        connection.poll_transmit(now, &mut out);
        out.clear();
        now += Duration::from_millis(u64::from(*role));
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        connection.handle_bytes(now, Bytes::copy_from_slice(piece));
    }
    while connection.poll_event(now).is_some() {}
    connection.poll_transmit(now, &mut out);
});
