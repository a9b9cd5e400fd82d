//! The memory of ended calls, for those that follow: a call that never leaves its connection's task allocates none.

use super::{Cancellation, Extensions, Request, State};
use crate::compression::{DecompressionLimits, Encodings, Outgoing};
use crate::intercept::Observers;
use crate::stream::Side;
use crate::{Format, Idempotency, Metadata, MethodSpec, Output};
use std::cell::RefCell;

/// How many blocks a thread keeps: as many as run at once where handlers are ready at their first poll, and some.
const KEPT: usize = 32;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is kept")]
    static FREE: RefCell<Vec<Box<State>>> = const { RefCell::new(Vec::new()) };
}

static NO_METHOD: MethodSpec = MethodSpec {
    service: "",
    name: "",
    path: "",
    client_streaming: false,
    server_streaming: false,
    idempotency: Idempotency::Unknown,
    deprecated: false,
};

pub(super) fn take() -> Box<State> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        Box::new(State {
            spec: &NO_METHOD,
            side: Side::Server,
            format: Format::Proto,
            deadline: None,
            deadline_shortened: false,
            metadata: Metadata::default(),
            request: Request::None,
            headers: Metadata::default(),
            trailers: Metadata::default(),
            response: Output::new(),
            streams: None,
            observers: Observers::default(),
            extensions: Extensions::default(),
            cancellation: Cancellation::default(),
            connection: None,
            outgoing: Outgoing::default(),
            decompression: DecompressionLimits::default(),
            accepts: Encodings::default(),
            read_again: false,
            charge: None,
        })
    })
}

pub(super) fn give_back(mut state: Box<State>) {
    state.metadata = Metadata::default();
    state.request = Request::None;
    state.headers = Metadata::default();
    state.trailers = Metadata::default();
    state.response.clear();
    state.streams = None;
    state.observers = Observers::default();
    state.extensions.clear();
    state.connection = None;
    state.charge = None;
    if !state.cancellation.is_unused() {
        state.cancellation = Cancellation::default();
    }
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT {
            free.push(state);
        }
    });
}
