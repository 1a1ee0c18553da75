//! Replays an order: the second opinion on every `valid`. It shares no code with the search.

use super::partition::Entry;
use crate::model::Model;

/// Is `order` (positions in `entries`) a linearization? Every completed operation is in it
/// once, optional ones at most once, the model accepts each step, and nothing comes after an
/// operation that was invoked only when it had already returned.
///
/// # Errors
/// In words, what is wrong with it. That is a bug in the search.
pub(super) fn certify<M: Model>(
    model: &M,
    classes: &[M::Op],
    entries: &[Entry],
    order: &[u32],
) -> Result<(), String> {
    let mut placed = vec![false; entries.len()];
    let mut latest_invoke = None;
    let mut state = model.initial();
    for &at in order {
        let entry = &entries[at as usize];
        if std::mem::replace(&mut placed[at as usize], true) {
            return Err(format!("the operation invoked at {} is placed twice", entry.invoke));
        }
        if let (Some(ret), Some(latest)) = (entry.ret, latest_invoke)
            && ret < latest
        {
            return Err(format!(
                "the operation invoked at {} returned before one placed earlier was invoked",
                entry.invoke
            ));
        }
        latest_invoke = latest_invoke.max(Some(entry.invoke));
        state = model
            .step(&state, &classes[entry.class as usize])
            .map_err(|refusal| format!("the operation invoked at {} {refusal}", entry.invoke))?;
    }
    match entries.iter().zip(&placed).find(|(entry, placed)| entry.ret.is_some() && !**placed) {
        Some((entry, _)) => Err(format!("the operation invoked at {} is missing", entry.invoke)),
        None => Ok(()),
    }
}
