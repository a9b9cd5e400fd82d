//! Load reports (gRFC A51).

use super::check;
use crate::proto::grpc::testing::{
    ResponseParameters, SimpleRequest, StreamingOutputCallRequest, TestOrcaReport, TestServiceClient,
};
use gannet::{Channel, Result, Status};
use gannet_services::orca::{LoadReports, OrcaLoadReport, load_report};
use std::time::Duration;

/// The report of the call is in its trailers.
pub(super) async fn per_rpc(client: &TestServiceClient) -> Result<()> {
    let wanted = TestOrcaReport {
        request_cost: [("cost".to_owned(), 3456.32)].into_iter().collect(),
        ..report(0.8210, 0.5847, 0.30499)
    };
    let request = SimpleRequest { orca_per_query_report: wanted.clone().into(), ..Default::default() };
    let response = client.unary_call(request).response().await?;
    let seen = load_report(&response.trailers);
    check(seen.as_ref().is_some_and(|seen| same(seen, &wanted)), format!("the report is {seen:?}"))
}

/// What the server is told by a stream comes by the service for reports.
pub(super) async fn oob(channel: &Channel, client: &TestServiceClient) -> Result<()> {
    let (mut requests, mut responses) = client.full_duplex_call().await?;
    let mut reports = LoadReports::subscribe(channel, Duration::from_secs(1));
    for wanted in [report(0.8210, 0.5847, 0.30499), report(0.29309, 0.2, 0.2039)] {
        let response_parameters = vec![ResponseParameters { size: 1, ..Default::default() }];
        let orca_oob_report = wanted.clone().into();
        requests
            .send(StreamingOutputCallRequest { response_parameters, orca_oob_report, ..Default::default() })
            .await?;
        check(responses.next().await?.is_some(), "no answer to what is to be reported")?;
        wait_for(&mut reports, &wanted).await?;
    }
    requests.finish();
    check(responses.next().await?.is_none(), "an answer after the last one")
}

/// "The client waits for up to 30 seconds": the report that is wanted need not be the first.
async fn wait_for(reports: &mut LoadReports, wanted: &TestOrcaReport) -> Result<()> {
    let mut last = None;
    let waiting = async {
        loop {
            let seen = reports.next().await?;
            if same(&seen, wanted) {
                return Ok(());
            }
            last = Some(seen);
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.unwrap_or_else(|_| Err(Status::internal(format!("the last report is {last:?}"))))
}

fn report(cpu: f64, memory: f64, util: f64) -> TestOrcaReport {
    TestOrcaReport {
        cpu_utilization: cpu,
        memory_utilization: memory,
        utilization: [("util".to_owned(), util)].into_iter().collect(),
        ..Default::default()
    }
}

/// Nothing but what is wanted.
fn same(seen: &OrcaLoadReport, wanted: &TestOrcaReport) -> bool {
    *seen
        == OrcaLoadReport {
            cpu_utilization: wanted.cpu_utilization,
            mem_utilization: wanted.memory_utilization,
            request_cost: wanted.request_cost.clone(),
            utilization: wanted.utilization.clone(),
            ..Default::default()
        }
}
