use super::*;
use crate::detail::AnyDetail;
use proptest::prelude::*;

const NO_LIMIT: usize = usize::MAX;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        fields.push_text(name.as_bytes(), value.as_bytes());
    }
    fields
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    Metadata::from(fields(pairs))
}

fn trailers_of(status: &Status, limit_bytes: usize) -> Fields {
    let mut out = Fields::new();
    status.write_trailers(&mut out, limit_bytes);
    out
}

fn full() -> Status {
    Status::resource_exhausted("quota of “7” used up: 100%")
        .with_any_detail(AnyDetail::new("type.googleapis.com/test.Quota", &b"\x08\x07"[..]))
        .with_metadata(metadata(&[("x-tenant", "7"), ("x-trace-bin", "AAE")]))
}

#[test]
fn a_status_on_the_wire() {
    let expected = fields(&[
        ("grpc-status", "8"),
        ("grpc-message", "quota of %E2%80%9C7%E2%80%9D used up: 100%25"),
        (
            "grpc-status-details-bin",
            "CAgSHnF1b3RhIG9mIOKAnDfigJ0gdXNlZCB1cDogMTAwJRokCh50eXBlLmdvb2dsZWFwaXMuY29tL3Rlc3QuUXVvdGESAggH",
        ),
        ("x-tenant", "7"),
        ("x-trace-bin", "AAE"),
    ]);
    assert_eq!(trailers_of(&full(), NO_LIMIT), expected);
    assert_eq!(trailers_of(&Status::unauthenticated(""), NO_LIMIT), fields(&[("grpc-status", "16")]));
}

#[test]
fn what_is_too_long_is_cut_in_order() {
    let status = full();
    let whole = trailers_of(&status, NO_LIMIT).list_size();
    let names = |limit| -> Vec<String> {
        let out = trailers_of(&status, limit);
        assert!(out.list_size() <= limit);
        out.iter().map(|field| String::from_utf8(field.text.to_vec()).unwrap()).collect()
    };
    assert_eq!(names(whole).len(), 5);
    assert_eq!(names(whole - 1), ["grpc-status", "grpc-message", "x-tenant", "x-trace-bin"]);
    let bare: usize = 11 + 1 + 32 + status.metadata().list_size();
    assert_eq!(names(bare + 12 + 32 + 1), ["grpc-status", "grpc-message", "x-tenant", "x-trace-bin"]);
    assert_eq!(names(bare), ["grpc-status", "x-tenant", "x-trace-bin"]);
    assert_eq!(names(bare - 1), ["grpc-status", "grpc-message"]);
    // The first character beyond ASCII needs nine bytes, and a space at the end three.
    let message =
        |room: usize| trailers_of(&status, bare + 12 + 32 + room).get(Name::GrpcMessage).map(<[u8]>::len);
    assert_eq!(
        [message(1), message(9), message(17), message(18), message(19)].map(Option::unwrap),
        [1, 8, 11, 18, 19]
    );
}

/// The code is told whatever the limit is; a peer that cannot take even that has no call that could work.
#[test]
fn the_code_is_always_there() {
    assert_eq!(trailers_of(&full(), 0), fields(&[("grpc-status", "8")]));
}

#[test]
fn trailers_tell_the_outcome() {
    #[rustfmt::skip]
    let rows: &[(&[(&str, &str)], Option<(Code, &str)>)] = &[
        (&[("grpc-status", "0")], None),
        (&[("grpc-status", "0"), ("grpc-message", "ignored")], None),
        (&[("grpc-status", "5"), ("grpc-message", "no%20user %e2%98%ba")], Some((Code::NotFound, "no user ☺"))),
        (&[(":status", "200"), ("grpc-status", "16")], Some((Code::Unauthenticated, ""))),
        (&[("grpc-status", "007")], Some((Code::PermissionDenied, ""))),
        (&[("grpc-status", "17")], Some((Code::Unknown, "the server's grpc-status 17 has no name here"))),
        (&[("grpc-status", "99"), ("grpc-message", "new")], Some((Code::Unknown, "new"))),
        (&[("grpc-status", "99999999999999999999")], Some((Code::Unknown, "the server's grpc-status 4294967295 has no name here"))),
        (&[("grpc-status", "OK")], Some((Code::Unknown, "the server's grpc-status is not a number: \"OK\""))),
        (&[("grpc-status", "-1")], Some((Code::Unknown, "the server's grpc-status is not a number: \"-1\""))),
        (&[("grpc-status", "")], Some((Code::Unknown, "the server's grpc-status is not a number: \"\""))),
        (&[], Some((Code::Unknown, "the server ended the call without a grpc-status"))),
        (&[(":status", "200")], Some((Code::Unknown, "the server ended the call without a grpc-status"))),
        (&[(":status", "503")], Some((Code::Unavailable, "the server answered with HTTP status 503 and without a grpc-status"))),
        (&[(":status", "4294967295")], Some((Code::Unknown, "the server answered with HTTP status 4294967295 and without a grpc-status"))),
        // http-grpc-status-mapping.md: if grpc-status was provided, it must be used.
        (&[(":status", "503"), ("grpc-status", "5")], Some((Code::NotFound, ""))),
    ];
    for (pairs, expected) in rows {
        let outcome = outcome_from_trailers(&fields(pairs));
        let got = outcome.as_ref().err().map(|status| (status.code(), status.message()));
        assert_eq!(got, *expected, "{pairs:?}");
    }
}

#[test]
fn response_headers_that_are_not_grpc() {
    let rows: &[(&[(&str, &str)], Result<Format, (Code, &str)>)] = &[
        (&[(":status", "200"), ("content-type", "application/grpc")], Ok(Format::Proto)),
        (&[(":status", "200"), ("content-type", "application/grpc+json")], Ok(Format::Json)),
        (
            &[(":status", "200"), ("content-type", "text/html")],
            Err((Code::Unknown, "the response is not gRPC: its content-type is \"text/html\"")),
        ),
        (&[(":status", "200")], Err((Code::Unknown, "the response is not gRPC: its content-type is \"\""))),
        (
            &[(":status", "404"), ("content-type", "text/html")],
            Err((Code::Unimplemented, "the server answered with HTTP status 404 and without a grpc-status")),
        ),
        (
            &[(":status", "503"), ("grpc-status", "7"), ("grpc-message", "no")],
            Err((Code::PermissionDenied, "no")),
        ),
    ];
    for (pairs, expected) in rows {
        let checked = check_response_headers(&fields(pairs));
        let got = checked.as_ref().map_err(|status| (status.code(), status.message()));
        assert_eq!(got.copied(), *expected, "{pairs:?}");
    }
}

#[test]
fn broken_details_are_left_out() {
    for details in ["!", "AAA=A", "////"] {
        let trailers = fields(&[("grpc-status", "3"), ("grpc-status-details-bin", details)]);
        let status = outcome_from_trailers(&trailers).unwrap_err();
        assert_eq!((status.code(), status.details().len()), (Code::InvalidArgument, 0));
    }
}

proptest! {
    #[test]
    fn round_trip(code in 1..=16u32, message in any::<String>(), values in proptest::collection::vec(any::<Vec<u8>>(), 0..3)) {
        let mut status = Status::new(Code::from_number(code).unwrap(), message);
        for value in values {
            status = status.with_any_detail(AnyDetail::new("t/x.Y", value));
        }
        status.metadata_mut().append("x-tenant", "7").unwrap();
        let read = outcome_from_trailers(&trailers_of(&status, NO_LIMIT)).unwrap_err();
        prop_assert_eq!(read.code(), status.code());
        prop_assert_eq!(read.message(), status.message());
        prop_assert_eq!(read.details(), status.details());
        prop_assert_eq!(read.metadata(), status.metadata());
    }

    #[test]
    fn a_cut_status_fits_and_keeps_its_code(message in any::<String>(), limit in 44..400usize) {
        let status = full().with_message(message);
        let out = trailers_of(&status, limit);
        prop_assert!(out.list_size() <= limit);
        let read = outcome_from_trailers(&out).unwrap_err();
        prop_assert_eq!(read.code(), status.code());
        prop_assert!(status.message().starts_with(read.message()));
    }

    #[test]
    fn arbitrary_trailers_never_panic(status: Vec<u8>, message: Vec<u8>, details: Vec<u8>, http: Vec<u8>) {
        let mut fields = Fields::new();
        fields.push(Name::Status, &http);
        fields.push(Name::GrpcMessage, &message);
        fields.push(Name::GrpcStatusDetailsBin, &details);
        let _ = check_response_headers(&fields);
        fields.push(Name::GrpcStatus, &status);
        let _ = outcome_from_trailers(&fields);
    }
}
