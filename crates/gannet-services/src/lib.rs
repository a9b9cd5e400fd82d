//! Standard gRPC services: health and reflection.
