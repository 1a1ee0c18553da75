//! Clients that are hit, and let go.

use super::Scene;
use crate::engine::ClientFault;
use duress_reports::artifact::JournalEvent;

/// Takes hold of them. `None`: whether it bites shows with their next operations.
pub(super) fn strike(scene: Scene<'_>, nodes: &[usize], what: ClientFault) -> Option<JournalEvent> {
    if scene.clients.strike(scene.fault, nodes, what) > 0 {
        return None;
    }
    scene.clients.release(scene.fault);
    Some(JournalEvent::Skipped { why: "no client talks to these nodes".to_owned() })
}

/// Lets go, and says what they went through.
pub(super) fn release(scene: Scene<'_>, what: ClientFault) -> String {
    what.told(scene.clients.release(scene.fault))
}
