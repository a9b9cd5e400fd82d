//! OrderService, shown.

use super::stage::Stage;
use super::users::create_user;
use super::{DemoError, Of, must, must_fail};
use crate::proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, Money, Order, OrderItem, OrderMatch, OrderServiceClient,
    OrderStatus, OrderStatusUpdate, Side, UpdateOrderStatusRequest, WatchOrderRequest,
};
use crate::proto::user::v1::UserServiceClient;
use gannet::buffa::Enumeration;
use gannet::{Channel, Code};
use gannet_types::PreconditionFailure;

/// Calls all six methods.
pub(super) async fn show(stage: &Stage, channel: &Channel) -> Result<(), DemoError> {
    let orders = OrderServiceClient::new(channel.clone());
    let buyer = create_user(&UserServiceClient::new(channel.clone()), "Grace").await?;
    stage.service("order.v1.OrderService");
    let order = create(stage, &orders, &buyer.id).await?;
    get(stage, &orders, &order).await?;
    watch(stage, &orders, &order.id).await?;
    import(stage, &orders, &buyer.id).await?;
    trade(stage, &orders).await
}

fn money(units: i64, nanos: i32) -> Money {
    Money { currency_code: "EUR".into(), units, nanos, ..Default::default() }
}

fn item(product: &str, quantity: i32, price: Money) -> OrderItem {
    OrderItem { product_id: product.into(), quantity, price: price.into(), ..Default::default() }
}

fn amount(money: &Money) -> String {
    let sign = if money.units < 0 || money.nanos < 0 { "-" } else { "" };
    let (units, nanos) = (money.units.unsigned_abs(), money.nanos.unsigned_abs());
    format!("{sign}{units}.{nanos:09} {}", money.currency_code)
}

fn name(status: gannet::buffa::EnumValue<OrderStatus>) -> &'static str {
    status.as_known().map_or("?", |status| status.proto_name())
}

fn describe(order: &Order) -> String {
    let (items, total) = (order.items.len(), amount(&order.total));
    format!("id: {} items: {items} status: {} total: {total}", order.id, name(order.status))
}

async fn create(stage: &Stage, orders: &OrderServiceClient, user_id: &str) -> Result<Order, DemoError> {
    const METHOD: &str = "CreateOrder";
    stage.call(METHOD, "two items and a discount; the total is exact");
    let items = vec![
        item("lamp", 3, money(19, 990_000_000)),
        item("bulb", 10, money(0, 333_333_333)),
        item("discount", 1, money(-3, -300_000_030)),
    ];
    for item in &items {
        stage.sent(format!("{} × {} at {}", item.quantity, item.product_id, amount(&item.price)));
    }
    let request = CreateOrderRequest { user_id: user_id.into(), items, ..Default::default() };
    let order = orders.create_order(request).await.of(METHOD)?;
    stage.received(describe(&order));
    // 59.97 + 3.33333333 - 3.30000003
    must(*order.total == money(60, 3_333_300), METHOD, "the total is wrong")?;
    must(order.status == OrderStatus::Pending, METHOD, "a new order is PENDING")?;
    Ok(order)
}

async fn get(stage: &Stage, orders: &OrderServiceClient, order: &Order) -> Result<(), DemoError> {
    const METHOD: &str = "GetOrder";
    stage.call(METHOD, "the order by its id");
    stage.sent(format!("id: {}", order.id));
    let request = GetOrderRequest { id: order.id.clone(), ..Default::default() };
    let found = orders.get_order(request).await.of(METHOD)?;
    stage.received(describe(&found));
    must(found == *order, METHOD, "this is another order")
}

/// WatchOrder on one stream, while UpdateOrderStatus moves the order along.
async fn watch(stage: &Stage, orders: &OrderServiceClient, id: &str) -> Result<(), DemoError> {
    const METHOD: &str = "WatchOrder";
    stage.call(METHOD, "every change, while UpdateOrderStatus makes them");
    stage.sent(format!("order_id: {id}"));
    let request = WatchOrderRequest { order_id: id.into(), ..Default::default() };
    let mut updates = orders.watch_order(request).await.of(METHOD)?;
    let first = updates.next().await.of(METHOD)?.unwrap_or_default();
    stage.received(describe_update(&first));
    must(first.new_status == OrderStatus::Pending, METHOD, "the present status comes first")?;
    for (status, message) in [
        (OrderStatus::Processing, "somebody looks for the lamps"),
        (OrderStatus::Shipped, "they are on their way"),
        (OrderStatus::Delivered, "let there be light"),
    ] {
        update(stage, orders, id, status, message).await?;
        let update = updates.next().await.of(METHOD)?.unwrap_or_default();
        stage.received(format!("WatchOrder: {}", describe_update(&update)));
        must(update.new_status == status && update.message == message, METHOD, "this is another change")?;
    }
    must(updates.next().await.of(METHOD)?.is_none(), METHOD, "it ends after DELIVERED")?;
    stage.received("WatchOrder: OK, the order is delivered");
    refuse_update(stage, orders, id).await
}

fn describe_update(update: &OrderStatusUpdate) -> String {
    format!("{} → {} {:?}", name(update.old_status), name(update.new_status), update.message)
}

async fn update(
    stage: &Stage,
    orders: &OrderServiceClient,
    id: &str,
    status: OrderStatus,
    message: &str,
) -> Result<(), DemoError> {
    const METHOD: &str = "UpdateOrderStatus";
    stage.sent(format!("UpdateOrderStatus: {} {message:?}", status.proto_name()));
    let request = UpdateOrderStatusRequest {
        order_id: id.into(),
        status: status.into(),
        message: message.into(),
        ..Default::default()
    };
    let order = orders.update_order_status(request).await.of(METHOD)?;
    must(order.status == status, METHOD, "the order has another status")
}

async fn refuse_update(stage: &Stage, orders: &OrderServiceClient, id: &str) -> Result<(), DemoError> {
    const METHOD: &str = "UpdateOrderStatus";
    stage.call(METHOD, "a step that is not allowed");
    stage.sent(format!("order_id: {id} status: ORDER_STATUS_CANCELLED"));
    let status = OrderStatus::Cancelled.into();
    let request = UpdateOrderStatusRequest { order_id: id.into(), status, ..Default::default() };
    let refused = must_fail(orders.update_order_status(request).await, Code::FailedPrecondition, METHOD)?;
    stage.refused(&refused);
    let detail: PreconditionFailure = refused.detail().unwrap_or_default();
    for violation in &detail.violations {
        stage.received(format!("google.rpc.PreconditionFailure: {}", violation.description));
    }
    must(!detail.violations.is_empty(), METHOD, "it must say which precondition failed")
}

/// So many orders are imported in one call.
const IMPORTED: usize = 500;

async fn import(stage: &Stage, orders: &OrderServiceClient, user_id: &str) -> Result<(), DemoError> {
    const METHOD: &str = "ImportOrders";
    stage.call(METHOD, "a stream of orders, one of them of nobody");
    let mut import = orders.import_orders();
    let bar = stage.progress(IMPORTED as u64, "orders sent");
    for number in 0..=IMPORTED {
        let user_id = if number == IMPORTED { "nobody" } else { user_id }.into();
        let items = vec![item("bulb", 1, money(0, 500_000_000))];
        import.send(Order { user_id, items, ..Default::default() }).await.of(METHOD)?;
        bar.inc(1);
    }
    let summary = import.finish().await.of(METHOD)?;
    bar.finish_and_clear();
    stage.sent(format!("{IMPORTED} orders of Grace and one of nobody"));
    stage.received(format!(
        "success_count: {} failure_count: {}",
        summary.success_count, summary.failure_count
    ));
    for failure in &summary.failures {
        stage.received(format!(
            "index: {} code: {} message: {:?}",
            failure.index, failure.code, failure.message
        ));
    }
    let counts = (summary.success_count as usize, summary.failure_count, summary.failures.len());
    must(counts == (IMPORTED, 1, 1), METHOD, "the counts are wrong")
}

/// Two traders, each on a stream of its own.
async fn trade(stage: &Stage, orders: &OrderServiceClient) -> Result<(), DemoError> {
    const METHOD: &str = "MatchOrders";
    stage.call(METHOD, "a seller and a buyer, each on a stream");
    // A product and orders that no other trader knows.
    let run = uuid::Uuid::now_v7().simple().to_string();
    let offer = |order: &str, side: Side, quantity, price| OrderMatch {
        order_id: format!("{order}-{run}"),
        product_id: format!("lamp-{run}"),
        side: side.into(),
        quantity,
        price: Money::into(price),
        ..Default::default()
    };
    let (mut selling, mut sold) = orders.match_orders().await.of(METHOD)?;
    let (mut buying, mut bought) = orders.match_orders().await.of(METHOD)?;
    stage.sent("seller: 5 lamps at 9.00 EUR or more");
    selling.send(offer("sell", Side::Sell, 5, money(9, 0))).await.of(METHOD)?;
    stage.sent("buyer:  3 lamps at 12.00 EUR or less, twice");
    // Whichever side comes first rests, and a fill has the resting offer's price.
    for order in ["buy-1", "buy-2"] {
        buying.send(offer(order, Side::Buy, 3, money(12, 0))).await.of(METHOD)?;
    }
    let mut filled = 0;
    while filled < 5 {
        let fill = sold.next().await.of(METHOD)?.unwrap_or_default();
        stage.received(format!("seller: {}", describe_fill(&fill)));
        filled += fill.quantity;
        let fill = bought.next().await.of(METHOD)?.unwrap_or_default();
        stage.received(format!("buyer:  {}", describe_fill(&fill)));
        must(fill.quantity > 0, METHOD, "a fill has a quantity")?;
    }
    must(filled == 5, METHOD, "all five lamps were due")?;
    selling.finish();
    buying.finish();
    must(sold.next().await.of(METHOD)?.is_none(), METHOD, "the half-close ends it")?;
    must(bought.next().await.of(METHOD)?.is_none(), METHOD, "the half-close ends it")
}

fn describe_fill(fill: &OrderMatch) -> String {
    let price = amount(&fill.price);
    format!("{} lamps at {price}, {} still open", fill.quantity, fill.remaining_quantity)
}
