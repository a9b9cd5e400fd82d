//! The examples of the how-to pages in this folder, compiled and run as doc tests: a page that is wrong fails the build.

/// The service that the pages speak of.
#[allow(missing_docs, reason = "the .proto file says what there is to say")]
pub mod users {
    pub use protos::users::v1;

    mod protos {
        gannet::include_protos!();
    }
}

/// The README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Codecs.
#[cfg(doctest)]
#[doc = include_str!("../codecs.md")]
pub struct CodecsPage;

/// gannet and other frameworks.
#[cfg(doctest)]
#[doc = include_str!("../frameworks.md")]
pub struct FrameworksPage;

/// Compression.
#[cfg(doctest)]
#[doc = include_str!("../compression.md")]
pub struct CompressionPage;

/// Deadlines, cancellation, draining.
#[cfg(doctest)]
#[doc = include_str!("../deadlines.md")]
pub struct DeadlinesPage;

/// Errors.
#[cfg(doctest)]
#[doc = include_str!("../errors.md")]
pub struct ErrorsPage;

/// Authentication and authorization.
#[cfg(doctest)]
#[doc = include_str!("../authentication.md")]
pub struct AuthenticationPage;

/// From tonic to gannet.
#[cfg(doctest)]
#[doc = include_str!("../from-tonic.md")]
pub struct FromTonicPage;
/// Limits.
#[cfg(doctest)]
#[doc = include_str!("../limits.md")]
pub struct LimitsPage;

/// Addresses, sockets of others, proxies, threads.
#[cfg(doctest)]
#[doc = include_str!("../listening.md")]
pub struct ListeningPage;

/// Draining, and connections that end.
#[cfg(doctest)]
#[doc = include_str!("../shutdown.md")]
pub struct ShutdownPage;

/// TLS and mTLS.
#[cfg(doctest)]
#[doc = include_str!("../tls.md")]
pub struct TlsPage;
/// Interceptors.
#[cfg(doctest)]
#[doc = include_str!("../interceptors.md")]
pub struct InterceptorsPage;

/// Logs, metrics, traces.
#[cfg(doctest)]
#[doc = include_str!("../observability.md")]
pub struct ObservabilityPage;
/// Performance.
#[cfg(doctest)]
#[doc = include_str!("../performance.md")]
pub struct PerformancePage;
