//! The program with TLS, and its end under load.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod shop;

use gannet::tls::{Authorities, ClientTls, Identity};
use gannet::{Channel, Code};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shop::new_user;
use shop::program::{Program, refused};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storefront::proto::user::v1::{ListUsersRequest, UserServiceClient};

/// `ca.pem`, and certificates that it has signed, in a folder.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
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
