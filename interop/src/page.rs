//! What a browser, or a tester of HTTP/2, gets from the interop server.

use bytes::Bytes;
use gannet::{BoxFuture, Fields, HttpHandler, HttpRequest, Name};

/// Answers every request that is no gRPC with a line of text, once the request has come whole.
pub struct Page;

const TEXT: &str = "This is gannet's interop server.\n";

impl HttpHandler for Page {
    fn handle(&self, mut request: HttpRequest) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while let Ok(Some(_)) = request.body.next().await {}
            let mut head = Fields::new();
            head.push(Name::Status, b"200");
            head.push(Name::ContentType, b"text/plain");
            head.push(Name::ContentLength, TEXT.len().to_string().as_bytes());
            request.responder.head(head);
            // An error is a client that went away: there is nobody to tell.
            let _ = request.responder.data(Bytes::from_static(TEXT.as_bytes())).await;
            request.responder.end(None);
        })
    }
}
