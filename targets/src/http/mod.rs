//! Key-value systems that are asked over HTTP: what is sent and what answers mean is a template, in a file.
//!
//! `template` is text with holes, `answer` what an answer means, `client` one operation. Not here:
//! systems whose operations take more than one request; they need a client program ([`crate::exec`]).

mod answer;
mod client;
mod template;
#[cfg(test)]
mod tests;

pub use answer::{Statuses, Value, When};
pub use template::Template;

use crate::{Client, ClientError, Context, Node};
use client::HttpClient;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How operations are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// What every address begins with: `http://{address}:{port}/v2/keys`.
    pub url: Template,
    /// Headers of all requests.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// Of registers, sets and counters.
    pub read: Option<Request>,
    /// Of registers.
    pub write: Option<Request>,
    /// Of registers: `{new}` is written if `{old}` is there.
    pub cas: Option<Request>,
    /// Of sets and counters.
    pub add: Option<Request>,
}

/// One operation as a request. What an answer means is looked up in the order `fail`, `absent`, `ok`; what
/// fits none of them is in doubt, or a failure where nothing was to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// `GET`, `PUT`, …
    #[serde(deserialize_with = "template::method")]
    pub method: String,
    /// What follows the `url`: `/r{key}`.
    pub path: Template,
    /// `?name=value`
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Headers of this request.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// The body as it is; or `form`.
    pub body: Option<Template>,
    /// The body as a form.
    #[serde(default)]
    pub form: BTreeMap<String, Template>,
    /// It happened.
    pub ok: When,
    /// It was read, and there is nothing: null, or the empty set, or 0.
    pub absent: Option<When>,
    /// It certainly did not happen.
    pub fail: Option<When>,
    /// The class of such a failure; `precondition` for `cas`, `error` for others, when absent.
    pub error: Option<String>,
    /// Where in an answer that is `ok` the value of a read is.
    pub value: Option<Value>,
}

impl Spec {
    /// Is there a request for everything that a workload may ask for?
    ///
    /// # Errors
    /// In words, with what to write.
    pub fn check(&self, workload: &str) -> Result<(), String> {
        let needed: &[&str] = match workload {
            "register" => &["read", "write"],
            "set" | "counter" => &["read", "add"],
            _ => {
                return Err(format!(
                    "[http] can do register, set and counter, not {workload}: use a client program"
                ));
            }
        };
        match needed.iter().find(|f| self.request(f).is_none()) {
            Some(f) => Err(format!("the workload {workload} needs [http.{f}]")),
            None if self.read.as_ref().is_some_and(|read| read.value.is_none()) => {
                Err("[http.read] needs `value`: where the value is, such as \"/node/value\" or \"body\""
                    .to_owned())
            }
            None => Ok(()),
        }
    }

    /// A client of one node. Opens no connection yet: the first operation does, and so learns itself whether
    /// it was refused.
    ///
    /// # Errors
    /// When there cannot be one.
    // `async` as `crate::exec::Spec::connect` is, which has to wait.
    pub async fn connect(&self, node: &Node, cx: &Context) -> Result<Box<dyn Client>, ClientError> {
        Ok(Box::new(HttpClient::new(self, node, cx)?))
    }

    fn request(&self, f: &str) -> Option<&Request> {
        match f {
            "read" => self.read.as_ref(),
            "write" => self.write.as_ref(),
            "cas" => self.cas.as_ref(),
            "add" => self.add.as_ref(),
            _ => None,
        }
    }
}
