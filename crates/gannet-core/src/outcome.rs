//! A call's end on the wire: `grpc-status`, `grpc-message` and what goes with them (PROTOCOL-HTTP2, Responses).

use crate::code::Code;
use crate::content_type::Format;
use crate::detail::{decode_details, encode_status};
use crate::metadata::{Metadata, decode_base64, encode_base64};
use crate::percent;
use crate::status::{Result, Status};
use bytes::Bytes;
use gannet_http2::{Fields, Name};

/// What SETTINGS_MAX_HEADER_LIST_SIZE counts for a field beside its name and value (RFC 9113 §6.5.2).
const FIELD_OVERHEAD_BYTES: usize = 32;

impl Status {
    /// Appends the trailers that tell this status to `out`, whose whole list then has at most `limit_bytes` as
    /// SETTINGS_MAX_HEADER_LIST_SIZE counts them. What is too long is cut rather than refused: first the details go,
    /// then the end of the message, and the metadata last. `grpc-status` is always there.
    pub fn write_trailers(&self, out: &mut Fields, limit_bytes: usize) {
        let mut number = [0; 2];
        out.push(Name::GrpcStatus, decimal(self.code(), &mut number));
        let room = limit_bytes.saturating_sub(out.list_size());

        let metadata_size = self.metadata().list_size();
        let with_metadata = metadata_size <= room;
        let room = if with_metadata { room - metadata_size } else { room };

        let room = room - self.write_message(out, room);
        self.write_details(out, room);
        if with_metadata {
            self.metadata().write_to(out);
        }
    }

    /// Appends as much of the message as there is room for; says how much of the room it took.
    fn write_message(&self, out: &mut Fields, room: usize) -> usize {
        let overhead = Name::GrpcMessage.text().len() + FIELD_OVERHEAD_BYTES;
        let message = percent::cut(self.message(), room.saturating_sub(overhead));
        if message.is_empty() {
            return 0;
        }
        let mut encoded = Vec::with_capacity(percent::encoded_len(message));
        percent::encode(message, &mut encoded);
        out.push(Name::GrpcMessage, &encoded);
        overhead + encoded.len()
    }

    /// Appends the details where there is room for them.
    fn write_details(&self, out: &mut Fields, room: usize) {
        if self.details().is_empty() {
            return;
        }
        let encoded = encode_base64(&encode_status(self.code(), self.message(), self.details()));
        if Name::GrpcStatusDetailsBin.text().len() + encoded.len() + FIELD_OVERHEAD_BYTES <= room {
            out.push(Name::GrpcStatusDetailsBin, encoded.as_bytes());
        }
    }
}

/// How a call ended, by its trailers, or by the one header block of a response that has no messages.
///
/// # Errors
/// The status that they tell; [`Code::Unknown`], or what the HTTP status means, where they have no `grpc-status`.
pub fn outcome_from_trailers(trailers: &Fields) -> Result<()> {
    let Some(value) = trailers.get(Name::GrpcStatus) else {
        return Err(without_grpc_status(trailers).with_metadata(Metadata::from(trailers.clone())));
    };
    let Some(number) = parse_decimal(value) else {
        let value = String::from_utf8_lossy(value);
        return Err(Status::unknown(format!("the server's grpc-status is not a number: {value:?}")));
    };
    let Some(code) = Code::from_number(number) else { return Ok(()) };
    let message = match trailers.get(Name::GrpcMessage) {
        Some(message) => percent::decode(message),
        None if code.number() != number => format!("the server's grpc-status {number} has no name here"),
        None => String::new(),
    };
    let details = trailers
        .get(Name::GrpcStatusDetailsBin)
        .and_then(decode_base64)
        .map(|encoded| decode_details(&Bytes::from(encoded)))
        .unwrap_or_default();
    Err(Status::new(code, message).with_details(details).with_metadata(Metadata::from(trailers.clone())))
}

/// Whether these response headers begin a gRPC response.
///
/// # Errors
/// The status to end the call with where they do not: a proxy's or another server's HTTP status or content-type.
pub fn check_response_headers(headers: &Fields) -> Result<Format> {
    // http-grpc-status-mapping.md: a grpc-status, where there is one, must be used.
    if headers.get(Name::GrpcStatus).is_some() {
        outcome_from_trailers(headers)?;
    }
    if headers.get(Name::Status) != Some(b"200") {
        return Err(without_grpc_status(headers).with_metadata(Metadata::from(headers.clone())));
    }
    let content_type = headers.get(Name::ContentType).unwrap_or_default();
    Format::from_content_type(content_type).ok_or_else(|| {
        let content_type = String::from_utf8_lossy(content_type);
        let message = format!("the response is not gRPC: its content-type is {content_type:?}");
        Status::unknown(message).with_metadata(Metadata::from(headers.clone()))
    })
}

fn without_grpc_status(fields: &Fields) -> Status {
    match fields.get(Name::Status) {
        None | Some(b"200") => Status::unknown("the server ended the call without a grpc-status"),
        Some(value) => {
            let code = parse_decimal(value).and_then(|status| u16::try_from(status).ok());
            let code = code.map_or(Code::Unknown, Code::from_http_status);
            let value = String::from_utf8_lossy(value);
            Status::new(
                code,
                format!("the server answered with HTTP status {value} and without a grpc-status"),
            )
        }
    }
}

/// A code's number as decimal digits.
fn decimal(code: Code, digits: &mut [u8; 2]) -> &[u8] {
    let number = code.number() as u8;
    *digits = [b'0' + number / 10, b'0' + number % 10];
    &digits[usize::from(number < 10)..]
}

/// A number; one that is too large saturates.
fn parse_decimal(value: &[u8]) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value
            .iter()
            .fold(0u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))),
    )
}

#[cfg(test)]
mod tests;
