//! The interop server: `interop-server --port=10000`, with TLS by `--use_tls=true --tls_cert_file=… --tls_key_file=…`
//! and for known clients alone by `--tls_client_ca_file=…`. What is no gRPC gets a page.

use gannet::tls::{Authorities, Identity, ServerTls};
use gannet_interop::{flags, page::Page, service};
use std::process::ExitCode;
use std::time::Duration;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("interop-server: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let port = flags.text("port", "10000");
    let mut server =
        service::server().http_handler(Page).observe(|event| eprintln!("interop-server: {event}"));
    if flags.is_set("use_tls") {
        let file = |name: &str| flags.get(name).ok_or_else(|| format!("--use_tls needs --{name}"));
        let mut tls = ServerTls::new(Identity::files(file("tls_cert_file")?, file("tls_key_file")?));
        if let Some(authorities) = flags.get("tls_client_ca_file") {
            tls = tls.client_authorities(Authorities::file(authorities));
        }
        server = server.tls(tls.reload_interval(Duration::from_secs(1)));
    }
    let bound = server.bind([format!("127.0.0.1:{port}")]).await.map_err(|error| error.to_string())?;
    for address in bound.addresses() {
        println!("listening on {address}");
    }
    bound.serve().await;
    Ok(())
}
