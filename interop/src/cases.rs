//! The cases, as grpc/grpc `doc/interop-test-descriptions.md` describes them.

mod compression;
mod misbehaving;
mod orca;
mod soak;

pub use soak::Soak;

use crate::proto::grpc::testing::{
    EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingOutputCallRequest, TestServiceClient, UnimplementedServiceClient,
};
use crate::service::{ECHO_INITIAL, ECHO_TRAILING};
use gannet::{Answer, Call, Channel, Code, Interceptor, Next, Result, Status};
use std::time::Duration;

/// The cases of a server that behaves.
pub const CASES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_streaming",
    "client_compressed_streaming",
    "server_streaming",
    "server_compressed_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "orca_per_rpc",
    "orca_oob",
    "rpc_soak",
    "channel_soak",
];

/// The cases of the servers of `doc/negative-http2-interop-test-descriptions.md`.
pub const MISBEHAVING: &[&str] =
    &["goaway", "rst_after_header", "rst_during_data", "rst_after_data", "ping", "max_streams"];

/// Runs one case. Some make channels of their own; the others share one.
///
/// # Errors
/// The status of a call that failed, or an INTERNAL that says what was not as described.
pub async fn run(case: &str, connect: &(dyn Fn() -> Channel + Sync), soak: &Soak) -> Result<()> {
    let channel = connect();
    let client = TestServiceClient::new(channel.clone());
    match case {
        "empty_unary" => client.empty_call(Empty::default()).await.map(drop),
        "large_unary" => large_unary(&client).await,
        "client_compressed_unary" => compression::client_unary(&client).await,
        "server_compressed_unary" => compression::server_unary(&client).await,
        "client_streaming" => client_streaming(&client).await,
        "client_compressed_streaming" => compression::client_streaming(&client).await,
        "server_streaming" => server_streaming(&client).await,
        "server_compressed_streaming" => compression::server_streaming(&client).await,
        "ping_pong" => ping_pong(&client).await,
        "empty_stream" => empty_stream(&client).await,
        "custom_metadata" => custom_metadata(&client).await,
        "status_code_and_message" => status_code_and_message(&client, 2, "test status message").await,
        "special_status_message" => {
            status_code_and_message(
                &client,
                2,
                "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
            )
            .await
        }
        "unimplemented_method" => {
            ends_with(client.unimplemented_call(Empty::default()).await, Code::Unimplemented)
        }
        "unimplemented_service" => {
            let client = UnimplementedServiceClient::new(channel);
            ends_with(client.unimplemented_call(Empty::default()).await, Code::Unimplemented)
        }
        "cancel_after_begin" => cancel_after_begin(&client).await,
        "cancel_after_first_response" => cancel_after_first_response(&client).await,
        "timeout_on_sleeping_server" => timeout_on_sleeping_server(&client).await,
        "orca_per_rpc" => orca::per_rpc(&client).await,
        "orca_oob" => orca::oob(&channel, &client).await,
        "rpc_soak" => soak.run(&|| channel.clone()).await,
        "channel_soak" => soak.run(connect).await,
        "goaway" => misbehaving::goaway(&client).await,
        "rst_after_header" | "rst_during_data" | "rst_after_data" => misbehaving::reset(&client).await,
        "ping" => large_unary(&client).await,
        "max_streams" => misbehaving::max_streams(&client).await,
        _ => {
            let all = [CASES, MISBEHAVING].concat().join(", ");
            Err(Status::invalid_argument(format!("there is no such case; there are {all}")))
        }
    }
}

/// Adds `--additional_metadata` to every call.
#[derive(Debug)]
pub struct AdditionalMetadata(pub Vec<(String, String)>);

impl Interceptor for AdditionalMetadata {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        for (name, value) in &self.0 {
            call.metadata_mut().append(name, value)?;
        }
        next.run(call).await
    }
}

fn check(holds: bool, what: impl Into<String>) -> Result<()> {
    if holds { Ok(()) } else { Err(Status::internal(what.into())) }
}

fn ends_with<T>(result: Result<T>, code: Code) -> Result<()> {
    match result {
        Err(status) if status.code() == code => Ok(()),
        Err(status) => Err(status),
        Ok(_) => Err(Status::internal(format!("the call ended OK, not {}", code.name()))),
    }
}

/// As [`ends_with`], with the message too. Another status comes back as it is: it says what became of the call.
fn ends_as<T>(result: Result<T>, code: i32, message: &str) -> Result<()> {
    match result {
        Err(status) if status.code().number() == code as u32 && status.message() == message => Ok(()),
        Err(status) => Err(status),
        Ok(_) => Err(Status::internal(format!("the call ended OK, not {code}"))),
    }
}

fn payload(size: usize) -> Payload {
    Payload { body: vec![0; size], ..Payload::default() }
}

fn large_request() -> SimpleRequest {
    SimpleRequest { response_size: 314_159, payload: payload(271_828).into(), ..Default::default() }
}

fn streaming_request(response_size: i32, payload_size: usize) -> StreamingOutputCallRequest {
    let parameters = ResponseParameters { size: response_size, ..Default::default() };
    StreamingOutputCallRequest {
        response_parameters: vec![parameters],
        payload: payload(payload_size).into(),
        ..Default::default()
    }
}

async fn large_unary(client: &TestServiceClient) -> Result<()> {
    check_large(&client.unary_call(large_request()).await?)
}

fn check_large(response: &SimpleResponse) -> Result<()> {
    let len = response.payload.as_option().map_or(0, |payload| payload.body.len());
    check(len == 314_159, format!("the answer has {len} bytes, not 314159"))
}

async fn client_streaming(client: &TestServiceClient) -> Result<()> {
    let mut call = client.streaming_input_call();
    for size in [27_182, 8, 1_828, 45_904] {
        call.send(StreamingInputCallRequest { payload: payload(size).into(), ..Default::default() }).await?;
    }
    let size = call.finish().await?.aggregated_payload_size;
    check(size == 74_922, format!("the sizes add up to {size}, not 74922"))
}

const RESPONSE_SIZES: [i32; 4] = [31_415, 9, 2_653, 58_979];

async fn server_streaming(client: &TestServiceClient) -> Result<()> {
    let parameters = RESPONSE_SIZES.map(|size| ResponseParameters { size, ..Default::default() });
    let request =
        StreamingOutputCallRequest { response_parameters: parameters.to_vec(), ..Default::default() };
    let mut responses = client.streaming_output_call(request).await?;
    let mut sizes = Vec::new();
    while let Some(response) = responses.next().await? {
        sizes.push(response.payload.as_option().map_or(0, |payload| payload.body.len() as i32));
    }
    check(sizes == RESPONSE_SIZES, format!("the answers have {sizes:?} bytes"))
}

async fn ping_pong(client: &TestServiceClient) -> Result<()> {
    let (mut requests, mut responses) = client.full_duplex_call().await?;
    for (response_size, size) in RESPONSE_SIZES.into_iter().zip([27_182, 8, 1_828, 45_904]) {
        requests.send(streaming_request(response_size, size)).await?;
        let response = responses.next().await?;
        let len =
            response.and_then(|response| response.payload.as_option().map(|payload| payload.body.len()));
        check(
            len == Some(response_size as usize),
            format!("an answer has {len:?} bytes, not {response_size}"),
        )?;
    }
    requests.finish();
    check(responses.next().await?.is_none(), "an answer after the last one")
}

async fn empty_stream(client: &TestServiceClient) -> Result<()> {
    let (requests, mut responses) = client.full_duplex_call().await?;
    requests.finish();
    check(responses.next().await?.is_none(), "an answer without a request")
}

const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING_VALUE: &[u8] = &[0xab, 0xab, 0xab];

async fn custom_metadata(client: &TestServiceClient) -> Result<()> {
    let call = client.unary_call(large_request());
    let response = call
        .metadata(ECHO_INITIAL, INITIAL_VALUE)
        .metadata_bin(ECHO_TRAILING, TRAILING_VALUE)
        .response()
        .await?;
    check(
        response.headers.get(ECHO_INITIAL) == Some(INITIAL_VALUE),
        "unary: the initial metadata did not come back",
    )?;
    let trailing = response.trailers.get_bin(ECHO_TRAILING);
    check(trailing.as_deref() == Some(TRAILING_VALUE), "unary: the trailing metadata did not come back")?;

    let call = client.full_duplex_call();
    let call = call.metadata(ECHO_INITIAL, INITIAL_VALUE).metadata_bin(ECHO_TRAILING, TRAILING_VALUE);
    let (mut requests, mut responses) = call.await?;
    requests.send(streaming_request(314_159, 271_828)).await?;
    requests.finish();
    let initial = responses.headers().await?;
    check(
        initial.get(ECHO_INITIAL) == Some(INITIAL_VALUE),
        "duplex: the initial metadata did not come back",
    )?;
    while responses.next().await?.is_some() {}
    let trailing = responses.trailers().get_bin(ECHO_TRAILING);
    check(trailing.as_deref() == Some(TRAILING_VALUE), "duplex: the trailing metadata did not come back")
}

async fn status_code_and_message(client: &TestServiceClient, code: i32, message: &str) -> Result<()> {
    let wanted = EchoStatus { code, message: message.to_owned(), ..Default::default() };
    let request = SimpleRequest { response_status: wanted.clone().into(), ..Default::default() };
    ends_as(client.unary_call(request).await, code, message)?;
    if message.starts_with('\t') {
        // special_status_message is described for the unary call alone.
        return Ok(());
    }
    let (mut requests, mut responses) = client.full_duplex_call().await?;
    requests
        .send(StreamingOutputCallRequest { response_status: wanted.into(), ..Default::default() })
        .await?;
    requests.finish();
    ends_as(responses.next().await, code, message)
}

async fn cancel_after_begin(client: &TestServiceClient) -> Result<()> {
    let mut call = client.streaming_input_call();
    // A call begins with its first message; the server has no answer to an unfinished stream.
    call.send(StreamingInputCallRequest { payload: payload(1).into(), ..Default::default() }).await?;
    drop(call);
    // The connection has survived it.
    client.empty_call(Empty::default()).await.map(drop)
}

async fn cancel_after_first_response(client: &TestServiceClient) -> Result<()> {
    let (mut requests, mut responses) = client.full_duplex_call().await?;
    requests.send(streaming_request(31_415, 27_182)).await?;
    check(responses.next().await?.is_some(), "no first answer")?;
    drop(requests);
    ends_with(responses.next().await, Code::Cancelled)
}

async fn timeout_on_sleeping_server(client: &TestServiceClient) -> Result<()> {
    // It asks for no answer, and is not half-closed: nothing ends the call but its deadline, which may pass before the
    // call is sent, or its message.
    let sleep = async {
        let (mut requests, mut responses) =
            client.full_duplex_call().deadline(Duration::from_millis(1)).await?;
        let payload = payload(27_182).into();
        requests.send(StreamingOutputCallRequest { payload, ..Default::default() }).await?;
        responses.next().await
    };
    ends_with(sleep.await, Code::DeadlineExceeded)
}
