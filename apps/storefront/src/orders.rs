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

use crate::access;
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
    async fn create_order(&self, call: &mut Call, request: CreateOrderRequest) -> Result<Order> {
        access::own(call, &request.user_id)?;
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

    async fn get_order(&self, call: &mut Call, request: GetOrderRequest) -> Result<Order> {
        self.own(call, &request.id).await?;
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
        call: &mut Call,
        request: WatchOrderRequest,
        updates: Sender<OrderStatusUpdate>,
    ) -> Result<()> {
        self.own(call, &request.order_id).await?;
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

impl Orders {
    /// Whether the call may see this order. Where there is none it is nobody's, so that whether there is one is told
    /// to those alone who may see it.
    async fn own(&self, call: &Call, order_id: &str) -> Result<()> {
        if !access::is_limited(call) {
            return Ok(());
        }
        let owner = record::owner(&self.store.readers, order_id).await.internal("reading the order")?;
        access::own(call, owner.as_deref().unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::order::v1::{Money, OrderServiceClient, Side};
    use gannet::Channel;
    use std::sync::Arc;
    use std::time::Duration;

    /// Waits for what follows from a client's going away.
    async fn wait_until(reached: impl Fn() -> bool) {
        let reached = async {
            while !reached() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
    }

    fn offer(order_id: &str, side: Side) -> OrderMatch {
        let price = Money { currency_code: "EUR".into(), units: 1, ..Default::default() };
        OrderMatch {
            order_id: order_id.into(),
            product_id: "tea".into(),
            side: side.into(),
            quantity: 1,
            price: price.into(),
            ..Default::default()
        }
    }

    /// Watchers and traders that end, cancel or lose their connection.
    #[tokio::test]
    async fn nobody_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        sqlx::query(
            "INSERT INTO orders VALUES ('1', 'ann', 1, 0, 'EUR', 1, 0, 0, 0), ('2', 'ann', 4, 0, 'EUR', 1, 0, 0, 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        let (watchers, market) = (Watchers::default(), Market::default());
        let orders = Arc::new(Orders { store, watchers: watchers.clone(), market: market.clone() });
        let client = OrderServiceClient::new(Channel::in_process(OrderServiceServer::from_arc(orders)));

        let watch = |id: &str| WatchOrderRequest { order_id: id.into(), ..Default::default() };
        let mut over = client.watch_order(watch("2")).await.unwrap();
        over.next().await.unwrap();
        assert_eq!(over.next().await.unwrap(), None);
        client.watch_order(watch("none")).await.unwrap().next().await.unwrap_err();
        wait_until(|| watchers.count() == 0).await;
        let mut cancelled = client.watch_order(watch("1")).await.unwrap();
        cancelled.next().await.unwrap();
        assert_eq!(watchers.count(), 1);
        drop(cancelled);
        wait_until(|| watchers.count() == 0).await;

        let offer = offer("a", Side::Buy);
        for cancels in [false, true] {
            let (mut offers, mut fills) = client.match_orders().await.unwrap();
            offers.send(offer.clone()).await.unwrap();
            wait_until(|| !market.is_empty()).await;
            if cancels {
                drop(fills);
            } else {
                offers.finish();
                assert_eq!(fills.next().await.unwrap(), None);
            }
            wait_until(|| market.is_empty()).await;
        }

        let mut lost = client.watch_order(watch("1")).await.unwrap();
        lost.next().await.unwrap();
        let (mut offers, fills) = client.match_orders().await.unwrap();
        offers.send(offer).await.unwrap();
        wait_until(|| watchers.count() == 1 && !market.is_empty()).await;
        drop((client, lost, offers, fills));
        wait_until(|| watchers.count() == 0 && market.is_empty()).await;
    }

    /// A client that has ended its offers and does not read its fills keeps its call for so long and no longer.
    #[tokio::test]
    async fn last_fills_do_not_wait_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let orders = service(Store::open(folder.path()).await.unwrap());
        tokio::time::pause();
        let client = OrderServiceClient::new(Channel::in_process(orders));
        let (mut offers, mut fills) = client.match_orders().await.unwrap();
        // More than windows and buffers take, and less than may wait.
        for number in 0..500 {
            for side in [Side::Sell, Side::Buy] {
                let product_id = "t".repeat(128);
                let offer = OrderMatch { product_id, ..offer(&format!("{side:?}{number:0>110}"), side) };
                offers.send(offer).await.unwrap();
            }
        }
        offers.finish();
        tokio::time::sleep(Duration::from_secs(40)).await;
        let status = loop {
            match fills.next().await {
                Ok(fill) => assert!(fill.is_some(), "all fills were kept"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), gannet::Code::ResourceExhausted);
    }
}
