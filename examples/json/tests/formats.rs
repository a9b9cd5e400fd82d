//! One service and one client in both formats, through the whole stack.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use gannet::well_known::Timestamp;
use gannet::{
    Channel, Code, Codec, Direction, Format, Interceptor, Messages, MethodSpec, Output, Result, Server,
    Service, Unary,
};
use gannet_services::health::{Health, HealthCheckRequest, HealthClient};
use std::sync::{Arc, Mutex};
use weather::Memory;
use weather::codec::ProtoOrJson;
use weather::proto::weather::v1::{Measurement, Place, WeatherClient, WeatherServer};

/// Keeps all messages as they are on the wire.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<Vec<u8>>>>);

impl Interceptor for Wire {
    fn wants_messages(&self) -> bool {
        true
    }

    fn message(&self, _spec: &MethodSpec, _direction: Direction, encoded: &[u8]) -> Result<()> {
        self.0.lock().unwrap().push(encoded.to_vec());
        Ok(())
    }
}

fn client(format: Format) -> (WeatherClient, Wire) {
    let wire = Wire::default();
    let server = Server::new().intercept(wire.clone()).add(WeatherServer::new(Memory::default()));
    (WeatherClient::new(Channel::builder_to_server(server).format(format).build()), wire)
}

fn place(name: &str) -> Place {
    Place { name: name.to_owned(), ..Default::default() }
}

fn measured(celsius: f64) -> Measurement {
    Measurement {
        place: place("Zürich").into(),
        celsius,
        at: Timestamp { seconds: 1_700_000_000, nanos: 5_000_000, ..Default::default() }.into(),
        station_id: i64::MAX,
        picture: vec![0xff, 0x00],
        ..Default::default()
    }
}

#[tokio::test]
async fn all_kinds_of_calls_in_both_formats() {
    for format in [Format::Proto, Format::Json] {
        let (client, _) = client(format);
        let mut report = client.report();
        for celsius in [1.5, -3.0] {
            report.send(measured(celsius)).await.unwrap();
        }
        assert_eq!(report.finish().await.unwrap().count, 2, "{format:?}");
        assert_eq!(client.latest(place("Zürich")).await.unwrap(), measured(-3.0), "{format:?}");
        let mut history = client.history(place("Zürich")).await.unwrap();
        assert_eq!(history.next().await.unwrap(), Some(measured(1.5)), "{format:?}");
        assert_eq!(history.next().await.unwrap(), Some(measured(-3.0)), "{format:?}");
        assert_eq!(history.next().await.unwrap(), None, "{format:?}");
        let (mut places, mut answers) = client.ask().await.unwrap();
        places.send(place("Zürich")).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(measured(-3.0)), "{format:?}");
        places.send(place("nowhere")).await.unwrap();
        assert_eq!(answers.next().await.unwrap_err().code(), Code::NotFound, "{format:?}");
    }
}

/// ProtoJSON: names in camel case, 64 bits and bytes as text, times of RFC 3339.
#[tokio::test]
async fn json_is_what_is_on_the_wire() {
    let (client, wire) = client(Format::Json);
    let mut report = client.report();
    report.send(measured(1.5)).await.unwrap();
    report.finish().await.unwrap();
    let messages = wire.0.lock().unwrap().clone();
    let texts: Vec<_> = messages.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    let expected = [
        concat!(
            r#"{"place":{"name":"Zürich"},"celsius":1.5,"at":"2023-11-14T22:13:20.005Z","#,
            r#""stationId":"9223372036854775807","picture":"/wA="}"#,
        ),
        r#"{"count":"1"}"#,
    ];
    assert_eq!(texts, expected);
}

/// As broken protobuf is.
#[tokio::test]
async fn what_is_no_json_is_internal() {
    /// Sends what the content-type does not say.
    struct Raw;
    impl Codec<&'static [u8]> for Raw {
        fn encode(_: Format, message: &&'static [u8], out: &mut Output) -> Result<()> {
            out.put_slice(message);
            Ok(())
        }
        fn decode(_: Format, _: Bytes) -> Result<&'static [u8]> {
            Ok(b"")
        }
    }
    let service = WeatherServer::new(Memory::default());
    let (_, latest) = service.spec().method("Latest").unwrap();
    let channel = Channel::builder_to_server(Server::new().add(service)).format(Format::Json).build();
    for broken in [&b"{\"name\":"[..], b"{\"name\": 7}", b"\xff", b""] {
        let responses = Messages::<Measurement>::of::<ProtoOrJson>();
        let status =
            Unary::new(&channel, latest, Messages::of::<Raw>(), responses, broken).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().contains("not the JSON of its type"), "{status}");
    }
}

#[tokio::test]
async fn a_service_of_protobuf_alone_says_so() {
    let server = Server::new().add(Health::new().service());
    let channel = Channel::builder_to_server(server).format(Format::Json).build();
    let status = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
