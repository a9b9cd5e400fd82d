//! Which layer an instruction belongs to.

use super::callgrind::Counts;
use std::collections::BTreeMap;

/// A part of a source file's path, or else of a function's name, and the layer that it stands for. The first that fits
/// counts.
const LAYERS: &[(&str, &str)] = &[
    ("malloc/malloc.c", "memory: malloc, free"),
    ("malloc/arena.c", "memory: malloc, free"),
    ("multiarch/mem", "memory: copy, compare"),
    ("gannet-http2/src/hpack", "HPACK"),
    ("gannet-http2/src", "HTTP/2"),
    ("gannet-core/src", "gRPC: framing, metadata, status"),
    ("gannet/src/client", "client"),
    ("gannet/src/server", "server"),
    ("gannet/src/stream", "streams"),
    ("gannet/src/driver", "driver: transport, mailbox"),
    ("gannet/src", "calls, codec"),
    ("/buffa-", "protobuf: buffa"),
    ("/bytes-", "bytes"),
    ("/tokio-", "tokio"),
    ("bench/instructions", "the workload itself"),
    ("gannet_http2::hpack", "HPACK"),
    ("gannet_http2::", "HTTP/2"),
    ("gannet_core::", "gRPC: framing, metadata, status"),
    ("gannet::client", "client"),
    ("gannet::server", "server"),
    ("gannet::stream", "streams"),
    ("gannet::driver", "driver: transport, mailbox"),
    ("buffa::", "protobuf: buffa"),
    ("gannet::", "calls, codec"),
    ("bytes::", "bytes"),
    ("tokio::", "tokio"),
    ("gannet_instructions::", "the workload itself"),
    ("malloc", "memory: malloc, free"),
];
const OTHER: &str = "other: system library, shared code of std";

/// Own instructions by layer, the largest first.
pub(super) fn by_layer(counts: &Counts) -> Vec<(&'static str, f64)> {
    let mut layers: BTreeMap<&str, f64> = BTreeMap::new();
    for ((file, function), own) in &counts.places {
        *layers.entry(layer(file, function)).or_default() += own;
    }
    let mut layers: Vec<_> = layers.into_iter().collect();
    layers.sort_by(|a, b| b.1.total_cmp(&a.1));
    layers
}

fn layer(file: &str, function: &str) -> &'static str {
    let file = file.replace("/./", "/");
    let found = LAYERS.iter().find(|(part, _)| file.contains(part) || function.contains(part));
    found.map_or(OTHER, |(_, layer)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_more_than_the_function_it_is_inlined_into() {
        assert_eq!(layer("crates/gannet-http2/src/hpack/table.rs", "gannet::client::f"), "HPACK");
        assert_eq!(
            layer("/rustc/1/library/core/src/slice.rs", "gannet_http2::output::Output::put"),
            "HTTP/2"
        );
        assert_eq!(layer("./malloc/./malloc/malloc.c", "_int_free"), "memory: malloc, free");
        assert_eq!(layer("???", "0x1"), OTHER);
    }
}
