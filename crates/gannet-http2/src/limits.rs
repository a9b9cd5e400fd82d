//! Every limit of a connection in one place: its default, its reason, and whom it is for.

use std::time::Duration;

/// What a connection allows its peer. The setters are by value and named as the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) max_concurrent_streams: u32,
    pub(crate) receive_budget: u32,
    pub(crate) max_frame_size: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) header_table_size: u32,
    pub(crate) max_header_block: usize,
    pub(crate) max_continuations: u32,
    pub(crate) max_resets: u32,
    pub(crate) max_idle_frames: u32,
    pub(crate) max_queued_control: usize,
    pub(crate) shutdown_ping_timeout: Duration,
    pub(crate) header_block_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            receive_budget: 32 * 1024 * 1024,
            max_frame_size: 16_384,
            max_header_list_size: 16 * 1024,
            header_table_size: 4096,
            max_header_block: 64 * 1024,
            max_continuations: 16,
            max_resets: 200,
            max_idle_frames: 1000,
            max_queued_control: 256 * 1024,
            shutdown_ping_timeout: Duration::from_secs(1),
            header_block_timeout: Duration::from_secs(10),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl Config {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })*
        }
    };
}

setters! {
    /// How many streams the peer may have open at once. Default 256. A stream beyond it is refused (REFUSED_STREAM).
    max_concurrent_streams: u32;
    /// The most received bytes that may wait for the application on the whole connection. Default 32 MiB. Half of it
    /// is guaranteed to the streams, the rest is lent to those that need more (see [`Config::check`]).
    receive_budget: u32;
    /// The largest frame payload to take. Default and least 16,384 bytes, most 2^24-1.
    max_frame_size: u32;
    /// The largest field section to take, counted as RFC 9113 §6.5.2 does. Default 16 KiB. A larger one ends its stream.
    max_header_list_size: u32;
    /// The memory of the header compression table. Default 4,096 bytes (RFC 9113 §6.5.2).
    header_table_size: u32;
    /// The most bytes of one encoded header block. Default 64 KiB. Against CONTINUATION floods (CVE-2024-27316).
    max_header_block: usize;
    /// The most CONTINUATION frames of one header block. Default 16. Against the same in small pieces.
    max_continuations: u32;
    /// How many streams in a second the peer may reset, or make this side reset, before the connection is ended with
    /// ENHANCE_YOUR_CALM, beside as many as it has completed. Default 200. Against rapid reset (CVE-2023-44487).
    max_resets: u32;
    /// How many frames in a second may come that move no call along: PING, SETTINGS, PRIORITY, empty DATA, unknown
    /// ones. Default 1,000. Against CVE-2019-9511 to 9518.
    max_idle_frames: u32;
    /// The most bytes of answers to control frames that may wait to be written. Default 256 KiB. Against a peer that
    /// sends PINGs and does not read.
    max_queued_control: usize;
    /// How long a graceful shutdown waits for the answer to its PING. Default 1 s.
    shutdown_ping_timeout: Duration;
    /// How long a header block may take from its first frame to its last, and a new connection to its first SETTINGS.
    /// Default 10 s.
    header_block_timeout: Duration;
}

/// RFC 9113 §6.9.2: the window that every peer expects without being told.
const SMALLEST_WINDOW: u32 = 64 * 1024;

impl Config {
    /// The window of each stream: half the budget divided by the streams, so that what is granted can be held.
    #[must_use]
    pub fn initial_window_size(&self) -> u32 {
        (self.receive_budget / 2 / self.max_concurrent_streams.max(1)).min(crate::settings::MAX_WINDOW)
    }

    /// Whether the budget gives every stream a usable window.
    ///
    /// # Errors
    /// Where it gives less than 64 KiB; the text names the smallest budget that works.
    pub fn check(&self) -> Result<(), String> {
        if self.initial_window_size() >= SMALLEST_WINDOW {
            return Ok(());
        }
        let least = u64::from(SMALLEST_WINDOW) * 2 * u64::from(self.max_concurrent_streams);
        Err(format!(
            "a receive budget of {} bytes gives {} streams less than 64 KiB each; make it at least {least} bytes or \
             allow fewer streams",
            self.receive_budget, self.max_concurrent_streams,
        ))
    }
}
