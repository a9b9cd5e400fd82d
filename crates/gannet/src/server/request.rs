//! What a request's field section asks for.

use super::shared::ServerShared;
use crate::compression::{Encodings, unknown_encoding};
use crate::{Compression, Format, Status};
use gannet_core::parse_timeout;
use gannet_http2::{Fields, Name};
use std::sync::Arc;
use std::time::Duration;

/// What the driver does with a new stream (PROTOCOL-HTTP2, "Requests").
#[derive(Clone, Debug)]
pub(super) enum Disposition {
    /// A gRPC call of a method that is here, with the timeout that its client gave.
    Call(CallHead, Option<Duration>),
    /// A gRPC call that is answered right away.
    Refused(Status),
    /// A gRPC call whose messages nobody here can decompress.
    UnknownEncoding(Status),
    /// Not gRPC, and there is a handler for such.
    Http,
    /// Not gRPC, and nobody to take it: this HTTP status.
    HttpStatus(u16),
}

/// The parts of a call's request head that the driver itself needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallHead {
    pub(super) route: usize,
    pub(super) format: Format,
    /// What the request's messages are compressed with.
    pub(super) compression: Compression,
    /// What the client can decompress.
    pub(super) accepts: Encodings,
}

impl CallHead {
    /// Of a stream that is no call.
    pub(super) const NONE: Self = Self {
        route: usize::MAX,
        format: Format::Proto,
        compression: Compression::Identity,
        accepts: Encodings::NONE,
    };
}

impl Disposition {
    /// Decides from the decoded fields; the order is that of the doors (gRPC, other HTTP, nobody).
    pub(super) fn of(server: &ServerShared, fields: &Fields) -> Self {
        let is_post = fields.get(Name::Method) == Some(b"POST");
        let format = fields.get(Name::ContentType).and_then(Format::from_content_type);
        let format = match format {
            Some(format) if is_post => format,
            _ if server.http.is_some() => return Self::Http,
            // RFC 9110 §15.5.6; PROTOCOL-HTTP2, "Method": POST and no other.
            Some(_) => return Self::HttpStatus(405),
            // PROTOCOL-HTTP2, "Content-Type": other content types are answered with 415.
            None if is_post => return Self::HttpStatus(415),
            None => return Self::HttpStatus(404),
        };
        let name = fields.get(Name::GrpcEncoding).unwrap_or(b"identity");
        let accepted = server.compression.accepted;
        let compression = Compression::from_name(name).filter(|one| accepted.contains(*one));
        let Some(compression) = compression else {
            // compression.md, test case 4.
            return Self::UnknownEncoding(Status::unimplemented(unknown_encoding(name, accepted)));
        };
        match Self::call(server, fields, format, compression) {
            Ok((head, timeout)) => Self::Call(head, timeout),
            Err(status) => Self::Refused(status),
        }
    }

    fn call(
        server: &ServerShared,
        fields: &Fields,
        format: Format,
        compression: Compression,
    ) -> Result<(CallHead, Option<Duration>), Status> {
        let path = fields.get(Name::Path).unwrap_or_default();
        let route = server.routes.find(path).ok_or_else(|| unknown_path(server, path))?;
        let timeout = match fields.get(Name::GrpcTimeout) {
            Some(text) => Some(parse_timeout(text).ok_or_else(|| {
                Status::internal(format!("grpc-timeout is no timeout: {:?}", String::from_utf8_lossy(text)))
            })?),
            None => None,
        };
        // PROTOCOL-HTTP2, "TimeoutValue": positive. What has no time has had it.
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Status::deadline_exceeded("the deadline had passed when the call came"));
        }
        let accepts = fields.get(Name::GrpcAcceptEncoding).map(Encodings::parse).unwrap_or_default();
        Ok((CallHead { route, format, compression, accepts }, timeout))
    }
}

fn unknown_path(server: &ServerShared, path: &[u8]) -> Status {
    let text = String::from_utf8_lossy(path);
    let service = path.strip_prefix(b"/").and_then(|rest| rest.split(|byte| *byte == b'/').next());
    match service {
        Some(service) if server.routes.has_service(service) => {
            Status::unimplemented(format!("the service has no method {text}"))
        }
        _ => Status::unimplemented(format!("no service here answers {text}")),
    }
}

/// The dispositions of the last few repeated field sections: a steady client sends the same block with every call, and
/// the same block asks for the same thing.
#[derive(Default)]
pub(super) struct KnownHeads {
    heads: Vec<(Arc<Fields>, Disposition)>,
    next: usize,
}

impl KnownHeads {
    const KEPT: usize = 4;

    pub(super) fn disposition(
        &mut self,
        server: &ServerShared,
        fields: &Arc<Fields>,
        repeated: bool,
    ) -> Disposition {
        if !repeated {
            return Disposition::of(server, fields);
        }
        if let Some((_, known)) = self.heads.iter().find(|(head, _)| Arc::ptr_eq(head, fields)) {
            return known.clone();
        }
        let disposition = Disposition::of(server, fields);
        let entry = (Arc::clone(fields), disposition.clone());
        if self.heads.len() < Self::KEPT {
            self.heads.push(entry);
        } else {
            self.heads[self.next] = entry;
            self.next = (self.next + 1) % Self::KEPT;
        }
        disposition
    }
}
