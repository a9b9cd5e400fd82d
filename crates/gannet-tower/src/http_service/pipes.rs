//! Connections in memory, from the framework's requests to gannet's server.

use super::body::{Requests, ResponseBody};
use gannet::{Bound, PeerAddress, ServerHandle};
use http::{Request, Response};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;
use tower::BoxError;

/// The size of a pipe.
const PIPE_BYTES: usize = 256 * 1024;
/// Streams on one pipe; gannet allows a connection 256. With more there is another pipe, so that no call waits for
/// another's end, and no reader that sleeps takes the credit of many.
const STREAMS_PER_PIPE: usize = 100;
/// How often a request that nobody has seen is sent again.
const ATTEMPTS: usize = 3;

/// A server and the pipes to it, made as they are needed.
pub(super) struct Pipes {
    handle: ServerHandle,
    state: Mutex<State>,
}

struct State {
    /// Until the first request: a runtime is needed to begin.
    bound: Option<Bound>,
    serving: Option<AbortHandle>,
    open: Vec<Pipe>,
}

#[derive(Clone)]
struct Pipe {
    requests: http2::SendRequest<Requests>,
    /// Counts those who have it.
    streams: Arc<()>,
}

/// A stream's place on its pipe.
#[derive(Debug)]
pub(super) struct Place {
    _stream: Arc<()>,
}

impl Pipes {
    pub(super) fn new(bound: Bound) -> Self {
        let handle = bound.handle();
        let state = State { bound: Some(bound), serving: None, open: Vec::new() };
        Self { handle, state: Mutex::new(state) }
    }

    pub(super) fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    pub(super) async fn send(
        &self,
        mut request: Request<Requests>,
    ) -> Result<Response<ResponseBody>, BoxError> {
        for _ in 0..ATTEMPTS {
            let mut pipe = match self.with_room() {
                Some(pipe) => pipe,
                None => self.connect().await?,
            };
            match pipe.requests.try_send_request(request).await {
                Ok(response) => {
                    let place = Place { _stream: pipe.streams };
                    return Ok(response.map(|incoming| ResponseBody::new(incoming, place)));
                }
                // The server has ended the pipe meanwhile, for its age as an example: nobody has seen the request.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
            self.lock().open.retain(|other| !Arc::ptr_eq(&other.streams, &pipe.streams));
        }
        Err("it takes no more calls".into())
    }

    /// A pipe that takes another stream.
    fn with_room(&self) -> Option<Pipe> {
        let mut state = self.lock();
        if let Some(bound) = state.bound.take() {
            let serving = tokio::spawn(async move {
                bound.serve().await;
            });
            state.serving = Some(serving.abort_handle());
        }
        // Of those that carry nothing one is enough.
        let mut idle = 0;
        state.open.retain(|pipe| {
            if pipe.requests.is_closed() {
                return false;
            }
            idle += usize::from(pipe.streams() == 0);
            pipe.streams() > 0 || idle == 1
        });
        state.open.iter().find(|pipe| pipe.streams() < STREAMS_PER_PIPE).cloned()
    }

    async fn connect(&self) -> Result<Pipe, BoxError> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.serve_connection(theirs, PeerAddress::InProcess).await });
        let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(ours)).await?;
        tokio::spawn(async move {
            // The calls on it have the error.
            let _ = connection.await;
        });
        let pipe = Pipe { requests, streams: Arc::new(()) };
        self.lock().open.push(pipe.clone());
        Ok(pipe)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// How many streams it carries: one count is the table's own.
    fn streams(&self) -> usize {
        Arc::strong_count(&self.streams) - 1
    }
}

/// Nobody can send a request any more.
impl Drop for Pipes {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(serving) = &state.serving {
            serving.abort();
        }
    }
}
