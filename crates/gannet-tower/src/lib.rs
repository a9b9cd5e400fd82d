//! [tower](https://docs.rs/tower) and gannet together.
//!
//! [`Layered`] puts tower layers (timeouts, limits, load shedding, those of `tower-http` that look at heads) around
//! gannet's calls, on a server or on a channel. Interceptors of gannet's own see more (messages, the deadline, the
//! final status) and cost less; this is for what exists as a layer already.
//!
//! `HttpService` (feature `http-service`) is the other way round: a gannet server inside an axum app, or whatever else
//! routes HTTP requests to tower services.
//!
//! What it does not do: layers see the heads of a call, not its messages.

#![forbid(unsafe_code)]

mod head;
#[cfg(feature = "http-service")]
mod http_service;
mod layered;

#[cfg(feature = "http-service")]
pub use http_service::{Answering, HttpService, ResponseBody};
pub use layered::{Innermost, Layered, Running};
