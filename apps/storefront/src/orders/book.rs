//! The book of one product in one currency: price-time priority, as a value.

use super::money::Amount;
use crate::proto::order::v1::Side;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which stream an offer came from.
pub(super) type StreamId = u64;

/// An offer in a book, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) stream: StreamId,
    pub(super) order_id: Arc<str>,
    pub(super) price: Amount,
    pub(super) quantity: i32,
}

/// An incoming offer has met a resting one, at that one's price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    /// As it is after the fill.
    pub(super) resting: Resting,
    pub(super) quantity: i32,
    /// What is left of the incoming offer.
    pub(super) left: i32,
}

/// Where an offer stands on its side of a book: the better price first, then the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    rank: i128,
    arrival: u64,
}

/// The open offers of one product in one currency.
#[derive(Debug, Default)]
pub(super) struct Book {
    buys: BTreeMap<Place, Resting>,
    sells: BTreeMap<Place, Resting>,
    arrivals: u64,
}

impl Book {
    /// Fills as much of an incoming offer as there are offers on the other side that its price reaches.
    pub(super) fn fill(&mut self, side: Side, price: Amount, quantity: i32) -> Vec<Fill> {
        let others = self.side(opposite(side));
        let reach = rank(opposite(side), price);
        let (mut fills, mut left) = (Vec::new(), quantity);
        while left > 0
            && let Some(mut best) = others.first_entry()
            && best.key().rank <= reach
        {
            let quantity = left.min(best.get().quantity);
            left -= quantity;
            best.get_mut().quantity -= quantity;
            let resting = if best.get().quantity == 0 { best.remove() } else { best.get().clone() };
            fills.push(Fill { resting, quantity, left });
        }
        fills
    }

    /// Adds an offer, behind those of its price.
    pub(super) fn rest(&mut self, side: Side, offer: Resting) -> Place {
        self.arrivals += 1;
        let place = Place { rank: rank(side, offer.price), arrival: self.arrivals };
        self.side(side).insert(place, offer);
        place
    }

    /// Takes an offer off.
    pub(super) fn withdraw(&mut self, side: Side, place: Place) {
        self.side(side).remove(&place);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buys.is_empty() && self.sells.is_empty()
    }

    fn side(&mut self, side: Side) -> &mut BTreeMap<Place, Resting> {
        if side == Side::Buy { &mut self.buys } else { &mut self.sells }
    }
}

fn opposite(side: Side) -> Side {
    if side == Side::Buy { Side::Sell } else { Side::Buy }
}

/// Smaller is better: sellers ask for little, buyers bid much.
fn rank(side: Side, price: Amount) -> i128 {
    if side == Side::Buy { -price.nano_units() } else { price.nano_units() }
}
