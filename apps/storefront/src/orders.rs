//! OrderService: placing, following, importing and matching orders.

mod book;
mod books;
mod checks;
mod import;
mod life;
mod matching;
mod money;
mod record;
mod status;
mod watch;

use crate::proto::order::v1::{
    CreateOrderRequest, GetOrderRequest, ImportOrdersResponse, Order, OrderMatch, OrderService,
    OrderServiceServer, OrderStatus, OrderStatusUpdate, UpdateOrderStatusRequest, WatchOrderRequest,
};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::{Call, Receiver, Result, ResultExt, Sender, Status};
use gannet_types::ResourceInfo;
use matching::Market;
use watch::Watchers;

/// OrderService over the store.
#[must_use]
pub fn service(store: Store) -> OrderServiceServer<Orders> {
    OrderServiceServer::new(Orders { store, watchers: Watchers::default(), market: Market::default() })
}

/// The service's implementation.
#[derive(Debug)]
pub struct Orders {
    store: Store,
    watchers: Watchers,
    market: Market,
}

impl OrderService for Orders {
    async fn create_order(&self, _call: &mut Call, request: CreateOrderRequest) -> Result<Order> {
        let CreateOrderRequest { user_id, items, .. } = request;
        let order = Order {
            id: checks::new_id(),
            user_id,
            total: checks::total(&items)?.into(),
            items,
            status: OrderStatus::Pending.into(),
            created_at: timestamp(now_ns()).into(),
            ..Default::default()
        };
        let stored = record::insert(&self.store, &[&order]).await.internal("storing the order")?;
        match stored.first() {
            Some(Ok(())) => Ok(order),
            // The id is new.
            _ => Err(no_user(&order.user_id)),
        }
    }

    async fn get_order(&self, _call: &mut Call, request: GetOrderRequest) -> Result<Order> {
        let mut reader = self.store.readers.acquire().await.internal("waiting for the database")?;
        let found = record::find(&mut reader, &request.id).await.internal("reading the order")?;
        found.ok_or_else(|| not_found(&request.id))
    }

    async fn update_order_status(
        &self,
        _call: &mut Call,
        request: UpdateOrderStatusRequest,
    ) -> Result<Order> {
        status::update(&self.store, &self.watchers, request).await
    }

    async fn watch_order(
        &self,
        _call: &mut Call,
        request: WatchOrderRequest,
        updates: Sender<OrderStatusUpdate>,
    ) -> Result<()> {
        watch::watch(&self.store, &self.watchers, request.order_id, updates).await
    }

    async fn import_orders(&self, call: &mut Call, orders: Receiver<Order>) -> Result<ImportOrdersResponse> {
        import::import(&self.store, call, orders).await
    }

    async fn match_orders(
        &self,
        _call: &mut Call,
        offers: Receiver<OrderMatch>,
        fills: Sender<OrderMatch>,
    ) -> Result<()> {
        matching::trade(&self.market, offers, fills).await
    }
}

fn not_found(order_id: &str) -> Status {
    Status::not_found(format!("Order {order_id} not found"))
        .with_detail(ResourceInfo::of("order.v1.Order", order_id))
}

fn no_user(user_id: &str) -> Status {
    Status::not_found(format!("User {user_id} not found"))
        .with_detail(ResourceInfo::of("user.v1.User", user_id))
}
