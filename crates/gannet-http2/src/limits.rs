//! Every limit of a connection in one place: its default, its reason, and whom it is for.

use std::time::Duration;

/// What a connection allows its peer. The setters are by value and named as the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) max_concurrent_streams: u32,
    pub(crate) receive_budget: u32,
    pub(crate) send_budget: usize,
    pub(crate) max_frame_size: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) header_table_size: u32,
    pub(crate) max_header_block: usize,
    pub(crate) max_continuations: u32,
    pub(crate) max_resets: u32,
    pub(crate) max_idle_frames: u32,
    pub(crate) max_queued_control: usize,
    pub(crate) max_unsent: usize,
    pub(crate) shutdown_ping_timeout: Duration,
    pub(crate) header_block_timeout: Duration,
    pub(crate) settings_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) enable_connect_protocol: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            receive_budget: 32 * 1024 * 1024,
            send_budget: 64 * 1024 * 1024,
            max_frame_size: 16_384,
            max_header_list_size: 16 * 1024,
            header_table_size: 4096,
            max_header_block: 64 * 1024,
            max_continuations: 16,
            max_resets: 500,
            max_idle_frames: 1000,
            max_queued_control: 256 * 1024,
            max_unsent: 4 * 1024 * 1024,
            shutdown_ping_timeout: Duration::from_secs(1),
            header_block_timeout: Duration::from_secs(10),
            settings_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            enable_connect_protocol: false,
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
    /// is guaranteed to the streams, the rest is lent to those that need more (see [`Config::check`]). Less than 2 GiB.
    receive_budget: u32;
    /// How many bytes may wait for a peer that does not open its windows or does not read. Default 64 MiB. Above it new
    /// streams are refused (REFUSED_STREAM), and [`crate::Connection::may_queue`] says no. Against zero-window and
    /// one-byte-window stalls (CVE-2019-9511, CVE-2019-9517).
    send_budget: usize;
    /// The largest frame payload to take. Default and least 16,384 bytes, most 2^24-1.
    max_frame_size: u32;
    /// The largest field section to take, counted as RFC 9113 §6.5.2 does. Default 16 KiB. A larger one ends its stream
    /// (ENHANCE_YOUR_CALM), and no more of it than this is ever kept: against HPACK bombs.
    max_header_list_size: u32;
    /// The memory of the header compression table. Default 4,096 bytes (RFC 9113 §6.5.2).
    header_table_size: u32;
    /// The most bytes of one encoded header block. Default 64 KiB. Against CONTINUATION floods (CVE-2024-27316).
    max_header_block: usize;
    /// The most CONTINUATION frames of one header block. Default 16. Against the same in small pieces.
    max_continuations: u32;
    /// How many streams in a second the peer may reset, or make this side reset, before the connection is ended with
    /// ENHANCE_YOUR_CALM, beside as many as it has completed. Default 500: a client may give up all its calls at once.
    /// Against rapid reset (CVE-2023-44487) and resets provoked from the server (CVE-2025-8671).
    max_resets: u32;
    /// How many frames in a second may come that move no call along: PING, SETTINGS, PRIORITY, empty DATA, RST_STREAM for
    /// what is over, WINDOW_UPDATE beyond what our DATA explains, windows that let through next to nothing, unknown
    /// ones. Default 1,000. Against CVE-2019-9511 to 9518.
    max_idle_frames: u32;
    /// The most bytes of answers to control frames that may wait to be written. Default 256 KiB. Against a peer that
    /// sends PINGs and does not read (CVE-2019-9512, CVE-2019-9515).
    max_queued_control: usize;
    /// How many bytes may wait for nothing but the peer to read them. Default 4 MiB, at least 512 KiB. While there are
    /// more, nothing is read from the peer ([`crate::Connection::is_held_back`]). Against peers that ask and do not read
    /// (CVE-2019-9517).
    max_unsent: usize;
    /// How long a graceful shutdown waits for the answer to its PING. Default 1 s.
    shutdown_ping_timeout: Duration;
    /// How long a header block may take from its first byte to its last, and a new connection to its first SETTINGS.
    /// Default 10 s. Against peers that begin and never end.
    header_block_timeout: Duration;
    /// How long the peer may take to acknowledge our SETTINGS (RFC 9113 §6.5.3). Default 10 s: what it does meanwhile is
    /// forgiven, for it may not know our limits.
    settings_timeout: Duration;
    /// How long a connection that has ended may take to hand out its last bytes. Default 2 s. Against peers that were
    /// told to go and do not read it.
    close_timeout: Duration;
    /// Whether a server takes extended CONNECT (RFC 8441), for WebSocket over HTTP/2. Default no: such a request is
    /// malformed then.
    enable_connect_protocol: bool;
}

/// RFC 9113 §6.9.2: the window that every peer expects without being told.
const SMALLEST_WINDOW: u32 = 64 * 1024;
/// A message of the largest size can always be lent beside what growing windows have taken: they get a quarter.
const LENT_PART: u32 = 4;
const LARGEST_PROMISED_BYTES: usize = 256 * 1024 * 1024;
/// What one write takes, and as much that is ready for the next.
const LEAST_UNSENT_BYTES: usize = 2 * crate::connection::TRANSMIT_BYTES;

impl Config {
    /// The window of each stream: half the budget divided by the streams, so that what is granted can be held.
    #[must_use]
    pub fn initial_window_size(&self) -> u32 {
        (self.receive_budget / 2 / self.max_concurrent_streams.max(1)).min(crate::settings::MAX_WINDOW)
    }

    /// Whether the budget gives every stream a usable window, and the connection one that HTTP/2 can say; whether
    /// [`Config::max_unsent`] leaves room for ordinary writes.
    ///
    /// # Errors
    /// Where a stream gets less than 64 KiB; the text names the smallest budget that works. Where the budget is 2 GiB or
    /// more (RFC 9113 §6.9.1). Where `max_unsent` is less than 512 KiB.
    pub fn check(&self) -> Result<(), String> {
        if self.max_unsent < LEAST_UNSENT_BYTES {
            return Err(format!(
                "a limit of {} unsent bytes is less than two writes take; make it at least {LEAST_UNSENT_BYTES}",
                self.max_unsent
            ));
        }
        if self.receive_budget > crate::settings::MAX_WINDOW {
            return Err(format!(
                "a receive budget of {} bytes is more than a window can be; make it less than 2 GiB",
                self.receive_budget
            ));
        }
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

    /// The largest message that is sure to arrive: what the pool can lend at once.
    #[must_use]
    pub fn largest_message(&self) -> usize {
        let pool = self.receive_budget / 2;
        (pool - pool / LENT_PART) as usize
    }

    /// Raises the receive budget where a message of this size could not arrive otherwise. Above 256 MiB a limit of
    /// messages is no promise that the windows could carry such a message.
    #[must_use]
    pub fn fits_messages(mut self, bytes: usize) -> Self {
        if self.largest_message() < bytes {
            self.receive_budget = bytes.min(LARGEST_PROMISED_BYTES) as u32 * 4;
        }
        self
    }

    /// How much of the pool windows may take that grow with bandwidth × delay.
    pub(crate) fn growth(&self) -> u32 {
        self.receive_budget / 2 / LENT_PART
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A limit that a peer has run into. Each is counted ([`crate::Connection::take_limit_hits`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Limit {
            $($(#[$doc])* $name,)*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &'static [Limit] = &[$(Limit::$name,)*];

            /// As a metric names it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Limit::$name => $text,)*
                }
            }
        }
    };
}

limits! {
    /// A stream beyond [`Config::max_concurrent_streams`] was refused.
    ConcurrentStreams = "concurrent_streams";
    /// [`Config::max_resets`]; ends the connection.
    Resets = "resets";
    /// [`Config::max_idle_frames`]; ends the connection.
    IdleFrames = "idle_frames";
    /// [`Config::max_queued_control`]; ends the connection.
    QueuedControl = "queued_control";
    /// [`Config::max_unsent`]: nothing was read for a while.
    Unsent = "unsent";
    /// [`Config::max_header_block`] or [`Config::max_continuations`]; ends the connection.
    HeaderBlock = "header_block";
    /// [`Config::max_header_list_size`]; ends the stream.
    HeaderList = "header_list";
    /// [`Config::header_block_timeout`]; ends the connection.
    HeaderBlockTime = "header_block_time";
    /// [`Config::settings_timeout`]; ends the connection.
    SettingsTime = "settings_time";
    /// [`Config::send_budget`]; a stream was refused, or an answer was not taken.
    SendBudget = "send_budget";
    /// [`Config::close_timeout`]: the last bytes were thrown away.
    CloseTime = "close_time";
    /// A stream was refused because [`crate::Connection::set_under_pressure`] said that memory is short.
    Memory = "memory";
}

/// How often each limit was run into since the last look.
#[derive(Debug, Default)]
pub(crate) struct LimitHits {
    counts: [u32; Limit::ALL.len()],
    any: bool,
}

impl LimitHits {
    pub(crate) fn count(&mut self, limit: Limit) {
        self.any = true;
        self.counts[limit as usize] = self.counts[limit as usize].saturating_add(1);
    }

    #[inline]
    pub(crate) fn take(&mut self, mut each: impl FnMut(Limit, u32)) {
        if !self.any {
            return;
        }
        let taken = std::mem::take(self);
        for (&limit, count) in Limit::ALL.iter().zip(taken.counts) {
            if count > 0 {
                each(limit, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_checked_and_raised() {
        Config::default().check().unwrap();
        let error = Config::default().receive_budget(1024 * 1024).check().unwrap_err();
        assert!(error.contains(&(256 * 2 * 64 * 1024).to_string()), "{error}");
        assert!(Config::default().max_unsent(100_000).check().unwrap_err().contains("524288"));
        assert!(Config::default().largest_message() >= 4 * 1024 * 1024);
        for bytes in [1, 4 << 20, 64 << 20, 256 << 20] {
            let config = Config::default().fits_messages(bytes);
            assert!(config.largest_message() >= bytes, "{bytes}");
            config.check().unwrap();
        }
    }
}
