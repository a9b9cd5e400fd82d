//! ChatService.
