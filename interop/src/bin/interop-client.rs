//! The interop client: `interop-client --server_host=127.0.0.1 --server_port=10000 --test_case=empty_unary`, with TLS by
//! `--use_tls=true --ca_file=…`, `--server_host_override=…` and, to be known, `--tls_cert_file=… --tls_key_file=…`.

use gannet::Channel;
use gannet::tls::{Authorities, ClientTls, Identity};
use gannet_interop::{cases, flags};
use std::collections::HashMap;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(case) => {
            println!("{case}: ok");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("interop-client: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<String, String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let flag = |name: &str, default: &str| flags.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let target = format!("dns:///{}:{}", flag("server_host", "localhost"), flag("server_port", "10000"));
    let metadata = additional_metadata(&flag("additional_metadata", ""))?;
    let mut channel = Channel::builder(&target).map_err(|error| error.to_string())?;
    if !metadata.is_empty() {
        channel = channel.intercept(cases::AdditionalMetadata(metadata));
    }
    if flag("use_tls", "false") == "true" {
        channel = channel.tls(tls(&flags));
    }
    let case = flag("test_case", "empty_unary");
    cases::run(&channel.build(), &case).await.map_err(|error| format!("{case}: {error}"))?;
    Ok(case)
}

fn tls(flags: &HashMap<String, String>) -> ClientTls {
    let mut tls = ClientTls::new();
    if let Some(path) = flags.get("ca_file") {
        tls = tls.authorities(Authorities::file(path));
    }
    if let Some(name) = flags.get("server_host_override") {
        tls = tls.server_name(name);
    }
    if let (Some(certificate), Some(key)) = (flags.get("tls_cert_file"), flags.get("tls_key_file")) {
        tls = tls.identity(Identity::files(certificate, key));
    }
    tls
}

/// `--additional_metadata=name:value;name:value`.
fn additional_metadata(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = text.split(';').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair
                .split_once(':')
                .ok_or_else(|| format!("{pair} in --additional_metadata is not name:value"))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}
