//! RESP, Redis' protocol, version 2: commands as bytes, and replies out of bytes.

use std::str;

/// Arrays in arrays, at most; our replies have one.
const MAX_DEPTH: usize = 4;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:7`
    Integer(i64),
    /// `$2`: bytes.
    Bulk(Vec<u8>),
    /// `$-1`: there is nothing.
    Nil,
    /// `*2`
    Array(Vec<Reply>),
}

impl Reply {
    /// The reply at the beginning of `bytes`, and its length; `None` when it is not all there yet.
    /// `Err` says why it never will be a reply.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut rest = Rest { bytes, at: 0 };
        Ok(rest.reply(MAX_DEPTH)?.map(|reply| (reply, rest.at)))
    }
}

/// A command: an array of its words.
pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// What has not been read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, String> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, text) = line.split_at_checked(1).ok_or("a line is empty")?;
        Ok(Some(match kind {
            "+" => Reply::Simple(text.to_owned()),
            "-" => Reply::Error(text.to_owned()),
            ":" => Reply::Integer(number(text)?),
            "$" | "*" if text == "-1" => Reply::Nil,
            "$" => match self.bulk(length(text)?)? {
                Some(bytes) => Reply::Bulk(bytes),
                None => return Ok(None),
            },
            "*" if depth == 0 => return Err(format!("arrays are nested more than {MAX_DEPTH} deep")),
            "*" => match self.array(length(text)?, depth - 1)? {
                Some(replies) => Reply::Array(replies),
                None => return Ok(None),
            },
            _ => return Err(format!("no reply begins with `{kind}`")),
        }))
    }

    fn line(&mut self) -> Result<Option<&'a str>, String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        self.at += end + 2;
        str::from_utf8(&rest[..end]).map(Some).map_err(|_| "a line is no text".to_owned())
    }

    fn bulk(&mut self, length: usize) -> Result<Option<Vec<u8>>, String> {
        let rest = &self.bytes[self.at..];
        let Some((bytes, end)) = rest.split_at_checked(length) else { return Ok(None) };
        match end {
            [b'\r', b'\n', ..] => {
                self.at += length + 2;
                Ok(Some(bytes.to_vec()))
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(format!("a string goes on after its {length} bytes")),
        }
    }

    /// Not made room for in advance: what the length says is a claim.
    fn array(&mut self, length: usize, depth: usize) -> Result<Option<Vec<Reply>>, String> {
        let mut replies = Vec::new();
        for _ in 0..length {
            match self.reply(depth)? {
                Some(reply) => replies.push(reply),
                None => return Ok(None),
            }
        }
        Ok(Some(replies))
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn length(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings() {
        assert_eq!(command(&["SET", "k", ""]), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }

    #[test]
    fn every_reply_is_read_when_it_is_all_there_and_not_before() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        for (text, reply) in [
            ("+OK\r\n", Reply::Simple("OK".to_owned())),
            ("-ERR no\r\n", Reply::Error("ERR no".to_owned())),
            (":-7\r\n", Reply::Integer(-7)),
            ("$0\r\n\r\n", bulk("")),
            ("$6\r\na\r\nb\r\n\r\n", bulk("a\r\nb\r\n")),
            ("$-1\r\n", Reply::Nil),
            ("*-1\r\n", Reply::Nil),
            ("*0\r\n", Reply::Array(Vec::new())),
            (
                "*3\r\n$1\r\na\r\n*1\r\n:1\r\n$-1\r\n",
                Reply::Array(vec![bulk("a"), Reply::Array(vec![Reply::Integer(1)]), Reply::Nil]),
            ),
        ] {
            assert_eq!(Reply::parse(text.as_bytes()), Ok(Some((reply.clone(), text.len()))), "{text:?}");
            let longer = format!("{text}+more");
            assert_eq!(Reply::parse(longer.as_bytes()), Ok(Some((reply, text.len()))), "{longer:?}");
            for end in 0..text.len() {
                assert_eq!(Reply::parse(&text.as_bytes()[..end]), Ok(None), "{:?}", &text[..end]);
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in [
            "\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            ":seven\r\n",
            "$-2\r\n",
            "$2\r\nabc\r\n",
            "*x\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        ] {
            assert!(Reply::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
