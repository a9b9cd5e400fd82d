//! The google.rpc messages for typed status details.
