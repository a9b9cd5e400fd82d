//! OrderService, rule by rule of its contract: placing, following and importing. Matching has its own file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod shop;

use gannet::buffa::{Enumeration, Message};
use gannet::well_known::Timestamp;
use gannet::{Code, Receiver, Status};
use gannet_types::{BadRequest, PreconditionFailure, ResourceInfo};
use shop::{Shop, fails};
use std::time::Duration;
use storefront::proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, ImportOrdersResponse, Money, Order, OrderItem, OrderServiceClient,
    OrderStatus, OrderStatusUpdate, UpdateOrderStatusRequest, WatchOrderRequest,
};

/// A shop with one user, and a client of its orders.
struct Orders {
    shop: Shop,
    client: OrderServiceClient,
    user_id: String,
}

impl Orders {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let client = OrderServiceClient::new(shop.channel.clone());
        let user_id = shop.user("ann").await.id;
        Self { shop, client, user_id }
    }

    fn request(&self, items: Vec<OrderItem>) -> CreateOrderRequest {
        CreateOrderRequest { user_id: self.user_id.clone(), items, ..Default::default() }
    }

    /// An order of one cup of tea.
    async fn order(&self) -> Order {
        self.client.create_order(self.request(vec![tea()])).await.unwrap()
    }

    async fn get(&self, id: &str) -> Result<Order, Status> {
        self.client.get_order(GetOrderRequest { id: id.into(), ..Default::default() }).await
    }

    async fn update(&self, id: &str, status: OrderStatus) -> Result<Order, Status> {
        self.client.update_order_status(step(id, status)).await
    }

    async fn watch(&self, id: &str) -> Receiver<OrderStatusUpdate> {
        let request = WatchOrderRequest { order_id: id.into(), ..Default::default() };
        self.client.watch_order(request).await.unwrap()
    }

    /// The orders as they are after an import, and whether its failures were truncated.
    async fn import(&self, orders: impl IntoIterator<Item = Order>) -> (ImportOrdersResponse, bool) {
        let mut call = self.client.import_orders();
        for order in orders {
            call.send(order).await.unwrap();
        }
        let response = call.response().await.unwrap();
        (response.message, response.trailers.get("failures-truncated") == Some("true"))
    }

    /// An order that was made elsewhere.
    fn foreign(&self, id: &str) -> Order {
        Order { id: id.into(), user_id: self.user_id.clone(), items: vec![tea()], ..Default::default() }
    }
}

fn money(units: i64, nanos: i32) -> Money {
    Money { currency_code: "EUR".into(), units, nanos, ..Default::default() }
}

fn item(quantity: i32, price: Money) -> OrderItem {
    OrderItem { product_id: "tea".into(), quantity, price: price.into(), ..Default::default() }
}

fn tea() -> OrderItem {
    item(1, money(2, 500_000_000))
}

fn step(id: &str, status: OrderStatus) -> UpdateOrderStatusRequest {
    UpdateOrderStatusRequest {
        order_id: id.into(),
        status: status.into(),
        message: format!("now {}", status.proto_name()),
        ..Default::default()
    }
}

/// The names of the fields that a status finds wrong.
fn wrong_fields(status: &Status) -> Vec<String> {
    let detail: BadRequest = status.detail().expect("a BadRequest");
    detail.field_violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn an_order_is_placed_with_an_exact_total_and_read_back() {
    let orders = Orders::open().await;
    let items = vec![item(3, money(0, 333_333_333)), tea(), item(2, money(-1, -250_000_000))];
    let order = orders.client.create_order(orders.request(items.clone())).await.unwrap();
    assert_eq!(uuid::Uuid::parse_str(&order.id).unwrap().get_version_num(), 7);
    assert_eq!((&order.user_id, &order.items), (&orders.user_id, &items));
    assert_eq!(order.status, OrderStatus::Pending);
    assert_eq!(order.total.as_option(), Some(&money(0, 999_999_999)));
    assert!(order.created_at.seconds > 1_700_000_000);
    assert_eq!(orders.get(&order.id).await.unwrap(), order);
    // A deleted user's orders stay.
    let Orders { shop, client, user_id } = orders;
    let delete = storefront::proto::user::v1::DeleteUserRequest { id: user_id, ..Default::default() };
    shop.users.delete_user(delete).await.unwrap();
    let get = GetOrderRequest { id: order.id.clone(), ..Default::default() };
    assert_eq!(client.get_order(get).await.unwrap(), order);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_order_is_named() {
    let orders = Orders::open().await;
    let dollars = Money { currency_code: "USD".into(), ..money(1, 0) };
    let lower_case = Money { currency_code: "eur".into(), ..money(1, 0) };
    let no_price = OrderItem { product_id: "tea".into(), quantity: 1, ..Default::default() };
    let rows: [(Vec<OrderItem>, &[&str]); 9] = [
        (vec![], &["items"]),
        (vec![item(0, money(1, 0))], &["items[0].quantity"]),
        (vec![tea(), item(-1, money(1, 0))], &["items[1].quantity"]),
        (vec![no_price], &["items[0].price"]),
        (vec![item(1, lower_case)], &["items[0].price"]),
        (vec![tea(), item(1, dollars)], &["items[1].price"]),
        (vec![item(1, money(1, -1))], &["items[0].price"]),
        (vec![item(1, money(0, 1_000_000_000))], &["items[0].price"]),
        (
            vec![item(0, money(1, -1)), item(0, money(1, 0))],
            &["items[0].quantity", "items[0].price", "items[1].quantity"],
        ),
    ];
    for (items, fields) in rows {
        let refused = orders.client.create_order(orders.request(items)).await;
        let status = fails(refused, Code::InvalidArgument, fields[0]);
        assert_eq!(wrong_fields(&status), fields, "{status}");
    }
    let too_much = vec![item(1, money(i64::MAX, 0)), item(1, money(1, 0))];
    fails(orders.client.create_order(orders.request(too_much)).await, Code::OutOfRange, "total");
    let of_nobody = CreateOrderRequest { user_id: "nobody".into(), ..orders.request(vec![tea()]) };
    let status = fails(orders.client.create_order(of_nobody).await, Code::NotFound, "User nobody not found");
    let resource: ResourceInfo = status.detail().unwrap();
    assert_eq!((&*resource.resource_type, &*resource.resource_name), ("user.v1.User", "nobody"));
    assert_eq!(orders.shop.query("SELECT id FROM orders").await, [""; 0]);
}

/// A status goes in a header block, however many mistakes there are.
#[tokio::test]
async fn a_thousand_mistakes_are_one_status() {
    let orders = Orders::open().await;
    let items = vec![item(0, money(1, 0)); 1000];
    let refused = orders.client.create_order(orders.request(items)).await;
    let status = fails(refused, Code::InvalidArgument, "and 999 more");
    assert_eq!(wrong_fields(&status).len(), 10);
}

#[tokio::test]
async fn an_order_of_many_items_keeps_their_order() {
    let orders = Orders::open().await;
    let items: Vec<_> = (1..=1234).map(|quantity| item(quantity, money(0, 1))).collect();
    let order = orders.client.create_order(orders.request(items.clone())).await.unwrap();
    assert_eq!(orders.get(&order.id).await.unwrap().items, items);
}

#[tokio::test]
async fn an_unknown_order_is_not_found() {
    let orders = Orders::open().await;
    let no_such = |status: Status| {
        let resource: ResourceInfo = status.detail().unwrap();
        assert_eq!((&*resource.resource_type, &*resource.resource_name), ("order.v1.Order", "none"));
    };
    no_such(fails(orders.get("none").await, Code::NotFound, "Order none not found"));
    let updated = orders.update("none", OrderStatus::Processing).await;
    no_such(fails(updated, Code::NotFound, "Order none not found"));
    let watched = orders.watch("none").await.next().await;
    no_such(fails(watched, Code::NotFound, "Order none not found"));
}

#[tokio::test]
async fn a_status_follows_its_life() {
    use OrderStatus::{
        ORDER_STATUS_CANCELLED as CANCELLED, ORDER_STATUS_DELIVERED as DELIVERED,
        ORDER_STATUS_PENDING as PENDING, ORDER_STATUS_PROCESSING as PROCESSING,
        ORDER_STATUS_SHIPPED as SHIPPED,
    };
    let orders = Orders::open().await;
    let lives: [&[OrderStatus]; 3] = [
        &[PENDING, PROCESSING, SHIPPED, DELIVERED],
        &[PENDING, CANCELLED],
        &[PENDING, PROCESSING, CANCELLED],
    ];
    let allowed = [
        (PENDING, PROCESSING),
        (PROCESSING, SHIPPED),
        (SHIPPED, DELIVERED),
        (PENDING, CANCELLED),
        (PROCESSING, CANCELLED),
    ];
    for life in lives {
        let order = orders.order().await;
        for (place, &from) in life.iter().enumerate() {
            for &to in [PENDING, PROCESSING, SHIPPED, DELIVERED, CANCELLED]
                .iter()
                .filter(|to| !allowed.contains(&(from, **to)))
            {
                let status =
                    fails(orders.update(&order.id, to).await, Code::FailedPrecondition, from.proto_name());
                let failure: PreconditionFailure = status.detail().unwrap();
                assert_eq!(failure.violations[0].subject, format!("order/{}", order.id));
            }
            for (number, says) in [(0, "required"), (6, "6"), (-1, "-1")] {
                let request = UpdateOrderStatusRequest { status: number.into(), ..step(&order.id, from) };
                let refused = orders.client.update_order_status(request).await;
                assert_eq!(wrong_fields(&fails(refused, Code::InvalidArgument, says)), ["status"]);
            }
            if let Some(&next) = life.get(place + 1) {
                let expected = Order { status: next.into(), ..orders.get(&order.id).await.unwrap() };
                assert_eq!(orders.update(&order.id, next).await.unwrap(), expected);
                assert_eq!(orders.get(&order.id).await.unwrap(), expected);
            }
        }
    }
}

fn told(update: &OrderStatusUpdate) -> (i32, i32, &str) {
    (update.old_status.to_i32(), update.new_status.to_i32(), &update.message)
}

#[tokio::test]
async fn a_watcher_sees_the_present_status_and_every_change_until_the_end() {
    let orders = Orders::open().await;
    let order = orders.order().await;
    let mut watched = orders.watch(&order.id).await;
    let first = watched.next().await.unwrap().unwrap();
    assert_eq!((told(&first), &first.order_id), ((1, 1, ""), &order.id));
    assert!(first.updated_at.seconds >= order.created_at.seconds);
    let mut last = first;
    for (status, expected) in [
        (OrderStatus::Processing, (1, 2, "now ORDER_STATUS_PROCESSING")),
        (OrderStatus::Shipped, (2, 3, "now ORDER_STATUS_SHIPPED")),
        (OrderStatus::Delivered, (3, 4, "now ORDER_STATUS_DELIVERED")),
    ] {
        orders.update(&order.id, status).await.unwrap();
        let update = watched.next().await.unwrap().unwrap();
        assert_eq!((told(&update), &update.order_id), (expected, &order.id));
        let at = |update: &OrderStatusUpdate| (update.updated_at.seconds, update.updated_at.nanos);
        assert!(at(&update) >= at(&last));
        last = update;
    }
    assert_eq!(watched.next().await.unwrap(), None);

    // One that is over: one update, then OK.
    let mut watched = orders.watch(&order.id).await;
    let only = watched.next().await.unwrap().unwrap();
    assert_eq!((told(&only), &only.updated_at), ((4, 4, ""), &last.updated_at));
    assert_eq!(watched.next().await.unwrap(), None);
}

/// Watchers that begin at any moment of an order's life: none of its changes is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_or_doubled() {
    let orders = Orders::open().await;
    for _ in 0..10 {
        let order = orders.order().await;
        let watchers: Vec<_> = (0..30)
            .map(|number| {
                let client = orders.client.clone();
                let request = WatchOrderRequest { order_id: order.id.clone(), ..Default::default() };
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(number * 200)).await;
                    let mut updates = client.watch_order(request).await.unwrap();
                    let mut seen = Vec::new();
                    while let Some(update) = updates.next().await.unwrap() {
                        seen.push((update.old_status.to_i32(), update.new_status.to_i32()));
                    }
                    seen
                })
            })
            .collect();
        for status in [OrderStatus::Processing, OrderStatus::Shipped, OrderStatus::Delivered] {
            orders.update(&order.id, status).await.unwrap();
        }
        for watcher in watchers {
            let seen = watcher.await.unwrap();
            let first = seen[0].0;
            let expected = std::iter::once((first, first)).chain((first..4).map(|old| (old, old + 1)));
            assert_eq!(seen, expected.collect::<Vec<_>>());
        }
    }
}

/// A client that goes away while its update is under way: its watchers learn of it exactly where it was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_whose_client_goes_away_is_told_or_not_made() {
    let orders = Orders::open().await;
    for number in 0..40 {
        let order = orders.order().await;
        let mut watched = orders.watch(&order.id).await;
        assert_eq!(told(&watched.next().await.unwrap().unwrap()), (1, 1, ""));
        let update = orders.client.update_order_status(step(&order.id, OrderStatus::Processing));
        let _ = tokio::time::timeout(Duration::from_micros(number * 50), update).await;
        // Made before it, or refused after it.
        orders.update(&order.id, OrderStatus::Cancelled).await.unwrap();
        let mut seen = Vec::new();
        while let Some(update) = watched.next().await.unwrap() {
            seen.push((update.old_status.to_i32(), update.new_status.to_i32()));
        }
        assert!(seen == [(1, 5)] || seen == [(1, 2), (2, 5)], "{seen:?}");
    }
}

#[tokio::test]
async fn an_import_keeps_what_orders_bring_along() {
    let orders = Orders::open().await;
    let whole = Order {
        status: OrderStatus::Shipped.into(),
        created_at: Timestamp { seconds: -62_135_596_800, nanos: 7, ..Default::default() }.into(),
        total: money(99, 0).into(),
        ..orders.foreign("old-1")
    };
    let long = "x".repeat(128);
    let imported = [whole.clone(), orders.foreign("old-2"), orders.foreign(""), orders.foreign(&long)];
    let (response, truncated) = orders.import(imported).await;
    assert_eq!((response.success_count, response.failure_count, truncated), (4, 0, false));
    // The total is computed.
    assert_eq!(orders.get("old-1").await.unwrap(), Order { total: money(2, 500_000_000).into(), ..whole });
    let second = orders.get("old-2").await.unwrap();
    assert_eq!(second.status, OrderStatus::Pending);
    assert!(second.created_at.seconds > 1_700_000_000);
    orders.get(&long).await.unwrap();
    let ids = orders.shop.query("SELECT id FROM orders WHERE id NOT LIKE 'old-%' AND length(id) < 128").await;
    assert_eq!(uuid::Uuid::parse_str(&ids[0]).unwrap().get_version_num(), 7);
    assert_eq!(ids.len(), 1);
    // An imported order lives on.
    orders.update("old-1", OrderStatus::Delivered).await.unwrap();
}

#[tokio::test]
async fn an_import_lists_what_it_refuses_and_why() {
    let orders = Orders::open().await;
    let bad_time = |seconds, nanos| Order {
        created_at: Timestamp { seconds, nanos, ..Default::default() }.into(),
        ..orders.foreign("a")
    };
    let long = "x".repeat(129);
    let rows: Vec<(Order, Option<(Code, &str)>)> = vec![
        (orders.foreign("a"), None),
        (Order { items: vec![], ..orders.foreign("a") }, Some((Code::InvalidArgument, "items"))),
        (Order { user_id: "nobody".into(), ..orders.foreign("") }, Some((Code::NotFound, "User nobody"))),
        (orders.foreign("a"), Some((Code::AlreadyExists, "Order a"))),
        (orders.foreign("b"), None),
        (orders.foreign(&long), Some((Code::InvalidArgument, "128 bytes"))),
        (Order { status: 9.into(), ..orders.foreign("c") }, Some((Code::InvalidArgument, "status"))),
        (bad_time(0, -1), Some((Code::InvalidArgument, "created_at"))),
        (bad_time(253_402_300_800, 0), Some((Code::InvalidArgument, "created_at"))),
        (
            Order { items: vec![item(2, money(i64::MAX, 0))], ..orders.foreign("c") },
            Some((Code::OutOfRange, "total")),
        ),
        (orders.foreign("c"), None),
    ];
    let (response, truncated) = orders.import(rows.iter().map(|(order, _)| order.clone())).await;
    assert!(!truncated);
    let expected: Vec<_> =
        rows.iter().enumerate().filter_map(|(index, (order, why))| Some((index, order, (*why)?))).collect();
    assert_eq!((response.success_count, response.failure_count), (3, 8));
    assert_eq!(response.failures.len(), expected.len());
    for (failure, (index, order, (code, says))) in response.failures.iter().zip(expected) {
        assert_eq!((failure.index, failure.code), (index as i32, code as i32), "{failure:?}");
        assert_eq!(failure.order_id, order.id);
        assert!(failure.message.contains(says), "{failure:?}");
    }
}

#[tokio::test]
async fn an_empty_import_is_an_import() {
    let (response, _) = Orders::open().await.import([]).await;
    assert_eq!((response.success_count, response.failure_count), (0, 0));
}

#[tokio::test]
async fn a_large_import_is_counted_exactly() {
    let orders = Orders::open().await;
    let imported = (0..2_500).map(|number| match number % 5 {
        4 => Order { items: vec![], ..orders.foreign("") },
        _ => orders.foreign(&number.to_string()),
    });
    let (response, truncated) = orders.import(imported).await;
    assert_eq!((response.success_count, response.failure_count, truncated), (2_000, 500, false));
    let indices: Vec<_> = response.failures.iter().map(|failure| failure.index).collect();
    assert_eq!(indices, (0..500).map(|place| place * 5 + 4).collect::<Vec<_>>());
}

/// The contract: failures past 3 MiB are left out, and the trailing metadata says so.
#[tokio::test]
async fn failures_past_3_mib_are_left_out() {
    let orders = Orders::open().await;
    let long = "x".repeat(10_000);
    let (response, truncated) = orders.import((0..400).map(|_| orders.foreign(&long))).await;
    assert!(truncated);
    assert_eq!((response.success_count, response.failure_count), (0, 400));
    let bytes = response.encoded_len();
    assert!((2_900_000..=3 * 1024 * 1024).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_was_committed() {
    let orders = Orders::open().await;
    let mut call = orders.client.import_orders();
    for number in 0..10 {
        call.send(orders.foreign(&number.to_string())).await.unwrap();
    }
    let committed = async {
        while orders.get("9").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), committed).await.unwrap();
    drop(call);
    assert_eq!(orders.shop.query("SELECT id FROM orders").await.len(), 10);
}

#[tokio::test]
async fn what_was_answered_ok_survives_a_restart() {
    let orders = Orders::open().await;
    let order = orders.order().await;
    orders.update(&order.id, OrderStatus::Processing).await.unwrap();
    let Orders { shop, client, .. } = orders;
    drop(client);
    let shop = shop.reopen().await;
    let client = OrderServiceClient::new(shop.channel.clone());
    let found = client.get_order(GetOrderRequest { id: order.id.clone(), ..Default::default() }).await;
    assert_eq!(found.unwrap(), Order { status: OrderStatus::Processing.into(), ..order });
}
