//! MatchOrders: the books that all streams share.

use super::book::{Fill, StreamId};
use super::books::{Books, MAX_OPEN_OFFERS, Refused};
use super::checks::{self, Offer};
use crate::outgoing::{self, Outgoing, Shared};
use crate::proto::order::v1::{OrderMatch, Side};
use gannet::{Receiver, Result, Sender, Status};
use gannet_types::ResourceInfo;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So long a client may take to read its last fills once it has ended its offers.
const LAST_FILLS_TIME: Duration = Duration::from_secs(30);

/// Takes offers to the books and sends their fills, those of later offers of others too, until the offers end.
pub(super) async fn trade(
    market: &Market,
    mut offers: Receiver<OrderMatch>,
    mut fills: Sender<OrderMatch>,
) -> Result<()> {
    let (outgoing, waiting) = outgoing::queue();
    let stall = market.join(outgoing.clone());
    let mut delivery = pin!(waiting.deliver(&mut fills));
    let placing = async {
        while let Some(offer) = offers.next().await? {
            stall.place(&checks::offer(offer)?)?;
            // The deliveries, ours and the others', get their turn before the next offer.
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let end = tokio::select! {
        // What waits goes first: a client that reads is not let go for what it sends itself.
        biased;
        end = &mut delivery => return end,
        end = placing => end,
    };
    drop(stall);
    tokio::select! {
        delivered = &mut delivery => delivered.and(end),
        () = tokio::time::sleep(LAST_FILLS_TIME) => {
            outgoing.let_go();
            delivery.await
        }
    }
}

/// The books and the streams that trade on them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Market(Arc<Mutex<Floor>>);

#[derive(Debug, Default)]
struct Floor {
    books: Books,
    streams: HashMap<StreamId, Outgoing<OrderMatch>>,
    next_stream: StreamId,
}

/// A stream's place in the market. When it is dropped, its offers are off the books.
struct Stall {
    market: Market,
    stream: StreamId,
}

impl Market {
    fn join(&self, outgoing: Outgoing<OrderMatch>) -> Stall {
        let mut floor = self.lock();
        let stream = floor.next_stream;
        floor.next_stream += 1;
        floor.streams.insert(stream, outgoing);
        Stall { market: self.clone(), stream }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let floor = self.lock();
        floor.streams.is_empty() && floor.books.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Floor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stall {
    fn place(&self, offer: &Offer) -> Result<()> {
        let mut floor = self.market.lock();
        let fills = floor.books.place(self.stream, offer).map_err(|refused| refusal(refused, offer))?;
        // Under the lock, so that every stream sees its fills in the order in which they were made.
        floor.send(self.stream, offer, &fills);
        Ok(())
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.market.lock().leave(self.stream);
    }
}

impl Floor {
    fn send(&mut self, stream: StreamId, offer: &Offer, fills: &[Fill]) {
        let mut bursts: HashMap<StreamId, Vec<Shared<OrderMatch>>> = HashMap::new();
        for fill in fills {
            let (resting, incoming) = messages(offer, fill);
            bursts.entry(fill.resting.stream).or_default().push(Shared::new(resting));
            bursts.entry(stream).or_default().push(Shared::new(incoming));
        }
        for (stream, burst) in bursts {
            let reads = self.streams.get(&stream).is_some_and(|outgoing| outgoing.push_all(&burst));
            if !reads {
                self.leave(stream);
            }
        }
    }

    fn leave(&mut self, stream: StreamId) {
        self.books.withdraw_all(stream);
        if let Some(outgoing) = self.streams.remove(&stream) {
            outgoing.finish();
        }
    }
}

/// What the two sides of a fill are told.
fn messages(offer: &Offer, fill: &Fill) -> (OrderMatch, OrderMatch) {
    let message = |order_id: &str, side: Side, matched_order_id: &str, remaining_quantity| OrderMatch {
        order_id: order_id.to_owned(),
        product_id: offer.product_id.clone(),
        side: side.into(),
        quantity: fill.quantity,
        price: fill.resting.price.money(offer.currency).into(),
        matched_order_id: matched_order_id.to_owned(),
        remaining_quantity,
        ..Default::default()
    };
    let other_side = if offer.side == Side::Buy { Side::Sell } else { Side::Buy };
    let resting = &fill.resting;
    (
        message(&resting.order_id, other_side, &offer.order_id, resting.quantity),
        message(&offer.order_id, offer.side, &resting.order_id, fill.left),
    )
}

fn refusal(refused: Refused, offer: &Offer) -> Status {
    match refused {
        Refused::AlreadyOpen => {
            let message = format!("an offer with the order_id {} is open; name another one", offer.order_id);
            Status::already_exists(message)
                .with_detail(ResourceInfo::of("order.v1.OrderMatch", &*offer.order_id))
        }
        Refused::TooMany => {
            let message = format!("a stream may have {MAX_OPEN_OFFERS} open offers; open another stream");
            Status::resource_exhausted(message)
        }
    }
}
