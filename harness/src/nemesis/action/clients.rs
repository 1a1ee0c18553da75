//! Clients that are hit, and let go.

use super::Scene;
use crate::engine::ClientFault;
use duress_reports::artifact::JournalEvent;

/// Takes hold of them. `None`: whether it bites shows with their next operations.
pub(super) fn strike(scene: Scene<'_>, nodes: &[usize], what: ClientFault) -> Option<JournalEvent> {
    if let Err(why) = can_show(scene, nodes) {
        return Some(JournalEvent::Skipped { why });
    }
    if scene.clients.strike(scene.fault, nodes, what) > 0 {
        return None;
    }
    scene.clients.release(scene.fault);
    Some(JournalEvent::Skipped { why: "no client talks to these nodes".to_owned() })
}

/// Nobody has a connection to a node that is down, or an operation under way there. It may have come
/// down since the fault began, too.
pub(in crate::nemesis) fn can_show(scene: Scene<'_>, nodes: &[usize]) -> Result<(), String> {
    if nodes.iter().any(|&node| scene.env.state(node).has_server()) {
        return Ok(());
    }
    let names: Vec<&str> = nodes.iter().map(|&node| scene.nodes[node].name.as_str()).collect();
    Err(format!("no client can talk to {}: no process", names.join(" ")))
}

/// Lets go, and says what they went through.
pub(super) fn release(scene: Scene<'_>, what: ClientFault) -> String {
    what.told(scene.clients.release(scene.fault))
}
