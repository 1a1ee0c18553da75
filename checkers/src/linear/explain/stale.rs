//! Violations that no few calls prove by themselves, and that a read is to blame for all the same.
//!
//! A read that sees what was so once, and is no more, is stale. Models name it where some other call
//! shows that it was no more; where writes are in doubt, or the contradiction only shows in what somebody
//! does later, they are silent. Here it is asked by definition: would everything up to the
//! culprit have an order if reads were allowed to see what was so before they began? Nothing else is
//! forgiven, so what was never so, or is wrong with writes, keeps its name.

use super::super::engine::Proof;
use super::super::problem::Flags;
use super::super::search::End;
use super::super::subject::Subject;
use super::super::window::Window;
use crate::model::Anomaly;
use crate::words::who;

/// Effort for one look.
const CAP: u64 = 40_000;

/// Reads that are looked at one by one, those that returned last first.
const MAX_READS: usize = 8;

/// The violation as one of stale reads, if it is one.
pub(super) fn stale(subject: &Subject<'_>, proof: &Proof) -> Option<Anomaly> {
    // To find a container empty is what takes do that come too late as well as those that lose something.
    if subject.contents.is_some() {
        return None;
    }
    let until = subject.ret(proof.culprit)?;
    let whole = Window::new(subject, None, until);
    if !has_order(subject, &earlier(&whole, |_| true)) {
        return None;
    }
    let mut reads: Vec<_> = whole.items.iter().filter(|item| item.observer).collect();
    reads.sort_by_key(|item| std::cmp::Reverse(item.ret));
    let one = reads.iter().map(|item| item.entry).take(MAX_READS);
    let one = one.into_iter().find(|&read| has_order(subject, &earlier(&whole, |entry| entry == read)));
    let because = match one {
        Some(read) if read == proof.culprit => {
            "which was so before it began, and not after that: no order of the operations on it has it later"
                .to_owned()
        }
        Some(read) => {
            let (label, by) = (subject.label(read), who(&subject.call(read)));
            format!(
                "which leaves no order in which {label} by {by} saw anything but what had been so before it began"
            )
        }
        None => "which leaves no order in which all reads saw what was so after they began".to_owned(),
    };
    Some(Anomaly { name: "stale read", because, evidence: Vec::new() })
}

/// The window in which these observers may have looked at any time before they returned.
fn earlier(window: &Window, which: impl Fn(u32) -> bool) -> Window {
    let mut window = window.clone();
    for item in window.items.iter_mut().filter(|item| item.observer && which(item.entry)) {
        item.invoke = 0;
    }
    // They are taken for sorted by that.
    window.items.sort_by_key(|item| item.invoke);
    window
}

fn has_order(subject: &Subject<'_>, window: &Window) -> bool {
    window.refute(subject, Flags::ALL, CAP).end == End::Linearizable
}
