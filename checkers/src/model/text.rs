//! A string per key: get, put, append, as key-value stores are often tested.
//!
//! Not here: keys. The search takes every key for itself.

use super::{Model, Refusal};
use crate::history::Process;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A string that can be read, replaced and added to.
///
/// | `f` | invocation | `ok` |
/// |---|---|---|
/// | `get` | anything, `null` by custom | the text; `null` is the same as no text |
/// | `put` | the text | the same, or `null` |
/// | `append` | what is added at the end | the same, or `null` |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it holds at first.
    pub initial: String,
}

/// What a text holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextState {
    /// This.
    Held(Arc<str>),
    /// Something that no get in question answers with, whatever is appended to it.
    Other,
}

/// What happened to a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextOp {
    /// It was read, and this was the answer.
    Get(Arc<str>),
    /// It was replaced.
    Put(Arc<str>),
    /// This was added at its end.
    Append(Arc<str>),
}

impl Model for Text {
    type State = TextState;
    type Op = TextOp;

    fn name(&self) -> String {
        format!("a text, initially {}", quoted(&self.initial))
    }

    fn initial(&self) -> TextState {
        TextState::Held(self.initial.as_str().into())
    }

    fn op(
        &self,
        _: Process,
        f: &str,
        asked: &Value,
        answered: Option<&Value>,
    ) -> Result<Option<TextOp>, String> {
        match f {
            "get" => answered.map(|value| text(f, value).map(TextOp::Get)).transpose(),
            // Which of the two took effect would be a guess.
            "put" | "append" if answered.is_some_and(|value| !value.is_null() && value != asked) => {
                Err(format!("{f} of {asked} was answered with another value"))
            }
            "put" => text(f, asked).map(TextOp::Put).map(Some),
            "append" => text(f, asked).map(TextOp::Append).map(Some),
            _ => Err(format!("a text knows get, put and append, not `{f}`")),
        }
    }

    fn step(&self, state: &TextState, op: &TextOp) -> Result<TextState, Refusal> {
        match (op, state) {
            (TextOp::Get(got), TextState::Held(held)) if got == held => Ok(state.clone()),
            (TextOp::Get(got), _) => Err(Refusal::Returned { returned: quoted(got), held: self.show(state) }),
            (TextOp::Put(new), _) => Ok(TextState::Held(Arc::clone(new))),
            (TextOp::Append(more), TextState::Held(held)) => {
                Ok(TextState::Held(format!("{held}{more}").into()))
            }
            (TextOp::Append(_), TextState::Other) => Ok(TextState::Other),
        }
    }

    fn is_observer(&self, op: &TextOp) -> bool {
        matches!(op, TextOp::Get(_))
    }

    fn label(&self, op: &TextOp) -> String {
        match op {
            TextOp::Get(got) => format!("get → {}", quoted(got)),
            TextOp::Put(new) => format!("put {}", quoted(new)),
            TextOp::Append(more) => format!("append {}", quoted(more)),
        }
    }

    fn show(&self, state: &TextState) -> String {
        match state {
            TextState::Held(held) => quoted(held),
            TextState::Other => "another text".to_owned(),
        }
    }

    fn noun(&self) -> &'static str {
        "text"
    }

    fn told(&self, op: &TextOp, object: &str) -> String {
        match op {
            TextOp::Get(got) => format!("got {} from {object}", quoted(got)),
            TextOp::Put(new) => format!("put {} into {object}", quoted(new)),
            TextOp::Append(more) => format!("appended {} to {object}", quoted(more)),
        }
    }

    /// A text makes a difference to a get only if it is what was got, or if what was got goes on
    /// after it with something that is appended. Of these, only those are listed that end with
    /// something that may have been written.
    fn any_state(&self, past: &[&TextOp], ops: &[&TextOp]) -> Option<Vec<TextState>> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        for op in ops {
            let TextOp::Get(got) = op else { continue };
            found.insert(got);
            for more in ops {
                let TextOp::Append(more) = more else { continue };
                if !more.is_empty() {
                    // Occurrences may overlap.
                    let starts = got.char_indices().filter(|(at, _)| got[*at..].starts_with(&**more));
                    found.extend(starts.map(|(at, _)| &got[..at]));
                }
            }
        }
        let written = |text: &str| {
            text == self.initial
                || past.iter().any(|op| match op {
                    TextOp::Get(_) => false,
                    TextOp::Put(new) => text == &**new,
                    // An empty one leaves what another one wrote.
                    TextOp::Append(more) => !more.is_empty() && text.ends_with(&**more),
                })
        };
        let held = found.into_iter().filter(|text| written(text)).map(|text| TextState::Held(text.into()));
        Some(held.chain([TextState::Other]).collect())
    }
}

fn text(f: &str, value: &Value) -> Result<Arc<str>, String> {
    match value {
        Value::String(text) => Ok(text.as_str().into()),
        // A key that was never written has no text.
        Value::Null if f == "get" => Ok("".into()),
        other => Err(format!("{f} wants a string, not {other}")),
    }
}

/// Characters shown at either end of a long text.
const SHOWN: usize = 24;

/// In quotes, without the middle of a long one.
fn quoted(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2 * SHOWN + 1 {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    let tail: String = text.chars().skip(length - SHOWN).collect();
    format!("{:?}", format!("{head}…{tail}"))
}
