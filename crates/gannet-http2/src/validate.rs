//! Which field sections are well-formed (RFC 9113 §8.1 to §8.3).

use crate::fields::{Field, Fields, Name};

/// What a field section is, for the rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Request,
    Response,
    Trailers,
}

/// What is wrong with a field section; `None` for a well-formed one. RFC 9113 §8.1.1: it is a stream error.
/// `:protocol` has its place only where extended CONNECT was announced (RFC 8441 §3).
pub(crate) fn malformed(section: Section, fields: &Fields, extended_connect: bool) -> Option<&'static str> {
    let mut seen = Pseudo::default();
    let mut regular = false;
    for field in fields {
        let wrong = if field.name.is_pseudo() {
            if regular {
                // RFC 9113 §8.3.
                return Some("a pseudo-header field after a regular one (RFC 9113 §8.3)");
            }
            seen.add(section, field)
        } else if field.text.first() == Some(&b':') {
            Some("an unknown pseudo-header field (RFC 9113 §8.3)")
        } else {
            regular = true;
            regular_field(field)
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    if seen.has(Name::Protocol) && !extended_connect {
        return Some(":protocol, and extended CONNECT was not announced (RFC 8441 §3)");
    }
    seen.missing(section, fields)
}

fn regular_field(field: Field<'_>) -> Option<&'static str> {
    match field.name {
        // RFC 9113 §8.2.2: fields of one connection.
        Name::Connection
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::TransferEncoding
        | Name::Upgrade => {
            return Some("a connection-specific field (RFC 9113 §8.2.2)");
        }
        Name::Te if field.value != b"trailers" => {
            return Some("te with a value other than \"trailers\" (RFC 9113 §8.2.2)");
        }
        Name::Other if !field.text.iter().all(|&byte| is_name_byte(byte)) || field.text.is_empty() => {
            return Some("a field name with a character that it can't have (RFC 9113 §8.2.1)");
        }
        _ => {}
    }
    value(field.value)
}

/// RFC 9113 §8.2.1: no NUL, CR or LF anywhere, no white space at either end.
fn value(value: &[u8]) -> Option<&'static str> {
    const WRONG: Option<&str> = Some("a field value with a character that it can't have (RFC 9113 §8.2.1)");
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return WRONG;
    }
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(value.first()) || is_space(value.last()) { WRONG } else { None }
}

/// RFC 9110 §5.6.2: a token's characters, without the upper-case ones (RFC 9113 §8.2.1).
const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// The pseudo-header fields that have come, a bit each.
#[derive(Default)]
struct Pseudo(u8);

const fn bit(name: Name) -> u8 {
    1 << name as u8
}

impl Pseudo {
    fn add(&mut self, section: Section, field: Field<'_>) -> Option<&'static str> {
        let allowed = match section {
            Section::Request => field.name as u8 != Name::Status as u8,
            Section::Response => field.name as u8 == Name::Status as u8,
            // RFC 9113 §8.1: trailers must not have pseudo-header fields.
            Section::Trailers => false,
        };
        if !allowed {
            return Some("a pseudo-header field that has no place here (RFC 9113 §8.3)");
        }
        if self.0 & bit(field.name) != 0 {
            return Some("a pseudo-header field twice (RFC 9113 §8.3)");
        }
        self.0 |= bit(field.name);
        value(field.value)
    }

    fn has(&self, name: Name) -> bool {
        self.0 & bit(name) != 0
    }

    fn missing(&self, section: Section, fields: &Fields) -> Option<&'static str> {
        match section {
            Section::Trailers => None,
            Section::Response => {
                let status = fields.get(Name::Status).unwrap_or_default();
                let is_code = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
                (!is_code).then_some("no :status, or none of three digits (RFC 9113 §8.3.2)")
            }
            Section::Request => self.missing_in_request(fields),
        }
    }

    fn missing_in_request(&self, fields: &Fields) -> Option<&'static str> {
        let method = fields.get(Name::Method).unwrap_or_default();
        if method.is_empty() {
            return Some("no :method (RFC 9113 §8.3.1)");
        }
        if method == b"CONNECT" && !self.has(Name::Protocol) {
            // RFC 9113 §8.5: CONNECT has neither scheme nor path, unless it is extended (RFC 8441 §4).
            let wrong = self.has(Name::Scheme) || self.has(Name::Path) || !self.has(Name::Authority);
            return wrong.then_some("CONNECT with :scheme or :path, or without :authority (RFC 9113 §8.5)");
        }
        if method != b"CONNECT" && self.has(Name::Protocol) {
            return Some(":protocol without CONNECT (RFC 8441 §4)");
        }
        if !self.has(Name::Scheme) {
            return Some("no :scheme (RFC 9113 §8.3.1)");
        }
        if fields.get(Name::Path).unwrap_or_default().is_empty() {
            return Some("no :path, or an empty one (RFC 9113 §8.3.1)");
        }
        let (authority, host) = (fields.get(Name::Authority), fields.get(Name::Host));
        let differ =
            authority.zip(host).is_some_and(|(authority, host)| !authority.eq_ignore_ascii_case(host));
        differ.then_some("host is not the same as :authority (RFC 9113 §8.3.1)")
    }
}

/// The value of `content-length`: `Ok(None)` where there is none, an error where it is no number or there are two that
/// differ (RFC 9110 §8.6).
pub(crate) fn content_length(fields: &Fields) -> Result<Option<u64>, &'static str> {
    let mut length = None;
    for text in fields.get_all(b"content-length") {
        let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let number =
            std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
        match (number, length) {
            (Some(number), None) => length = Some(number),
            (Some(number), Some(before)) if number == before => {}
            _ => return Err("content-length is not one number (RFC 9110 §8.6)"),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        let mut fields = Fields::new();
        for line in text.split('|').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once("= ").unwrap();
            fields.push_text(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    const REQUEST: &str = ":method= POST|:scheme= http|:path= /a|:authority= b|";

    #[test]
    fn well_formed() {
        let rows = [
            (Section::Request, format!("{REQUEST}te= trailers|content-type= application/grpc|x_y-z.1= a b")),
            (Section::Request, ":method= CONNECT|:authority= a:1".into()),
            (
                Section::Request,
                ":method= CONNECT|:protocol= websocket|:scheme= http|:path= /|:authority= a".into(),
            ),
            (Section::Request, format!("{REQUEST}host= B")),
            (Section::Response, ":status= 200|server= x".into()),
            (Section::Trailers, "grpc-status= 0".into()),
            (Section::Trailers, String::new()),
        ];
        for (section, text) in rows {
            assert_eq!(malformed(section, &fields(&text), true), None, "{text}");
        }
    }

    /// A row for each rule of RFC 9113 §8.1 to §8.3.
    #[test]
    fn malformed_sections() {
        let rows = [
            (Section::Request, format!("{REQUEST}X-Upper= 1"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}a b= 1"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}a= b\nc"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}a= b\0"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}a=  b"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}a= b\t"), "§8.2.1"),
            (Section::Request, format!("{REQUEST}connection= close"), "§8.2.2"),
            (Section::Request, format!("{REQUEST}transfer-encoding= chunked"), "§8.2.2"),
            (Section::Request, format!("{REQUEST}te= gzip"), "§8.2.2"),
            (Section::Request, format!("a= b|{REQUEST}"), "§8.3"),
            (Section::Request, format!("{REQUEST}:path= /b"), "§8.3"),
            (Section::Request, format!("{REQUEST}:unknown= 1"), "§8.3"),
            (Section::Request, format!("{REQUEST}:status= 200"), "§8.3"),
            (Section::Request, ":scheme= http|:path= /".into(), "§8.3.1"),
            (Section::Request, ":method= GET|:path= /".into(), "§8.3.1"),
            (Section::Request, ":method= GET|:scheme= http".into(), "§8.3.1"),
            (Section::Request, ":method= GET|:scheme= http|:path= ".into(), "§8.3.1"),
            (Section::Request, ":method= |:scheme= http|:path= /".into(), "§8.3.1"),
            (Section::Request, format!("{REQUEST}host= c"), "§8.3.1"),
            (Section::Request, ":method= CONNECT|:authority= a|:path= /".into(), "§8.5"),
            (Section::Request, format!(":protocol= websocket|{REQUEST}"), "RFC 8441 §4"),
            (Section::Response, "server= x".into(), "§8.3.2"),
            (Section::Response, ":status= 20".into(), "§8.3.2"),
            (Section::Response, ":method= GET".into(), "§8.3"),
            (Section::Trailers, ":status= 200".into(), "§8.3"),
        ];
        for (section, text, rule) in rows {
            let wrong = malformed(section, &fields(&text), true).unwrap_or_else(|| panic!("{text} passes"));
            assert!(wrong.contains(rule), "{text}: {wrong}");
        }
    }

    /// RFC 8441 §3.
    #[test]
    fn extended_connect_is_announced_before() {
        let request = fields(":method= CONNECT|:protocol= websocket|:scheme= http|:path= /|:authority= a");
        assert_eq!(malformed(Section::Request, &request, true), None);
        assert!(malformed(Section::Request, &request, false).unwrap().contains("RFC 8441 §3"));
    }

    #[test]
    fn content_lengths() {
        assert_eq!(content_length(&fields("a= 1")), Ok(None));
        assert_eq!(content_length(&fields("content-length= 12|content-length= 12")), Ok(Some(12)));
        for wrong in ["content-length= 1|content-length= 2", "content-length= x", "content-length= +1"] {
            assert!(content_length(&fields(wrong)).is_err(), "{wrong}");
        }
    }
}
