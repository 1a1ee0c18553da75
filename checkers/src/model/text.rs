//! A string per key: get, put, append, as key-value stores are often tested.
//!
//! Not here: keys. The search takes every key for itself.

use super::{Model, NamedModel, Refusal};
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
        self.after(state, op).ok_or_else(|| {
            // Only a get is refused, and is about what it got.
            let (TextOp::Get(text) | TextOp::Put(text) | TextOp::Append(text)) = op;
            Refusal::Returned { returned: quoted(text), held: self.show(state) }
        })
    }

    fn after(&self, state: &TextState, op: &TextOp) -> Option<TextState> {
        match (op, state) {
            (TextOp::Get(got), TextState::Held(held)) => (got == held).then(|| state.clone()),
            (TextOp::Get(_), TextState::Other) => None,
            (TextOp::Put(new), _) => Some(TextState::Held(Arc::clone(new))),
            (TextOp::Append(more), TextState::Held(held)) => {
                Some(TextState::Held([&**held, &**more].concat().into()))
            }
            (TextOp::Append(_), TextState::Other) => Some(TextState::Other),
        }
    }

    fn is_observer(&self, op: &TextOp) -> bool {
        matches!(op, TextOp::Get(_))
    }

    const LOOKS_AHEAD: bool = true;

    fn overwrites(&self, op: &TextOp) -> bool {
        matches!(op, TextOp::Put(_))
    }

    /// A text only grows, until it is replaced.
    fn is_doomed(&self, state: &TextState, seen: &TextOp) -> bool {
        match (state, seen) {
            (TextState::Held(held), TextOp::Get(got)) => !got.starts_with(&**held),
            (TextState::Other, TextOp::Get(_)) => true,
            (_, TextOp::Put(_) | TextOp::Append(_)) => false,
        }
    }

    fn doomed(&self) -> Option<TextState> {
        Some(TextState::Other)
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

    fn named(&self) -> Option<NamedModel> {
        NamedModel::new("text", (!self.initial.is_empty()).then(|| self.initial.clone().into()))
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

    fn heap_bytes(&self, state: &TextState) -> usize {
        match state {
            TextState::Held(text) => text.len(),
            TextState::Other => 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = ["", "a", "aa", "ba"];

    /// Every list of at most `longest` of these.
    fn lists(of: &[TextOp], longest: usize) -> Vec<Vec<&TextOp>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            last =
                last.iter().flat_map(|list| of.iter().map(|op| [list.clone(), vec![op]].concat())).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    fn run(model: &Text, from: TextState, ops: &[&TextOp]) -> Option<TextState> {
        ops.iter().try_fold(from, |state, op| model.step(&state, op).ok())
    }

    /// Whatever happened before, one of the states listed allows and refuses the same.
    #[test]
    fn the_states_listed_stand_for_all_others() {
        let updates: Vec<TextOp> = TEXTS
            .into_iter()
            .flat_map(|text| [TextOp::Put(text.into()), TextOp::Append(text.into())])
            .collect();
        let gets = ["", "a", "aaa", "aab", "baa"].map(|text| TextOp::Get(text.into()));
        let mut checked = 0;
        for initial in ["", "a"] {
            let model = Text { initial: initial.to_owned() };
            for past in lists(&updates, 2) {
                let Some(held) = run(&model, model.initial(), &past) else { continue };
                for get in &gets {
                    for [first, second] in [["a", "aa"], ["aa", "ba"], ["", "a"]] {
                        let later =
                            [get.clone(), TextOp::Append(first.into()), TextOp::Append(second.into())];
                        let orders = lists(&later, 3);
                        let allows = |state: &TextState| -> Vec<bool> {
                            orders.iter().map(|order| run(&model, state.clone(), order).is_some()).collect()
                        };
                        let ops: Vec<&TextOp> = later.iter().collect();
                        let listed = model.any_state(&past, &ops).expect("a list");
                        let wanted = allows(&held);
                        assert!(
                            listed.iter().any(|state| allows(state) == wanted),
                            "{past:?} {later:?} {held:?}"
                        );
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 2_000, "only {checked}");
    }

    /// Whatever is appended, a doomed text does not become what is seen; and a put leaves no trace.
    #[test]
    fn what_is_doomed_stays_so() {
        let model = Text::default();
        let appends = TEXTS.map(|text| TextOp::Append(text.into()));
        let mut doomed = 0;
        for state in ["", "a", "b", "ab", "aab"]
            .map(|text| TextState::Held(text.into()))
            .into_iter()
            .chain([TextState::Other])
        {
            for seen in ["", "a", "ba", "aaba"].map(|text| TextOp::Get(text.into())) {
                if model.is_doomed(&state, &seen) {
                    doomed += 1;
                    for order in lists(&appends, 4) {
                        let last = run(&model, state.clone(), &order).expect("appends are always possible");
                        assert!(model.step(&last, &seen).is_err(), "{state:?} {order:?} {seen:?}");
                    }
                }
            }
            let put = TextOp::Put("a".into());
            assert!(model.overwrites(&put));
            assert_eq!(model.step(&state, &put), Ok(TextState::Held("a".into())));
        }
        assert!((12..24).contains(&doomed), "{doomed}");
    }

    /// A text is like the one that stands for it exactly if nothing that is got can come of it.
    #[test]
    fn what_is_doomed_for_every_get_is_like_another_text() {
        let model = Text::default();
        let stands = model.doomed().expect("a text that stands for others");
        let gets = ["a", "ba"].map(|text| TextOp::Get(text.into()));
        let changes = ["a", "b"].into_iter();
        let changes = changes.flat_map(|text| [TextOp::Put(text.into()), TextOp::Append(text.into())]);
        let ops: Vec<TextOp> = changes.chain(gets.clone()).collect();
        let mut counts = [0, 0];
        for held in ["", "a", "b", "ab", "bb", "aab"] {
            let state = TextState::Held(held.into());
            let lost = gets.iter().all(|get| model.is_doomed(&state, get));
            let allows = |state: &TextState, order: &[&TextOp]| run(&model, state.clone(), order).is_some();
            let alike = lists(&ops, 4).iter().all(|order| allows(&state, order) == allows(&stands, order));
            assert_eq!(lost, alike, "{held:?}");
            counts[usize::from(lost)] += 1;
        }
        assert_eq!(counts, [3, 3]);
    }

    #[test]
    fn calls_are_read_strictly() {
        let read = |f, asked: Value, answered: Option<Value>| {
            Text::default().op(Process::Client(0), f, &asked, answered.as_ref())
        };
        assert_eq!(read("get", Value::Null, None), Ok(None));
        assert_eq!(read("get", Value::Null, Some(Value::Null)), Ok(Some(TextOp::Get("".into()))));
        assert_eq!(read("put", "a".into(), Some("a".into())), Ok(Some(TextOp::Put("a".into()))));
        assert_eq!(read("append", "a".into(), None), Ok(Some(TextOp::Append("a".into()))));
        assert!(read("append", "a".into(), Some("b".into())).is_err());
        assert!(read("put", 1.into(), None).is_err() && read("cas", "a".into(), None).is_err());
    }

    #[test]
    fn long_texts_are_shown_by_their_ends() {
        let label = Text::default().label(&TextOp::Get("x".repeat(1_000).into()));
        assert!(label.chars().count() < 70 && label.contains('…'), "{label}");
    }
}
