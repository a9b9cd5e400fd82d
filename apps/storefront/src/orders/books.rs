//! All books, and whose the offers in them are, as a value.

use super::book::{Book, Fill, Place, Resting, StreamId};
use super::checks::Offer;
use super::money::Currency;
use crate::proto::order::v1::Side;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The books of all products. Offers in different currencies never meet.
#[derive(Debug, Default)]
pub(super) struct Books {
    books: HashMap<BookKey, Book>,
    /// An order id is open once at most, whatever the book.
    open: HashMap<Arc<str>, Open>,
    streams: HashMap<StreamId, HashSet<Arc<str>>>,
}

/// Why an offer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    AlreadyOpen,
    TooMany,
}

/// A stream may have so many open offers.
pub(super) const MAX_OPEN_OFFERS: usize = 10_000;

type BookKey = (Arc<str>, Currency);

#[derive(Debug)]
struct Open {
    stream: StreamId,
    book: BookKey,
    side: Side,
    place: Place,
}

impl Books {
    /// Fills an offer as far as possible, and keeps what is left of it.
    pub(super) fn place(&mut self, stream: StreamId, offer: &Offer) -> Result<Vec<Fill>, Refused> {
        let order_id: Arc<str> = offer.order_id.as_str().into();
        if self.open.contains_key(&order_id) {
            return Err(Refused::AlreadyOpen);
        }
        if self.streams.get(&stream).is_some_and(|own| own.len() >= MAX_OPEN_OFFERS) {
            return Err(Refused::TooMany);
        }
        let key: BookKey = (offer.product_id.as_str().into(), offer.currency);
        let book = self.books.entry(key.clone()).or_default();
        let fills = book.fill(offer.side, offer.price, offer.quantity);
        let left = fills.last().map_or(offer.quantity, |fill| fill.left);
        if left > 0 {
            let resting =
                Resting { stream, order_id: Arc::clone(&order_id), price: offer.price, quantity: left };
            let place = book.rest(offer.side, resting);
            self.open
                .insert(Arc::clone(&order_id), Open { stream, book: key.clone(), side: offer.side, place });
            self.streams.entry(stream).or_default().insert(order_id);
        }
        self.forget_if_empty(&key);
        for fill in fills.iter().filter(|fill| fill.resting.quantity == 0) {
            self.close(&fill.resting.order_id);
        }
        Ok(fills)
    }

    /// Takes all offers of a stream off the books.
    pub(super) fn withdraw_all(&mut self, stream: StreamId) {
        for order_id in self.streams.remove(&stream).into_iter().flatten() {
            let Some(open) = self.open.remove(&order_id) else { continue };
            if let Some(book) = self.books.get_mut(&open.book) {
                book.withdraw(open.side, open.place);
            }
            self.forget_if_empty(&open.book);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.books.is_empty() && self.open.is_empty() && self.streams.is_empty()
    }

    /// An offer is filled, and off its book.
    fn close(&mut self, order_id: &Arc<str>) {
        let Some(open) = self.open.remove(order_id) else { return };
        if let Entry::Occupied(mut own) = self.streams.entry(open.stream) {
            own.get_mut().remove(order_id);
            if own.get().is_empty() {
                own.remove();
            }
        }
    }

    fn forget_if_empty(&mut self, key: &BookKey) {
        if self.books.get(key).is_some_and(Book::is_empty) {
            self.books.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
