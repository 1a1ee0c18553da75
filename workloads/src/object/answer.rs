//! What a client that is not ours answered: is it an answer to what was asked?
//!
//! The models read more than any workload asks for, since histories of others hold more: a text is a value
//! of a register, too. Here it is not: a `5` that came back as `"5"` would be told as a value that nobody
//! has written, a false alarm.

use duress_checkers::{Model, Process};
use serde_json::Value;

/// An answer is the question with its nulls filled in; `append` says its index besides. What has no
/// null need not be said again.
pub(super) fn read(
    model: &impl Model,
    is_list: bool,
    f: &str,
    asked: &Value,
    answered: Option<&Value>,
) -> Result<Value, String> {
    let Some([key, question]) = asked.as_array().map(Vec::as_slice) else {
        return Err(format!("{asked} was asked, which is no [key, value]"));
    };
    // Any process: no object of ours has owners.
    let knows = |answer| model.op(Process::Client(0), f, question, answer);
    knows(None)?;
    let Some(answered) = answered else {
        return match has_null(question) {
            true => Err(format!("without a value, and {f} {asked} asks for one")),
            false => Ok(asked.clone()),
        };
    };
    let Some([same, answer]) = answered.as_array().map(Vec::as_slice) else {
        return Err(format!("{answered} is no [key, value]"));
    };
    if same != key {
        return Err(format!("it is about key {same}, and key {key} was asked for"));
    }
    let fills = match (question, answer) {
        (Value::Null, Value::Array(items)) if is_list => items.iter().all(is_whole),
        (Value::Number(_), Value::Array(pair)) => {
            matches!(&pair[..], [at, v] if is_whole(at) && v == question)
        }
        _ => fills(question, answer),
    };
    if !fills {
        return Err(format!("{answer} is no answer to {f} {question}"));
    }
    knows(Some(answer))?;
    Ok(answered.clone())
}

fn fills(question: &Value, answer: &Value) -> bool {
    match (question, answer) {
        (Value::Null, answer) => answer.is_null() || is_whole(answer),
        (Value::Array(asked), Value::Array(answered)) => {
            asked.len() == answered.len() && asked.iter().zip(answered).all(|(q, a)| fills(q, a))
        }
        (question, answer) => question == answer,
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::registry;
    use serde_json::{Value, json};

    fn answer(workload: &str, f: &str, asked: &Value, answered: Option<&Value>) -> Result<Value, String> {
        let entry = registry::find(workload).expect("a workload");
        (entry.make)().answer(f, asked, answered)
    }

    #[test]
    fn what_has_no_null_need_not_be_said_again() {
        for (workload, f, asked) in [
            ("register", "write", json!([7, 5])),
            ("register", "cas", json!([7, [5, 6]])),
            ("set", "add", json!([7, 5])),
            ("counter", "add", json!([7, -5])),
            ("multi-register", "txn", json!([7, [["w", 0, 5]]])),
            ("queue", "enqueue", json!([7, 5])),
            ("log", "append", json!([7, 5])),
        ] {
            assert_eq!(answer(workload, f, &asked, None), Ok(asked.clone()), "{workload} {f}");
            assert_eq!(answer(workload, f, &asked, Some(&asked)), Ok(asked.clone()), "{workload} {f}");
        }
        for (workload, f, asked) in [
            ("register", "read", json!([7, null])),
            ("multi-register", "txn", json!([7, [["w", 0, 5], ["r", 1, null]]])),
            ("queue", "dequeue", json!([7, null])),
            ("log", "read", json!([7, [3, null]])),
            ("lock", "fetch-add", json!([7, [3, null]])),
        ] {
            let error = answer(workload, f, &asked, None).expect_err("it asks for something");
            assert!(error.contains("asks for one"), "{workload} {f}: {error}");
        }
    }

    #[test]
    fn an_answer_is_the_question_with_its_nulls_filled_in() {
        let table = [
            ("register", "read", json!([7, null]), json!([7, 5]), true),
            ("register", "read", json!([7, null]), json!([7, null]), true),
            ("register", "read", json!([7, null]), json!([7, "5"]), false),
            ("register", "read", json!([7, null]), json!([7, [5]]), false),
            ("register", "read", json!([7, null]), json!([7, 5.5]), false),
            ("register", "read", json!([7, null]), json!([8, 5]), false),
            ("register", "read", json!([7, null]), json!(5), false),
            ("register", "write", json!([7, 5]), json!([7, 6]), false),
            ("register", "write", json!([7, 5]), json!([7, null]), false),
            ("register", "write", json!([7, 5]), json!([7, [0, 5]]), false),
            ("register", "cas", json!([7, [5, 6]]), json!([7, [5, 6]]), true),
            ("register", "cas", json!([7, [5, 6]]), json!([7, true]), false),
            ("register", "delete", json!([7, null]), json!([7, null]), false),
            ("set", "read", json!([7, null]), json!([7, []]), true),
            ("set", "read", json!([7, null]), json!([7, [2, 1]]), true),
            ("set", "read", json!([7, null]), json!([7, [2, null]]), false),
            ("set", "read", json!([7, null]), json!([7, 2]), false),
            ("set", "read", json!([7, null]), json!([7, null]), false),
            ("counter", "read", json!([7, null]), json!([7, 0]), true),
            ("counter", "read", json!([7, null]), json!([7, null]), false),
            ("multi-register", "txn", json!([7, [["r", 0, null]]]), json!([7, [["r", 0, 4]]]), true),
            ("multi-register", "txn", json!([7, [["r", 0, null]]]), json!([7, [["r", 1, 4]]]), false),
            ("multi-register", "txn", json!([7, [["r", 0, null]]]), json!([7, []]), false),
            ("queue", "dequeue", json!([7, null]), json!([7, null]), true),
            ("queue", "dequeue", json!([7, null]), json!([7, [1]]), false),
            ("log", "append", json!([7, 5]), json!([7, [0, 5]]), true),
            ("log", "append", json!([7, 5]), json!([7, [0, 6]]), false),
            ("log", "read", json!([7, null]), json!([7, [5, 6]]), true),
            ("log", "read", json!([7, [1, null]]), json!([7, [1, 6]]), true),
            ("log", "read", json!([7, [1, null]]), json!([7, [0, 6]]), false),
            ("lock", "fetch-add", json!([7, [3, null]]), json!([7, [3, 0]]), true),
            ("lock", "fetch-add", json!([7, [3, null]]), json!([7, [3, null]]), false),
        ];
        for (workload, f, asked, answered, is_one) in table {
            let read = answer(workload, f, &asked, Some(&answered));
            assert_eq!(read.is_ok(), is_one, "{workload} {f} {asked} → {answered}: {read:?}");
        }
    }
}
