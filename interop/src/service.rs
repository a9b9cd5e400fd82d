//! `grpc.testing.TestService` as its description has it.

use crate::proto::grpc::testing::{
    BoolValue, EchoStatus, Empty, Payload, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse, TestOrcaReport,
    TestService, TestServiceServer,
};
use gannet::{Call, Code, Compression, Receiver, Result, Sender, Server, Status};
use gannet_services::orca::{CallMetricRecorder, CallReports, OrcaService, ServerMetricRecorder};
use std::time::Duration;
use tokio::sync::Mutex;

/// The service that every implementation is tested with.
#[derive(Debug, Default)]
pub struct Interop {
    load: ServerMetricRecorder,
    /// Case `orca_oob`: one client at a time, or they would see each other's load.
    reporting: Mutex<()>,
}

/// A server with all that the cases need: the service, and load reports, with each call and apart.
#[must_use]
pub fn server() -> Server {
    let interop = Interop::default();
    let reports = OrcaService::new(&interop.load).min_report_interval(Duration::from_secs(1));
    Server::new().add(TestServiceServer::new(interop)).add(reports).intercept(CallReports::new())
}

/// What `custom_metadata` sends and expects back.
pub const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
/// What `custom_metadata` sends and expects back at the end.
pub const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";

fn payload(size: i32) -> Payload {
    Payload { body: vec![0; size.max(0) as usize], ..Payload::default() }
}

/// Sends the test's metadata back.
fn echo_metadata(call: &mut Call) -> Result<()> {
    if let Some(value) = call.metadata().get(ECHO_INITIAL).map(str::to_owned) {
        call.set_header(ECHO_INITIAL, &value)?;
    }
    if let Some(value) = call.metadata().get_bin(ECHO_TRAILING) {
        call.set_trailer_bin(ECHO_TRAILING, &value)?;
    }
    Ok(())
}

/// Ends the call with the status that the request asks for.
fn echo_status(status: Option<&EchoStatus>) -> Result<()> {
    let Some(status) = status.filter(|status| status.code != 0) else { return Ok(()) };
    let code = u32::try_from(status.code).ok().and_then(Code::from_number).unwrap_or(Code::Unknown);
    Err(Status::new(code, status.message.clone()))
}

/// Reports with the call what the request asks for.
fn report_with(call: &mut Call, report: &TestOrcaReport) {
    let recorder = CallMetricRecorder::of(call);
    recorder.record_cpu_utilization(report.cpu_utilization);
    recorder.record_memory_utilization(report.memory_utilization);
    for (name, value) in &report.request_cost {
        recorder.record_request_cost(name, *value);
    }
    for (name, value) in &report.utilization {
        recorder.record_utilization(name, *value);
    }
}

/// Ends the call where the request was to come compressed and did not.
fn check_compressed(expected: Option<&BoolValue>, came: Compression) -> Result<()> {
    if expected.is_some_and(|expected| expected.value) && came == Compression::Identity {
        return Err(Status::invalid_argument("the request came uncompressed"));
    }
    Ok(())
}

impl Interop {
    /// Reports apart from calls what the request asks for.
    fn report(&self, report: &TestOrcaReport) {
        self.load.set_cpu_utilization(report.cpu_utilization);
        self.load.set_memory_utilization(report.memory_utilization);
        self.load.set_all_utilization(report.utilization.iter().map(|(name, value)| (name, *value)));
    }

    /// The call's `grpc-encoding` is gzip; each message is compressed where its parameters ask for it.
    async fn answer(
        request: &StreamingOutputCallRequest,
        responses: &mut Sender<StreamingOutputCallResponse>,
    ) -> Result<()> {
        for parameters in &request.response_parameters {
            tokio::time::sleep(Duration::from_micros(parameters.interval_us.max(0) as u64)).await;
            responses.compress(parameters.compressed.as_option().is_some_and(|compressed| compressed.value));
            let payload = payload(parameters.size).into();
            responses.send(StreamingOutputCallResponse { payload, ..Default::default() }).await?;
        }
        Ok(())
    }
}

impl TestService for Interop {
    async fn empty_call(&self, _call: &mut Call, _request: Empty) -> Result<Empty> {
        Ok(Empty::default())
    }

    async fn unary_call(&self, call: &mut Call, request: SimpleRequest) -> Result<SimpleResponse> {
        echo_metadata(call)?;
        echo_status(request.response_status.as_option())?;
        check_compressed(request.expect_compressed.as_option(), call.request_compression())?;
        if request.response_compressed.as_option().is_some_and(|compressed| compressed.value) {
            call.set_compression(Compression::Gzip)?;
        }
        if let Some(report) = request.orca_per_query_report.as_option() {
            report_with(call, report);
        }
        Ok(SimpleResponse { payload: payload(request.response_size).into(), ..Default::default() })
    }

    async fn streaming_output_call(
        &self,
        call: &mut Call,
        request: StreamingOutputCallRequest,
        mut responses: Sender<StreamingOutputCallResponse>,
    ) -> Result<()> {
        echo_metadata(call)?;
        call.set_compression(Compression::Gzip)?;
        Self::answer(&request, &mut responses).await?;
        echo_status(request.response_status.as_option())
    }

    async fn streaming_input_call(
        &self,
        _call: &mut Call,
        mut requests: Receiver<StreamingInputCallRequest>,
    ) -> Result<StreamingInputCallResponse> {
        let mut size = 0;
        while let Some(request) = requests.next().await? {
            check_compressed(request.expect_compressed.as_option(), requests.compression())?;
            size += request.payload.as_option().map_or(0, |payload| payload.body.len());
        }
        let aggregated_payload_size = i32::try_from(size).unwrap_or(i32::MAX);
        Ok(StreamingInputCallResponse { aggregated_payload_size, ..Default::default() })
    }

    async fn full_duplex_call(
        &self,
        call: &mut Call,
        mut requests: Receiver<StreamingOutputCallRequest>,
        mut responses: Sender<StreamingOutputCallResponse>,
    ) -> Result<()> {
        echo_metadata(call)?;
        call.set_compression(Compression::Gzip)?;
        let mut reporting = None;
        while let Some(request) = requests.next().await? {
            if let Some(report) = request.orca_oob_report.as_option() {
                if reporting.is_none() {
                    reporting = Some(self.reporting.lock().await);
                }
                self.report(report);
            }
            Self::answer(&request, &mut responses).await?;
            echo_status(request.response_status.as_option())?;
        }
        Ok(())
    }

    async fn unimplemented_call(&self, call: &mut Call, _request: Empty) -> Result<Empty> {
        Err(Status::unimplemented(format!("{} is never implemented", call.spec().path)))
    }
}
