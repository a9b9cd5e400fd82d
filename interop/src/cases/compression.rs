//! The cases of compressed messages, each way.

use super::{check, check_large, ends_with, large_request, payload};
use crate::proto::grpc::testing::{
    BoolValue, ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
    TestServiceClient,
};
use gannet::{Code, Compression, Result};

fn boolean(value: bool) -> BoolValue {
    BoolValue { value, ..Default::default() }
}

pub(super) async fn client_unary(client: &TestServiceClient) -> Result<()> {
    let request = |expected| SimpleRequest { expect_compressed: boolean(expected).into(), ..large_request() };
    // Whether the server looks at expect_compressed at all.
    ends_with(client.unary_call(request(true)).await, Code::InvalidArgument)?;
    check_large(&client.unary_call(request(true)).compression(Compression::Gzip).await?)?;
    check_large(&client.unary_call(request(false)).await?)
}

pub(super) async fn client_streaming(client: &TestServiceClient) -> Result<()> {
    let request = |size, expected| StreamingInputCallRequest {
        payload: payload(size).into(),
        expect_compressed: boolean(expected).into(),
        ..Default::default()
    };
    let mut probe = client.streaming_input_call();
    probe.send(request(27_182, true)).await?;
    ends_with(probe.finish().await, Code::InvalidArgument)?;

    let mut call = client.streaming_input_call().compression(Compression::Gzip);
    call.send(request(27_182, true)).await?;
    call.compress(false);
    call.send(request(45_904, false)).await?;
    let size = call.finish().await?.aggregated_payload_size;
    check(size == 73_086, format!("the sizes add up to {size}, not 73086"))
}

pub(super) async fn server_unary(client: &TestServiceClient) -> Result<()> {
    for compressed in [true, false] {
        let request = SimpleRequest { response_compressed: boolean(compressed).into(), ..large_request() };
        let response = client.unary_call(request).response().await?;
        check_compressed(compressed, response.compression)?;
        check_large(&response.message)?;
    }
    Ok(())
}

pub(super) async fn server_streaming(client: &TestServiceClient) -> Result<()> {
    let expected = [(31_415, true), (92_653, false)];
    let parameters = expected.map(|(size, compressed)| ResponseParameters {
        size,
        compressed: boolean(compressed).into(),
        ..Default::default()
    });
    let request =
        StreamingOutputCallRequest { response_parameters: parameters.to_vec(), ..Default::default() };
    let mut responses = client.streaming_output_call(request).await?;
    for (size, compressed) in expected {
        let response = responses.next().await?;
        let len =
            response.and_then(|response| response.payload.as_option().map(|payload| payload.body.len()));
        check(len == Some(size as usize), format!("an answer has {len:?} bytes, not {size}"))?;
        check_compressed(compressed, responses.compression())?;
    }
    check(responses.next().await?.is_none(), "an answer after the last one")
}

fn check_compressed(expected: bool, came: Compression) -> Result<()> {
    let compressed = came != Compression::Identity;
    check(compressed == expected, format!("compressed is {compressed}, not {expected}"))
}
