//! Certificates that change while a server runs.

use super::events::ServerEvent;
use super::shared::ServerShared;
use crate::tls::TlsError;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Ends the watching when it is dropped.
pub(super) struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads certificates again as often as they ask for, in a task of its own.
pub(super) fn watch(server: &Arc<ServerShared>) -> Option<Watch> {
    let interval = server.tls.as_ref()?.reload_interval()?;
    Some(Watch(tokio::spawn(reload_for_ever(Arc::clone(server), interval)).abort_handle()))
}

async fn reload_for_ever(server: Arc<ServerShared>, interval: Duration) {
    let mut last_error = String::new();
    loop {
        tokio::time::sleep(interval).await;
        let server_too = Arc::clone(&server);
        let reload = tokio::task::spawn_blocking(move || server_too.tls.as_ref().map(|tls| tls.reload()));
        match reload.await {
            Ok(Some(Err(error))) => {
                // A certificate that was written before its key is wrong for a moment; one error is told once.
                let text = error.to_string();
                if text != last_error {
                    server.observer.tell(&ServerEvent::TlsReloadFailed { error: &error });
                    last_error = text;
                }
            }
            Ok(Some(Ok(changed))) => {
                last_error.clear();
                if changed {
                    server.observer.tell(&ServerEvent::TlsReloaded);
                }
            }
            // The runtime ends.
            Ok(None) | Err(_) => return,
        }
    }
}

/// Reads certificates again at once.
pub(super) fn now(server: &ServerShared) -> Result<bool, TlsError> {
    let changed = server.tls.as_ref().map_or(Ok(false), |tls| tls.reload())?;
    if changed {
        server.observer.tell(&ServerEvent::TlsReloaded);
    }
    Ok(changed)
}
