//! The names in the services' module: of the runtime, of services, and of the messages they exchange.

use crate::names;
use crate::services::{MessageType, Services};
use buffa_codegen::idents::rust_path_to_tokens;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};

/// Names that services' code imports from the runtime where it uses them.
pub(super) const RUNTIME_NAMES: &[&str] = &[
    "Answer",
    "Bidi",
    "BoxFuture",
    "Buffa",
    "Call",
    "Channel",
    "ClientStreaming",
    "Idempotency",
    "Messages",
    "MethodSpec",
    "Receiver",
    "Reply",
    "Result",
    "Sender",
    "ServerStreaming",
    "Service",
    "ServiceSpec",
    "Status",
    "Unary",
    "unknown_method",
];

/// Names of the standard library that it uses besides.
const STANDARD_NAMES: &[&str] = &["Arc", "Box", "Clone", "Debug", "Future", "Send", "Sync"];

/// What a generated name is called within the services' module, where a service may be called `Call` or `Send`.
pub(super) fn local_name(name: &str) -> Ident {
    if RUNTIME_NAMES.contains(&name) || STANDARD_NAMES.contains(&name) {
        format_ident!("{name}_")
    } else {
        format_ident!("{name}")
    }
}

/// What requests and responses are called in the services' module.
pub(super) struct MessageNames<'a>(pub(super) BTreeMap<&'a MessageType, MessageName>);

pub(super) struct MessageName {
    /// `HELLO`
    pub(super) constant: Ident,
    /// `Hello`, or its path where that name is taken.
    pub(super) ty: TokenStream,
    /// The module and the name to import.
    pub(super) import: Option<(String, Ident)>,
}

impl<'a> MessageNames<'a> {
    pub(super) fn new(services: &'a Services, exports: &[String]) -> Self {
        let messages: BTreeSet<&MessageType> = services.messages().collect();
        let reserved = |name: &str| {
            RUNTIME_NAMES.contains(&name)
                || STANDARD_NAMES.contains(&name)
                || exports.iter().any(|export| local_name(export) == name)
        };
        let (mut named, mut constants) = (BTreeMap::new(), BTreeSet::new());
        for &message in &messages {
            let simple = last_segment(&message.path);
            let alone = messages.iter().filter(|other| last_segment(&other.path) == simple).count() == 1;
            let import = match message.path.rsplit_once("::") {
                Some((module, name)) if alone && !reserved(name) => {
                    Some((module.to_owned(), names::ident(name)))
                }
                _ => None,
            };
            let ty = match &import {
                Some((_, name)) => quote!(#name),
                None => rust_path_to_tokens(&message.path),
            };
            let short = shouty(simple);
            let alone =
                messages.iter().filter(|other| shouty(last_segment(&other.path)) == short).count() == 1;
            let mut constant = if alone { short } else { shouty(message.proto.trim_start_matches('.')) };
            while reserved(&constant) || constants.contains(&constant) {
                constant.push('_');
            }
            constants.insert(constant.clone());
            let constant = format_ident!("{constant}");
            named.insert(message, MessageName { constant, ty, import });
        }
        Self(named)
    }

    pub(super) fn constant(&self, message: &MessageType) -> &Ident {
        &self.0[message].constant
    }

    pub(super) fn ty(&self, message: &MessageType) -> &TokenStream {
        &self.0[message].ty
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn shouty(path: &str) -> String {
    names::shouty_snake_case(&path.replace('.', "_"))
}
