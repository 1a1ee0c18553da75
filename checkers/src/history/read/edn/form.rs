//! What was written, and the JSON it becomes.
//!
//! JSON has fewer kinds of things than Clojure. Keywords, symbols and characters become strings,
//! ratios too; a set becomes a list in a fixed order; of a tagged literal or record, what is
//! tagged. Where that would make one value of two in the same history (`:a` and `"a"`), the
//! history is refused: a checker that takes them for equal would be wrong.

use crate::history::read::fields::canonical;
use rustc_hash::FxHashMap;
use serde_json::{Map, Number, Value};

/// A piece of Clojure's notation.
#[derive(Clone, Debug)]
pub(in crate::history::read) enum Form {
    Nil,
    Bool(bool),
    Number(Number),
    /// Anything that becomes a string.
    Word(Kind, String),
    List(Vec<Form>),
    Set(Vec<Form>),
    Map(Vec<(Form, Form)>),
}

/// What a string was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history::read) enum Kind {
    Text,
    Keyword,
    Symbol,
    Char,
    /// A ratio, an infinity.
    Number,
    /// A tagged string, like an `#inst`.
    Tagged,
}

/// What each string of the values was before it became one.
#[derive(Default)]
pub(in crate::history::read) struct Words(FxHashMap<String, Kind>);

impl Words {
    fn take(&mut self, kind: Kind, text: &str) -> Result<(), String> {
        match self.0.get(text) {
            None => {
                self.0.insert(text.to_owned(), kind);
                Ok(())
            }
            Some(seen) if *seen == kind => Ok(()),
            Some(seen) => Err(format!(
                "`{text}` is {} here and {} before: they are two values, but would become one",
                kind.words(),
                seen.words()
            )),
        }
    }
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Keyword => "a keyword",
            Self::Symbol => "a symbol",
            Self::Char => "a character",
            Self::Number => "a number",
            Self::Tagged => "a tagged string",
        }
    }
}

impl Form {
    /// The name of a keyword, or a string.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(Kind::Keyword | Kind::Text, text) => Some(text),
            _ => None,
        }
    }

    /// As a value that will be compared with others.
    ///
    /// # Errors
    /// In words, when two values would become one.
    pub(in crate::history::read) fn value(self, words: &mut Words) -> Result<Value, String> {
        Ok(match self {
            Self::Nil => Value::Null,
            Self::Bool(is) => is.into(),
            Self::Number(number) => {
                let mut number = number.into();
                canonical(&mut number)?;
                number
            }
            Self::Word(_, text) if text == NAN => {
                return Err("##NaN equals nothing, not even itself: it cannot be compared".to_owned());
            }
            Self::Word(kind, text) => {
                words.take(kind, &text)?;
                text.into()
            }
            Self::List(items) => {
                items.into_iter().map(|item| item.value(words)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Set(items) => {
                let mut items = items
                    .into_iter()
                    .map(|item| item.value(words).map(|value| (value.to_string(), value)))
                    .collect::<Result<Vec<_>, _>>()?;
                items.sort_by(|a, b| a.0.cmp(&b.0));
                if let Some(pair) = items.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                    return Err(format!("{} is in a set twice", pair[0].0));
                }
                items.into_iter().map(|(_, value)| value).collect::<Vec<_>>().into()
            }
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let key = match key.value(words)? {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    if map.contains_key(&key) {
                        return Err(format!("`{key}` is in a map twice"));
                    }
                    map.insert(key, value.value(words)?);
                }
                map.into()
            }
        })
    }

    /// As something that people look at, at most: nothing is compared with it.
    pub(super) fn loosely(self) -> Value {
        match self {
            Self::Word(_, text) => text.into(),
            Self::List(items) | Self::Set(items) => {
                items.into_iter().map(Self::loosely).collect::<Vec<_>>().into()
            }
            Self::Map(entries) => entries
                .into_iter()
                .map(|(key, value)| {
                    let key = key.loosely();
                    (key.as_str().map_or_else(|| key.to_string(), str::to_owned), value.loosely())
                })
                .collect::<Map<_, _>>()
                .into(),
            plain => plain.value(&mut Words::default()).unwrap_or_default(),
        }
    }
}

/// Not a number.
pub(super) const NAN: &str = "##NaN";
