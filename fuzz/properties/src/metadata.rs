//! Metadata, statuses, timeouts and targets as text.

use crate::choices::Choices;
use gannet_core::{Code, Metadata, MetadataEntry, Status, Target};
use gannet_core::{format_timeout, outcome_from_trailers, parse_timeout};
use gannet_http2::Fields;

/// What an application sees of arbitrary fields it can send on, and it comes out the same; what it sets comes back; a
/// status fits the room that there is and comes back as far as it fits; a timeout is never shortened; a target that can
/// be read can be written and read again.
pub fn metadata(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(5) {
        0 => received(&mut choices),
        1 => set(&mut choices),
        2 => status(&mut choices),
        3 => timeout(&mut choices),
        _ => target(&mut choices),
    }
}

fn received(choices: &mut Choices<'_>) {
    const NAMES: &[&[u8]] = &[
        b"x-text",
        b"x-bytes-bin",
        b"grpc-status",
        b"grpc-message",
        b"grpc-status-details-bin",
        b":path",
        b"te",
    ];
    let mut fields = Fields::new();
    let mut value_bytes = 0;
    while !choices.is_empty() {
        let name = if choices.rarely(4) { choices.bytes(8) } else { choices.pick(NAMES) };
        let len = choices.below(64);
        let value = choices.bytes(len);
        value_bytes += value.len() + 1;
        fields.push_text(name, value);
    }
    // Its message and details are whatever they are, and no panic.
    let _ = outcome_from_trailers(&fields);
    let metadata = Metadata::from(fields);
    assert!(metadata.iter().count() <= value_bytes);
    let mut sent = Fields::new();
    metadata.write_to(&mut sent);
    assert_eq!(sent.list_size(), metadata.list_size());
    let again = Metadata::from(sent);
    let is_sent =
        |entry: &MetadataEntry<'_>| !matches!(name_of(entry), "user-agent" | "grpc-previous-rpc-attempts");
    assert!(metadata.iter().filter(is_sent).eq(again.iter()));
}

fn name_of<'a>(entry: &MetadataEntry<'a>) -> &'a str {
    match entry {
        MetadataEntry::Text(name, _) | MetadataEntry::Binary(name, _) => name,
    }
}

fn set(choices: &mut Choices<'_>) {
    let mut metadata = Metadata::new();
    let text = String::from_utf8_lossy(choices.bytes(40)).into_owned();
    let name = format!("x-{}", String::from_utf8_lossy(choices.bytes(3)));
    let set = metadata.append(&name, &text);
    if set.is_ok() {
        assert_eq!(metadata.get(&name), Some(text.trim_matches(' ')));
    }
    let bytes = choices.bytes(100);
    assert!(metadata.append_bin("x-bytes-bin", bytes).is_ok());
    let mut sent = Fields::new();
    metadata.write_to(&mut sent);
    let mut received = Metadata::from(sent);
    assert_eq!(received, metadata);
    assert_eq!(received.get_bin("X-Bytes-Bin").as_deref(), Some(bytes));
    assert!(received.remove("x-bytes-bin") && received.get_bin("x-bytes-bin").is_none());
    assert_eq!(received.is_empty(), set.is_err());
}

fn status(choices: &mut Choices<'_>) {
    let code = Code::from_number(u32::from(1 + choices.byte() % 16)).unwrap_or(Code::Unknown);
    let limit = choices.below(600);
    let message = String::from_utf8_lossy(choices.bytes(300)).into_owned();
    let mut metadata = Metadata::new();
    assert!(metadata.append("x-why", "because").is_ok());
    let status = Status::new(code, message.clone()).with_metadata(metadata.clone());
    let mut trailers = Fields::new();
    status.write_trailers(&mut trailers, limit);
    let least = 32 + "grpc-status".len() + 2;
    assert!(trailers.list_size() <= limit.max(least), "{trailers:?}");
    let Err(read) = outcome_from_trailers(&trailers) else { panic!("{code:?} was read as OK") };
    assert_eq!(read.code(), code);
    assert!(message.starts_with(read.message()));
    let everything = least + 44 + 3 * message.len() + metadata.list_size();
    if limit >= everything {
        assert_eq!((read.message(), read.metadata().get("x-why")), (&*message, Some("because")));
    }
}

fn timeout(choices: &mut Choices<'_>) {
    let Some(timeout) = parse_timeout(choices.bytes(10)) else { return };
    let Some(again) = parse_timeout(format_timeout(timeout).as_bytes()) else { panic!("{timeout:?}") };
    assert!(again >= timeout);
    assert!((again - timeout).as_nanos() <= timeout.as_nanos() / 100_000 + 1);
}

fn target(choices: &mut Choices<'_>) {
    let scheme = choices.pick(&["", "dns:", "dns:///", "ipv4:", "ipv6:", "unix:", "unix-abstract:"]);
    let text = format!("{scheme}{}", String::from_utf8_lossy(choices.bytes(60)));
    let Ok(target) = text.parse::<Target>() else { return };
    let written = target.to_string();
    let again = written.parse::<Target>();
    assert_eq!(again.as_ref(), Ok(&target), "{text:?} is written {written:?}");
    assert_eq!(again.map(|again| again.authority()), Ok(target.authority()));
}
