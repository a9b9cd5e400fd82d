//! Response heads and trailers (PROTOCOL-HTTP2, "Responses").

use super::request::CallHead;
use crate::compression::Encodings;
use crate::{Compression, Format, Metadata, Result, Status};
use gannet_http2::{Connection, Fields, Name, StreamKey};
use std::sync::LazyLock;

/// How a response goes out. The fields that most calls share are made once.
pub(super) struct Responses {
    scratch: Fields,
    /// What this server can decompress.
    accepted: Encodings,
}

static PROTO_HEAD: LazyLock<Fields> = LazyLock::new(|| head_fields(Format::Proto));
static OK_TRAILERS: LazyLock<Fields> = LazyLock::new(|| {
    let mut fields = Fields::new();
    fields.push(Name::GrpcStatus, b"0");
    fields
});

fn head_fields(format: Format) -> Fields {
    let mut fields = Fields::new();
    fields.push(Name::Status, b"200");
    fields.push(Name::ContentType, format.content_type().as_bytes());
    fields
}

/// Where the peer says nothing of its limit, what others take by default (8 KiB) bounds a status.
const STATUS_LIMIT_BYTES: usize = 8 * 1024;

/// At most so much of a response's head is the protocol's own.
const HEAD_BYTES: usize = 256;

/// Whether the peer takes a head with this metadata (RFC 9113 §10.5.1, SETTINGS_MAX_HEADER_LIST_SIZE).
#[inline]
pub(super) fn takes_head(http2: &Connection, metadata: &Metadata) -> bool {
    let fits = |most: u32| metadata.list_size() + HEAD_BYTES <= most as usize;
    metadata.is_empty() || http2.peer_settings().max_header_list_size.is_none_or(fits)
}

/// How a call ends whose metadata the peer does not take: an answer that lacks some of it would pass for a whole one.
pub(super) fn metadata_too_large() -> Status {
    Status::resource_exhausted(
        "the response's metadata is larger than the client takes (SETTINGS_MAX_HEADER_LIST_SIZE)",
    )
}

impl Responses {
    pub(super) const fn new(accepted: Encodings) -> Self {
        Self { scratch: Fields::new(), accepted }
    }

    /// The head of a response that has messages or may have.
    #[inline]
    pub(super) fn head(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        call: &CallHead,
        compression: Compression,
        metadata: &Metadata,
    ) {
        let uncompressed = compression == Compression::Identity && call.compression == Compression::Identity;
        if metadata.is_empty() && uncompressed && call.format == Format::Proto {
            return http2.send_headers(key, &PROTO_HEAD, false);
        }
        self.scratch = head_fields(call.format);
        if compression != Compression::Identity {
            self.scratch.push(Name::GrpcEncoding, compression.name().as_bytes());
        }
        if !uncompressed {
            self.write_accepted();
        }
        metadata.write_to(&mut self.scratch);
        http2.send_headers(key, &self.scratch, false);
    }

    /// The end of a response whose head has been sent.
    #[inline]
    pub(super) fn trailers(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        result: &Result<()>,
        metadata: &Metadata,
    ) {
        if result.is_ok() && metadata.is_empty() {
            return http2.send_trailers(key, &OK_TRAILERS);
        }
        self.scratch.clear();
        self.write_end(http2, result, metadata);
        if !http2.fits_peer(&self.scratch) {
            let result = result.clone().and(Err(metadata_too_large()));
            self.scratch.clear();
            self.write_end(http2, &result, &Metadata::default());
        }
        http2.send_trailers(key, &self.scratch);
    }

    /// A response that is only an end (PROTOCOL-HTTP2, "Trailers-Only").
    pub(super) fn trailers_only(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        format: Format,
        status: &Status,
        metadata: (&Metadata, &Metadata),
    ) {
        self.scratch = head_fields(format);
        metadata.0.write_to(&mut self.scratch);
        self.write_end(http2, &Err(status.clone()), metadata.1);
        if !http2.fits_peer(&self.scratch) {
            self.scratch = head_fields(format);
            self.write_end(http2, &Err(status.clone()), &Metadata::default());
        }
        http2.send_headers(key, &self.scratch, true);
    }

    /// The answer to messages that can't be decompressed here: it says what can be (compression.md, test case 4).
    pub(super) fn unknown_encoding(&mut self, http2: &mut Connection, key: StreamKey, status: Status) {
        self.scratch = head_fields(Format::Proto);
        self.write_accepted();
        self.write_end(http2, &Err(status), &Metadata::default());
        http2.send_headers(key, &self.scratch, true);
    }

    fn write_accepted(&mut self) {
        if !self.accepted.is_empty() {
            self.scratch.push(Name::GrpcAcceptEncoding, self.accepted.to_string().as_bytes());
        }
    }

    fn write_end(&mut self, http2: &Connection, result: &Result<()>, metadata: &Metadata) {
        let limit =
            http2.peer_settings().max_header_list_size.map_or(STATUS_LIMIT_BYTES, |limit| limit as usize);
        match result {
            Ok(()) => self.scratch.push(Name::GrpcStatus, b"0"),
            Err(status) => {
                // What the section has already counts there by itself.
                let room = limit.saturating_sub(metadata.list_size());
                status.write_trailers(&mut self.scratch, room);
            }
        }
        metadata.write_to(&mut self.scratch);
    }

    /// An answer to what is no gRPC.
    pub(super) fn http_status(&mut self, http2: &mut Connection, key: StreamKey, status: u16) {
        self.scratch.clear();
        self.scratch.push(Name::Status, status.to_string().as_bytes());
        if status == 405 {
            // RFC 9110 §15.5.6: the answer says which methods there are.
            self.scratch.push_text(b"allow", b"POST");
        }
        http2.send_headers(key, &self.scratch, true);
    }
}
