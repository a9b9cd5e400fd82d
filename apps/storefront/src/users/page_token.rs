//! Page tokens: where a list goes on, signed so that only this server can have made them.

use crate::store::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The token for the page after this user. It holds for lists with the same filter.
pub(super) fn make(secret: &Secret, after_sequence: i64, filter: i32) -> String {
    let after = after_sequence.to_be_bytes();
    let signature = secret.sign(&signed(&after, &filter.to_be_bytes()));
    URL_SAFE_NO_PAD.encode([&after[..], &signature[..SIGNATURE_BYTES]].concat())
}

/// The user after which the page begins; `None` where this server did not make the token for this filter.
pub(super) fn read(secret: &Secret, token: &str, filter: i32) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (after, signature) = bytes.split_first_chunk::<8>()?;
    let is_own = signature.len() == SIGNATURE_BYTES
        && secret.has_signed(&signed(after, &filter.to_be_bytes()), signature);
    is_own.then(|| i64::from_be_bytes(*after))
}

/// With the eight bytes in front of it a multiple of three, so that every bit of the base64 text counts.
const SIGNATURE_BYTES: usize = 16;

/// What the signature is over; the name keeps it apart from whatever else the key may sign.
fn signed<'a>(after: &'a [u8], filter: &'a [u8]) -> [&'a [u8]; 3] {
    [b"user.v1.UserService/ListUsers", after, filter]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_made_is_read() {
        let secret = Secret::of([7; 64]);
        let token = make(&secret, 1234, 1);
        assert_eq!(read(&secret, &token, 1), Some(1234));
        assert_eq!(read(&secret, &token, 2), None, "another filter");
        assert_eq!(read(&Secret::of([8; 64]), &token, 1), None, "another server");
        for at in 0..token.len() {
            for other in "AQgw_-3".chars().filter(|other| !token[at..].starts_with(*other)) {
                let mut changed = token.clone();
                changed.replace_range(at..=at, &other.to_string());
                assert_eq!(read(&secret, &changed, 1), None, "{changed}");
            }
        }
        for broken in ["", "x", &token[1..], &token[..31], &format!("{token}A"), &format!("{token}AAAA"), "ä"]
        {
            assert_eq!(read(&secret, broken, 1), None, "{broken}");
        }
    }
}
