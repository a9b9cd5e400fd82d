//! What all connections of a server share.

use super::deadlines::DeadlineLimits;
use super::door::{ForeignConnection, HttpHandler};
use super::events::Observer;
use super::routes::Routes;
use crate::Compression;
use crate::compression::{CompressionSettings, DecompressionLimits, Encodings, Outgoing};
use crate::intercept::Chain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Routes, interceptors, limits and the drain signal of one server.
pub(crate) struct ServerShared {
    pub(super) routes: Routes,
    pub(super) chain: Chain,
    pub(super) limits: CallLimits,
    pub(super) compression: CompressionSettings,
    pub(super) deadlines: DeadlineLimits,
    pub(super) http2: gannet_http2::Config,
    pub(super) http: Option<Arc<dyn HttpHandler>>,
    pub(super) foreign: Option<Arc<dyn ForeignConnection>>,
    pub(super) always_spawn: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) observer: Observer,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::tls::TlsAcceptor>,
    pub(super) draining: watch::Sender<bool>,
}

/// What one call may take.
#[derive(Clone, Debug)]
pub(crate) struct CallLimits {
    /// The largest request message, in bytes.
    pub(crate) max_decoded_message: usize,
    /// The largest response message, in bytes.
    pub(crate) max_encoded_message: usize,
}

impl ServerShared {
    /// What the responses to a client that understands `accepts` have to keep to.
    #[inline]
    pub(super) fn outgoing(&self, accepts: Encodings) -> Outgoing {
        let mut outgoing = self.compression.outgoing(self.limits.max_encoded_message);
        // compression.md: for a client that does not support it the message is sent uncompressed.
        if !accepts.contains(outgoing.compression) {
            outgoing.compression = Compression::Identity;
        }
        outgoing
    }

    pub(super) fn decompression(&self) -> DecompressionLimits {
        self.compression.decompression(self.limits.max_decoded_message)
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }
}
