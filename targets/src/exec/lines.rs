//! Lines through the pipes of a program, in both directions.

use std::io;
use tokio::net::unix::pipe::{Receiver, Sender};

/// The longest line that is read. Our questions and their answers have a few hundred bytes; the whole of a
/// long log has some ten thousand.
pub(super) const MAX_LINE: usize = 1 << 20;
/// What is read at once.
const CHUNK: usize = 1 << 14;

/// What comes out of a program.
pub(super) struct Lines {
    pipe: Receiver,
    /// Read, and not handed out yet.
    buffer: Vec<u8>,
    /// Bytes of it in which there is no end of a line.
    searched: usize,
}

/// A line, or what there is instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Its beginning: it is longer than [`MAX_LINE`].
    TooLong(Vec<u8>),
    /// Nothing more will come; with what came without an end of its line.
    End(Vec<u8>),
}

impl Lines {
    pub(super) fn new(pipe: Receiver) -> Self {
        Self { pipe, buffer: Vec::new(), searched: 0 }
    }

    /// Waits for the next line. May be dropped: what was read is kept for the next call.
    pub(super) async fn next(&mut self) -> Line {
        loop {
            if let Some(line) = self.take() {
                return line;
            }
            if self.pipe.readable().await.is_err() {
                return self.end();
            }
            if !self.read() {
                return self.take().unwrap_or_else(|| self.end());
            }
        }
    }

    /// What has come already although nobody waits for it.
    pub(super) fn unasked(&mut self) -> Option<Line> {
        let open = self.read();
        match self.take() {
            Some(line) => Some(line),
            None if !open => Some(self.end()),
            None => None,
        }
    }

    fn end(&mut self) -> Line {
        self.searched = 0;
        Line::End(std::mem::take(&mut self.buffer))
    }

    /// Reads what is there, without waiting; is there more to come, now or later?
    fn read(&mut self) -> bool {
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        let read = self.pipe.try_read(&mut self.buffer[length..]);
        self.buffer.truncate(length + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(n) => n > 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    fn take(&mut self) -> Option<Line> {
        match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                line.pop();
                Some(Line::Whole(line))
            }
            None => {
                self.searched = self.buffer.len();
                (self.buffer.len() > MAX_LINE).then(|| {
                    self.searched = 0;
                    Line::TooLong(std::mem::take(&mut self.buffer))
                })
            }
        }
    }
}

/// Writes all of it, as fast as the program reads.
pub(super) async fn write(pipe: &Sender, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match pipe.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pipe.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::unix::pipe::pipe;

    #[tokio::test]
    async fn lines_come_as_they_are_ended() {
        let (to, from) = pipe().expect("a pipe");
        let mut lines = Lines::new(from);
        assert_eq!(lines.unasked(), None);
        write(&to, b"one\ntwo\nthr").await.expect("written");
        assert_eq!(lines.next().await, Line::Whole(b"one".to_vec()));
        assert_eq!(lines.unasked(), Some(Line::Whole(b"two".to_vec())));
        assert_eq!(lines.unasked(), None, "not ended yet");
        write(&to, b"ee\n\nrest").await.expect("written");
        assert_eq!(lines.next().await, Line::Whole(b"three".to_vec()));
        assert_eq!(lines.next().await, Line::Whole(Vec::new()));
        drop(to);
        assert_eq!(lines.next().await, Line::End(b"rest".to_vec()));
        assert_eq!(lines.unasked(), Some(Line::End(Vec::new())));
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up() {
        let (to, from) = pipe().expect("a pipe");
        let mut lines = Lines::new(from);
        let endless = vec![b'x'; MAX_LINE + 2 * CHUNK];
        let (written, line) = tokio::join!(write(&to, &endless), async {
            let line = lines.next().await;
            drop(lines);
            line
        });
        assert!(matches!(line, Line::TooLong(bytes) if bytes.len() > MAX_LINE));
        // The rest had room in the pipe, or found nobody to read it.
        assert!(written.is_ok_and(|()| true) || to.try_write(b"x").is_err());
    }
}
