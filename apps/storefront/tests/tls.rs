//! The program with TLS, and its end under load.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod shop;

use gannet::tls::{Authorities, ClientTls, Identity};
use gannet::{Channel, Code};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use shop::new_user;
use shop::program::{Program, command, refused};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storefront::proto::user::v1::{ListUsersRequest, UserServiceClient};

/// `ca.pem`, and certificates that it has signed, in a folder.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the authority of these tests");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["shop", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn flags<'a>(pairs: &'a [(&'a str, &'a PathBuf)]) -> Vec<&'a str> {
    pairs.iter().flat_map(|(flag, path)| [*flag, path.to_str().unwrap()]).collect()
}

#[tokio::test]
async fn it_speaks_tls_and_knows_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name);
    let (certificate, key, ca) = (file("shop.pem"), file("shop.key"), file("ca.pem"));
    let tls = || ClientTls::new().authorities(Authorities::file(&ca)).server_name("shop.example");
    let known = || tls().identity(Identity::files(file("client.pem"), file("client.key")));
    let shop = |program: &Program, tls: ClientTls| {
        let target = format!("ipv4:{}", program.address);
        UserServiceClient::new(Channel::builder(&target).unwrap().tls(tls).build())
    };

    let open = Program::start(&file("open"), &flags(&[("--tls-cert", &certificate), ("--tls-key", &key)]));
    shop(&open, tls()).create_user(new_user("ann")).await.unwrap();
    let plaintext = UserServiceClient::new(open.channel()).create_user(new_user("eve")).await.unwrap_err();
    assert!(plaintext.message().contains("this port speaks TLS"), "{plaintext}");

    let closed = [("--tls-cert", &certificate), ("--tls-key", &key), ("--client-ca", &ca)];
    let closed = Program::start(&file("closed"), &flags(&closed));
    shop(&closed, known()).create_user(new_user("ann")).await.unwrap();
    let nobody = shop(&closed, tls()).create_user(new_user("eve")).await.unwrap_err();
    assert!(nobody.message().contains("the server requires a client certificate"), "{nobody}");
    closed.terminate();
    let (status, log) = closed.ended().await;
    assert!(status.success());
    assert!(log.contains("the client presented no certificate, and this server requires one"), "{log}");
}

#[test]
fn mistakes_with_certificates_get_one_message() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name);
    let (certificate, key, other) = (file("shop.pem"), file("shop.key"), file("client.key"));
    let (data, nowhere) = (file("data"), file("nowhere.pem"));
    let rows = [
        (vec![("--tls-cert", &certificate)], "--tls-key"),
        (vec![("--client-ca", &certificate)], "--tls-cert"),
        (vec![("--tls-cert", &certificate), ("--tls-key", &other)], "they are not a pair"),
        (vec![("--tls-cert", &nowhere), ("--tls-key", &key)], "nowhere.pem can't be read: No such file"),
    ];
    for (mut arguments, says) in rows {
        arguments.push(("--data", &data));
        let message = refused(&[&["--listen", "127.0.0.1:0"], &flags(&arguments)[..]].concat(), &[]);
        assert!(message.contains(says) && message.starts_with("error: "), "{arguments:?}: {message}");
    }
}

/// The demo shows to a server that wants everything what it wants, and says in one line what it was not given.
#[test]
fn the_demo_brings_certificates_and_a_token() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, ca, secret) = (path("shop.pem"), path("shop.key"), path("ca.pem"), path("secret"));
    std::fs::write(&secret, "thirty-two bytes that nobody else knows").unwrap();
    let token = ["token", "--secret-file", &secret, "--subject", "demo", "--role", "ADMIN"];
    let token = command(&token).output().unwrap().stdout;
    std::fs::write(path("token"), &token).unwrap();
    std::fs::write(path("empty"), "\n").unwrap();
    let tls = ["--tls-cert", &certificate, "--tls-key", &key, "--client-ca", &ca];
    let wanted = [&tls[..], &["--auth-secret-file", &secret]].concat();
    let program = Program::start(&folder.path().join("data"), &wanted);
    let address = program.address.as_str();

    let (own, own_key, token) = (path("client.pem"), path("client.key"), path("token"));
    let trusts = ["--tls-ca", &ca, "--tls-server-name", "shop.example"];
    let known = ["--tls-cert", &own, "--tls-key", &own_key];
    let demo = |address: &str, options: &[&str]| {
        let mut command = command(&[&["demo", "--connect", address], options].concat());
        // What the system trusts, as far as this test goes.
        command.env("SSL_CERT_FILE", &ca).env_remove("SSL_CERT_DIR").output().unwrap()
    };
    let https = format!("https://{address}/");
    let rows: [(&str, Vec<&str>); 2] = [
        (address, [&trusts[..], &known, &["--token-file", &token]].concat()),
        (&https, [&["--tls-server-name", "shop.example"], &known[..], &["--token-file", &token]].concat()),
    ];
    for (address, options) in rows {
        let shown = demo(address, &options);
        assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
    }

    let other_ca = ["--tls-ca", &own, "--tls-server-name", "shop.example"];
    let (nowhere, empty) = (path("nowhere"), path("empty"));
    let rows: [(&str, Vec<&str>, &str); 11] = [
        (address, vec![], "this port speaks TLS; give --tls, or --tls-ca FILE"),
        (address, [&other_ca[..], &known].concat(), "name its CA with --tls-ca"),
        (address, vec!["--tls"], "connect by a name that it has, or set --tls-server-name"),
        (address, trusts.to_vec(), "the server requires a client certificate; set --tls-cert and --tls-key"),
        (address, [&trusts[..], &["--tls-cert", &own, "--tls-key", &key]].concat(), "they are not a pair"),
        (address, [&["--tls-ca", &nowhere], &known[..]].concat(), "nowhere can't be read: No such file"),
        (address, vec!["--token-file", &nowhere], "can't use the token in "),
        (address, vec!["--token-file", &empty], "empty: it is empty; make one: storefront token"),
        (address, [&trusts[..], &known].concat(), "CreateUser failed: UNAUTHENTICATED"),
        ("http://127.0.0.1:1", vec![], "leave http:// or https:// out"),
        ("https://", vec![], "the host is missing"),
    ];
    for (address, options, says) in rows {
        let output = demo(address, &options);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{options:?}: {message}");
        assert!(message.starts_with("error: ") && message.contains(says), "{options:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{options:?}: {message}");
    }
    for (options, says) in
        [(vec!["--tls"], "--connect"), (vec!["--connect", "h:1", "--tls-cert", &own], "--tls-key")]
    {
        let message = refused(&[&["demo"], &options[..]].concat(), &[]);
        assert!(message.starts_with("error: ") && message.contains(says), "{options:?}: {message}");
    }
}

/// SIGTERM while sixteen clients call: each call has its answer or a clean UNAVAILABLE, and the program ends well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_under_load_loses_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&folder.path().join("data"), &[]);
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (channel, answered) = (program.channel(), Arc::clone(&answered));
        callers.spawn(async move {
            let users = UserServiceClient::new(channel);
            loop {
                // A call that has no end at all is lost; nothing here takes so long.
                let call = async {
                    if number % 2 == 0 {
                        let mut list = users.list_users(ListUsersRequest::default()).await?;
                        while list.next().await?.is_some() {}
                        Ok(())
                    } else {
                        let name = format!("u{number}x{}", answered.load(Ordering::Relaxed));
                        users.create_user(new_user(&name)).await.map(drop)
                    }
                };
                match tokio::time::timeout(Duration::from_secs(60), call).await.expect("a call is lost") {
                    Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                    // Two names may be the same.
                    Err(status) if status.code() == Code::AlreadyExists => continue,
                    Err(status) => return status,
                };
            }
        });
    }
    while answered.load(Ordering::Relaxed) < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    program.terminate();
    for status in callers.join_all().await {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    let (status, log) = program.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("0 cut with 0 calls"), "{log}");
}
