//! The `google.rpc` messages for typed status details (<https://google.aip.dev/193>).
//!
//! ```
//! use gannet_core::Status;
//! use gannet_types::BadRequest;
//!
//! let status = Status::invalid_argument("Name and email are required")
//!     .with_detail(BadRequest::violation("name", "is empty").and("email", "has no @"));
//! let detail: BadRequest = status.detail().unwrap();
//! assert_eq!(detail.field_violations[1].field, "email");
//! ```

#![forbid(unsafe_code)]

mod build;
mod generated;

pub use generated::google::rpc::{
    BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure, QuotaFailure, RequestInfo,
    ResourceInfo, RetryInfo, bad_request, help, precondition_failure, quota_failure,
};

use bytes::Bytes;
use gannet_core::Detail;

/// The .proto files of these messages and their imports, as a `google.protobuf.FileDescriptorSet`: with them reflection
/// tells clients how to read details.
pub static DESCRIPTORS: &[u8] = include_bytes!("generated/google.rpc.bin");

macro_rules! details {
    ($($message:ident),* $(,)?) => {$(
        impl Detail for $message {
            const TYPE_URL: &'static str = concat!("type.googleapis.com/google.rpc.", stringify!($message));

            fn encode(&self) -> Vec<u8> {
                buffa::Message::encode_to_vec(self)
            }

            fn decode(value: Bytes) -> Option<Self> {
                buffa::Message::decode_from_slice(&value).ok()
            }
        }
    )*};
}

details! {
    BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure, QuotaFailure, RequestInfo,
    ResourceInfo, RetryInfo,
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use gannet_core::Status;
    use std::time::Duration;

    fn comes_back<D: Detail + Clone + PartialEq + std::fmt::Debug>(detail: D) {
        let status = Status::unknown("").with_detail(detail.clone());
        assert_eq!(status.detail::<D>(), Some(detail));
    }

    #[test]
    fn details_there_and_back() {
        comes_back(
            BadRequest::violation("name", "is empty")
                .because("EMPTY")
                .and("email", "has no @")
                .localized("de", "…"),
        );
        comes_back(ErrorInfo::of("EMAIL_TAKEN", "users.example.com").with("email", "a@b.c"));
        comes_back(ResourceInfo::of("user.v1.User", "7").owned_by("project/1").described("no such user"));
        comes_back(PreconditionFailure::violation("STATUS", "order/7", "is shipped").and("A", "b", "c"));
        comes_back(QuotaFailure::violation("project/1", "100 users").and("clientip:10.0.0.1", "10 a second"));
        comes_back(RetryInfo::after(Duration::from_millis(1500)));
        comes_back(DebugInfo::of("no connection").entries(["pool.rs:7".to_owned()]));
        comes_back(RequestInfo::of("4711").served("node 3"));
        comes_back(Help::link("how to", "https://example.com/1").and("why", "https://example.com/2"));
        comes_back(LocalizedMessage::of("de", "Nein"));
    }

    /// What the core codes by hand is the message that google/rpc/status.proto has, as every other library reads it.
    #[test]
    fn the_status_on_the_wire_is_google_rpc_status() {
        let status = Status::resource_exhausted("“slowly”")
            .with_detail(RetryInfo::after(Duration::from_secs(2)))
            .with_detail(QuotaFailure::violation("a", "b"));
        let mut trailers = gannet_http2::Fields::new();
        status.write_trailers(&mut trailers, usize::MAX);
        let text = trailers.get(gannet_http2::Name::GrpcStatusDetailsBin).unwrap();
        let bytes = base64::prelude::BASE64_STANDARD_NO_PAD.decode(text).unwrap();
        let read: generated::google::rpc::Status = buffa::Message::decode_from_slice(&bytes).unwrap();
        assert_eq!((read.code, read.message.as_str()), (8, "“slowly”"));
        let urls: Vec<_> = read.details.iter().map(|any| any.type_url.as_str()).collect();
        assert_eq!(urls, [RetryInfo::TYPE_URL, QuotaFailure::TYPE_URL]);
        let retry: RetryInfo = buffa::Message::decode_from_slice(&read.details[0].value).unwrap();
        assert_eq!(retry.delay(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn delays_and_causes() {
        for delay in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(86_400)] {
            assert_eq!(RetryInfo::after(delay).delay(), Some(delay));
        }
        assert!(RetryInfo::after(Duration::MAX).delay().unwrap() > Duration::from_secs(300_000_000_000));
        assert_eq!(RetryInfo::default().delay(), None);
        let error = Status::internal("reading").with_source(std::io::Error::other("disk on fire"));
        let debug = DebugInfo::of_error(&error);
        assert_eq!(
            (debug.detail.as_str(), &debug.stack_entries[..]),
            ("INTERNAL: reading", &["disk on fire".to_owned()][..])
        );
    }

    #[test]
    fn another_detail_is_not_taken_for_one() {
        let status = Status::unknown("").with_detail(ErrorInfo::of("A", "b"));
        assert_eq!(status.detail::<BadRequest>(), None);
    }
}
