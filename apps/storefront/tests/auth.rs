//! A storefront that wants tokens: what it takes, who may call what, and mistakes with its keys.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use gannet::{Channel, Code, Status};
use gannet_auth::TokenCredentials;
use gannet_services::health::{HealthCheckRequest, HealthClient};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::PublicKeyData;
use serde_json::json;
use shop::new_user;
use shop::program::{Program, command, refused};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use storefront::proto::chat::v1::{ChatMessage, ChatServiceClient};
use storefront::proto::file::v1::{DownloadFileRequest, FileChunk, FileServiceClient};
use storefront::proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, Money, OrderItem, OrderServiceClient, OrderStatus,
    UpdateOrderStatusRequest, WatchOrderRequest,
};
use storefront::proto::user::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, Role, UpdateUserRequest,
    UserServiceClient,
};
use tempfile::TempDir;

/// A storefront with a secret, as a process.
struct Guarded {
    program: Program,
    secret: PathBuf,
    folder: TempDir,
}

impl Guarded {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("shop.secret");
        std::fs::write(&secret, "thirty-two bytes that nobody else knows\n").unwrap();
        let arguments = [&["--auth-secret-file", secret.to_str().unwrap()], arguments].concat();
        let program = Program::start(&data_in(&folder), &arguments);
        Self { program, secret, folder }
    }

    fn data(&self) -> PathBuf {
        data_in(&self.folder)
    }

    /// What `storefront token` prints.
    fn token(&self, arguments: &[&str]) -> String {
        token(&self.secret, arguments)
    }

    fn channel(&self, token: &str) -> Channel {
        channel(&self.program, token)
    }
}

fn data_in(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fn token(secret: &Path, arguments: &[&str]) -> String {
    let arguments = [&["token", "--secret-file", secret.to_str().unwrap()], arguments].concat();
    let output = command(&arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A channel that sends this token, or none where it is empty.
fn channel(program: &Program, token: &str) -> Channel {
    if token.is_empty() {
        return program.channel();
    }
    let target = format!("ipv4:{}", program.address);
    Channel::builder(&target).unwrap().intercept(TokenCredentials::fixed(token)).build()
}

async fn get_user(channel: &Channel, id: &str) -> Result<(), Status> {
    let request = GetUserRequest { id: id.into(), ..Default::default() };
    UserServiceClient::new(channel.clone()).get_user(request).await.map(drop)
}

#[tokio::test]
async fn a_call_needs_a_good_token() {
    let shop = Guarded::start(&["--auth-issuer", "tests", "--auth-audience", "shop"]);
    let from = |issuer: &'static str, audience: &'static str, expires: &'static str| {
        let to = ["--issuer", issuer, "--audience", audience, "--subject", "ann"];
        shop.token(&[&to[..], &["--expires", expires]].concat())
    };
    let other_secret = shop.secret.with_file_name("other.secret");
    std::fs::write(&other_secret, "another secret of more than thirty-two bytes").unwrap();
    let to = ["--issuer", "tests", "--audience", "shop", "--subject", "ann", "--role", "ADMIN"];
    let forged = token(&other_secret, &to);
    let rows = [
        ("", Code::Unauthenticated, "send a token"),
        ("nonsense", Code::Unauthenticated, "the token is not valid here"),
        (&forged, Code::Unauthenticated, "the token is not valid here"),
        (&from("others", "shop", "1h"), Code::Unauthenticated, "the token is not valid here"),
        (&from("tests", "another shop", "1h"), Code::Unauthenticated, "the token is not valid here"),
        (&from("tests", "shop", "-2s"), Code::Unauthenticated, "the token has expired"),
        // It comes through.
        (&from("tests", "shop", "1h"), Code::NotFound, "User 7 not found"),
    ];
    for (token, code, says) in rows {
        shop::fails(get_user(&shop.channel(token), "7").await, code, says);
    }
    shop.program.terminate();
    let (_, log) = shop.program.ended().await;
    let refused: Vec<&str> = log.lines().filter(|line| line.contains(" UNAUTHENTICATED ")).collect();
    assert_eq!(refused.len(), 6, "each has its line: {log}");
    assert!(!log.contains(&forged) && !log.contains("nonsense"), "a token is as good as a password: {log}");
}

/// Load balancers and tools come without one; a bad one is bad here too.
#[tokio::test]
async fn health_and_reflection_are_open() {
    use gannet_services::reflection::{ServerReflectionClient, ServerReflectionRequest};
    let shop = Guarded::start(&[]);
    let check = |token| HealthClient::new(shop.channel(token)).check(HealthCheckRequest::default());
    check("").await.unwrap();
    shop::fails(check("nonsense").await, Code::Unauthenticated, "not valid here");
    let reflection = ServerReflectionClient::new(shop.program.channel());
    let (mut requests, mut answers) = reflection.server_reflection_info().await.unwrap();
    requests.send(ServerReflectionRequest::default()).await.unwrap();
    assert!(answers.next().await.unwrap().is_some());
}

/// All that somebody is to the tests: a user and an order of theirs.
struct Person {
    id: String,
    order: String,
}

#[derive(Clone)]
struct Caller {
    users: UserServiceClient,
    orders: OrderServiceClient,
    files: FileServiceClient,
    chat: ChatServiceClient,
}

type Calls = Vec<(&'static str, Result<(), Status>)>;

impl Caller {
    fn new(channel: Channel) -> Self {
        Self {
            users: UserServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel.clone()),
            files: FileServiceClient::new(channel.clone()),
            chat: ChatServiceClient::new(channel),
        }
    }

    async fn order_for(&self, id: &str) -> Result<String, Status> {
        let price = Money { currency_code: "EUR".into(), units: 1, ..Default::default() };
        let item =
            OrderItem { product_id: "tea".into(), quantity: 1, price: price.into(), ..Default::default() };
        let request = CreateOrderRequest { user_id: id.into(), items: vec![item], ..Default::default() };
        self.orders.create_order(request).await.map(|order| order.id.clone())
    }

    async fn person(&self, name: &str) -> Person {
        let id = self.users.create_user(new_user(name)).await.unwrap().user.id.clone();
        let order = self.order_for(&id).await.unwrap();
        Person { id, order }
    }

    /// What a person may do with what is theirs.
    async fn calls_of_owners(&self, whose: &Person) -> Calls {
        let update = UpdateUserRequest { id: whose.id.clone(), name: "Someone".into(), ..Default::default() };
        let get = GetOrderRequest { id: whose.order.clone(), ..Default::default() };
        let watch = WatchOrderRequest { order_id: whose.order.clone(), ..Default::default() };
        vec![
            ("UpdateUser", self.users.update_user(update).await.map(drop)),
            ("CreateOrder", self.order_for(&whose.id).await.map(drop)),
            ("GetOrder", self.orders.get_order(get).await.map(drop)),
            ("WatchOrder", async { self.orders.watch_order(watch).await?.next().await.map(drop) }.await),
            ("Chat", self.says(&[&whose.id]).await),
            ("Chat, later", self.says(&[&whose.id, &whose.id]).await),
        ]
    }

    /// Says a word in each of these names.
    async fn says(&self, names: &[&str]) -> Result<(), Status> {
        let (mut messages, mut heard) = self.chat.chat().await?;
        for name in names {
            let user_id = (*name).to_owned();
            let message = ChatMessage { room_id: "r".into(), user_id, ..Default::default() };
            messages.send(message).await?;
            heard.next().await?;
        }
        Ok(())
    }

    async fn calls_of_admins(&self, whom: &Person) -> Calls {
        let admin = CreateUserRequest { role: Role::Admin.into(), ..new_user("another-admin") };
        let status = UpdateOrderStatusRequest {
            order_id: whom.order.clone(),
            status: OrderStatus::Processing.into(),
            ..Default::default()
        };
        let delete = DeleteUserRequest { id: whom.id.clone(), ..Default::default() };
        let list = async {
            let mut list = self.users.list_users(ListUsersRequest::default()).await?;
            while list.next().await?.is_some() {}
            Ok(())
        };
        vec![
            ("ListUsers", list.await),
            ("CreateUser as ADMIN", self.users.create_user(admin).await.map(drop)),
            ("BatchCreateUsers", self.users.batch_create_users().finish().await.map(drop)),
            ("UpdateOrderStatus", self.orders.update_order_status(status).await.map(drop)),
            ("ImportOrders", self.orders.import_orders().finish().await.map(drop)),
            ("DeleteUser", self.users.delete_user(delete).await.map(drop)),
        ]
    }

    async fn calls_of_all(&self, name: &str, whom: &Person) -> Calls {
        let get = GetUserRequest { id: whom.id.clone(), ..Default::default() };
        let file = async {
            let mut upload = self.files.upload_file();
            upload.send(FileChunk { filename: "f".into(), ..Default::default() }).await?;
            let file_id = upload.finish().await?.file_id.clone();
            let request = DownloadFileRequest { file_id, ..Default::default() };
            self.files.download_file(request).await?.next().await.map(drop)
        };
        let chat = async {
            let (messages, mut answers) = self.users.user_chat().await?;
            messages.finish();
            answers.next().await.map(drop)
        };
        let market = async {
            let (offers, mut fills) = self.orders.match_orders().await?;
            offers.finish();
            fills.next().await.map(drop)
        };
        vec![
            ("CreateUser", self.users.create_user(new_user(name)).await.map(drop)),
            ("GetUser", self.users.get_user(get).await.map(drop)),
            ("files", file.await),
            ("UserChat", chat.await),
            ("MatchOrders", market.await),
        ]
    }
}

#[track_caller]
fn all(calls: Calls, code: Option<Code>) {
    for (name, result) in calls {
        assert_eq!(result.as_ref().err().map(Status::code), code, "{name}: {result:?}");
        if let Err(status) = result.as_ref() {
            // Whatever the reason, the same words: none of them tells what is there.
            let words = match status.code() {
                Code::PermissionDenied => "this call is not allowed to you; an administrator can make it",
                _ => "send a token: metadata `authorization` with `Bearer TOKEN`",
            };
            assert_eq!(status.message(), words, "{name}");
            assert!(status.details().is_empty(), "{name}: {status:?}");
        }
    }
}

#[tokio::test]
async fn who_may_call_what() {
    let shop = Guarded::start(&[]);
    let caller = |subject: &str, role: &str| {
        Caller::new(shop.channel(&shop.token(&["--subject", subject, "--role", role])))
    };
    let root = caller("root", "ADMIN");
    let (ann, bob) = (root.person("ann").await, root.person("bob").await);
    let as_ann = caller(&ann.id, "USER");
    let nobody = Caller::new(shop.program.channel());

    all(nobody.calls_of_owners(&ann).await, Some(Code::Unauthenticated));
    all(nobody.calls_of_admins(&ann).await, Some(Code::Unauthenticated));
    all(nobody.calls_of_all("n", &ann).await, Some(Code::Unauthenticated));

    all(as_ann.calls_of_owners(&bob).await, Some(Code::PermissionDenied));
    all(vec![("Chat as another", as_ann.says(&[&ann.id, &bob.id]).await)], Some(Code::PermissionDenied));
    all(caller(&ann.id, "MODERATOR").calls_of_owners(&bob).await, Some(Code::PermissionDenied));
    all(as_ann.calls_of_admins(&ann).await, Some(Code::PermissionDenied));
    let neither_there = Person { id: "7".into(), order: "7".into() };
    all(as_ann.calls_of_owners(&neither_there).await, Some(Code::PermissionDenied));
    all(as_ann.calls_of_owners(&ann).await, None);
    all(as_ann.calls_of_all("carl", &bob).await, None);

    all(root.calls_of_owners(&bob).await, None);
    all(root.calls_of_all("dora", &bob).await, None);
    all(root.calls_of_admins(&bob).await, None);
}

/// A token that was good when it was made is worth what its user is now: less than it says, or nothing.
#[tokio::test]
async fn a_token_is_worth_what_its_user_is_now() {
    let shop = Guarded::start(&[]);
    let caller = |subject: &str, role: &str| {
        Caller::new(shop.channel(&shop.token(&["--subject", subject, "--role", role])))
    };
    let root = caller("root", "ADMIN");
    let (bob, carl) = (root.person("bob").await, root.person("carl").await);
    let admin = CreateUserRequest { role: Role::Admin.into(), ..new_user("ann") };
    let ann = root.users.create_user(admin).await.unwrap().user.id.clone();
    let as_ann = caller(&ann, "ADMIN");
    all(as_ann.calls_of_owners(&bob).await, None);
    all(as_ann.calls_of_admins(&carl).await, None);
    // A token may say less.
    all(caller(&ann, "USER").calls_of_owners(&bob).await, Some(Code::PermissionDenied));

    const DEMOTE: &str = "UPDATE users SET role = 1 WHERE name = 'ann' RETURNING id";
    let database = shop.data().join("storefront.db");
    assert_eq!(shop::query(&database, DEMOTE).await, [ann.as_str()]);
    all(as_ann.calls_of_admins(&bob).await, Some(Code::PermissionDenied));
    all(as_ann.calls_of_owners(&bob).await, Some(Code::PermissionDenied));
    let order = as_ann.order_for(&ann).await.unwrap();
    let whose = Person { id: ann.clone(), order };
    all(as_ann.calls_of_owners(&whose).await, None);

    let delete = DeleteUserRequest { id: ann.clone(), ..Default::default() };
    root.users.delete_user(delete).await.unwrap();
    let of_everybody = [
        as_ann.calls_of_owners(&whose).await,
        as_ann.calls_of_admins(&bob).await,
        as_ann.calls_of_all("late", &bob).await,
    ];
    for (name, result) in of_everybody.into_iter().flatten() {
        let status = shop::fails(result, Code::Unauthenticated, "the token is not valid here");
        assert!(status.details().is_empty(), "{name}: {status:?}");
    }
    // Who never was a user is known by the token alone, as before.
    all(root.calls_of_owners(&bob).await, None);
}

/// A token without a subject is nobody's: it opens nothing that belongs to an empty id.
#[tokio::test]
async fn an_empty_subject_owns_nothing() {
    let shop = Guarded::start(&[]);
    let nameless = Caller::new(shop.channel(&shop.token(&["--subject", ""])));
    let nobody = Person { id: String::new(), order: String::new() };
    all(nameless.calls_of_owners(&nobody).await, Some(Code::PermissionDenied));
}

/// RFC 7517: the public keys of an identity provider.
#[tokio::test]
async fn keys_from_a_key_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (first, second) = (EllipticKey::new("first"), EllipticKey::new("second"));
    std::fs::write(&path, json!({"keys": [first.public()]}).to_string()).unwrap();
    let arguments = ["--auth-jwks", path.to_str().unwrap()];
    let program = Program::start(&folder.path().join("data"), &arguments);
    let call = async |token: &str| get_user(&channel(&program, token), "7").await;
    shop::fails(call(&first.token()).await, Code::NotFound, "User 7 not found");
    shop::fails(call(&second.token()).await, Code::Unauthenticated, "the token is not valid here");
    // Never a secret of what is public (RFC 8725 §3.1).
    let secret = EncodingKey::from_secret(first.pair.der_bytes());
    let confused = jsonwebtoken::encode(&Header::default(), &claims(), &secret).unwrap();
    shop::fails(call(&confused).await, Code::Unauthenticated, "the token is not valid here");
}

struct EllipticKey {
    id: &'static str,
    pair: rcgen::KeyPair,
}

impl EllipticKey {
    fn new(id: &'static str) -> Self {
        Self { id, pair: rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap() }
    }

    /// RFC 7518 §6.2.1; SEC 1 §2.3.3: a byte that says "uncompressed", then both coordinates.
    fn public(&self) -> serde_json::Value {
        use base64::Engine;
        let coordinate = |bytes| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let point = self.pair.der_bytes();
        let (x, y) = (coordinate(&point[1..33]), coordinate(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": x, "y": y})
    }

    fn token(&self) -> String {
        let header = Header { kid: Some(self.id.into()), ..Header::new(Algorithm::ES256) };
        let key = EncodingKey::from_ec_der(self.pair.serialized_der());
        jsonwebtoken::encode(&header, &claims(), &key).unwrap()
    }
}

fn claims() -> serde_json::Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({"sub": "ann", "exp": now + 600})
}

#[test]
fn mistakes_with_keys_get_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (empty, short) = (write("empty", "\n"), write("short", "secret"));
    let (secret, no_set) = (write("secret", &"s".repeat(40)), write("no-set", "{}"));
    let no_keys = write("no-keys", r#"{"keys": []}"#);
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let directory = folder.path().to_str().unwrap();
    let data = folder.path().join("data");
    let listen = ["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let rows: [(&[&str], &[&str]); 11] = [
        (&["--auth-secret-file", &missing], &["missing: No such file", "openssl rand -base64 48 > "]),
        (&["--auth-secret-file", directory], &[directory, "Is a directory"]),
        (&["--auth-secret-file", &empty], &["empty", "the secret has 0 bytes; it needs at least 32"]),
        (&["--auth-secret-file", &short], &["short", "the secret has 6 bytes"]),
        (&["--auth-secret-file", &secret, "--auth-jwks", &no_set], &["cannot be used with"]),
        (&["--auth-jwks", &missing], &["--auth-jwks", "missing: No such file"]),
        (&["--auth-jwks", &no_set], &["--auth-jwks", "no-set", "no JSON Web Key Set"]),
        (&["--auth-jwks", &no_keys], &["no-keys", "no key that can verify a token"]),
        // Alone they would look as if they kept somebody out.
        (&["--auth-issuer", "us"], &["--auth-secret-file", "--auth-jwks"]),
        (&["--auth-audience", "us"], &["--auth-secret-file", "--auth-jwks"]),
        (&["--auth-secret-file"], &["--auth-secret-file"]),
    ];
    for (arguments, says) in rows {
        let message = refused(&[&listen, arguments].concat(), &[]);
        assert!(message.starts_with("error: "), "{arguments:?}: {message}");
        assert!(says.iter().all(|part| message.contains(part)), "{arguments:?}: {message}");
    }
    assert!(!data.exists(), "nothing is made before the keys are there");

    let with = |more: &[&'static str]| [&["token", "--secret-file", secret.as_str()], more].concat();
    let rows: [(Vec<&str>, &str); 5] = [
        (vec!["token", "--subject", "ann"], "--secret-file"),
        (vec!["token", "--secret-file", &empty, "--subject", "ann"], "the secret has 0 bytes"),
        (with(&[]), "--subject"),
        (with(&["--subject", "ann", "--role", "KING"]), "[possible values: USER, MODERATOR, ADMIN]"),
        (with(&["--subject", "ann", "--expires", "soon"]), "such as 90s, 15m, 1h or 30d"),
    ];
    for (arguments, says) in rows {
        let message = refused(&arguments, &[]);
        assert!(message.contains(says) && message.starts_with("error: "), "{arguments:?}: {message}");
    }
}

#[test]
fn the_demo_brings_a_token() {
    let shop = Guarded::start(&[]);
    let address = shop.program.address.as_str();
    let admin = shop.token(&["--subject", "demo", "--role", "admin"]);
    let shown = command(&["demo", "--connect", address]).env("STOREFRONT_TOKEN", &admin).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    for (token, code) in [
        (None, "UNAUTHENTICATED"),
        (Some("bad\ntoken".to_owned()), ""),
        (Some(shop.token(&["--subject", "demo"])), "PERMISSION_DENIED"),
    ] {
        let mut arguments = vec!["demo", "--connect", address];
        arguments.extend(token.iter().flat_map(|token| ["--token", token]));
        let output = command(&arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.starts_with("error: ") && message.contains(code), "{message}");
        assert!(code.is_empty() || message.contains("storefront token --secret-file"), "{message}");
    }
}
