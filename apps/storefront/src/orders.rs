//! OrderService.
