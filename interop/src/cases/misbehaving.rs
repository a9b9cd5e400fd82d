//! The client's part of grpc/grpc `doc/negative-http2-interop-test-descriptions.md`. The answers have the size that the
//! requests ask for, as in the official clients; the document's 1024 bytes are of an older server.

use super::{check, large_request, large_unary};
use crate::proto::grpc::testing::TestServiceClient;
use gannet::{Result, Status};

/// The server sends GOAWAY after the first call: the second one goes elsewhere, and nobody notices.
pub(super) async fn goaway(client: &TestServiceClient) -> Result<()> {
    large_unary(client).await?;
    large_unary(client).await
}

/// The server resets the stream before its answer has ended.
pub(super) async fn reset(client: &TestServiceClient) -> Result<()> {
    match client.unary_call(large_request()).await {
        Err(_) => Ok(()),
        Ok(_) => Err(Status::internal("the call ended OK, though its stream was reset")),
    }
}

/// The server allows one stream at a time, and says so during the first.
pub(super) async fn max_streams(client: &TestServiceClient) -> Result<()> {
    large_unary(client).await?;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { large_unary(&client).await })
        })
        .collect();
    for call in calls {
        let ended = call.await.map_err(|error| Status::internal(error.to_string()))?;
        check(ended.is_ok(), format!("one of ten calls: {ended:?}"))?;
    }
    Ok(())
}
