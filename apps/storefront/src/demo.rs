//! `storefront demo`: calls every method of the four services and shows what goes each way.

mod chat;
mod connect;
mod files;
mod orders;
mod stage;
mod users;

use crate::cli::DemoOptions;
use crate::server::{RunError, server};
use crate::store::Store;
use gannet::{Channel, Code, InvalidTarget, ServerHandle, Status};
use stage::Stage;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};
use tempfile::TempDir;

/// Shows every method, on a server of its own or the one that the options name.
///
/// # Errors
/// Where there is no server, a call fails that must not, or something answers wrongly.
pub async fn run(options: DemoOptions) -> Result<(), DemoError> {
    let stage = Stage::new();
    match &options.connect {
        Some(address) => {
            let channel = connect::connect(address, &options).await?;
            stage.title(&format!("The storefront at {address}"));
            show(&stage, &channel).await
        }
        None => {
            let own = OwnServer::start().await?;
            stage.title(&format!("A storefront of its own at {}, with temporary data", own.address));
            let channel = Channel::new(&connect::target(&own.address)).map_err(DemoError::Target)?;
            let shown = show(&stage, &channel).await;
            drop(channel);
            own.stop().await;
            shown
        }
    }
}

async fn show(stage: &Stage, channel: &Channel) -> Result<(), DemoError> {
    users::show(stage, channel).await?;
    orders::show(stage, channel).await?;
    files::show(stage, channel).await?;
    chat::show(stage, channel).await?;
    stage.title("Every method answered as it should.");
    Ok(())
}

/// The largest upload that the demo's own server takes.
const MAX_UPLOAD_BYTES: u64 = 64 << 20;

/// A server on a free port whose data goes with it.
struct OwnServer {
    address: String,
    handle: ServerHandle,
    store: Store,
    _folder: TempDir,
}

impl OwnServer {
    async fn start() -> Result<Self, DemoError> {
        let folder = tempfile::tempdir().map_err(DemoError::TemporaryData)?;
        let store = Store::open(folder.path()).await.map_err(RunError::Store)?;
        let bound = server(store.clone(), MAX_UPLOAD_BYTES)
            .await?
            .bind(["127.0.0.1:0"])
            .await
            .map_err(RunError::Serve)?;
        let address = bound.addresses().first().map(ToString::to_string).unwrap_or_default();
        let handle = bound.handle();
        tokio::spawn(bound.serve());
        Ok(Self { address, handle, store, _folder: folder })
    }

    async fn stop(self) {
        self.handle.shutdown(Duration::from_secs(2)).await;
        self.store.close().await;
    }
}

/// Why a demo did not come to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// The address is none.
    Target(InvalidTarget),
    /// Nobody answers at the address, or not as this side expects.
    Connect(String, Status),
    /// The file with the token can't be read, or there is none in it.
    TokenFile(PathBuf, io::Error),
    /// There is no place for temporary data.
    TemporaryData(io::Error),
    /// The demo's own server could not begin.
    Server(RunError),
    /// A call failed.
    Call(&'static str, Status),
    /// A call answered something else than it must.
    Wrong(&'static str, String),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DemoError::Target(error) => error.fmt(f),
            DemoError::Connect(address, status) => f.write_str(&connect::explain(address, status)),
            DemoError::TokenFile(path, error) => {
                let path = path.display();
                write!(f, "can't use the token in {path}: {error}; make one: storefront token … > {path}")
            }
            DemoError::TemporaryData(error) => write!(f, "there is no place for temporary data: {error}"),
            DemoError::Server(error) => error.fmt(f),
            DemoError::Call(method, status) => {
                write!(f, "{method} failed: {status}")?;
                match status.code() {
                    // The commands that make one; what the status says is for any client.
                    Code::Unauthenticated | Code::PermissionDenied => f.write_str(WANTS_A_TOKEN),
                    _ => Ok(()),
                }
            }
            DemoError::Wrong(method, what) => write!(f, "{method} answered wrongly: {what}"),
        }
    }
}

const WANTS_A_TOKEN: &str = "; this server wants a token with the role ADMIN in --token-file, --token or STOREFRONT_TOKEN, \
     made by: storefront token --secret-file FILE --subject demo --role ADMIN";

impl std::error::Error for DemoError {}

impl From<RunError> for DemoError {
    fn from(error: RunError) -> Self {
        DemoError::Server(error)
    }
}

/// Names the method that a result came from.
trait Of<T> {
    fn of(self, method: &'static str) -> Result<T, DemoError>;
}

impl<T> Of<T> for gannet::Result<T> {
    fn of(self, method: &'static str) -> Result<T, DemoError> {
        self.map_err(|status| DemoError::Call(method, status))
    }
}

/// What must hold of an answer.
fn must(holds: bool, method: &'static str, what: impl Into<String>) -> Result<(), DemoError> {
    if holds { Ok(()) } else { Err(DemoError::Wrong(method, what.into())) }
}

/// The status of a call that must fail with this code.
fn must_fail<T>(result: gannet::Result<T>, code: Code, method: &'static str) -> Result<Status, DemoError> {
    match result {
        Err(status) if status.code() == code => Ok(status),
        Err(status) => Err(DemoError::Call(method, status)),
        Ok(_) => Err(DemoError::Wrong(method, format!("it is OK where {} was due", code.name()))),
    }
}
