//! What must be right in a request about orders.

use super::money::{Amount, Currency, Sum};
use crate::proto::order::v1::{Money, Order, OrderItem, OrderMatch, OrderStatus, Side};
use gannet::buffa::EnumValue;
use gannet::well_known::Timestamp;
use gannet::{Result, Status};
use gannet_types::BadRequest;

/// The longest id that a client chooses. Offers are kept in memory, so that their ids have to end somewhere.
const LONGEST_ID_BYTES: usize = 128;

/// Checks the items of an order and adds them up.
pub(super) fn total(items: &[OrderItem]) -> Result<Money> {
    let mut wrong = Violations::default();
    if items.is_empty() {
        wrong.add("items", "must have at least one item");
    }
    let (mut sum, mut currency) = (Sum::default(), None);
    for (place, item) in items.iter().enumerate() {
        if item.quantity < 1 {
            wrong.add(format!("items[{place}].quantity"), at_least_one(item.quantity));
        }
        match Amount::read(item.price.as_option()) {
            Err(error) => wrong.add(format!("items[{place}].price"), error.to_string()),
            Ok((own, price)) => {
                let first = *currency.get_or_insert(own);
                if own != first {
                    wrong.add(format!("items[{place}].price"), mixed(own, first));
                }
                sum.add(item.quantity, price);
            }
        }
    }
    wrong.into_result()?;
    match (sum.total(), currency) {
        (Ok(total), Some(currency)) => Ok(total.money(currency)),
        _ => Err(Status::out_of_range("the total of the items is more than a Money can say")),
    }
}

/// Checks an order that was made elsewhere, and completes it: its total, and what it has not set.
pub(super) fn imported(mut order: Order, now: Timestamp) -> Result<Order> {
    let mut wrong = Violations::default();
    if order.id.len() > LONGEST_ID_BYTES {
        wrong.add("id", too_long());
    }
    if !order.status.is_known() {
        wrong.add("status", unknown_status(order.status));
    }
    if !order.created_at.as_option().is_none_or(is_valid) {
        wrong.add("created_at", "must be of the years 1 to 9999, with nanos from 0 to 999999999");
    }
    wrong.into_result()?;
    order.total = total(&order.items)?.into();
    if order.id.is_empty() {
        order.id = new_id();
    }
    if order.status == OrderStatus::Unspecified {
        order.status = OrderStatus::Pending.into();
    }
    if order.created_at.is_unset() {
        order.created_at = now.into();
    }
    Ok(order)
}

/// The id of a new order.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// google/protobuf/timestamp.proto: from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
fn is_valid(time: &Timestamp) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos)
}

/// A status that an order can be given.
pub(super) fn status(status: EnumValue<OrderStatus>) -> Result<OrderStatus> {
    let mut wrong = Violations::default();
    match status.as_known() {
        Some(OrderStatus::Unspecified) => wrong.add("status", "is required"),
        Some(status) => return Ok(status),
        None => wrong.add("status", unknown_status(status)),
    }
    Err(wrong.into_status())
}

/// An offer that may come to a book.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) order_id: String,
    pub(super) product_id: String,
    pub(super) side: Side,
    pub(super) quantity: i32,
    pub(super) currency: Currency,
    pub(super) price: Amount,
}

/// Checks an offer.
pub(super) fn offer(offer: OrderMatch) -> Result<Offer> {
    let mut wrong = Violations::default();
    for (field, id) in [("order_id", &offer.order_id), ("product_id", &offer.product_id)] {
        if id.is_empty() {
            wrong.add(field, "is required");
        } else if id.len() > LONGEST_ID_BYTES {
            wrong.add(field, too_long());
        }
    }
    let side = offer.side.as_known().filter(|side| *side != Side::Unspecified);
    if side.is_none() {
        wrong.add("side", "must be SIDE_BUY or SIDE_SELL");
    }
    if offer.quantity < 1 {
        wrong.add("quantity", at_least_one(offer.quantity));
    }
    let price = Amount::read(offer.price.as_option());
    if let Err(error) = price {
        wrong.add("price", error.to_string());
    }
    match (side, price) {
        (Some(side), Ok((currency, price))) if wrong.is_empty() => {
            let OrderMatch { order_id, product_id, quantity, .. } = offer;
            Ok(Offer { order_id, product_id, side, quantity, currency, price })
        }
        _ => Err(wrong.into_status()),
    }
}

fn at_least_one(quantity: i32) -> String {
    format!("must be at least 1, not {quantity}")
}

fn mixed(own: Currency, first: Currency) -> String {
    format!("must be in {first:?} like the first, not in {own:?}")
}

fn too_long() -> String {
    format!("must be at most {LONGEST_ID_BYTES} bytes long")
}

fn unknown_status(status: EnumValue<OrderStatus>) -> String {
    format!("must be an OrderStatus, and {} is none", status.to_i32())
}

/// What is wrong with a request, field by field.
#[derive(Debug, Default)]
struct Violations {
    first: Option<String>,
    count: usize,
    listed: BadRequest,
}

/// A request may have a million mistakes, and a status goes in a header block.
const LISTED_VIOLATIONS: usize = 10;

impl Violations {
    fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        let (field, description) = (field.into(), description.into());
        self.count += 1;
        self.first.get_or_insert_with(|| format!("{field} {description}"));
        if self.count <= LISTED_VIOLATIONS {
            self.listed = std::mem::take(&mut self.listed).and(field, description);
        }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.into_status()) }
    }

    fn into_status(self) -> Status {
        let first = self.first.unwrap_or_default();
        let message = match self.count.saturating_sub(1) {
            0 => first,
            more => format!("{first} (and {more} more)"),
        };
        Status::invalid_argument(message).with_detail(self.listed)
    }
}
