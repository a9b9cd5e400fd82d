//! Running handlers: in the connection's task while that delays nobody, else in a task of their own.

use super::Calls;
use crate::call::Call;
use crate::driver::Command;
use crate::server::dispatch::{self, Dispatch, Ended, Inline, Polled};
use crate::server::slot::{Handler, Slot, State};
use crate::service::BoxFuture;
use gannet_http2::{Connection, StreamKey};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

impl Calls {
    /// Runs the handler: its first poll here where the method has earned that. One that then waits is spawned, so that
    /// others can work for it meanwhile; a stream's waits here for its messages.
    #[inline]
    pub(super) fn run(&mut self, http2: &mut Connection, key: StreamKey, route_index: usize, call: Call) {
        let Some(route) = self.server.routes.get(route_index) else { return };
        let pair = call.streams().map(Arc::clone);
        let future = dispatch::run(Arc::clone(&self.server), Arc::clone(&route.service), route.method, call);
        let longest = self.server.inline_limit_nanos;
        let dispatch =
            if self.server.always_spawn { Dispatch::Spawned } else { route.inline.dispatch(longest) };
        if dispatch == Dispatch::Spawned {
            return self.spawn(key, future);
        }
        let stays = pair.is_some();
        let polled = match pair {
            None => poll(&route.inline, dispatch, longest, future, Waker::noop()),
            Some(pair) => {
                pair.begin_poll();
                poll(&route.inline, dispatch, longest, future, &Waker::from(pair))
            }
        };
        route.inline.polled(matches!(polled, Polled::Pending(_)));
        match polled {
            Polled::Done(ended) => self.finish(http2, key, ended),
            Polled::Pending(future) if stays => self.keep(http2, key, future),
            Polled::Pending(future) => self.spawn(key, future),
        }
    }

    /// A handler that stays here has been woken. It is spawned after all where its method's polls turned out long.
    pub(in crate::server) fn poll_woken(&mut self, http2: &mut Connection, key: StreamKey) {
        let Some(Slot { state: State::Running(running), head, .. }) = self.slots.get_mut(key) else { return };
        let Some(route) = self.server.routes.get(head.route) else { return };
        // Another call has the key now, or the handler has been spawned.
        let (Some(pair), Some(future)) = (&running.pair, running.handler.take_here()) else { return };
        let longest = self.server.inline_limit_nanos;
        let dispatch = route.stays.dispatch(longest);
        if dispatch == Dispatch::Spawned {
            return self.spawn(key, future);
        }
        pair.begin_poll();
        match poll(&route.stays, dispatch, longest, future, &Waker::from(Arc::clone(pair))) {
            Polled::Done(ended) => self.finish(http2, key, ended),
            Polled::Pending(future) => self.keep(http2, key, future),
        }
    }

    /// The handler waits here; what it has sent and read so far it did not announce.
    fn keep(&mut self, http2: &mut Connection, key: StreamKey, future: BoxFuture<'static, Ended>) {
        if let Some(Slot { state: State::Running(running), .. }) = self.slots.get_mut(key) {
            running.handler = Handler::Here(future);
            if running.pair.as_ref().is_some_and(|pair| pair.end_poll()) {
                self.yielded.push(key);
            }
        }
        self.handlers_stay = true;
        self.pump(http2, key);
    }

    fn spawn(&mut self, key: StreamKey, future: BoxFuture<'static, Ended>) {
        let mailbox = Arc::clone(&self.mailbox);
        let task = tokio::spawn(async move {
            let ended = dispatch::guarded(future).await;
            // Refused only where the connection is gone, and the call with it.
            drop(mailbox.command(Command::Ended(key, ended)));
        });
        if let Some(Slot { state: State::Running(running), .. }) = self.slots.get_mut(key) {
            running.handler = Handler::Spawned(task.abort_handle());
        }
    }
}

#[inline]
fn poll(
    inline: &Inline,
    dispatch: Dispatch,
    longest_nanos: u32,
    future: BoxFuture<'static, Ended>,
    waker: &Waker,
) -> Polled {
    if dispatch != Dispatch::Measured {
        return dispatch::poll_here(future, waker);
    }
    let start = Instant::now();
    let polled = dispatch::poll_here(future, waker);
    inline.measured(start, longest_nanos);
    polled
}
