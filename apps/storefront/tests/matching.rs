//! OrderService.MatchOrders, rule by rule of its contract. Who meets whom is tested beside the books.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use gannet::{Code, Receiver, Sender, Status};
use shop::{Shop, fails};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use storefront::proto::order::v1::Side::{self, SIDE_BUY as BUY, SIDE_SELL as SELL};
use storefront::proto::order::v1::{Money, OrderMatch, OrderServiceClient};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// One stream of the market.
struct Trader {
    offers: Sender<OrderMatch>,
    fills: Receiver<OrderMatch>,
}

impl Trader {
    async fn come_to(shop: &Shop) -> Self {
        let (offers, fills) = OrderServiceClient::new(shop.channel.clone()).match_orders().await.unwrap();
        Self { offers, fills }
    }

    async fn offer(&mut self, order_id: &str, side: Side, quantity: i32, units: i64) {
        self.offers.send(tea(order_id, side, quantity, units)).await.unwrap();
    }

    /// Two offers of a product that nobody else trades, which meet each other.
    async fn offer_to_itself(&mut self, product_id: &str) {
        for side in [SELL, BUY] {
            let offer = tea(&format!("{product_id}-{side:?}"), side, 1, 1);
            self.offers.send(OrderMatch { product_id: product_id.into(), ..offer }).await.unwrap();
        }
    }

    /// Returns once the offers so far are in the books, without a fill.
    async fn settle(&mut self) {
        let own = format!("own-{}", uuid::Uuid::now_v7());
        self.offer_to_itself(&own).await;
        for side in [SELL, BUY] {
            let fill = self.fills.next().await.unwrap().unwrap();
            assert_eq!((&fill.product_id, fill.side), (&own, side.into()), "{fill:?}");
        }
    }

    /// The next fill: whose, with whom, how much, at which price, what is left.
    async fn fill(&mut self) -> (String, String, i32, i64, i32) {
        let next = tokio::time::timeout(Duration::from_secs(30), self.fills.next());
        let fill = next.await.unwrap().unwrap().unwrap();
        (fill.order_id, fill.matched_order_id, fill.quantity, fill.price.units, fill.remaining_quantity)
    }

    async fn end(&mut self) -> Result<Option<OrderMatch>, Status> {
        tokio::time::timeout(Duration::from_secs(60), self.fills.next()).await.unwrap()
    }
}

fn tea(order_id: &str, side: Side, quantity: i32, units: i64) -> OrderMatch {
    let price = Money { currency_code: "EUR".into(), units, ..Default::default() };
    OrderMatch {
        order_id: order_id.into(),
        product_id: "tea".into(),
        side: side.into(),
        quantity,
        price: price.into(),
        ..Default::default()
    }
}

fn fill(
    own: &str,
    other: &str,
    quantity: i32,
    units: i64,
    remaining: i32,
) -> (String, String, i32, i64, i32) {
    (own.into(), other.into(), quantity, units, remaining)
}

#[tokio::test]
async fn a_fill_goes_to_both_sides_at_the_resting_price() {
    let shop = Shop::open().await;
    let (mut seller, mut buyer) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    seller.offer("s", SELL, 5, 10).await;
    seller.settle().await;
    buyer.offer("b", BUY, 3, 12).await;
    assert_eq!(buyer.fill().await, fill("b", "s", 3, 10, 0));
    assert_eq!(seller.fill().await, fill("s", "b", 3, 10, 2));
    buyer.offers.send(tea("b2", BUY, 4, 10)).await.unwrap();
    let whole = buyer.fills.next().await.unwrap().unwrap();
    let expected = OrderMatch {
        matched_order_id: "s".into(),
        quantity: 2,
        remaining_quantity: 2,
        ..tea("b2", BUY, 2, 10)
    };
    assert_eq!(whole, expected);
    let whole = seller.fills.next().await.unwrap().unwrap();
    assert_eq!(whole, OrderMatch { matched_order_id: "b2".into(), ..tea("s", SELL, 2, 10) });
}

#[tokio::test]
async fn fills_made_are_sent_before_the_ok_and_offers_withdrawn() {
    let shop = Shop::open().await;
    let (mut first, mut second) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    first.offer("open", SELL, 1, 10).await;
    first.offer("own", SELL, 1, 9).await;
    first.offer("met", BUY, 1, 9).await;
    first.offers.finish();
    let mut ended = Vec::new();
    while let Some(fill) = first.fills.next().await.unwrap() {
        ended.push(fill.order_id);
    }
    assert_eq!(ended, ["own", "met"]);
    // Nothing meets what was withdrawn, and its id may be used again.
    second.offer("b", BUY, 1, 10).await;
    second.offer("open", BUY, 1, 10).await;
    second.settle().await;
}

#[tokio::test]
async fn a_stream_that_goes_away_takes_its_offers_along() {
    let shop = Shop::open().await;
    let (mut first, mut second) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    first.offer("s", SELL, 1, 10).await;
    first.settle().await;
    drop(first);
    // Its id is free once it has left.
    let left = async {
        loop {
            let mut probe = Trader::come_to(&shop).await;
            probe.offer("s", BUY, 1, 1).await;
            probe.offers.finish();
            match probe.fills.next().await {
                Ok(_) => return,
                Err(status) => assert_eq!(status.code(), Code::AlreadyExists),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), left).await.unwrap();
    second.offer("b", BUY, 1, 10).await;
    second.settle().await;
}

#[tokio::test]
async fn a_bad_offer_ends_the_stream_after_its_fills() {
    let shop = Shop::open().await;
    let good = tea("bad", SELL, 1, 10);
    let price = |currency: &str, units, nanos| OrderMatch {
        price: Money { currency_code: currency.into(), units, nanos, ..Default::default() }.into(),
        ..good.clone()
    };
    let rows = [
        (OrderMatch { order_id: String::new(), ..good.clone() }, "order_id"),
        (OrderMatch { order_id: "x".repeat(129), ..good.clone() }, "order_id"),
        (OrderMatch { product_id: String::new(), ..good.clone() }, "product_id"),
        (OrderMatch { product_id: "x".repeat(129), ..good.clone() }, "product_id"),
        (OrderMatch { side: Side::Unspecified.into(), ..good.clone() }, "side"),
        (OrderMatch { side: 3.into(), ..good.clone() }, "side"),
        (OrderMatch { quantity: 0, ..good.clone() }, "quantity"),
        (OrderMatch { quantity: -1, ..good.clone() }, "quantity"),
        (OrderMatch { price: None.into(), ..good.clone() }, "price"),
        (price("", 1, 0), "price"),
        (price("eur", 1, 0), "price"),
        (price("EUR", 1, -1), "price"),
        (price("EUR", 0, 1_000_000_000), "price"),
    ];
    for (bad, field) in rows {
        let mut trader = Trader::come_to(&shop).await;
        trader.offer("s", SELL, 1, 10).await;
        trader.offer("b", BUY, 1, 10).await;
        trader.offers.send(bad).await.unwrap();
        assert_eq!(trader.fill().await.0, "s");
        assert_eq!(trader.fill().await.0, "b");
        let status = fails(trader.end().await, Code::InvalidArgument, field);
        let detail: gannet_types::BadRequest = status.detail().unwrap();
        assert_eq!(detail.field_violations[0].field, field);
    }
}

#[tokio::test]
async fn an_order_id_is_open_once() {
    let shop = Shop::open().await;
    let (mut first, mut second) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    first.offer("a", SELL, 1, 10).await;
    first.settle().await;
    second.offers.send(OrderMatch { product_id: "milk".into(), ..tea("a", SELL, 1, 10) }).await.unwrap();
    let status = fails(second.end().await, Code::AlreadyExists, "order_id a");
    assert_eq!(status.detail::<gannet_types::ResourceInfo>().unwrap().resource_name, "a");
}

#[tokio::test]
async fn offers_in_other_currencies_or_products_never_meet() {
    let shop = Shop::open().await;
    let mut trader = Trader::come_to(&shop).await;
    let dollars = Money { currency_code: "USD".into(), units: 10, ..Default::default() };
    trader.offer("s", SELL, 1, 10).await;
    trader.offers.send(OrderMatch { price: dollars.into(), ..tea("b", BUY, 1, 10) }).await.unwrap();
    trader.offers.send(OrderMatch { product_id: "milk".into(), ..tea("c", BUY, 1, 10) }).await.unwrap();
    trader.settle().await;
}

#[tokio::test]
async fn a_stream_has_at_most_10_000_open_offers() {
    let shop = Shop::open().await;
    let mut trader = Trader::come_to(&shop).await;
    for number in 0..10_000 {
        trader.offer(&number.to_string(), SELL, 1, 10).await;
    }
    trader.offers.send(tea("more", SELL, 1, 10)).await.unwrap();
    fails(trader.end().await, Code::ResourceExhausted, "10000 open offers");
    // All of them have gone.
    let mut buyer = Trader::come_to(&shop).await;
    buyer.offer("b", BUY, 1, 10).await;
    buyer.settle().await;
}

/// One offer may make more fills than may wait for a slow reader: whoever reads gets them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_meets_thousands_is_filled() {
    let shop = Shop::open().await;
    let (mut seller, mut buyer) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    for number in 0..5_000 {
        seller.offer(&number.to_string(), SELL, 1, 10).await;
    }
    seller.settle().await;
    buyer.offer("b", BUY, 5_000, 10).await;
    for number in 0..5_000 {
        let id = number.to_string();
        assert_eq!(buyer.fill().await, fill("b", &id, 1, 10, 4_999 - number));
        assert_eq!(seller.fill().await, fill(&id, "b", 1, 10, 0));
    }
}

/// The contract: a client that does not read is let go as in Chat, and never slows the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_let_go() {
    let shop = Shop::open().await;
    let (mut idle, mut active) = (Trader::come_to(&shop).await, Trader::come_to(&shop).await);
    idle.offer("idle", SELL, i32::MAX, 10).await;
    idle.settle().await;
    let mut fills = 0;
    // Far more than its window and its queue take.
    while fills < 20_000 {
        active.offer(&format!("{fills}-{}", "x".repeat(60)), BUY, 1, 10).await;
        active.offer_to_itself(&format!("own-{fills}")).await;
        let met = active.fills.next().await.unwrap().unwrap();
        let own_to_come = if met.product_id == "tea" { 2 } else { 1 };
        for _ in 0..own_to_come {
            active.fills.next().await.unwrap().unwrap();
        }
        if own_to_come == 1 {
            // Nobody sells any more.
            break;
        }
        fills += 1;
    }
    assert!((1_024..20_000).contains(&fills), "{fills}");
    let status = loop {
        if let Err(status) = idle.end().await {
            break status;
        }
    };
    fails::<()>(Err(status), Code::ResourceExhausted, "too slowly");
    active.settle().await;
}

/// Many streams at once: each fill is told to both sides, once, and nobody is filled beyond what was offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fill_is_told_to_both_sides() {
    const TRADERS: usize = 6;
    const OFFERS: i64 = 300;
    let shop = Shop::open().await;
    let all_placed = Arc::new(Barrier::new(TRADERS));
    let mut traders = JoinSet::new();
    for number in 0..TRADERS {
        let (mut trader, all_placed) = (Trader::come_to(&shop).await, Arc::clone(&all_placed));
        traders.spawn(async move {
            for place in 0..OFFERS {
                let side = if (place + number as i64) % 2 == 0 { SELL } else { BUY };
                trader
                    .offer(&format!("{number}-{place}"), side, 1 + (place % 7) as i32, place * 31 % 10)
                    .await;
            }
            let own = format!("own-{number}");
            trader.offer_to_itself(&own).await;
            let mut told = Vec::new();
            while told.last().is_none_or(|last: &OrderMatch| last.product_id != own) {
                told.push(trader.fills.next().await.unwrap().unwrap());
            }
            all_placed.wait().await;
            trader.offers.finish();
            while let Some(fill) = trader.fills.next().await.unwrap() {
                told.push(fill);
            }
            told
        });
    }
    let told: Vec<_> = traders.join_all().await.concat();
    let tea: Vec<_> = told.into_iter().filter(|fill| fill.product_id == "tea").collect();
    let mut filled: HashMap<&str, i32> = HashMap::new();
    let mut mirrored: HashMap<(&str, &str, i32, i64), i32> = HashMap::new();
    for fill in &tea {
        *filled.entry(&fill.order_id).or_default() += fill.quantity;
        let sells = fill.side == SELL;
        let (seller, buyer) = if sells {
            (&fill.order_id, &fill.matched_order_id)
        } else {
            (&fill.matched_order_id, &fill.order_id)
        };
        let key = (&**seller, &**buyer, fill.quantity, fill.price.units);
        *mirrored.entry(key).or_default() += if sells { 1 } else { -1 };
    }
    assert!(tea.len() > 1000, "{}", tea.len());
    assert!(mirrored.values().all(|difference| *difference == 0));
    for (order_id, quantity) in filled {
        let place: i32 = order_id.split_once('-').unwrap().1.parse().unwrap();
        assert!(quantity <= 1 + place % 7, "{order_id}");
    }
}
