//! Tokens and policies around calls, through the whole stack.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use gannet::{Channel, Code, Server, Status};
use gannet_auth::{Authorization, Bearer, Keys, Policy, Token, TokenCredentials, Verifier};
use gannet_services::health::{Health, HealthCheckRequest, HealthClient};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SECRET: &[u8] = b"thirty-two bytes that nobody else knows";

fn token(secret: &[u8], key_id: Option<&str>, expires_in: i64) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = key_id.map(str::to_owned);
    let exp = get_current_timestamp().saturating_add_signed(expires_in);
    let claims = json!({"sub": "u7", "exp": exp});
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn server(interceptor: impl gannet::Interceptor) -> Channel {
    Channel::to_server(Server::new().intercept(interceptor).add(Health::new().service()))
}

async fn check(channel: &Channel, authorization: &[&str]) -> Result<(), Status> {
    let client = HealthClient::new(channel.clone());
    let mut call = client.check(HealthCheckRequest::default());
    for value in authorization {
        call = call.metadata("authorization", value);
    }
    call.await.map(drop)
}

#[tokio::test]
async fn a_call_needs_a_good_token() {
    let channel = server(Bearer::new(Verifier::new(Keys::secret(SECRET).unwrap())));
    let good = format!("Bearer {}", token(SECRET, None, 60));
    let lower_case = format!("bearer {}", token(SECRET, None, 60));
    check(&channel, &[&good]).await.unwrap();
    check(&channel, &[&lower_case]).await.unwrap();

    let expired = format!("Bearer {}", token(SECRET, None, -120));
    let forged = format!("Bearer {}", token(b"another secret of thirty-two bytes!", None, 60));
    for (authorization, message) in [
        (&[][..], "send a token"),
        (&["Basic dTpw"], "send a token"),
        (&[good.as_str(), good.as_str()], "send a token"),
        (&[expired.as_str()], "expired"),
        (&[forged.as_str()], "not valid"),
    ] {
        let status = check(&channel, authorization).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert!(status.message().contains(message), "{status}");
    }
}

#[tokio::test]
async fn open_methods_take_no_token_or_a_good_one() {
    let bearer = Bearer::new(Verifier::new(Keys::secret(SECRET).unwrap())).open("/grpc.health.v1.Health/");
    let channel = server(bearer);
    check(&channel, &[]).await.unwrap();
    check(&channel, &[&format!("Bearer {}", token(SECRET, None, 60))]).await.unwrap();
    assert_eq!(check(&channel, &["Bearer nonsense"]).await.unwrap_err().code(), Code::Unauthenticated);
}

fn jwks(secret: &str, id: &str) -> String {
    // RFC 7518 §6.4: the secret in base64url; these texts are their own base64url.
    json!({"keys": [{"kty": "oct", "kid": id, "alg": "HS256", "k": secret}]}).to_string()
}

#[tokio::test]
async fn an_unknown_key_has_the_set_read_again_but_not_at_will() {
    let fetched = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&fetched);
    let keys = Keys::jwks_from("test", move || {
        count.fetch_add(1, SeqCst);
        std::future::ready(Ok(jwks(&"A".repeat(43), "first")))
    });
    let channel = server(Bearer::new(Verifier::new(keys.await.unwrap())));
    let zeros = [0; 32];
    check(&channel, &[&format!("Bearer {}", token(&zeros, Some("first"), 60))]).await.unwrap();
    for _ in 0..10 {
        let unknown = format!("Bearer {}", token(&zeros, Some("made up"), 60));
        assert_eq!(check(&channel, &[&unknown]).await.unwrap_err().code(), Code::Unauthenticated);
    }
    assert_eq!(fetched.load(SeqCst), 1, "the first set is fresh: it was not asked for again");
}

#[tokio::test]
async fn a_key_set_in_a_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, jwks(&"A".repeat(43), "first")).unwrap();
    let keys = Keys::jwks_file(&path).await.unwrap();
    let verifier = Verifier::new(keys.clone());
    let second = token(&[0; 32], Some("second"), 60);
    assert!(verifier.verify(&second).is_err());

    std::fs::write(&path, jwks(&"A".repeat(43), "second")).unwrap();
    keys.refresh().await.unwrap();
    assert_eq!(verifier.verify(&second).unwrap().subject(), Some("u7"));

    std::fs::write(&path, "no longer a key set").unwrap();
    let error = keys.refresh().await.unwrap_err().to_string();
    assert!(error.contains("jwks.json"), "{error}");
    assert!(verifier.verify(&second).is_ok(), "the keys that were there stay");
}

#[tokio::test]
async fn a_channel_gets_tokens_in_time_and_once() {
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let credentials = TokenCredentials::ahead(
        move || {
            let first = count.fetch_add(1, SeqCst) == 0;
            // The first one is about to expire when it comes.
            let expires = Instant::now() + Duration::from_secs(if first { 5 } else { 3600 });
            std::future::ready(Ok(Token { value: token(SECRET, None, 60), expires: Some(expires) }))
        },
        Duration::from_secs(60),
    );
    let bearer = Bearer::new(Verifier::new(Keys::secret(SECRET).unwrap()));
    let bound = Server::new().intercept(bearer).add(Health::new().service()).bind(["127.0.0.1:0"]);
    let bound = bound.await.unwrap();
    let (handle, address) = (bound.handle(), bound.addresses()[0].to_string());
    let served = tokio::spawn(bound.serve());
    let channel = Channel::builder(&address).unwrap().intercept(credentials).build();
    for _ in 0..5 {
        check(&channel, &[]).await.unwrap();
    }
    assert_eq!(made.load(SeqCst), 2);
    handle.shutdown(Duration::from_secs(1)).await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_source_without_a_token_ends_the_call() {
    let source = || std::future::ready(Err::<Token, _>(Status::unavailable("the provider is away")));
    let channel =
        Channel::builder("ipv4:127.0.0.1:1").unwrap().intercept(TokenCredentials::new(source)).build();
    let status = check(&channel, &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("the provider is away"), "{status}");
}

#[tokio::test]
async fn a_policy_allows_and_denies_and_can_be_changed() {
    let allow =
        r#"{"name": "p", "allow_rules": [{"name": "health", "request": {"paths": ["/grpc.health.v1.*"]}}]}"#;
    let deny = r#"{"name": "p", "allow_rules": []}"#;
    let authorization = Authorization::new(allow.parse().unwrap());
    let channel = server(authorization.clone());
    check(&channel, &[]).await.unwrap();
    authorization.set(deny.parse::<Policy>().unwrap());
    let status = check(&channel, &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(!status.message().contains('p') || !status.message().contains("policy"), "{status}");
}
