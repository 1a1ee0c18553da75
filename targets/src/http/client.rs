//! One operation: one request, sent once, on one connection.

use super::template::Filling;
use super::{Request, Spec, Template};
use crate::exec::known_class;
use crate::outcome::{Ended, Failure, Outcome, completion};
use crate::{Client, ClientError, Completion, Context, Node, web};
use async_trait::async_trait;
use duress_checkers::history::class;
use duress_workloads::Invocation;
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers have a few hundred bytes; the whole of a large set has more.
const MAX_ANSWER: usize = 1 << 20;

/// A client of one node.
pub(super) struct HttpClient {
    http: reqwest::Client,
    spec: Spec,
    /// With the node's address in it.
    url: Template,
    workload: String,
}

impl HttpClient {
    pub(super) fn new(spec: &Spec, node: &Node, cx: &Context) -> Result<Self, ClientError> {
        let address = match node.addr {
            std::net::IpAddr::V4(v4) => v4.to_string(),
            std::net::IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let port = cx.ports.get("client").or_else(|| cx.ports.values().next());
        let mut filling = Filling::default().with("address", address).with("node", node.name.clone());
        if let Some(port) = port {
            filling = filling.with("port", port.to_string());
        }
        let url = spec.url.fill_some(&filling);
        Ok(Self { http: web::client()?, spec: spec.clone(), url, workload: cx.workload.clone() })
    }

    /// `None`: nothing is said about how that is asked for, so that nothing is sent.
    async fn perform(&self, invocation: &Invocation) -> Option<Outcome> {
        let (key, asked) = crate::action::keyed(invocation)?;
        let spec = self.spec.request(&invocation.f)?;
        let mut filling = Filling::default().with("key", key.to_string());
        match asked {
            Value::Null => {}
            Value::Number(value) => filling = filling.with("value", value.to_string()),
            Value::Array(pair) => {
                let [old, new] = pair.as_slice() else { return None };
                filling =
                    filling.with("old", old.as_i64()?.to_string()).with("new", new.as_i64()?.to_string());
            }
            _ => return None,
        }
        let request = self.request(spec, &filling)?;
        let answer = web::receive(request, MAX_ANSWER).await;
        Some(if invocation.f == "read" {
            answer.and_then(|answer| self.read(spec, answer)).map_err(Ended::of_read)
        } else {
            answer
                .and_then(|answer| changed(spec, &invocation.f, answer))
                .map(|()| asked.clone())
                .map_err(Ended::of_change)
        })
    }

    /// `None` when a hole has nothing to be filled with.
    fn request(&self, spec: &Request, filling: &Filling) -> Option<RequestBuilder> {
        let mut url = Url::parse(&(self.url.fill(filling)? + &spec.path.fill(filling)?)).ok()?;
        let fill = |fields: &BTreeMap<String, Template>| -> Option<Vec<(String, String)>> {
            fields.iter().map(|(name, text)| Some((name.clone(), text.fill(filling)?))).collect()
        };
        let query = fill(&spec.query)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(Method::from_bytes(spec.method.as_bytes()).ok()?, url);
        for (name, value) in fill(&self.spec.headers)?.into_iter().chain(fill(&spec.headers)?) {
            request = request.header(name, value);
        }
        if let Some(body) = &spec.body {
            request = request.body(body.fill(filling)?);
        } else if !spec.form.is_empty() {
            // The same encoding as a query's.
            let mut form = Url::parse("form:").ok()?;
            form.query_pairs_mut().extend_pairs(fill(&spec.form)?);
            let form = form.query().unwrap_or_default().to_owned();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        Some(request)
    }

    fn read(&self, spec: &Request, (status, body): (u16, Vec<u8>)) -> Result<Value, Failure> {
        let json: Option<Value> = serde_json::from_slice(&body).ok();
        if let Some(failure) = refused(spec, "read", status, &body, json.as_ref()) {
            return Err(failure);
        }
        if spec.absent.as_ref().is_some_and(|absent| absent.fits(status, &body, json.as_ref())) {
            return Ok(match self.workload.as_str() {
                "set" => json!([]),
                "counter" => json!(0),
                _ => Value::Null,
            });
        }
        let Some(place) = spec.value.as_ref().filter(|_| spec.ok.fits(status, &body, json.as_ref())) else {
            return Err(unmatched(status, &body));
        };
        let value = place
            .read(&body, json.as_ref())
            .map_err(|why| Failure::protocol(format!("{why} in {}", web::shown(&body))))?;
        match place.is_list() == (self.workload == "set") {
            true => Ok(value),
            false => Err(Failure::protocol(format!("{value} is not what is read of a {}", self.workload))),
        }
    }
}

fn changed(spec: &Request, f: &str, (status, body): (u16, Vec<u8>)) -> Result<(), Failure> {
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    if let Some(failure) = refused(spec, f, status, &body, json.as_ref()) {
        return Err(failure);
    }
    match spec.ok.fits(status, &body, json.as_ref()) {
        true => Ok(()),
        false => Err(unmatched(status, &body)),
    }
}

/// Certain: the template says so, and who wrote it knows what the system promises.
fn refused(spec: &Request, f: &str, status: u16, body: &[u8], json: Option<&Value>) -> Option<Failure> {
    spec.fail.as_ref().filter(|fail| fail.fits(status, body, json))?;
    let class = match &spec.error {
        Some(word) => known_class(word),
        None if f == "cas" => class::PRECONDITION,
        None => "error",
    };
    Some(Failure::certain(class, format!("HTTP {status}: {}", web::shown(body))))
}

/// The template does not say what this means.
fn unmatched(status: u16, body: &[u8]) -> Failure {
    Failure::in_doubt(known_class(&format!("http-{status}")), web::shown(body))
}

#[async_trait]
impl Client for HttpClient {
    async fn invoke(&mut self, invocation: &Invocation) -> Completion {
        completion("the template", invocation, self.perform(invocation).await)
    }
}
