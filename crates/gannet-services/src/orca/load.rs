//! What is recorded of a load, and the report that tells it.

use super::OrcaLoadReport;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// What was recorded. "All metrics are initially unset" (gRFC A51), which is not the same as 0 where two are put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Load {
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) application: Option<f64>,
    pub(super) qps: Option<f64>,
    pub(super) eps: Option<f64>,
    pub(super) utilization: HashMap<String, f64>,
    pub(super) request_cost: HashMap<String, f64>,
    pub(super) named: HashMap<String, f64>,
}

/// A part of what there is.
pub(super) const PART: RangeInclusive<f64> = 0.0..=1.0;
/// What may be more than there ought to be.
pub(super) const ANY: RangeInclusive<f64> = 0.0..=f64::MAX;

/// gRFC A51, "Values outside of the valid range are ignored": what was there before stays.
pub(super) fn set(place: &mut Option<f64>, range: RangeInclusive<f64>, value: f64) {
    if range.contains(&value) {
        *place = Some(value);
    }
}

/// As [`set`], for a value with a name.
pub(super) fn set_named(
    place: &mut HashMap<String, f64>,
    range: RangeInclusive<f64>,
    name: impl Into<String>,
    value: f64,
) {
    if range.contains(&value) {
        place.insert(name.into(), value);
    }
}

impl Load {
    /// This, over what else is known: gRFC A51, "metrics recorded with per-request recorder take a higher precedence".
    pub(super) fn over(self, other: Load) -> Load {
        let extended = |mut below: HashMap<String, f64>, above| {
            below.extend(above);
            below
        };
        Load {
            cpu: self.cpu.or(other.cpu),
            memory: self.memory.or(other.memory),
            application: self.application.or(other.application),
            qps: self.qps.or(other.qps),
            eps: self.eps.or(other.eps),
            utilization: extended(other.utilization, self.utilization),
            request_cost: extended(other.request_cost, self.request_cost),
            named: extended(other.named, self.named),
        }
    }

    pub(super) fn into_report(self) -> OrcaLoadReport {
        OrcaLoadReport {
            cpu_utilization: self.cpu.unwrap_or_default(),
            mem_utilization: self.memory.unwrap_or_default(),
            application_utilization: self.application.unwrap_or_default(),
            rps_fractional: self.qps.unwrap_or_default(),
            eps: self.eps.unwrap_or_default(),
            utilization: self.utilization.into_iter().collect(),
            request_cost: self.request_cost.into_iter().collect(),
            named_metrics: self.named.into_iter().collect(),
            ..Default::default()
        }
    }
}
