//! Tokens good and bad.

use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;

const SECRET: &[u8] = b"thirty-two bytes that nobody else knows";
const MINUTE: u64 = 60;

fn token(header: &Header, claims: serde_json::Value, key: &EncodingKey) -> String {
    encode(header, &claims, key).unwrap()
}

fn with_secret(claims: serde_json::Value) -> String {
    token(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET))
}

fn verifier() -> Verifier {
    Verifier::new(Keys::secret(SECRET).unwrap()).issuer("us").audience("shop")
}

#[test]
fn claims_decide() {
    let now = get_current_timestamp();
    let good = json!({"sub": "u7", "iss": "us", "aud": "shop", "exp": now + MINUTE});
    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    assert_eq!(verifier().verify(&with_secret(good.clone())).unwrap().subject(), Some("u7"));
    for (claims, refusal) in [
        (changed("exp", json!(now - 2 * MINUTE)), Refusal::Expired),
        (changed("nbf", json!(now + 2 * MINUTE)), Refusal::NotYetValid),
        (changed("iss", json!("them")), Refusal::Invalid),
        (changed("aud", json!("bank")), Refusal::Invalid),
        (without("exp"), Refusal::Invalid),
        (without("iss"), Refusal::Invalid),
        (without("aud"), Refusal::Invalid),
    ] {
        assert_eq!(verifier().verify(&with_secret(claims.clone())), Err(refusal), "{claims}");
    }
    // Within the leeway, and one of several audiences.
    for claims in [changed("exp", json!(now - MINUTE / 2)), changed("aud", json!(["bank", "shop"]))] {
        assert!(verifier().verify(&with_secret(claims.clone())).is_ok(), "{claims}");
    }
    let strict = verifier().leeway(Duration::ZERO);
    assert_eq!(strict.verify(&with_secret(changed("exp", json!(now - 2)))), Err(Refusal::Expired));
}

#[test]
fn forged_tokens_are_not_believed() {
    let exp = get_current_timestamp() + MINUTE;
    let claims = json!({"sub": "u7", "iss": "us", "aud": "shop", "exp": exp});
    let good = with_secret(claims.clone());
    let other = EncodingKey::from_secret(b"another secret of thirty-two bytes!");
    let (head, rest) = good.split_once('.').unwrap();
    // {"alg":"none"}: RFC 8725 §3.1.
    let none = format!("eyJhbGciOiJub25lIn0.{}.", rest.split_once('.').unwrap().0);
    for forged in [
        token(&Header::new(Algorithm::HS256), claims, &other),
        none,
        format!("{head}.e30.{}", rest.split_once('.').unwrap().1),
        good[..good.len() - 3].to_owned(),
        String::new(),
        "a.b".to_owned(),
        "x".repeat(20 * 1024),
    ] {
        assert_eq!(verifier().verify(&forged), Err(Refusal::Invalid), "{forged}");
    }
}

/// A public key, and the private one to sign with.
struct Pair {
    algorithm: Algorithm,
    public: &'static str,
    private: EncodingKey,
}

/// Keys that were made for this test and protect nothing.
fn pairs() -> [Pair; 3] {
    let pem = |text: &'static str| text.as_bytes();
    [
        Pair {
            algorithm: Algorithm::RS256,
            public: include_str!("keys/rsa.pub.pem"),
            private: EncodingKey::from_rsa_pem(pem(include_str!("keys/rsa.pem"))).unwrap(),
        },
        Pair {
            algorithm: Algorithm::ES256,
            public: include_str!("keys/ec.pub.pem"),
            private: EncodingKey::from_ec_pem(pem(include_str!("keys/ec.pem"))).unwrap(),
        },
        Pair {
            algorithm: Algorithm::EdDSA,
            public: include_str!("keys/ed25519.pub.pem"),
            private: EncodingKey::from_ed_pem(pem(include_str!("keys/ed25519.pem"))).unwrap(),
        },
    ]
}

#[test]
fn keys_of_every_kind_verify_their_own_and_no_others() {
    let claims = json!({"sub": "u7", "exp": get_current_timestamp() + MINUTE});
    for signer in pairs() {
        let token = token(&Header::new(signer.algorithm), claims.clone(), &signer.private);
        for verified_with in pairs() {
            let verifier = Verifier::new(Keys::pem(verified_with.public.as_bytes()).unwrap());
            let verified = verifier.verify(&token);
            assert_eq!(verified.is_ok(), signer.algorithm == verified_with.algorithm, "{verified:?}");
        }
    }
}

/// RFC 8725 §2.1: a public key is known to all; taken for an HMAC secret it would let anybody sign.
#[test]
fn a_public_key_is_no_secret() {
    let public = include_str!("keys/rsa.pub.pem");
    let claims = json!({"sub": "u7", "exp": get_current_timestamp() + MINUTE});
    let forged = token(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(public.as_bytes()));
    let verifier = Verifier::new(Keys::pem(public.as_bytes()).unwrap());
    assert_eq!(verifier.verify(&forged), Err(Refusal::Invalid));
}

#[test]
fn short_secrets_and_wrong_keys_are_refused_with_the_reason() {
    assert!(Keys::secret(b"short").unwrap_err().to_string().contains("at least 32"));
    assert!(Keys::pem(b"nothing").unwrap_err().to_string().contains("no public"));
    assert!(Keys::jwks("[]").unwrap_err().to_string().contains("RFC 7517"));
    assert!(Keys::jwks(r#"{"keys": []}"#).unwrap_err().to_string().contains("no key"));
}
