//! The content-type of a call, which says how its messages are encoded.

/// How a call's messages are encoded: the subtype in `application/grpc+proto`. It belongs to the call, not to the
/// stub, so that one set of generated code serves every format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Binary protobuf, the default.
    #[default]
    Proto,
    /// ProtoJSON.
    Json,
}

impl Format {
    /// Reads a `content-type` (PROTOCOL-HTTP2, Content-Type). `None` where it is not gRPC, is gRPC-Web, or names a
    /// format that is not known here: the answer to that is HTTP status 415.
    #[must_use]
    pub fn from_content_type(value: &[u8]) -> Option<Format> {
        const PREFIX: &[u8] = b"application/grpc";
        let media_type = value.split(|&byte| byte == b';').next()?.trim_ascii();
        let (prefix, subtype) = media_type.split_at_checked(PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return None;
        }
        match subtype {
            b"" => Some(Format::Proto),
            _ if subtype.eq_ignore_ascii_case(b"+proto") => Some(Format::Proto),
            _ if subtype.eq_ignore_ascii_case(b"+json") => Some(Format::Json),
            _ => None,
        }
    }

    /// The `content-type` to send.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Proto => "application/grpc",
            Format::Json => "application/grpc+json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (value, format) in [
            ("application/grpc", Some(Format::Proto)),
            ("application/grpc+proto", Some(Format::Proto)),
            ("application/grpc+json", Some(Format::Json)),
            ("Application/gRPC+JSON", Some(Format::Json)),
            ("application/grpc;charset=utf-8", Some(Format::Proto)),
            ("application/grpc+json ; x=y", Some(Format::Json)),
            ("application/grpc-web", None),
            ("application/grpc-web+proto", None),
            ("application/grpc+thrift", None),
            ("application/grpcfoo", None),
            ("application/json", None),
            ("application/grp", None),
            ("", None),
        ] {
            assert_eq!(Format::from_content_type(value.as_bytes()), format, "{value}");
        }
        for format in [Format::Proto, Format::Json] {
            assert_eq!(Format::from_content_type(format.content_type().as_bytes()), Some(format));
        }
    }
}
