//! The few operations of a history that are enough to prove a finding again.
//!
//! A finding shows its core and some context. This is the part of the history that holds them, and
//! that a checker, given nothing else, calls by the same name. Nothing is decided here: whatever is
//! handed out was judged again.

use crate::model::NamedModel;
use crate::{Budget, Call, Counterexample, Finding, History, Keys, Kind, Op, Valid, ddmin};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Calls that are judged again at most, where the core and its context are not enough.
const MAX_CALLS: usize = 2_000;

/// Calls, those of the core not counted, of which the fewest are looked for.
const MAX_MINIMISED: usize = 200;

/// Calls right before the first one shown.
const NEAR: usize = 16;

/// Bytes that judging them may take. There is no clock here: this is what ends it.
const MAX_BYTES: usize = 64 << 20;

/// Operations that prove a finding again.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Calls as they are in the history, their indices kept.
    pub history: History,
    /// What to compare them with.
    pub model: NamedModel,
    /// How their values are to be read.
    pub keys: Keys,
}

/// Is a call wanted beyond what is shown?
type Wanted<'a> = dyn Fn(&Call<'_>) -> bool + 'a;

/// The smallest part of `history` tried that proves `finding` again: what its counterexample shows; with
/// what came right before it, what failed and what came later on its key; or all on its key. `None` when it carries no
/// counterexample of a model that has a name, or when none of these is enough.
pub fn reproduce(history: &History, finding: &Finding) -> Option<Reproduction> {
    let example = finding.counterexample.as_ref()?;
    let model = example.named.clone()?;
    let keys = if finding.key.is_some() { Keys::Keyed } else { Keys::Single };
    let shown: BTreeSet<u64> = example.ops.iter().map(|op| op.index).collect();
    // Going through all of a long history is for those who need more than what is shown.
    let few: Vec<Call<'_>> = shown.iter().filter_map(|index| call(history, *index)).collect();
    let all_on_key = OnceCell::new();
    let same_key = || {
        let all = || history.calls().filter(|call| on_key(call, finding)).collect::<Vec<_>>();
        all_on_key.get_or_init(all)
    };
    let returned = culprit_returned(example);
    let failed = |call: &Call<'_>| call.kind() == Kind::Fail;
    let later = |call: &Call<'_>| call.invoke.index > returned;
    // Who wrote what the object held before the first operation shown is most often among these.
    let first = shown.first().copied().unwrap_or(0);
    let since = OnceCell::new();
    let near = |call: &Call<'_>| {
        let since = since.get_or_init(|| {
            let before = same_key().iter().rev().filter(|call| call.invoke.index < first);
            before.take(NEAR).last().map_or(first, |call| call.invoke.index)
        });
        (*since..first).contains(&call.invoke.index)
    };
    let parts: [Option<&Wanted<'_>>; 5] = [
        None,
        Some(&|call| near(call)),
        Some(&|call| near(call) || failed(call)),
        Some(&|call| near(call) || failed(call) || later(call)),
        Some(&|_| true),
    ];
    let mut second = None;
    for wanted in parts {
        let calls: Vec<&Call<'_>> = match wanted {
            None => few.iter().collect(),
            Some(wanted) => {
                let chosen = |call: &&Call<'_>| shown.contains(&call.invoke.index) || wanted(call);
                same_key().iter().filter(chosen).collect()
            }
        };
        if calls.len() > MAX_CALLS {
            continue;
        }
        let Some(part) = part(&calls) else { continue };
        match judged(&part, &model, keys, finding) {
            Some(true) => return Some(Reproduction { history: part, model, keys }),
            Some(false) => second = second.or(Some(part)),
            None => {}
        }
    }
    // Called by another name, it is a violation all the same.
    second.map(|history| Reproduction { history, model, keys })
}

/// [`reproduce`], and then without every call that is not needed, but for the core of the counterexample:
/// a core that is made of less could fail for a reason that is not the one found. What is judged by another
/// name stays as it is, and so does what is too long to be judged so often.
pub fn smallest(history: &History, finding: &Finding) -> Option<Reproduction> {
    let whole = reproduce(history, finding)?;
    let example = finding.counterexample.as_ref()?;
    let core: BTreeSet<u64> =
        example.core.iter().filter_map(|at| example.ops.get(*at)).map(|op| op.index).collect();
    let (kept, others): (Vec<Call<'_>>, Vec<Call<'_>>) =
        whole.history.calls().partition(|call| core.contains(&call.invoke.index));
    let proves = |some: &[Call<'_>]| {
        let part = part(&kept.iter().chain(some).collect::<Vec<_>>())?;
        let same = judged(&part, &whole.model, whole.keys, finding) == Some(true);
        same.then_some(part)
    };
    if others.len() > MAX_MINIMISED || proves(&others).is_none() {
        return Some(whole);
    }
    let Ok(left) = ddmin(&others, |some| Ok::<_, Infallible>(proves(some).is_some()));
    let history = proves(&[]).or_else(|| proves(&left))?;
    Some(Reproduction { history, ..whole })
}

/// The call whose invocation has this index.
fn call(history: &History, index: u64) -> Option<Call<'_>> {
    let at = history.ops().binary_search_by_key(&index, |op| op.index).ok()?;
    (history.ops()[at].kind == Kind::Invoke).then(|| history.call_at(at))
}

fn on_key(call: &Call<'_>, finding: &Finding) -> bool {
    finding.key.as_ref().is_none_or(|key| call.invoke.value.get(0) == Some(key))
}

/// When the culprit was over, as an index.
fn culprit_returned(example: &Counterexample) -> u64 {
    let culprit = example.ops.get(example.culprit);
    culprit.and_then(|op| op.completion_index).unwrap_or(u64::MAX)
}

/// These calls alone, in their order.
fn part(calls: &[&Call<'_>]) -> Option<History> {
    let mut ops: Vec<Op> =
        calls.iter().flat_map(|call| [Some(call.invoke), call.completion]).flatten().cloned().collect();
    ops.sort_by_key(|op| op.index);
    History::new(ops).ok()
}

/// Is it a violation, and one of the same name?
fn judged(part: &History, model: &NamedModel, keys: Keys, finding: &Finding) -> Option<bool> {
    let verdict = model.checker(keys).ok()?.check(part, &Budget::new(MAX_BYTES, 1));
    (verdict.valid == Valid::Violation).then(|| {
        verdict.findings.iter().any(|other| other.anomaly == finding.anomaly && other.key == finding.key)
    })
}
