//! ImportOrders: many orders in few transactions.

use super::record::{self, Refused};
use super::{checks, no_user};
use crate::batch::{Listed, count, next_portion};
use crate::proto::order::v1::{ImportFailure, ImportOrdersResponse, Order};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::{Call, Receiver, Result, ResultExt, Status};
use gannet_types::ResourceInfo;

/// Stores what is valid, in the order of arrival, and says why the rest is not.
///
/// A call that is cut short keeps the portions that were committed.
pub(super) async fn import(
    store: &Store,
    call: &mut Call,
    mut orders: Receiver<Order>,
) -> Result<ImportOrdersResponse> {
    let mut summary = Summary::default();
    while let Some(portion) = next_portion(&mut orders).await? {
        import_portion(store, portion, &mut summary).await?;
    }
    if summary.failures.truncated {
        call.set_trailer("failures-truncated", "true")?;
    }
    Ok(summary.into())
}

async fn import_portion(store: &Store, portion: Vec<Order>, summary: &mut Summary) -> Result<()> {
    let now = timestamp(now_ns());
    // As sent: an empty id stays empty in a failure.
    let sent_ids: Vec<String> = portion.iter().map(|order| order.id.clone()).collect();
    let checked: Vec<Result<Order>> =
        portion.into_iter().map(|order| checks::imported(order, now.clone())).collect();
    let valid: Vec<&Order> = checked.iter().filter_map(|order| order.as_ref().ok()).collect();
    let mut stored = record::insert(store, &valid).await.internal("storing orders")?.into_iter();
    for (id, order) in sent_ids.into_iter().zip(checked) {
        let outcome = order.and_then(|order| match stored.next() {
            Some(Err(refused)) => Err(refusal(refused, &order)),
            _ => Ok(()),
        });
        summary.add(id, outcome);
    }
    Ok(())
}

fn refusal(refused: Refused, order: &Order) -> Status {
    match refused {
        Refused::NoUser => no_user(&order.user_id),
        Refused::Exists => {
            let message = format!("Order {} exists already", order.id);
            Status::already_exists(message).with_detail(ResourceInfo::of("order.v1.Order", &*order.id))
        }
    }
}

/// The answer so far.
#[derive(Default)]
struct Summary {
    arrived: usize,
    failed: usize,
    failures: Listed<ImportFailure>,
}

impl Summary {
    fn add(&mut self, order_id: String, outcome: Result<()>) {
        if let Err(status) = outcome {
            self.failed += 1;
            self.failures.add(ImportFailure {
                index: count(self.arrived),
                order_id,
                code: status.code() as i32,
                message: status.message().to_owned(),
                ..Default::default()
            });
        }
        self.arrived += 1;
    }
}

impl From<Summary> for ImportOrdersResponse {
    fn from(summary: Summary) -> Self {
        ImportOrdersResponse {
            success_count: count(summary.arrived - summary.failed),
            failure_count: count(summary.failed),
            failures: summary.failures.messages,
            ..Default::default()
        }
    }
}
