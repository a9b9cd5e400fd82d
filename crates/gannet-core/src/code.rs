//! Status codes, and what they are in HTTP and HTTP/2.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// Why a call failed. There is no `Ok` among them: the end of a call is a `Result<(), Status>`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// Every code, from 1 to 16.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name that the gRPC documents use, such as `NOT_FOUND`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The caller gave the call up.
    Cancelled = 1, "CANCELLED";
    /// The error fits no other code, or came without one.
    Unknown = 2, "UNKNOWN";
    /// The request is wrong whatever the state of the system is.
    InvalidArgument = 3, "INVALID_ARGUMENT";
    /// The time was over before the call was. It may have had its effect.
    DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
    /// What the request names does not exist.
    NotFound = 5, "NOT_FOUND";
    /// What the request would make exists.
    AlreadyExists = 6, "ALREADY_EXISTS";
    /// The caller, who is known, may not do this.
    PermissionDenied = 7, "PERMISSION_DENIED";
    /// A quota, a limit or space is used up.
    ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
    /// The system is not in the state that the request needs; trying again without changing it is in vain.
    FailedPrecondition = 9, "FAILED_PRECONDITION";
    /// Another call got in between; the caller should start its larger operation again.
    Aborted = 10, "ABORTED";
    /// Past the end: what was wrong may become right when the system grows.
    OutOfRange = 11, "OUT_OF_RANGE";
    /// The method does not exist or is not supported here.
    Unimplemented = 12, "UNIMPLEMENTED";
    /// Something that must hold does not: a bug.
    Internal = 13, "INTERNAL";
    /// The service is not to be reached now; the call may be tried again, if it is safe to.
    Unavailable = 14, "UNAVAILABLE";
    /// Data is lost or broken beyond repair.
    DataLoss = 15, "DATA_LOSS";
    /// The request has no valid credentials.
    Unauthenticated = 16, "UNAUTHENTICATED";
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The code with this number: `None` for 0, which is OK, and [`Code::Unknown`] for a number without a name
    /// (statuscodes.md: an implementation may be newer than this one).
    #[must_use]
    pub fn from_number(number: u32) -> Option<Code> {
        let index = number.checked_sub(1)? as usize;
        Some(Code::ALL.get(index).copied().unwrap_or(Code::Unknown))
    }

    /// The code with this name, such as `NOT_FOUND`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// What a response without `grpc-status` means by its HTTP status (http-grpc-status-mapping.md).
    #[must_use]
    pub const fn from_http_status(status: u16) -> Code {
        match status {
            400 | 431 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        }
    }

    /// What a stream that was reset with this HTTP/2 error code means (PROTOCOL-HTTP2, Errors).
    #[must_use]
    pub const fn from_http2_error(error_code: u32) -> Code {
        match error_code {
            0x7 => Code::Unavailable,       // REFUSED_STREAM
            0x8 => Code::Cancelled,         // CANCEL
            0xb => Code::ResourceExhausted, // ENHANCE_YOUR_CALM
            0xc => Code::PermissionDenied,  // INADEQUATE_SECURITY
            0x0..=0xd => Code::Internal,
            // The table ends with RFC 9113's codes; for others it leaves the choice.
            _ => Code::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_statuscodes_md() {
        for (index, &code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.number() as usize, index + 1);
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert_eq!(Code::from_name(code.name()), Some(code));
        }
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(17), Some(Code::Unknown));
        assert_eq!(Code::from_number(u32::MAX), Some(Code::Unknown));
        assert_eq!(Code::Unauthenticated.number(), 16);
        assert_eq!(Code::FailedPrecondition.to_string(), "FAILED_PRECONDITION");
    }

    /// http-grpc-status-mapping.md, the whole table.
    #[test]
    fn http_statuses() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (431, Code::Internal),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (301, Code::Unknown),
            (500, Code::Unknown),
        ] {
            assert_eq!(Code::from_http_status(status), code, "{status}");
        }
    }

    /// PROTOCOL-HTTP2, Errors: the whole table.
    #[test]
    fn http2_error_codes() {
        let internal = [0x0, 0x1, 0x2, 0x3, 0x4, 0x6, 0x9, 0xa];
        for error_code in internal {
            assert_eq!(Code::from_http2_error(error_code), Code::Internal, "{error_code}");
        }
        assert_eq!(Code::from_http2_error(0x7), Code::Unavailable);
        assert_eq!(Code::from_http2_error(0x8), Code::Cancelled);
        assert_eq!(Code::from_http2_error(0xb), Code::ResourceExhausted);
        assert_eq!(Code::from_http2_error(0xc), Code::PermissionDenied);
        assert_eq!(Code::from_http2_error(0xfe), Code::Unknown);
    }
}
