//! Index and reports over HTTP: read-only, from one directory, to this machine.
//!
//! What is served was written by servers under test and by whoever names branches, so a page gets no
//! right that it has not as a file: no request of its own, no script but a report's, no origin. Whoever
//! asks under another name than the address is a page of somebody else (DNS rebinding), and is refused.

mod file;
mod host;
mod listener;

use crate::failure::Failure;
use crate::index;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use file::Found;
use listener::Bounded;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// Longest path that is looked at, in bytes.
const MAX_PATH: usize = 4096;

/// What every answer needs.
struct Served {
    /// Canonical.
    root: PathBuf,
    /// Where it listens.
    address: SocketAddr,
    /// The index is computed for one at a time: it reads all runs.
    index: Mutex<()>,
}

/// Serves a directory until it is interrupted; `ready` is told the address.
///
/// # Errors
/// When the directory cannot be read, or the address is taken.
pub fn serve(dir: &Path, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: dir.to_owned(), what: "read", source };
    let root = dir.canonicalize().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| refused(listen, &source))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(|source| refused(listen, &source))?;
        let address = listener.local_addr().map_err(|source| refused(listen, &source))?;
        let served = Arc::new(Served { root, address, index: Mutex::new(()) });
        let router = Router::new().fallback(answer).with_state(served);
        ready(address);
        tokio::select! {
            ended = axum::serve(Bounded::new(listener), router) => ended.map_err(|source| refused(listen, &source)),
            // Whoever is still reading loses nothing that is not on disk.
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

fn refused(listen: SocketAddr, source: &std::io::Error) -> Failure {
    Failure::usage(format!("--listen {listen}"), source.to_string(), "choose another address or port")
}

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    drop(request);
    let mut response = match refuse(&served, &method, &uri, &headers) {
        Some((status, why)) => plain(status, why),
        None => find(&served, uri.path()).await,
    };
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(file::NOTHING));
    response
}

/// Why a request is not even looked at.
fn refuse(
    served: &Served,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<(StatusCode, &'static str)> {
    if !host::is_ours(served.address, uri, headers) {
        return Some((StatusCode::MISDIRECTED_REQUEST, "ask for it by the address that duress printed"));
    }
    if method != Method::GET && method != Method::HEAD {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here"));
    }
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Some((StatusCode::PAYLOAD_TOO_LARGE, "a question has no body"));
    }
    (uri.path().len() > MAX_PATH).then_some((StatusCode::URI_TOO_LONG, "no file has such a long path"))
}

async fn find(served: &Arc<Served>, path: &str) -> Response {
    if path == "/" || path == "/index.html" {
        return index_page(served).await;
    }
    let (root, path) = (served.root.clone(), path.to_owned());
    // Files are opened on a thread for that: a slow disk must not hold up the others.
    match tokio::task::spawn_blocking(move || file::find(&root, &path)).await {
        Ok(Found::File(file)) => file.respond(),
        Ok(Found::Report(href)) => {
            let mut response = plain(StatusCode::FOUND, "the report is below");
            if let Ok(href) = HeaderValue::from_str(&href) {
                response.headers_mut().insert(header::LOCATION, href);
            }
            response
        }
        Ok(Found::Nothing) => plain(StatusCode::NOT_FOUND, "there is no such file in a run"),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "it could not be read"),
    }
}

/// Computed anew each time: runs come and go.
async fn index_page(served: &Arc<Served>) -> Response {
    let _one = served.index.lock().await;
    let root = served.root.clone();
    let page =
        tokio::task::spawn_blocking(move || duress_reports::index_page(&index::read(&root).index)).await;
    let Ok(page) = page else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the runs could not be read");
    };
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!("{}; frame-ancestors 'none'", duress_reports::index_policy());
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
