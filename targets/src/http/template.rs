//! Text with holes in braces, which are filled for each request. Values are whole numbers: nothing in them
//! has to be escaped, whatever they are put into.

use serde::{Deserialize, Deserializer, de};

/// What may stand in braces. A brace with anything else in it is a brace: bodies are often JSON.
const HOLES: [&str; 7] = ["address", "port", "node", "key", "value", "old", "new"];

/// Text with holes: `/r{key}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// What they are filled with.
#[derive(Clone, Debug, Default)]
pub(super) struct Filling(Vec<(&'static str, String)>);

impl Filling {
    pub(super) fn with(mut self, hole: &'static str, text: String) -> Self {
        debug_assert!(HOLES.contains(&hole), "{hole}");
        self.0.push((hole, text));
        self
    }
}

impl Template {
    /// `None` when a hole is left: an operation that has no such value.
    pub(super) fn fill(&self, filling: &Filling) -> Option<String> {
        let mut text = self.0.clone();
        for (hole, filled) in &filling.0 {
            text = text.replace(&format!("{{{hole}}}"), filled);
        }
        HOLES.iter().all(|hole| !text.contains(&format!("{{{hole}}}"))).then_some(text)
    }

    /// With only what is known of a connection.
    pub(super) fn fill_some(&self, filling: &Filling) -> Self {
        let fill =
            |text: String, (hole, filled): &(&str, String)| text.replace(&format!("{{{hole}}}"), filled);
        Self(filling.0.iter().fold(self.0.clone(), fill))
    }

    /// Two braces that begin nothing: no JSON has them, and elsewhere in the file they stand for one.
    fn is_doubled(&self) -> bool {
        self.0.contains("{{")
    }

    /// The first name in braces that is like those of holes and none of them.
    fn mistake(&self) -> Option<&str> {
        self.0.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).find(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase()) && !HOLES.contains(name)
        })
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        let template = Self(String::deserialize(text)?);
        if template.is_doubled() {
            return Err(de::Error::custom(format!(
                "`{{{{` would be sent as two braces; write one: {}",
                r#"body = '{"value": {value}}'"#
            )));
        }
        match template.mistake() {
            None => Ok(template),
            Some(name) => Err(de::Error::custom(format!(
                "nothing is called {{{name}}}; there are {{{}}}",
                HOLES.join("}, {")
            ))),
        }
    }
}

/// `GET`, `PUT`, …
pub(super) fn method<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    let method = String::deserialize(text)?;
    match ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"].contains(&method.as_str()) {
        true => Ok(method),
        false => Err(de::Error::custom(format!("`{method}` is none of GET, PUT, POST, DELETE, PATCH, HEAD"))),
    }
}
