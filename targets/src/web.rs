//! One HTTP request, sent once, and what it means when it has no answer.

use crate::ClientError;
use crate::outcome::Failure;
use std::error::Error;
use std::io;
use std::time::Duration;

/// A server that does not take a connection on a local network within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The way to one server, on one connection. Give it addresses, never names: a look-up would run on another
/// thread, which may be in another network namespace.
pub(crate) fn client() -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        // A proxy of the user's environment would stand between us and the server.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // reqwest repeats what HTTP/2 servers say they have not processed; we never do.
        //
        // Below it, hyper's pool may move a request to a new connection when the idle one
        // turns out to be closed. That is no second attempt: it does so only when its
        // connection task hands the request back untaken (`TrySendError::message`), thus
        // before the first byte was written. A request that was begun ends in an error.
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(1)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .build()
        .map_err(|e| ClientError::new("setup", chain(&e)))
}

/// The status and the text of an answer, to its end.
pub(crate) async fn receive(
    request: reqwest::RequestBuilder,
    most: usize,
) -> Result<(u16, Vec<u8>), Failure> {
    let mut response = request.send().await.map_err(|e| transport(&e))?;
    let status = response.status().as_u16();
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| transport(&e))? {
        if text.len() + chunk.len() > most {
            return Err(Failure::protocol(format!("the answer has more than {most} bytes")));
        }
        text.extend_from_slice(&chunk);
    }
    Ok((status, text))
}

/// No answer.
fn transport(error: &reqwest::Error) -> Failure {
    let kind = io_kind(error);
    // Certain: the connection did not come about, so nothing was ever sent on it.
    if error.is_connect() {
        let refused = kind == Some(io::ErrorKind::ConnectionRefused);
        let class = if refused { ClientError::REFUSED } else { "connect" };
        return Failure::certain(class, chain(error));
    }
    let class = match kind {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => "reset",
        _ => "disconnected",
    };
    Failure::in_doubt(class, chain(error))
}

/// The kind of the innermost I/O error.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    causes(error).filter_map(|e| e.downcast_ref::<io::Error>()).last().map(io::Error::kind)
}

/// An error with all its causes; reqwest alone says only "error sending request".
fn chain(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: &'a (dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&e| e.source())
}

/// The beginning of an answer, for a message.
pub(crate) fn shown(text: &[u8]) -> String {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).trim_end().to_owned()
}
