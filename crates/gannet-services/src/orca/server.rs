//! The load of a server.

use super::load::{ANY, Load, PART, set, set_named};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a server's load is now (gRFC A51, "Per-Server Recording"). Clones share it.
///
/// What is set stays until it is set anew or cleared. A value outside of its range is ignored. It is reported by
/// [`OrcaService`](super::OrcaService), and with each call where [`CallReports`](super::CallReports) has it.
///
/// ```
/// use gannet_services::orca::ServerMetricRecorder;
///
/// let load = ServerMetricRecorder::new();
/// load.set_cpu_utilization(0.7);
/// load.set_utilization("disk", 0.2);
/// load.clear_cpu_utilization();
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerMetricRecorder(Arc<Mutex<Load>>);

macro_rules! values {
    ($($set:ident, $clear:ident, $field:ident, $range:expr, $what:literal;)*) => {
        /// One value of each kind.
        impl ServerMetricRecorder {
            $(
                #[doc = concat!("Sets ", $what, ".")]
                pub fn $set(&self, value: f64) {
                    set(&mut self.lock().$field, $range, value);
                }

                #[doc = concat!("Reports it no more: ", $what, ".")]
                pub fn $clear(&self) {
                    self.lock().$field = None;
                }
            )*
        }
    };
}

values! {
    set_cpu_utilization, clear_cpu_utilization, cpu, ANY,
        "the part of the CPU that is used: 0 and more, above 1 where the server is over its soft limit";
    set_memory_utilization, clear_memory_utilization, memory, PART,
        "the part of the memory that is used: 0 to 1";
    set_application_utilization, clear_application_utilization, application, ANY,
        "how used the application is by its own measure: 0 and more";
    set_qps, clear_qps, qps, ANY, "the calls a second of all services";
    set_eps, clear_eps, eps, ANY, "the failed calls a second of all services";
}

impl ServerMetricRecorder {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the part of another resource that is used: 0 to 1.
    pub fn set_utilization(&self, name: impl Into<String>, value: f64) {
        set_named(&mut self.lock().utilization, PART, name, value);
    }

    /// Reports the resource of this name no more.
    pub fn clear_utilization(&self, name: &str) {
        self.lock().utilization.remove(name);
    }

    /// Sets the other resources: those that are not among these are reported no more.
    pub fn set_all_utilization<N: Into<String>>(&self, all: impl IntoIterator<Item = (N, f64)>) {
        let all: Vec<(N, f64)> = all.into_iter().collect();
        let mut load = self.lock();
        load.utilization.clear();
        all.into_iter().for_each(|(name, value)| set_named(&mut load.utilization, PART, name, value));
    }

    pub(super) fn load(&self) -> Load {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
