//! Orders in the database.

use crate::proto::order::v1::{Money, Order, OrderItem, OrderStatus};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::buffa::EnumValue;
use gannet::well_known::Timestamp;
use sqlx::{QueryBuilder, SqliteConnection, SqlitePool};

/// Why an order is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NoUser,
    Exists,
}

/// Stores what can be stored of these orders, in one transaction: one that is refused fails alone.
pub(super) async fn insert(
    store: &Store,
    orders: &[&Order],
) -> Result<Vec<Result<(), Refused>>, sqlx::Error> {
    let mut outcomes = Vec::with_capacity(orders.len());
    let mut transaction = store.writer.begin().await?;
    for order in orders {
        outcomes.push(insert_one(&mut transaction, order).await?);
    }
    transaction.commit().await?;
    Ok(outcomes)
}

async fn insert_one(
    connection: &mut SqliteConnection,
    order: &Order,
) -> Result<Result<(), Refused>, sqlx::Error> {
    const INSERT: &str = "INSERT INTO orders
        (id, user_id, status, status_changed_at_ns, total_currency, total_units, total_nanos,
         created_at_seconds, created_at_nanos)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
    let user: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users WHERE id = ?")
        .bind(&order.user_id)
        .fetch_optional(&mut *connection)
        .await?;
    if user.is_none() {
        return Ok(Err(Refused::NoUser));
    }
    let inserted = sqlx::query(INSERT)
        .bind(&order.id)
        .bind(&order.user_id)
        .bind(order.status.to_i32())
        .bind(now_ns())
        .bind(&order.total.currency_code)
        .bind(order.total.units)
        .bind(order.total.nanos)
        .bind(order.created_at.seconds)
        .bind(order.created_at.nanos)
        .execute(&mut *connection)
        .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Err(Refused::Exists));
    }
    insert_items(connection, order).await?;
    Ok(Ok(()))
}

/// Seven values a row: below SQLite's limit of 32,766 in one statement.
const ITEMS_PER_STATEMENT: usize = 500;

async fn insert_items(connection: &mut SqliteConnection, order: &Order) -> Result<(), sqlx::Error> {
    let mut place = 0_i64..;
    for items in order.items.chunks(ITEMS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO order_items
             (order_id, place, product_id, quantity, price_currency, price_units, price_nanos) ",
        );
        insert.push_values(items.iter().zip(&mut place), |mut row, (item, place)| {
            row.push_bind(&order.id)
                .push_bind(place)
                .push_bind(&item.product_id)
                .push_bind(item.quantity)
                .push_bind(&item.price.currency_code)
                .push_bind(item.price.units)
                .push_bind(item.price.nanos);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: String,
    status: i32,
    total_currency: String,
    total_units: i64,
    total_nanos: i32,
    created_at_seconds: i64,
    created_at_nanos: i32,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    product_id: String,
    quantity: i32,
    price_currency: String,
    price_units: i64,
    price_nanos: i32,
}

/// The order with this id.
pub(super) async fn find(connection: &mut SqliteConnection, id: &str) -> Result<Option<Order>, sqlx::Error> {
    const ORDER: &str = "SELECT user_id, status, total_currency, total_units, total_nanos,
        created_at_seconds, created_at_nanos FROM orders WHERE id = ?";
    const ITEMS: &str = "SELECT product_id, quantity, price_currency, price_units, price_nanos
        FROM order_items WHERE order_id = ? ORDER BY place";
    let row: Option<Row> = sqlx::query_as(ORDER).bind(id).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    // Items never change, so that it needs no transaction to read them after their order.
    let items: Vec<ItemRow> = sqlx::query_as(ITEMS).bind(id).fetch_all(connection).await?;
    let created_at =
        Timestamp { seconds: row.created_at_seconds, nanos: row.created_at_nanos, ..Default::default() };
    Ok(Some(Order {
        id: id.to_owned(),
        user_id: row.user_id,
        items: items.into_iter().map(OrderItem::from).collect(),
        status: EnumValue::from(row.status),
        total: money(row.total_currency, row.total_units, row.total_nanos).into(),
        created_at: created_at.into(),
        ..Default::default()
    }))
}

impl From<ItemRow> for OrderItem {
    fn from(row: ItemRow) -> Self {
        OrderItem {
            product_id: row.product_id,
            quantity: row.quantity,
            price: money(row.price_currency, row.price_units, row.price_nanos).into(),
            ..Default::default()
        }
    }
}

fn money(currency_code: String, units: i64, nanos: i32) -> Money {
    Money { currency_code, units, nanos, ..Default::default() }
}

/// Whose order it is.
pub(super) async fn owner(readers: &SqlitePool, id: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT user_id FROM orders WHERE id = ?").bind(id).fetch_optional(readers).await
}

/// The status of an order, and since when it has that.
pub(super) async fn status(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<(OrderStatus, Timestamp)>, sqlx::Error> {
    let row: Option<(i32, i64)> =
        sqlx::query_as("SELECT status, status_changed_at_ns FROM orders WHERE id = ?")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|(status, since)| (EnumValue::from(status).as_known().unwrap_or_default(), timestamp(since))))
}

/// Sets the status of an order that exists.
pub(super) async fn set_status(
    connection: &mut SqliteConnection,
    id: &str,
    status: OrderStatus,
    at_ns: i64,
) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE orders SET status = ?, status_changed_at_ns = ? WHERE id = ?");
    update.bind(status as i32).bind(at_ns).bind(id).execute(connection).await?;
    Ok(())
}
