//! The storefront's contract, MatchOrders: a book per product with price-time priority.

use super::*;
use crate::orders::money::Amount;
use crate::proto::order::v1::Money;
use crate::proto::order::v1::Side::{SIDE_BUY as Buy, SIDE_SELL as Sell};
use proptest::prelude::*;

fn price(units: i64) -> (Currency, Amount) {
    let money = Money { currency_code: "EUR".into(), units, ..Default::default() };
    Amount::read(Some(&money)).unwrap()
}

fn offer(order_id: &str, side: Side, quantity: i32, units: i64) -> Offer {
    let (currency, price) = price(units);
    Offer { order_id: order_id.into(), product_id: "tea".into(), side, quantity, currency, price }
}

/// Who was met, how much, at which price, and what is left of both: resting, then incoming.
fn told(fill: &Fill) -> (String, i32, i128, i32, i32) {
    let resting = &fill.resting;
    let units = resting.price.nano_units() / 1_000_000_000;
    (resting.order_id.to_string(), fill.quantity, units, resting.quantity, fill.left)
}

/// Offers in turn, each with the fills that it makes.
#[track_caller]
fn check(steps: &[(&str, Side, i32, i64, &[(&str, i32, i128, i32, i32)])]) {
    let mut books = Books::default();
    for (step, &(order_id, side, quantity, units, expected)) in steps.iter().enumerate() {
        let fills = books.place(step as StreamId, &offer(order_id, side, quantity, units)).unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(id, quantity, price, rest, left)| (id.to_owned(), quantity, price, rest, left))
            .collect();
        assert_eq!(fills.iter().map(told).collect::<Vec<_>>(), expected, "{order_id}");
    }
}

#[test]
fn prices_must_meet() {
    check(&[("s", Sell, 1, 10, &[]), ("b", Buy, 1, 9, &[]), ("b2", Buy, 1, 10, &[("s", 1, 10, 0, 0)])]);
}

#[test]
fn a_fill_is_at_the_price_of_the_offer_that_rested() {
    check(&[("s", Sell, 1, 10, &[]), ("b", Buy, 1, 12, &[("s", 1, 10, 0, 0)])]);
    check(&[("b", Buy, 1, 12, &[]), ("s", Sell, 1, 10, &[("b", 1, 12, 0, 0)])]);
}

#[test]
fn the_better_price_comes_first_then_the_earlier_offer() {
    check(&[
        ("dear", Sell, 1, 11, &[]),
        ("first", Sell, 1, 10, &[]),
        ("second", Sell, 1, 10, &[]),
        ("b", Buy, 3, 11, &[("first", 1, 10, 0, 2), ("second", 1, 10, 0, 1), ("dear", 1, 11, 0, 0)]),
    ]);
    check(&[
        ("cheap", Buy, 1, 9, &[]),
        ("first", Buy, 1, 10, &[]),
        ("second", Buy, 1, 10, &[]),
        ("s", Sell, 3, 9, &[("first", 1, 10, 0, 2), ("second", 1, 10, 0, 1), ("cheap", 1, 9, 0, 0)]),
    ]);
}

#[test]
fn what_is_left_keeps_its_place_or_takes_one() {
    check(&[
        ("s", Sell, 5, 10, &[]),
        ("later", Sell, 5, 10, &[]),
        ("b", Buy, 2, 10, &[("s", 2, 10, 3, 0)]),
        ("b2", Buy, 4, 10, &[("s", 3, 10, 0, 1), ("later", 1, 10, 4, 0)]),
        ("b3", Buy, 6, 10, &[("later", 4, 10, 0, 2)]),
        ("s2", Sell, 3, 8, &[("b3", 2, 10, 0, 1)]),
    ]);
}

#[test]
fn discounts_have_a_negative_price() {
    check(&[("s", Sell, 1, -3, &[]), ("low", Buy, 1, -4, &[]), ("b", Buy, 1, -2, &[("s", 1, -3, 0, 0)])]);
    check(&[("b", Buy, 1, i64::MIN, &[]), ("s", Sell, 1, i64::MAX, &[])]);
}

/// The storefront's contract, "Where a choice had to be made": an order_id is unique over all books while it is open.
#[test]
fn an_order_id_is_open_once() {
    let mut books = Books::default();
    books.place(1, &offer("a", Sell, 1, 10)).unwrap();
    let other_book = Offer { product_id: "milk".into(), ..offer("a", Sell, 1, 10) };
    assert_eq!(books.place(2, &other_book), Err(Refused::AlreadyOpen));
    books.place(2, &offer("b", Buy, 1, 10)).unwrap();
    // Both are filled, and so not open any more.
    for order_id in ["a", "b"] {
        assert_eq!(books.place(2, &offer(order_id, Sell, 1, 10)), Ok(vec![]));
    }
}

/// The storefront's contract, MatchOrders: at most 10,000 open offers a stream.
#[test]
fn a_stream_has_so_many_open_offers() {
    let mut books = Books::default();
    for number in 0..MAX_OPEN_OFFERS {
        books.place(1, &offer(&number.to_string(), Sell, 1, 10)).unwrap();
    }
    assert_eq!(books.place(1, &offer("more", Sell, 1, 10)), Err(Refused::TooMany));
    // One that is filled makes room.
    assert_eq!(books.place(2, &offer("b", Buy, 1, 10)).unwrap().len(), 1);
    assert_eq!(books.place(1, &offer("more", Sell, 1, 10)), Ok(vec![]));
    books.withdraw_all(1);
    assert!(books.is_empty());
}

/// The plainest market there is: a list of open offers, in order of arrival, searched from end to end.
#[derive(Default)]
struct Model(Vec<(StreamId, Offer)>);

impl Model {
    fn place(&mut self, stream: StreamId, mut offer: Offer) -> Option<Vec<(String, i32, i128, i32, i32)>> {
        if self.0.iter().any(|(_, open)| open.order_id == offer.order_id) {
            return None;
        }
        let mut fills = Vec::new();
        while offer.quantity > 0
            && let Some(best) = self.best(&offer)
        {
            let best = &mut self.0[best].1;
            let quantity = best.quantity.min(offer.quantity);
            best.quantity -= quantity;
            offer.quantity -= quantity;
            let units = best.price.nano_units() / 1_000_000_000;
            fills.push((best.order_id.clone(), quantity, units, best.quantity, offer.quantity));
            self.0.retain(|(_, open)| open.quantity > 0);
        }
        if offer.quantity > 0 {
            self.0.push((stream, offer));
        }
        Some(fills)
    }

    fn best(&self, offer: &Offer) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (place, (_, open)) in self.0.iter().enumerate() {
            let (ours, theirs) = (offer.price.nano_units(), open.price.nano_units());
            let meets = if offer.side == Buy { theirs <= ours } else { theirs >= ours };
            let fits = open.product_id == offer.product_id
                && open.currency == offer.currency
                && open.side != offer.side
                && meets;
            let is_better = best.is_none_or(|best| {
                let best = self.0[best].1.price.nano_units();
                if offer.side == Buy { theirs < best } else { theirs > best }
            });
            if fits && is_better {
                best = Some(place);
            }
        }
        best
    }
}

#[derive(Clone, Debug)]
enum Step {
    Place(StreamId, Offer),
    WithdrawAll(StreamId),
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Buy), Just(Sell)];
    let book = (prop_oneof![Just("tea"), Just("milk")], prop_oneof![Just("EUR"), Just("USD")]);
    let fields = (0..4u64, 0..30u8, book, side, 1..6i32, -2..3i64);
    let place = fields.prop_map(|(stream, id, (product, currency), side, quantity, units)| {
        let offer = Offer {
            order_id: id.to_string(),
            product_id: product.to_owned(),
            side,
            quantity,
            currency: Currency::parse(currency).unwrap(),
            price: price(units).1,
        };
        Step::Place(stream, offer)
    });
    prop_oneof![20 => place, 1 => (0..4u64).prop_map(Step::WithdrawAll)]
}

proptest! {
    #[test]
    fn as_the_plain_model_does(steps in prop::collection::vec(step(), 0..120)) {
        let (mut books, mut model) = (Books::default(), Model::default());
        for step in steps {
            match step {
                Step::Place(stream, offer) => {
                    let fills = books.place(stream, &offer);
                    let expected = model.place(stream, offer).ok_or(Refused::AlreadyOpen);
                    prop_assert_eq!(fills.map(|fills| fills.iter().map(told).collect::<Vec<_>>()), expected);
                }
                Step::WithdrawAll(stream) => {
                    books.withdraw_all(stream);
                    model.0.retain(|(owner, _)| *owner != stream);
                }
            }
            prop_assert_eq!(books.open.len(), model.0.len());
            prop_assert_eq!(books.streams.values().map(HashSet::len).sum::<usize>(), model.0.len());
        }
        for stream in 0..4 {
            books.withdraw_all(stream);
        }
        prop_assert!(books.is_empty());
    }
}
