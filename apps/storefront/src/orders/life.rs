//! The life of an order: which status may follow which.

use crate::proto::order::v1::OrderStatus::{
    self, ORDER_STATUS_CANCELLED as CANCELLED, ORDER_STATUS_DELIVERED as DELIVERED,
    ORDER_STATUS_PENDING as PENDING, ORDER_STATUS_PROCESSING as PROCESSING, ORDER_STATUS_SHIPPED as SHIPPED,
};

/// Every step there is. No status comes twice in a life.
const STEPS: [(OrderStatus, OrderStatus); 5] = [
    (PENDING, PROCESSING),
    (PROCESSING, SHIPPED),
    (SHIPPED, DELIVERED),
    (PENDING, CANCELLED),
    (PROCESSING, CANCELLED),
];

/// The statuses that may follow this one; none after the last.
pub(super) fn next(status: OrderStatus) -> impl Iterator<Item = OrderStatus> {
    STEPS.into_iter().filter(move |(from, _)| *from == status).map(|(_, to)| to)
}

/// Whether an order of this status is over.
pub(super) fn is_over(status: OrderStatus) -> bool {
    next(status).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gannet::buffa::Enumeration;

    /// The storefront's contract, OrderService.UpdateOrderStatus.
    #[test]
    fn every_pair() {
        let mut table = String::new();
        for &from in &OrderStatus::values()[1..] {
            let steps = OrderStatus::values()[1..].iter().map(|to| next(from).any(|next| next == *to));
            let marks: String = steps.map(|may| if may { 'x' } else { '.' }).collect();
            table +=
                &format!("{marks} {} {}\n", if is_over(from) { "over" } else { "open" }, from.proto_name());
        }
        let expected = "\
.x..x open ORDER_STATUS_PENDING
..x.x open ORDER_STATUS_PROCESSING
...x. open ORDER_STATUS_SHIPPED
..... over ORDER_STATUS_DELIVERED
..... over ORDER_STATUS_CANCELLED
";
        assert_eq!(table, expected);
    }
}
