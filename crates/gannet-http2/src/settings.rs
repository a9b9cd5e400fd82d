//! SETTINGS (RFC 9113 §6.5).

use crate::error::{ConnectionError, ErrorCode};

/// The largest flow-control window (RFC 9113 §6.9.1).
pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;
/// The initial size of every window (RFC 9113 §6.9.2).
pub(crate) const DEFAULT_INITIAL_WINDOW_SIZE: u32 = 65_535;
/// The initial and smallest SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2).
pub(crate) const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;

/// The parameters that one end has announced (RFC 9113 §6.5.2), initially the RFC's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most memory that the other end's encoder may make this end's decoder use, in bytes.
    pub header_table_size: u32,
    /// Whether server push is allowed.
    pub enable_push: bool,
    /// How many streams the other end may have open; `None` without a limit.
    pub max_concurrent_streams: Option<u32>,
    /// The window of each new stream, in bytes.
    pub initial_window_size: u32,
    /// The largest frame payload that this end takes, in bytes.
    pub max_frame_size: u32,
    /// The largest field section that this end takes, in bytes; advice.
    pub max_header_list_size: Option<u32>,
    /// Extended CONNECT (RFC 8441 §3).
    pub enable_connect_protocol: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_table_size: 4096,
            enable_push: true,
            max_concurrent_streams: None,
            initial_window_size: DEFAULT_INITIAL_WINDOW_SIZE,
            max_frame_size: DEFAULT_MAX_FRAME_SIZE,
            max_header_list_size: None,
            enable_connect_protocol: false,
        }
    }
}

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

impl Settings {
    /// The parameters of a SETTINGS payload whose length is a multiple of six, in their order.
    pub(crate) fn parameters(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> + '_ {
        payload
            .as_chunks::<6>()
            .0
            .iter()
            .map(|&[a, b, c, d, e, f]| (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f])))
    }

    /// Takes one parameter over (RFC 9113 §6.5.3: in the order in which they stand).
    pub(crate) fn set(&mut self, identifier: u16, value: u32) -> Result<(), ConnectionError> {
        match identifier {
            HEADER_TABLE_SIZE => self.header_table_size = value,
            ENABLE_PUSH => {
                self.enable_push =
                    boolean(value, "SETTINGS_ENABLE_PUSH is neither 0 nor 1 (RFC 9113 §6.5.2)")?;
            }
            MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
            INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                let reason = "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1 (RFC 9113 §6.5.2)";
                return Err(ConnectionError::local(ErrorCode::FLOW_CONTROL_ERROR, reason));
            }
            INITIAL_WINDOW_SIZE => self.initial_window_size = value,
            MAX_FRAME_SIZE if !(DEFAULT_MAX_FRAME_SIZE..1 << 24).contains(&value) => {
                return Err(ConnectionError::protocol(
                    "SETTINGS_MAX_FRAME_SIZE is outside 2^14 to 2^24-1 (RFC 9113 §6.5.2)",
                ));
            }
            MAX_FRAME_SIZE => self.max_frame_size = value,
            MAX_HEADER_LIST_SIZE => self.max_header_list_size = Some(value),
            ENABLE_CONNECT_PROTOCOL if value == 0 && self.enable_connect_protocol => {
                let reason = "SETTINGS_ENABLE_CONNECT_PROTOCOL is taken back (RFC 8441 §3)";
                return Err(ConnectionError::protocol(reason));
            }
            ENABLE_CONNECT_PROTOCOL => {
                let reason = "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1 (RFC 8441 §3)";
                self.enable_connect_protocol = boolean(value, reason)?;
            }
            // RFC 9113 §6.5.2: unknown parameters are ignored.
            _ => {}
        }
        Ok(())
    }

    /// The payload that announces how these differ from the defaults.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let default = Self::default();
        let mut payload = Vec::new();
        let mut put = |identifier: u16, value: u32, differs: bool| {
            if differs {
                payload.extend_from_slice(&identifier.to_be_bytes());
                payload.extend_from_slice(&value.to_be_bytes());
            }
        };
        put(HEADER_TABLE_SIZE, self.header_table_size, self.header_table_size != default.header_table_size);
        put(ENABLE_PUSH, u32::from(self.enable_push), self.enable_push != default.enable_push);
        if let Some(streams) = self.max_concurrent_streams {
            put(MAX_CONCURRENT_STREAMS, streams, true);
        }
        let window = self.initial_window_size;
        put(INITIAL_WINDOW_SIZE, window, window != default.initial_window_size);
        put(MAX_FRAME_SIZE, self.max_frame_size, self.max_frame_size != default.max_frame_size);
        if let Some(size) = self.max_header_list_size {
            put(MAX_HEADER_LIST_SIZE, size, true);
        }
        put(ENABLE_CONNECT_PROTOCOL, 1, self.enable_connect_protocol);
        payload
    }
}

fn boolean(value: u32, reason: &'static str) -> Result<bool, ConnectionError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ConnectionError::protocol(reason)),
    }
}
