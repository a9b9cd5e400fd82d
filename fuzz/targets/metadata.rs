//! Arbitrary received fields as metadata, trailers, timeouts and targets: no panic, and what is set can be read.
#![no_main]

use gannet_core::{Metadata, outcome_from_trailers, parse_timeout};
use gannet_http2::Fields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut fields = Fields::new();
    for line in data.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b'=').unwrap_or(0);
        fields.push_text(&line[..colon], &line[colon..]);
    }
    let _ = outcome_from_trailers(&fields);
    let metadata = Metadata::from(fields);
    assert_eq!(metadata.iter().count(), metadata.iter().count());
    let text = String::from_utf8_lossy(data);
    let _ = parse_timeout(data);
    let _ = text.parse::<gannet_core::Target>();
    let mut own = Metadata::new();
    if own.append_bin("x-bin", data).is_ok() {
        assert_eq!(own.get_bin("x-bin").as_deref(), Some(data));
    }
    if own.append("x-text", &text).is_ok() {
        assert_eq!(own.get("x-text"), Some(text.trim_matches([' ', '\t'])));
    }
});
