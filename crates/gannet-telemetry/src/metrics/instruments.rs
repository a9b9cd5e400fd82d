//! The instruments of each method, registered once.

use crate::ending::Ending;
use crate::recording::{METADATA, with};
use foldhash::fast::FixedState;
use gannet::{Direction, MethodSpec};
use metrics::{Counter, Gauge, Histogram, Key, Label, Recorder, Unit};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// What A66 counts calls in.
pub(super) const CALL: &str = "calls";
/// What A66 counts attempts in.
pub(super) const ATTEMPT: &str = "attempts";

/// The names of one side's instruments.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) started: &'static str,
    pub(super) started_unit: &'static str,
    pub(super) durations: &'static [&'static str],
    pub(super) sent: &'static str,
    pub(super) received: &'static str,
    pub(super) in_flight: &'static str,
    /// Which way this side sends.
    pub(super) sends: Direction,
}

/// A map lookup a call; the rest is atomic.
pub(super) struct Instruments {
    names: &'static Names,
    target: Option<String>,
    recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    /// By the address of the method's facts, which is quicker than by its name. A method of two addresses, which a
    /// compiler may give a constant, has two entries for one and the same instruments of the recorder.
    methods: RwLock<HashMap<usize, Arc<Method>, FixedState>>,
}

/// The instruments of one method.
pub(super) struct Method {
    names: &'static Names,
    recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    labels: Vec<Label>,
    started: Counter,
    in_flight: Gauge,
    /// By code; 0 is OK.
    ended: [OnceLock<Ended>; CODES],
}

const CODES: usize = 17;

/// The instruments of one method's calls with one code.
struct Ended {
    durations: Vec<Histogram>,
    sent: Histogram,
    received: Histogram,
}

impl Instruments {
    pub(super) fn new(
        names: &'static Names,
        target: Option<String>,
        recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    ) -> Self {
        let instruments = Self { names, target, recorder, methods: RwLock::default() };
        with(instruments.recorder.as_deref(), |recorder| describe(recorder, names));
        instruments
    }

    pub(super) fn method(&self, spec: &'static MethodSpec) -> Arc<Method> {
        let key = std::ptr::from_ref(spec).addr();
        let methods = self.methods.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(method) = methods.get(&key) {
            return Arc::clone(method);
        }
        drop(methods);
        let mut methods = self.methods.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(methods.entry(key).or_insert_with(|| Arc::new(self.register(spec))))
    }

    fn register(&self, spec: &'static MethodSpec) -> Method {
        // gRFC A66, grpc.method: package, service and method, without the path's first slash.
        let method = spec.path.strip_prefix('/').unwrap_or(spec.path);
        let mut labels = vec![Label::new("grpc.method", method)];
        labels.extend(self.target.clone().map(|target| Label::new("grpc.target", target)));
        let (started, in_flight) = with(self.recorder.as_deref(), |recorder| {
            let key = |name| Key::from_parts(name, labels.clone());
            (
                recorder.register_counter(&key(self.names.started), &METADATA),
                recorder.register_gauge(&key(self.names.in_flight), &METADATA),
            )
        });
        let (names, recorder) = (self.names, self.recorder.clone());
        Method { names, recorder, labels, started, in_flight, ended: Default::default() }
    }
}

impl Method {
    pub(super) fn begin(&self) {
        self.started.increment(1);
        self.in_flight.increment(1.0);
    }

    pub(super) fn end(&self, ending: &Ending<'_>) {
        self.in_flight.decrement(1.0);
        let code = ending.how.code().map_or(0, |code| code.number() as usize);
        let Some(place) = self.ended.get(code) else { return };
        let ended = place.get_or_init(|| self.register(ending.how.code_name()));
        let seconds = ending.took().as_secs_f64();
        ended.durations.iter().for_each(|histogram| histogram.record(seconds));
        let bytes = |direction| ending.call.message_bytes(direction) as f64;
        let (sends, receives) = match self.names.sends {
            Direction::Request => (Direction::Request, Direction::Response),
            Direction::Response => (Direction::Response, Direction::Request),
        };
        ended.sent.record(bytes(sends));
        ended.received.record(bytes(receives));
    }

    fn register(&self, code: &'static str) -> Ended {
        with(self.recorder.as_deref(), |recorder| {
            let histogram = |name: &'static str| {
                let mut labels = self.labels.clone();
                labels.push(Label::from_static_parts("grpc.status", code));
                recorder.register_histogram(&Key::from_parts(name, labels), &METADATA)
            };
            Ended {
                durations: self.names.durations.iter().map(|name| histogram(name)).collect(),
                sent: histogram(self.names.sent),
                received: histogram(self.names.received),
            }
        })
    }
}

fn describe(recorder: &dyn Recorder, names: &'static Names) {
    let started = format!("Started {}, those included that have not ended", names.started_unit);
    recorder.describe_counter(names.started.into(), Some(Unit::Count), started.into());
    recorder.describe_gauge(names.in_flight.into(), Some(Unit::Count), "Calls that have not ended".into());
    for name in names.durations {
        let text = "Time from the first header to the end";
        recorder.describe_histogram((*name).into(), Some(Unit::Seconds), text.into());
    }
    for (name, text) in [
        (names.sent, "Bytes of all messages sent in a call, compressed, without framing"),
        (names.received, "Bytes of all messages received in a call, compressed, without framing"),
    ] {
        recorder.describe_histogram(name.into(), Some(Unit::Bytes), text.into());
    }
}

impl std::fmt::Debug for Instruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instruments").field("names", &self.names).finish_non_exhaustive()
    }
}
