//! WatchOrder, and who watches which order.

use super::{life, not_found, record};
use crate::proto::order::v1::OrderStatusUpdate;
use crate::store::Store;
use gannet::{Result, ResultExt, Sender};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Sends the present status, then every change, until the order is over.
pub(super) async fn watch(
    store: &Store,
    watchers: &Watchers,
    order_id: String,
    mut updates: Sender<OrderStatusUpdate>,
) -> Result<()> {
    // Before the status is read, so that no change falls between the two.
    let mut watcher = watchers.watch(&order_id);
    let mut reader = store.readers.acquire().await.internal("waiting for the database")?;
    let found = record::status(&mut reader, &order_id).await.internal("reading the order's status")?;
    drop(reader);
    let (mut present, since) = found.ok_or_else(|| not_found(&order_id))?;
    let first = OrderStatusUpdate {
        order_id,
        old_status: present.into(),
        new_status: present.into(),
        updated_at: since.into(),
        ..Default::default()
    };
    updates.send(first).await?;
    while !life::is_over(present) {
        let Some(update) = watcher.next().await else { break };
        // A change that was in the status already when that was read does not begin where it ended: no status comes
        // twice in a life.
        if update.old_status == present {
            present = update.new_status.as_known().unwrap_or_default();
            updates.send_shared(&update).await?;
        }
    }
    Ok(())
}

/// The watchers of all orders, by the order's id. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchers(Arc<Mutex<ByOrder>>);

type ByOrder = HashMap<String, Vec<UnboundedSender<Arc<OrderStatusUpdate>>>>;

/// One watcher. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Watcher {
    order_id: String,
    /// Unbounded, and yet short: an order has at most three changes in its life.
    updates: UnboundedReceiver<Arc<OrderStatusUpdate>>,
    watchers: Watchers,
}

impl Watchers {
    /// Sees every update that is told from now on.
    pub(super) fn watch(&self, order_id: &str) -> Watcher {
        let (sender, updates) = unbounded_channel();
        self.lock().entry(order_id.to_owned()).or_default().push(sender);
        Watcher { order_id: order_id.to_owned(), updates, watchers: self.clone() }
    }

    /// Tells those who watch the order.
    pub(super) fn tell(&self, update: OrderStatusUpdate) {
        let update = Arc::new(update);
        for watcher in self.lock().get(&update.order_id).into_iter().flatten() {
            // Refused only where the watcher is about to go.
            drop(watcher.send(Arc::clone(&update)));
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, ByOrder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// The next update.
    pub(super) async fn next(&mut self) -> Option<Arc<OrderStatusUpdate>> {
        self.updates.recv().await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.updates.close();
        if let Entry::Occupied(mut watchers) = self.watchers.lock().entry(std::mem::take(&mut self.order_id))
        {
            watchers.get_mut().retain(|watcher| !watcher.is_closed());
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(order_id: &str, message: &str) -> OrderStatusUpdate {
        OrderStatusUpdate { order_id: order_id.into(), message: message.into(), ..Default::default() }
    }

    #[tokio::test]
    async fn everyone_who_watches_an_order_is_told_and_nobody_else() {
        let watchers = Watchers::default();
        let mut of_a = [watchers.watch("a"), watchers.watch("a")];
        let mut of_b = watchers.watch("b");
        for message in ["1", "2"] {
            watchers.tell(update("a", message));
        }
        watchers.tell(update("b", "3"));
        watchers.tell(update("c", "nobody"));
        for watcher in &mut of_a {
            assert_eq!(watcher.next().await, Some(Arc::new(update("a", "1"))));
            assert_eq!(watcher.next().await, Some(Arc::new(update("a", "2"))));
            assert!(watcher.updates.is_empty());
        }
        assert_eq!(of_b.next().await, Some(Arc::new(update("b", "3"))));
    }

    /// The storefront's contract, WatchOrder: a watcher that goes away leaves nothing behind.
    #[tokio::test]
    async fn a_watcher_that_goes_leaves_nothing() {
        let watchers = Watchers::default();
        let (first, mut second) = (watchers.watch("a"), watchers.watch("a"));
        drop(first);
        watchers.tell(update("a", "1"));
        assert_eq!(second.next().await, Some(Arc::new(update("a", "1"))));
        assert_eq!(watchers.lock()["a"].len(), 1);
        drop(second);
        assert!(watchers.lock().is_empty());
    }
}
