use super::*;
use MetadataEntry::{Binary, Text};
use proptest::prelude::*;

fn received(pairs: &[(&str, &[u8])]) -> Metadata {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        fields.push_text(name.as_bytes(), value);
    }
    Metadata::from(Arc::new(fields))
}

#[test]
fn empty_metadata_has_no_memory_and_one_pointer() {
    assert_eq!(size_of::<Metadata>(), size_of::<usize>());
    let empty = Metadata::new();
    assert!(empty.is_empty() && empty.fields().is_none() && empty.iter().next().is_none());
    assert_eq!((empty.len(), empty.get("x"), empty.list_size()), (0, None, 0));
}

#[test]
fn text_values() {
    let mut metadata = Metadata::new();
    metadata.append("X-Tenant", " 7 ").unwrap();
    metadata.append("x-tenant", "8").unwrap();
    metadata.append("authorization", "Bearer t").unwrap();
    assert_eq!(metadata.get("x-tenant"), Some("7"));
    assert_eq!(metadata.get_all("X-TENANT").collect::<Vec<_>>(), ["7", "8"]);
    assert_eq!(metadata.get_bin("x-tenant"), None);
    assert_eq!(metadata.len(), 3);

    metadata.insert("x-Tenant", "9").unwrap();
    assert_eq!(metadata.get_all("x-tenant").collect::<Vec<_>>(), ["9"]);
    assert!(metadata.remove("Authorization"));
    assert!(!metadata.remove("authorization"));
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [Text("x-tenant", "9")]);
}

#[test]
fn binary_values() {
    let mut metadata = Metadata::new();
    metadata.append_bin("x-trace-bin", &[0, 255]).unwrap();
    metadata.append_bin("X-Trace-Bin", b"").unwrap();
    assert_eq!(metadata.fields().unwrap().get_text(b"x-trace-bin"), Some(&b"AP8"[..]));
    assert_eq!(metadata.get_bin("x-trace-bin").unwrap(), &[0, 255][..]);
    assert_eq!(metadata.get("x-trace-bin"), None);
    assert_eq!(metadata.get_all_bin("x-trace-bin").count(), 2);
    metadata.insert_bin("x-trace-bin", b"1").unwrap();
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [Binary("x-trace-bin", Bytes::from_static(b"1"))]);
}

/// PROTOCOL-HTTP2, Custom-Metadata: padded and un-padded, joined by ",".
#[test]
fn received_binary_values() {
    let metadata = received(&[("a-bin", b"AP8=,AP8, AP8 ,,!!,AQ"), ("a-bin", b"Ag==")]);
    let values: Vec<_> = metadata.get_all_bin("a-bin").map(|value| value.to_vec()).collect();
    assert_eq!(values, [vec![0, 255], vec![0, 255], vec![0, 255], vec![], vec![1], vec![2]]);
    let entries: Vec<_> = values.iter().map(|value| Binary("a-bin", Bytes::copy_from_slice(value))).collect();
    assert_eq!(metadata.iter().collect::<Vec<_>>(), entries);
}

#[test]
fn the_protocols_own_fields_are_not_seen() {
    let metadata = received(&[
        (":path", b"/a/b"),
        (":method", b"POST"),
        ("te", b"trailers"),
        ("content-type", b"application/grpc"),
        ("grpc-timeout", b"1S"),
        ("grpc-encoding", b"gzip"),
        ("grpc-message-type", b"x.Y"),
        ("user-agent", b"grpc-go/1.70"),
        ("grpc-previous-rpc-attempts", b"2"),
        ("grpc-trace-bin", b"AA"),
        ("x-tenant", b"7"),
    ]);
    let expected = [
        Text("user-agent", "grpc-go/1.70"),
        Text("grpc-previous-rpc-attempts", "2"),
        Binary("grpc-trace-bin", Bytes::from_static(b"\0")),
        Text("x-tenant", "7"),
    ];
    assert_eq!(metadata.iter().collect::<Vec<_>>(), expected);
    assert_eq!((metadata.len(), metadata.get("te"), metadata.get(":path")), (4, None, None));

    let mut out = Fields::new();
    metadata.write_to(&mut out);
    assert_eq!(out.iter().map(|field| field.text).collect::<Vec<_>>(), [&b"grpc-trace-bin"[..], b"x-tenant"]);
    assert_eq!(metadata.list_size(), out.list_size());
}

#[test]
fn names_and_values_that_are_refused() {
    let text =
        |name: &str, value: &str| Metadata::new().append(name, value).map_err(|error| error.to_string());
    for name in ["", "a b", "a:b", "ä", "a\n", ":path", "a,b"] {
        assert!(text(name, "v").unwrap_err().contains("only 0-9, a-z"), "{name:?}");
    }
    for name in [
        "te",
        "Content-Type",
        "grpc-timeout",
        "grpc-new",
        "GRPC-x",
        "connection",
        "user-agent",
        "grpc-message-type",
    ] {
        assert!(text(name, "v").unwrap_err().contains("belongs to the protocol"), "{name:?}");
    }
    for value in ["a\nb", "ä", "\0", "\u{7f}", "\t"] {
        assert!(text("a", value).unwrap_err().contains("not printable ASCII"), "{value:?}");
    }
    assert!(text("a-bin", "v").unwrap_err().contains("append_bin"));
    assert!(text("a", &"x".repeat(Metadata::MAX_VALUE_BYTES + 1)).unwrap_err().contains("longer than"));
    assert!(Metadata::new().append_bin("a", b"v").unwrap_err().to_string().contains("must end in \"-bin\""));
    for name in SETTABLE {
        let mut metadata = Metadata::new();
        let set = if is_binary(name.as_bytes()) {
            metadata.append_bin(name, b"1")
        } else {
            metadata.append(name, "1")
        };
        assert_eq!(set, Ok(()));
    }
    assert_eq!(text("a", ""), Ok(()));
}

/// PROTOCOL-HTTP2, Custom-Metadata: an invalid ASCII-Value must not be an error, and what an application is given it
/// may send back.
#[test]
fn received_values_that_are_not_text_are_left_out() {
    let metadata = received(&[("a", b"\xff"), ("a", "ä".as_bytes()), ("b-bin", b"***"), ("c", b"1")]);
    assert_eq!(metadata.get("a"), None);
    assert_eq!(metadata.get_bin("b-bin"), None);
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [Text("c", "1")]);
}

#[test]
fn a_clone_is_shared_until_it_is_changed() {
    let first = received(&[("a", b"1")]);
    let mut second = first.clone();
    assert!(Arc::ptr_eq(first.fields().unwrap(), second.fields().unwrap()));
    second.append("a", "2").unwrap();
    assert_eq!((first.len(), second.len()), (1, 2));
    assert_ne!(first, second);

    let mut third = Metadata::new();
    third.extend(&first);
    assert!(Arc::ptr_eq(first.fields().unwrap(), third.fields().unwrap()));
    third.extend(&second);
    assert_eq!(third.get_all("a").collect::<Vec<_>>(), ["1", "1", "2"]);
}

#[test]
fn secrets_are_not_shown() {
    let mut metadata = Metadata::new();
    metadata.append("authorization", "hidden").unwrap();
    metadata.append_sensitive("x-key", "hidden").unwrap();
    metadata.append("x-tenant", "7").unwrap();
    assert_eq!(
        format!("{metadata:?}"),
        r#"{"authorization": "(sensitive)", "x-key": "(sensitive)", "x-tenant": "7"}"#
    );
    let mut out = Fields::new();
    metadata.write_to(&mut out);
    assert_eq!(out.iter().map(|field| field.sensitive).collect::<Vec<_>>(), [false, true, false]);
}

proptest! {
    #[test]
    fn round_trip(text in "[!-~]([ -~]{0,20}[!-~])?", bytes: Vec<u8>) {
        let mut metadata = Metadata::new();
        metadata.append("x-text", &text).unwrap();
        metadata.append_bin("x-bytes-bin", &bytes).unwrap();
        let mut out = Fields::new();
        metadata.write_to(&mut out);
        let read = Metadata::from(out);
        prop_assert_eq!(read.get("x-text"), Some(&text[..]));
        prop_assert_eq!(read.get_bin("x-bytes-bin").unwrap().to_vec(), bytes);
        prop_assert_eq!(read, metadata);
    }

    #[test]
    fn arbitrary_fields_never_panic(pairs: Vec<(Vec<u8>, Vec<u8>)>, name: String, value: String) {
        let mut fields = Fields::new();
        for (name, value) in &pairs {
            fields.push_text(name, value);
        }
        let mut metadata = Metadata::from(fields);
        let _ = format!("{metadata:?}");
        prop_assert!(metadata.iter().count() <= pairs.iter().map(|(_, value)| value.len() + 1).sum());
        let _ = (metadata.get(&name), metadata.get_bin(&name));
        let _ = metadata.append(&name, &value);
        metadata.remove(&name);
        prop_assert_eq!(metadata.get(&name), None);
    }
}
