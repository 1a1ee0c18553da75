//! Where the engine must not believe one of its own methods, and where only one of them gets on.

use super::super::Flags;
use super::agree::check;
use super::build::Build;
use crate::{Valid, Verdict};
use serde_json::json;

fn violation(build: &Build, flags: Flags) -> Verdict {
    let verdict = check(build, flags, 1);
    assert_eq!(verdict.valid, Valid::Violation, "{:?}", verdict.reason);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
    verdict
}

/// With endless supply there is an order; it uses a write before it was invoked.
#[test]
fn an_order_that_uses_what_is_not_there_yet_is_none() {
    let mut build = Build::default();
    build.lost(0, "write", json!(1)).did(1, "write", json!(2)).did(1, "read", json!(1));
    build.did(1, "write", json!(2)).did(1, "read", json!(1));
    build.lost(2, "write", json!(1)).did(1, "write", json!(3));
    violation(&build, Flags::ALL);
    // Invoked in time, it is one.
    let mut early = Build::default();
    early.lost(0, "write", json!(1)).lost(2, "write", json!(1));
    early.did(1, "write", json!(2)).did(1, "read", json!(1));
    early.did(1, "write", json!(2)).did(1, "read", json!(1)).did(1, "write", json!(3));
    assert_eq!(check(&early, Flags::ALL, 1).valid, Valid::Valid);
}

/// Each value that is read came of one doubtful operation or of another: so many ways that none does
/// for another. What is wrong in the end has to do with none of them.
#[test]
fn a_few_operations_refute_what_no_search_gets_through() {
    const VALUES: u64 = 16;
    let mut build = Build::default();
    for n in 0..VALUES {
        build.lost(2 * n, "write", json!(n)).lost(2 * n + 1, "cas", json!(["b", n]));
    }
    for n in 0..VALUES {
        build.did(100, "write", json!("b")).did(100, "read", json!(n));
    }
    build.did(100, "write", json!("b"));
    let counted = Flags { endless: false, ..Flags::ALL };
    assert_eq!(check(&build, counted, 1).valid, Valid::Valid);
    build.did(100, "read", json!("b")).did(100, "read", json!("?")).did(100, "read", json!("b"));
    let verdict = violation(&build, counted);
    let looked_at = verdict.stats["configurations"].as_u64().expect("a number");
    assert!(looked_at < 1 << VALUES, "{looked_at} configurations");
    assert_eq!(verdict.findings[0].anomaly, "phantom value");
}

/// Both leave values that nobody sees; the one that compares can only have come before the other.
#[test]
fn of_what_nobody_sees_whoever_compares_goes_first() {
    let mut build = Build::default();
    build.did(0, "write", json!(1)).invoke(1, "cas", json!([1, 9])).invoke(2, "write", json!(8));
    build.did(3, "write", json!(2)).did(3, "read", json!(2));
    build.ok(1, "cas", json!([1, 9])).ok(2, "write", json!(8));
    let verdict = check(&build, Flags { blocks: false, ..Flags::ALL }, 1);
    assert_eq!(verdict.valid, Valid::Valid);
    assert!(!verdict.stats.contains_key("internal_errors"), "{:?}", verdict.stats);
}
