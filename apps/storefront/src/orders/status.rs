//! UpdateOrderStatus: a step in the life of an order.

use super::watch::Watchers;
use super::{checks, life, not_found, record};
use crate::proto::order::v1::{Order, OrderStatus, OrderStatusUpdate, UpdateOrderStatusRequest};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::buffa::Enumeration;
use gannet::{Result, ResultExt, Status};
use gannet_types::PreconditionFailure;
use sqlx::Acquire;

/// Moves an order to another status, and tells those who watch it.
pub(super) async fn update(
    store: &Store,
    watchers: &Watchers,
    request: UpdateOrderStatusRequest,
) -> Result<Order> {
    let to = checks::status(request.status)?;
    let (store, watchers) = (store.clone(), watchers.clone());
    // In a task of its own: a client that goes away between commit and telling must not cost the watchers an update.
    let step = tokio::spawn(async move { step(&store, &watchers, request, to).await });
    step.await.internal("changing the order's status")?
}

async fn step(
    store: &Store,
    watchers: &Watchers,
    request: UpdateOrderStatusRequest,
    to: OrderStatus,
) -> Result<Order> {
    const CHANGING: &str = "changing the order's status";
    let UpdateOrderStatusRequest { order_id, message, .. } = request;
    // Nobody else writes until it is given back, after the watchers were told: they see the order of commits.
    let mut writer = store.writer.acquire().await.internal("waiting for the database")?;
    let mut transaction = writer.begin().await.internal(CHANGING)?;
    let found = record::find(&mut transaction, &order_id).await.internal("reading the order")?;
    let mut order = found.ok_or_else(|| not_found(&order_id))?;
    let from = order.status.as_known().unwrap_or_default();
    if !life::next(from).any(|next| next == to) {
        return Err(not_allowed(&order_id, from, to));
    }
    let now = now_ns();
    record::set_status(&mut transaction, &order_id, to, now).await.internal(CHANGING)?;
    transaction.commit().await.internal(CHANGING)?;
    order.status = to.into();
    watchers.tell(OrderStatusUpdate {
        order_id,
        old_status: from.into(),
        new_status: to.into(),
        updated_at: timestamp(now).into(),
        message,
        ..Default::default()
    });
    Ok(order)
}

fn not_allowed(order_id: &str, from: OrderStatus, to: OrderStatus) -> Status {
    let next: Vec<&str> = life::next(from).map(|next| next.proto_name()).collect();
    let next = if next.is_empty() { "nothing".to_owned() } else { next.join(" or ") };
    let message = format!(
        "Order {order_id} is {} and can't become {}; it can become {next}",
        from.proto_name(),
        to.proto_name()
    );
    let failure = PreconditionFailure::violation("ORDER_STATUS", format!("order/{order_id}"), &message);
    Status::failed_precondition(message).with_detail(failure)
}
