//! Many calls in a row (`rpc_soak`, `channel_soak`).

use super::{large_request, payload};
use crate::proto::grpc::testing::{SimpleRequest, TestServiceClient};
use gannet::{Channel, Code, Result, Status};
use std::time::{Duration, Instant};

/// How many calls, and what they may take: the official flags `--soak_…`.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// How many calls. Default 10.
    pub iterations: u32,
    /// How many of them may fail or take too long. Default 0.
    pub max_failures: u32,
    /// What one call may take. Default one second.
    pub max_latency: Duration,
    /// What all may take together. Default ten seconds.
    pub overall_timeout: Duration,
    /// The least time from the start of one call to that of the next. Default none.
    pub min_interval: Duration,
    /// The size of a request's payload, in bytes. Default that of `large_unary`.
    pub request_size: usize,
    /// The size of a response's payload, in bytes. Default that of `large_unary`.
    pub response_size: i32,
}

impl Default for Soak {
    fn default() -> Self {
        Self {
            iterations: 10,
            max_failures: 0,
            max_latency: Duration::from_secs(1),
            overall_timeout: Duration::from_secs(10),
            min_interval: Duration::ZERO,
            request_size: 271_828,
            response_size: 314_159,
        }
    }
}

impl Soak {
    pub(super) async fn run(&self, connect: &(dyn Fn() -> Channel + Sync)) -> Result<()> {
        let end = Instant::now() + self.overall_timeout;
        let mut failures = Vec::<(Code, String)>::new();
        for done in 0..self.iterations {
            let start = Instant::now();
            if start > end {
                return Err(Status::deadline_exceeded(format!("{done} calls took all of the time")));
            }
            match self.call(connect()).await {
                Err(status) => failures.push((status.code(), format!("call {done}: {status}"))),
                Ok(()) if start.elapsed() > self.max_latency => {
                    let text = format!("call {done} took {} ms", start.elapsed().as_millis());
                    failures.push((Code::Internal, text));
                }
                Ok(()) => {}
            }
            tokio::time::sleep(self.min_interval.saturating_sub(start.elapsed())).await;
        }
        match failures.first() {
            // The first says what became of the calls; all are told.
            Some((code, _)) if failures.len() > self.max_failures as usize => {
                let texts: Vec<_> = failures.iter().map(|(_, text)| text.as_str()).collect();
                Err(Status::new(*code, texts.join("; ")))
            }
            _ => Ok(()),
        }
    }

    async fn call(&self, channel: Channel) -> Result<()> {
        let request = SimpleRequest {
            response_size: self.response_size,
            payload: payload(self.request_size).into(),
            ..large_request()
        };
        let response = TestServiceClient::new(channel).unary_call(request).await?;
        let len = response.payload.as_option().map_or(0, |payload| payload.body.len());
        super::check(
            len == self.response_size as usize,
            format!("an answer has {len} bytes, not {}", self.response_size),
        )
    }
}
