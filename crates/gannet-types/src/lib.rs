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
    use gannet_core::Status;

    fn comes_back<D: Detail + Clone + PartialEq + std::fmt::Debug>(detail: D) {
        let status = Status::unknown("").with_detail(detail.clone());
        assert_eq!(status.detail::<D>(), Some(detail));
    }

    #[test]
    fn details_there_and_back() {
        comes_back(BadRequest::violation("name", "is empty").and("email", "has no @"));
        comes_back(ErrorInfo::of("EMAIL_TAKEN", "users.example.com").with("email", "a@b.c"));
        comes_back(ResourceInfo::of("user.v1.User", "7").described("no such user"));
        comes_back(PreconditionFailure::violation("STATUS", "order/7", "is shipped"));
        comes_back(LocalizedMessage { locale: "de".into(), message: "Nein".into(), ..Default::default() });
    }

    #[test]
    fn another_detail_is_not_taken_for_one() {
        let status = Status::unknown("").with_detail(ErrorInfo::of("A", "b"));
        assert_eq!(status.detail::<BadRequest>(), None);
    }
}
