//! Where metrics go.

use metrics::{Level, Metadata, Recorder};

/// What all metrics of gannet are recorded as.
pub(crate) static METADATA: Metadata<'static> = Metadata::new("gannet", Level::INFO, None);

/// Acts on this recorder, or on the process's global one.
pub(crate) fn with<T>(
    recorder: Option<&(dyn Recorder + Send + Sync)>,
    act: impl FnOnce(&dyn Recorder) -> T,
) -> T {
    match recorder {
        Some(recorder) => act(recorder),
        None => metrics::with_recorder(act),
    }
}
