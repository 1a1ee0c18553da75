//! Windows of what really happened are never refuted: the states in which they begin leave none
//! out. The comparisons with the oracle cannot see that, since short histories need no window.

use super::super::limits::{Charge, Limits};
use super::super::partition::partition;
use super::super::search::End;
use super::super::subject::Subject;
use super::super::window::Window;
use super::super::{Flags, Keys};
use super::model_random::{Run, simulate};
use super::model_specs::subjects;
use super::random::Dice;
use crate::Budget;
use crate::history::History;
use crate::model::{
    Counter, FencedLock, FetchAdd, KeyValue, Model, Mutex, ReentrantMutex, Register, Semaphore, Set, Stack,
    Text, VersionedRegister,
};
use std::sync::atomic::AtomicUsize;

/// Histories of each model.
const HISTORIES: u64 = 40;

/// Returns in a window, at most.
const LONGEST: usize = 6;

/// Effort for a window.
const CAP: u64 = 20_000;

/// Looks at all windows; how many began somewhere?
fn look<M: Model>(model: &M, history: &History) -> usize {
    let (budget, held) = (Budget::new(1 << 28, 1), AtomicUsize::new(0));
    let limits = Limits::new(&budget, &held);
    let Ok(parts) = partition(model, Keys::Single, history, &mut Charge::new(&limits)) else {
        panic!("{} does not take its own history", model.name())
    };
    let mut begun = 0;
    for part in &parts.parts {
        let subject = Subject::new(part, &limits);
        let mut returns: Vec<_> = part.entries.iter().filter_map(|entry| entry.ret).collect();
        returns.sort_unstable();
        for from in 0..returns.len() {
            for until in returns.iter().skip(from + 1).take(LONGEST) {
                let window = Window::new(&subject, Some(returns[from]), *until);
                let end = window.refute(&subject, Flags::ALL, CAP).end;
                assert_ne!(end, End::Impossible, "{} {:#?}", model.name(), history.ops());
                begun += usize::from(end == End::Linearizable);
            }
        }
    }
    begun
}

#[test]
fn no_window_of_what_happened_is_impossible() {
    let mut dice = Dice(57);
    for spec in &subjects() {
        let windows: fn(&History) -> usize = match spec.name {
            "register" => |history| look(&Register::default(), history),
            "versioned-register" => |history| look(&VersionedRegister::default(), history),
            "map" => |history| look(&KeyValue::default(), history),
            "text" => |history| look(&Text::default(), history),
            "set" => |history| look(&Set::default(), history),
            "counter" => |history| look(&Counter::default(), history),
            "fetch-add" => |history| look(&FetchAdd::default(), history),
            "stack" => |history| look(&Stack::default(), history),
            "mutex" => |history| look(&Mutex, history),
            "fenced-lock" => |history| look(&FencedLock, history),
            "semaphore" => |history| look(&Semaphore { permits: 3 }, history),
            "reentrant-mutex of limit 1" => |history| look(&ReentrantMutex { limit: 1 }, history),
            // Where their windows would begin cannot be listed.
            "log" | "queue" | "bag" | "priority-queue" | "reentrant-mutex" => continue,
            name => panic!("what about the windows of {name}?"),
        };
        let mut begun = 0;
        for n in 0..HISTORIES {
            let run =
                Run { calls: 40, clients: 4, values: [0, 4][usize::from(n % 2 == 0)], doubt: 5, stale: 0 };
            begun += windows(&simulate(&mut dice, spec, run).history());
        }
        // A window that cannot begin shows nothing.
        assert!(begun > 500, "{}: {begun} windows", spec.name);
    }
}
