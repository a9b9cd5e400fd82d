//! The bodies of requests and responses.

use super::pipes::Place;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::BoxError;

/// What a client sends, whatever framework it came by.
pub(super) type Requests = UnsyncBoxBody<Bytes, BoxError>;

/// What a call answers: data, then trailers. Dropped before its end it cancels the call.
#[derive(Debug)]
pub struct ResponseBody(Option<(Incoming, Place)>);

impl ResponseBody {
    pub(super) fn empty() -> Self {
        Self(None)
    }

    pub(super) fn new(incoming: Incoming, place: Place) -> Self {
        Self(Some((incoming, place)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Some((incoming, _)) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(incoming, _)| incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(incoming, _)| incoming.size_hint())
    }
}
