//! Where a call was when the client ended it.

use crate::{Failure, Peer, Phase, Status};

/// The call failed in this phase, unless it is known better already.
pub(super) fn in_phase(status: Status, phase: Phase, peer: &Peer) -> Status {
    match status.failure() {
        Some(_) => status,
        None => status.with_failure(Failure::new(phase).with_peer(peer.to_string())),
    }
}

/// The same status for a call in another phase: what ends a connection ends all that is under way there.
pub(super) fn moved_to(status: &Status, phase: Phase, peer: &Peer) -> Status {
    let failure = status.failure().cloned().unwrap_or(Failure::new(phase).with_peer(peer.to_string()));
    status.clone().with_failure(failure.with_phase(phase))
}

/// The call had been tried so often. A server's own status has nothing of this.
pub(super) fn after_attempts(status: Status, attempts: u32) -> Status {
    match status.failure().cloned() {
        Some(failure) => status.with_failure(failure.with_attempts(attempts)),
        None => status,
    }
}
