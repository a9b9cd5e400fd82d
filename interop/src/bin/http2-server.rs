//! A server that misbehaves: `http2-server --port=10000 --test_case=goaway`. It ends once its case is over, with 0 where
//! the client did what it should.

use gannet_interop::flags;
use gannet_interop::misbehaving::Misbehaviour;
use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("http2-server: {text}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let misbehaviour: Misbehaviour = flags.text("test_case", "goaway").parse()?;
    let address = format!("127.0.0.1:{}", flags.text("port", "10000"));
    let listener = TcpListener::bind(&address).map_err(|error| format!("{address}: {error}"))?;
    println!("listening on {address}");
    misbehaviour.serve(&listener)
}
