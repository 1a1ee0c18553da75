//! One request on one connection, and what its failure means. The protocol is in [`super::resp`].

use super::resp::{Reply, command};
use crate::ClientError;
use crate::outcome::Failure;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Where the server listens.
pub(super) const PORT: u16 = 6379;
/// A server that does not take a connection on a local network within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Our replies have a few kilobytes.
const MAX_REPLY: usize = 1 << 20;
/// What is read at once.
const CHUNK: usize = 1 << 14;

/// The way to the server.
pub(super) struct Connection {
    addr: SocketAddr,
    /// With no request under way. Whoever gives up a request in the middle drops its stream, so that
    /// no reply is ever taken for that of a later one.
    idle: Option<TcpStream>,
}

impl Connection {
    /// Opens nothing yet.
    pub(super) fn to(addr: IpAddr) -> Self {
        Self::at(SocketAddr::new(addr, PORT))
    }

    fn at(addr: SocketAddr) -> Self {
        Self { addr, idle: None }
    }

    /// Sends one command, once, and reads its reply.
    pub(super) async fn call(&mut self, words: &[&str]) -> Result<Reply, Failure> {
        // One that was closed meanwhile has carried nothing of this command: no second attempt.
        let mut stream = match self.idle.take().filter(still_open) {
            Some(stream) => stream,
            None => connect(self.addr).await?,
        };
        // In doubt from the first byte: nobody says how many have arrived.
        stream.write_all(&command(words)).await.map_err(|e| broke(&e))?;
        let reply = read(&mut stream).await?;
        self.idle = Some(stream);
        match reply {
            Reply::Error(message) => Err(refused(&message)),
            reply => Ok(reply),
        }
    }
}

/// A server that has said something unasked is about to close.
fn still_open(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// Certain, all of it: without a connection nothing is sent.
async fn connect(addr: SocketAddr) -> Result<TcpStream, Failure> {
    let connecting = async {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => {
            Err(Failure::certain(ClientError::REFUSED, format!("{addr}: {e}")))
        }
        Ok(Err(e)) => Err(Failure::certain("connect", format!("{addr}: {e}"))),
        Err(_) => Err(Failure::certain("connect", format!("{addr}: nothing within {CONNECT_TIMEOUT:?}"))),
    }
}

async fn read(stream: &mut TcpStream) -> Result<Reply, Failure> {
    let mut bytes = Vec::new();
    loop {
        let length = bytes.len();
        if length > MAX_REPLY {
            return Err(Failure::protocol(format!("the reply has more than {MAX_REPLY} bytes")));
        }
        bytes.resize(length + CHUNK, 0);
        let n = stream.read(&mut bytes[length..]).await.map_err(|e| broke(&e))?;
        bytes.truncate(length + n);
        match Reply::parse(&bytes).map_err(Failure::protocol)? {
            Some((reply, end)) if end == bytes.len() => return Ok(reply),
            Some((reply, _)) => return Err(Failure::protocol(format!("more than one reply: {reply:?}, …"))),
            None if n == 0 => return Err(Failure::in_doubt("disconnected", "closed before the reply")),
            None => {}
        }
    }
}

fn broke(error: &io::Error) -> Failure {
    let class = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
        _ => "disconnected",
    };
    Failure::in_doubt(class, error.to_string())
}

/// Errors after which nothing has changed: how they begin, and the word to count them by.
///
/// The first six are from `processCommand`, which says them instead of calling the command. What a
/// script of ours calls is checked alike, and no script of ours changes more than one thing.
const CERTAIN: [(&str, &str); 8] = [
    // It still reads its data.
    ("LOADING ", "loading"),
    // It could not write its log, or a snapshot, and takes no changes until it can.
    ("MISCONF ", "misconf"),
    // There is no memory left for a change.
    ("OOM ", "out-of-memory"),
    // It is a replica.
    ("READONLY ", "read-only"),
    // It waits for a script of somebody else.
    ("BUSY ", "busy"),
    // It wants a password.
    ("NOAUTH ", "no-auth"),
    // Said to a new connection, from which nothing is read (`acceptCommonHandler`).
    ("ERR max number of clients reached", "too-many-clients"),
    // The sum is tested before it is stored (`incrDecrCommand`).
    ("ERR increment or decrement would overflow", "unsupported"),
];

/// The server answered with an error. In doubt unless we know that it came before any change.
fn refused(message: &str) -> Failure {
    match CERTAIN.iter().find(|(start, _)| message.starts_with(start)) {
        Some((_, class)) => Failure::certain(class, message),
        None => Failure::in_doubt("error", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::TcpListener;

    #[test]
    fn only_what_was_said_instead_of_the_command_is_certain() {
        for (message, class, no_effect) in [
            ("LOADING Redis is loading the dataset in memory", "loading", true),
            ("MISCONF Errors writing to the AOF file: No space left on device", "misconf", true),
            ("OOM command not allowed when used memory > 'maxmemory'.", "out-of-memory", true),
            ("READONLY You can't write against a read only replica.", "read-only", true),
            ("ERR increment or decrement would overflow", "unsupported", true),
            ("ERR max number of clients reached", "too-many-clients", true),
            ("ERR unknown command 'FOO'", "error", false),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "error", false),
            ("LOADINGS", "error", false),
            ("", "error", false),
        ] {
            let failure = refused(message);
            assert_eq!((failure.error.class, failure.no_effect), (class, no_effect), "{message}");
        }
    }

    /// A server that answers with these texts, one per request, and closes after the last; how many
    /// requests came?
    async fn server(texts: Vec<&'static str>) -> (Connection, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let connection = Connection::at(listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut room = [0; 4096];
            for text in texts {
                if stream.read(&mut room).await.is_ok_and(|n| n > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                // Whoever hangs up has heard enough.
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        (connection, requests)
    }

    #[tokio::test]
    async fn a_request_that_broke_off_is_in_doubt_and_not_sent_again() {
        for (text, class) in [
            ("", "disconnected"),
            ("$5\r\nab", "disconnected"),
            ("HTTP/1.1 400 Bad Request\r\n", "protocol"),
            ("+OK\r\n+OK\r\n", "protocol"),
        ] {
            let (mut connection, requests) = server(vec![text]).await;
            let failure = connection.call(&["PING"]).await.expect_err("no reply");
            assert_eq!((failure.error.class, failure.no_effect), (class, false), "{text:?}");
            assert_eq!(requests.load(Ordering::Relaxed), 1, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_is_used_again_until_it_is_closed() {
        let (mut connection, requests) = server(vec!["+A\r\n", "-LOADING …\r\n", "+B\r\n"]).await;
        assert_eq!(connection.call(&["PING"]).await, Ok(Reply::Simple("A".to_owned())));
        assert_eq!(connection.call(&["PING"]).await.expect_err("an error").error.class, "loading");
        assert_eq!(connection.call(&["PING"]).await, Ok(Reply::Simple("B".to_owned())));
        // Now it is closed, and so is the port: certain, since nothing is sent.
        let idle = connection.idle.as_ref().expect("a connection");
        idle.readable().await.expect("its end");
        let failure = connection.call(&["PING"]).await.expect_err("nobody listens");
        assert_eq!((failure.error.class, failure.no_effect), (ClientError::REFUSED, true));
        assert_eq!(requests.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_reply_without_end_is_given_up() {
        let endless: &'static str = Box::leak(format!("+{}", "x".repeat(3 * MAX_REPLY)).into_boxed_str());
        let (mut connection, _) = server(vec![endless]).await;
        let failure = connection.call(&["GET", "k"]).await.expect_err("too much");
        assert!(failure.error.message.contains("more than"), "{failure:?}");
    }
}
