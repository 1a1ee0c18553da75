//! What a `nil` says that was read: Knossos takes it for "nobody knows".

use super::Nil;
use crate::history::pairing::ALONE;
use crate::history::{Kind, Op};
use serde_json::Value;

/// With [`Nil::Unknown`], an ok `read` or `get` of `nil` loses its answer, and so do reads of
/// `nil` inside an ok `txn`.
///
/// That a queue was empty, or a lock granted, is said with `nil` as well; there it stays.
pub(super) fn read_as(nil: Nil, ops: &mut [Op], partner: &[u32]) {
    if nil == Nil::Value {
        return;
    }
    for at in 0..ops.len() {
        if ops[at].kind != Kind::Invoke || partner[at] == ALONE {
            continue;
        }
        let done = partner[at] as usize;
        if ops[done].kind != Kind::Ok {
            continue;
        }
        match ops[at].f.as_str() {
            "read" | "get" if says_nothing(&ops[at].value, &ops[done].value) => {
                // A read without an answer is as good as one that never returned.
                ops[done].kind = Kind::Info;
            }
            "txn" => forget_reads(ops, at, done),
            _ => {}
        }
    }
}

/// `nil`, or `[key, nil]` where `[key, nil]` was asked.
fn says_nothing(asked: &Value, answered: &Value) -> bool {
    answered.is_null()
        || (asked == answered
            && matches!(answered.as_array().map(Vec::as_slice), Some([key, Value::Null]) if !key.is_array()))
}

/// Removes reads of `nil` from a transaction, in the question as in the answer.
fn forget_reads(ops: &mut [Op], asked: usize, answered: usize) {
    let told = |op: &Value| {
        let nil = matches!(op.as_array().map(Vec::as_slice), Some([f, _, Value::Null]) if f == "r");
        !nil
    };
    let Some(kept) = ops[answered].value.as_array().map(|all| all.iter().map(told).collect::<Vec<_>>())
    else {
        return;
    };
    // Otherwise the two do not belong together, which is for the model to say.
    if ops[asked].value.as_array().map(Vec::len) != Some(kept.len()) {
        return;
    }
    for at in [asked, answered] {
        if let Value::Array(all) = &mut ops[at].value {
            let mut kept = kept.iter();
            all.retain(|_| kept.next().copied().unwrap_or(true));
        }
    }
}
