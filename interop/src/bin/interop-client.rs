//! The interop client: `interop-client --server_host=127.0.0.1 --server_port=10000 --test_case=empty_unary`, with TLS by
//! `--use_tls=true --ca_file=…`, `--server_host_override=…` and, to be known, `--tls_cert_file=… --tls_key_file=…`.

use gannet::Channel;
use gannet::tls::{Authorities, ClientTls, Identity};
use gannet_interop::cases::{self, Soak};
use gannet_interop::flags::{self, Flags};
use std::process::ExitCode;
use std::time::Duration;

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
    let target =
        format!("dns:///{}:{}", flags.text("server_host", "localhost"), flags.text("server_port", "10000"));
    let metadata = additional_metadata(flags.text("additional_metadata", ""))?;
    let tls = flags.is_set("use_tls").then(|| tls(&flags)).transpose()?;
    let connect = || {
        let mut channel = Channel::builder(&target)?;
        if !metadata.is_empty() {
            channel = channel.intercept(cases::AdditionalMetadata(metadata.clone()));
        }
        if let Some(name) = flags.get("server_host_override") {
            channel = channel.authority(name);
        }
        if let Some(tls) = &tls {
            channel = channel.tls(tls.clone());
        }
        Ok::<_, gannet::InvalidTarget>(channel.build())
    };
    // The target is checked once; then every channel is like the first.
    let channel = connect().map_err(|error| error.to_string())?;
    let connect = || connect().unwrap_or_else(|_| channel.clone());
    let case = flags.text("test_case", "empty_unary");
    cases::run(case, &connect, &soak(&flags)?).await.map_err(|error| format!("{case}: {error}"))?;
    Ok(case.to_owned())
}

/// The flags `--soak_…`.
fn soak(flags: &Flags) -> Result<Soak, String> {
    let defaults = Soak::default();
    let milliseconds =
        |name, default: Duration| flags.number(name, default.as_millis() as u64).map(Duration::from_millis);
    let overall = flags.number("soak_overall_timeout_seconds", defaults.overall_timeout.as_secs())?;
    Ok(Soak {
        iterations: flags.number("soak_iterations", defaults.iterations)?,
        max_failures: flags.number("soak_max_failures", defaults.max_failures)?,
        max_latency: milliseconds("soak_per_iteration_max_acceptable_latency_ms", defaults.max_latency)?,
        overall_timeout: Duration::from_secs(overall),
        min_interval: milliseconds("soak_min_time_ms_between_rpcs", defaults.min_interval)?,
        request_size: flags.number("soak_request_size", defaults.request_size)?,
        response_size: flags.number("soak_response_size", defaults.response_size)?,
    })
}

fn tls(flags: &Flags) -> Result<ClientTls, String> {
    let mut tls = ClientTls::new();
    match flags.get("ca_file") {
        Some(path) => tls = tls.authorities(Authorities::file(path)),
        None if flags.is_set("use_test_ca") => {
            return Err(
                "--use_test_ca needs --ca_file, the ca.pem of the official test credentials".to_owned()
            );
        }
        None => {}
    }
    if let Some(name) = flags.get("server_host_override") {
        tls = tls.server_name(name);
    }
    if let (Some(certificate), Some(key)) = (flags.get("tls_cert_file"), flags.get("tls_key_file")) {
        tls = tls.identity(Identity::files(certificate, key));
    }
    Ok(tls)
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
