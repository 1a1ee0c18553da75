//! Lines of JSON, each of which may have bytes behind it: how a controller and its agents speak.
//!
//! Not here: what they say (`wire`, and for load machines `crate::engine::fleet`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read as _, Write};

/// Longest line, bytes.
pub(crate) const LONGEST_LINE: u64 = 1 << 22;
/// Most bytes behind a line.
pub(crate) const LONGEST_BODY: usize = 1 << 28;

/// A line, with what is behind it.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    /// Bytes behind it.
    #[serde(default, skip_serializing_if = "is_none")]
    body: usize,
    #[serde(rename = "is")]
    message: T,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_none(length: &usize) -> bool {
    *length == 0
}

/// Writes one, at once.
///
/// # Errors
/// When nobody hears it, or the body is too long.
pub(crate) fn write<T: Serialize>(out: &mut impl Write, message: &T, body: &[u8]) -> io::Result<()> {
    if body.len() > LONGEST_BODY {
        return Err(io::Error::other(format!("{} MiB are more than can be sent", body.len() >> 20)));
    }
    let mut line = serde_json::to_vec(&Line { body: body.len(), message })?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.write_all(body)?;
    out.flush()
}

/// Reads the next one; `None` at the end.
///
/// # Errors
/// When that is no line of this protocol, or the end comes in the middle.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let Line { body: length, message } = serde_json::from_slice(&line)?;
    if length > LONGEST_BODY {
        return Err(io::Error::other(format!("{length} bytes are more than can be read")));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some((message, body)))
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Ask, ToAgent};
    use super::*;
    use crate::env::Stop;
    use crate::env::clock::{Clocks, Skew, Skews};

    #[test]
    fn what_is_written_is_read_again_with_what_is_behind_it() {
        let skews = Skews::from([(7, (Clocks::Both, Skew::Jump { ms: -3 }))]);
        let asks = [Ask::Start, Ask::SetClocks { skews }, Ask::Stop { how: Stop::Kill }];
        let mut wire = Vec::new();
        for (id, what) in (1..).zip(&asks) {
            write(&mut wire, &ToAgent::Ask { id, what: what.clone() }, &vec![b'\n'; id as usize])
                .expect("written");
        }
        let mut from = &wire[..];
        for (at, asked) in (1..).zip(&asks) {
            let read = read(&mut from).expect("a message").expect("one more");
            let (ToAgent::Ask { id, what }, body) = read else { panic!("another message") };
            assert_eq!((id, &what, body.len()), (at, asked, at as usize));
        }
        assert!(read::<ToAgent>(&mut from).expect("the end").is_none());
    }

    #[test]
    fn a_broken_line_is_an_error_and_not_the_end() {
        let mut whole = Vec::new();
        write(&mut whole, &ToAgent::Beat, b"abc").expect("written");
        for length in 1..whole.len() {
            assert!(read::<ToAgent>(&mut &whole[..length]).is_err(), "{length}");
        }
        let huge = format!("{{\"body\":{},\"is\":\"beat\"}}\n", LONGEST_BODY + 1);
        assert!(read::<ToAgent>(&mut huge.as_bytes()).is_err());
    }
}
