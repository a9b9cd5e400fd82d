//! The interop client: `interop-client --server_host=127.0.0.1 --server_port=10000 --test_case=empty_unary`.

use gannet::Channel;
use gannet_interop::{cases, flags};
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
    let case = flag("test_case", "empty_unary");
    cases::run(&channel.build(), &case).await.map_err(|error| format!("{case}: {error}"))?;
    Ok(case)
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
