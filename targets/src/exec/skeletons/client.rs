//! A client of a register on Redis, for Duress. Change `Server` to talk to your system; with a JSON library
//! (serde_json) `field` is not needed. Build it with `rustc -O client.rs`.
//!
//! Duress starts this program once per connection, writes one JSON message per line to its standard input,
//! and reads one answer per line from its standard output. Everything else belongs on standard error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Less than Duress waits, so that it is we who say what is in doubt.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How an operation ends that is not `ok`.
enum Error {
    /// It certainly has not happened.
    Failed(String),
    /// It may have happened, or may yet.
    InDoubt(String),
}

enum Reply {
    Text(String),
    Number(i64),
    Nothing,
}

/// One connection to one Redis server, opened when it is needed.
struct Server {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Server {
    /// Sends one command, once. Never repeat a command: it may be done twice.
    fn call(&mut self, words: &[&str]) -> Result<Reply, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            // Nothing has been sent: that is certain. `refused` lets Duress rest for a moment.
            None => self.connect().map_err(|error| Error::Failed(format!("refused: {error}")))?,
        };
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        // From the first byte on nobody knows; the connection is not used again then.
        let sent = connection.get_mut().write_all(request.as_bytes());
        let reply = sent.and_then(|()| reply(&mut connection));
        let reply = reply.map_err(|error| Error::InDoubt(error.to_string()))?;
        self.connection = Some(connection);
        match reply {
            Ok(reply) => Ok(reply),
            // Redis says some errors instead of doing anything; of the others we do not know.
            Err(text) => {
                let certain = ["LOADING", "MISCONF", "OOM", "READONLY", "BUSY", "NOAUTH"];
                match certain.iter().any(|word| text.starts_with(word)) {
                    true => Err(Error::Failed(text)),
                    false => Err(Error::InDoubt(text)),
                }
            }
        }
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let connection = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(BufReader::new(connection))
    }
}

/// A reply, or an error of Redis; or no reply.
fn reply(connection: &mut BufReader<TcpStream>) -> io::Result<Result<Reply, String>> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let rest = line.get(1..).ok_or_else(garbled)?.trim_end();
    Ok(match line.as_bytes()[0] {
        b'+' => Ok(Reply::Text(rest.to_owned())),
        b'-' => Err(rest.to_owned()),
        b':' => Ok(Reply::Number(rest.parse().map_err(|_| garbled())?)),
        b'$' if rest == "-1" => Ok(Reply::Nothing),
        b'$' => {
            let length: usize = rest.parse().map_err(|_| garbled())?;
            let mut text = vec![0; length + 2];
            connection.read_exact(&mut text)?;
            text.truncate(length);
            Ok(Reply::Text(String::from_utf8(text).map_err(|_| garbled())?))
        }
        _ => return Err(garbled()),
    })
}

/// One command does it all, so that only one thing can be in doubt.
const CAS: &str = "if redis.call('GET',KEYS[1]) ~= ARGV[1] then return 0 end \
                   redis.call('SET',KEYS[1],ARGV[2]) return 1";

/// Answers with what the question's null stands for, or with the question where there is none.
fn register(server: &mut Server, f: &str, key: &str, value: &str) -> Result<String, Error> {
    let name = format!("register-{key}");
    match f {
        "read" => match server.call(&["GET", &name])? {
            Reply::Text(held) => Ok(held),
            Reply::Nothing => Ok("null".to_owned()),
            Reply::Number(_) => Err(Error::Failed("protocol: a number".to_owned())),
        },
        "write" => server.call(&["SET", &name, value]).map(|_| value.to_owned()),
        "cas" => {
            let pair = value.trim_matches(['[', ']']).split_once(',');
            let (old, new) = pair.ok_or_else(|| Error::Failed("unsupported".to_owned()))?;
            match server.call(&["EVAL", CAS, "1", &name, old, new])? {
                Reply::Number(1) => Ok(value.to_owned()),
                _ => Err(Error::Failed("precondition: the value was another".to_owned())),
            }
        }
        _ => Err(Error::Failed("unsupported".to_owned())),
    }
}

/// What stands after a name in a message of Duress, which has no spaces and no names twice.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next(),
    }
}

/// In a message a text must not end the line or itself.
fn quoted(text: &str) -> String {
    let fit = |c: char| if c.is_control() || c == '"' || c == '\\' { ' ' } else { c };
    format!("\"{}\"", text.chars().map(fit).collect::<String>())
}

fn answer(server: &mut Option<Server>, line: &str) -> Option<String> {
    match field(line, "type")? {
        "init" => {
            let address = field(line, "address")?.parse().ok()?;
            let port = field(line, "port").and_then(|port| port.parse().ok()).unwrap_or(6379);
            *server = Some(Server { address: SocketAddr::new(address, port), connection: None });
            Some(match field(line, "workload")? {
                "register" => r#"{"type":"init_ok"}"#.to_owned(),
                _ => r#"{"type":"fail","error":"unsupported"}"#.to_owned(),
            })
        }
        // Make tables here, and make it no error if they are there. Redis needs nothing.
        "setup" => Some(r#"{"type":"setup_ok"}"#.to_owned()),
        "invoke" => {
            let (id, f) = (field(line, "id")?, field(line, "f")?);
            let (_, value) = line.split_once("\"value\":[")?;
            let (key, value) = value.strip_suffix("]}")?.split_once(',')?;
            Some(match register(server.as_mut()?, f, key, value) {
                Ok(result) => format!(r#"{{"type":"ok","id":{id},"value":[{key},{result}]}}"#),
                Err(Error::Failed(why)) => format!(r#"{{"type":"fail","id":{id},"error":{}}}"#, quoted(&why)),
                Err(Error::InDoubt(why)) => format!(r#"{{"type":"info","id":{id},"error":{}}}"#, quoted(&why)),
            })
        }
        _ => None,
    }
}

fn main() -> io::Result<()> {
    let mut server = None;
    // Ends when Duress says `close`, or is gone: then there are no more lines.
    for line in io::stdin().lock().lines() {
        let line = line?;
        if field(&line, "type") == Some("close") {
            break;
        }
        if let Some(answer) = answer(&mut server, &line) {
            let mut out = io::stdout().lock();
            writeln!(out, "{answer}")?;
            // Without it Duress would wait for ever.
            out.flush()?;
        }
    }
    Ok(())
}
