//! `traceparent` and `tracestate` (W3C Trace Context).

use gannet::{Metadata, Result};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Where a call stands in a trace. Its `Display` is a `traceparent`.
///
/// ```
/// use gannet_telemetry::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = text.parse().unwrap();
/// assert!(context.is_sampled());
/// assert_eq!(context.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: String,
}

/// The text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceparent;

impl TraceContext {
    const SAMPLED: u8 = 1;

    /// A trace that begins here, sampled.
    pub(super) fn begin() -> Self {
        let trace_id = u128::from(random()) << 64 | u128::from(random());
        Self { trace_id, span_id: random(), flags: Self::SAMPLED, state: String::new() }
    }

    /// A further step of the same trace.
    pub(super) fn child(&self) -> Self {
        Self { span_id: random(), ..self.clone() }
    }

    /// What the caller sent; `None` where there is none or it is broken (W3C Trace Context §3.2: then a new trace
    /// begins).
    pub(super) fn of_metadata(metadata: &Metadata) -> Option<Self> {
        let mut values = metadata.get_all(TRACEPARENT);
        let context: Self = values.next()?.parse().ok()?;
        if values.next().is_some() {
            return None;
        }
        // §3.3: several fields are one list.
        let state = metadata.get_all(TRACESTATE).collect::<Vec<_>>().join(",");
        Some(Self { state, ..context })
    }

    pub(super) fn write_to(&self, metadata: &mut Metadata) -> Result<()> {
        metadata.insert(TRACEPARENT, &self.to_string())?;
        if !self.state.is_empty() {
            metadata.insert(TRACESTATE, &self.state)?;
        }
        Ok(())
    }

    /// The trace, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// This call in the trace, 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// Whether the caller records the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// W3C Trace Context §3.2.2: versions after 00 may have more fields, which are not read; ff is none.
impl std::str::FromStr for TraceContext {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        let mut parts = text.split('-');
        let mut part = |digits| {
            let text = parts.next().filter(|text| text.len() == digits)?;
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.bytes().all(is_digit).then_some(text).and_then(|text| u128::from_str_radix(text, 16).ok())
        };
        let fields = (part(2), part(32), part(16), part(2));
        let (Some(version), Some(trace_id), Some(span_id), Some(flags)) = fields else {
            return Err(InvalidTraceparent);
        };
        let too_long = version == 0 && parts.next().is_some();
        if version == 0xff || trace_id == 0 || span_id == 0 || too_long {
            return Err(InvalidTraceparent);
        }
        Ok(Self { trace_id, span_id: span_id as u64, flags: flags as u8, state: String::new() })
    }
}

impl fmt::Display for InvalidTraceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is no traceparent (W3C Trace Context §3.2)")
    }
}

impl std::error::Error for InvalidTraceparent {}

/// A number that no other call has, never 0. It need not be hard to guess.
fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W3C Trace Context §3.2.
    #[test]
    fn traceparents() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let context: TraceContext = GOOD.parse().unwrap();
        assert_eq!((context.trace_id(), context.span_id()), (GOOD[3..35].into(), GOOD[36..52].into()));
        assert!(!context.is_sampled());
        assert!(
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more".parse::<TraceContext>().is_ok()
        );
        for broken in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(broken.parse::<TraceContext>(), Err(InvalidTraceparent), "{broken}");
        }
    }

    #[test]
    fn identifiers_differ() {
        let (first, second) = (TraceContext::begin(), TraceContext::begin());
        assert_ne!(first.trace_id(), second.trace_id());
        let child = first.child();
        assert_eq!(child.trace_id(), first.trace_id());
        assert_ne!(child.span_id(), first.span_id());
    }
}
