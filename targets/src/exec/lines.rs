//! Lines through the pipes of a program, in both directions.

use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::{Receiver, Sender};

/// The longest line that is read. Our questions and their answers have a few hundred bytes; the whole of a
/// long log has some ten thousand.
pub(super) const MAX_LINE: usize = 1 << 20;
/// Room for what is read at once: more than an answer has. A read that leaves some of it has emptied the pipe,
/// and nobody asks the kernel again until it says that there is more.
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
            self.buffer.reserve(CHUNK);
            match self.pipe.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return self.end(),
            }
        }
    }

    /// What has come already although nobody waits for it.
    pub(super) fn unasked(&mut self) -> Option<Line> {
        self.buffer.reserve(CHUNK);
        let open = match self.pipe.try_read_buf(&mut self.buffer) {
            Ok(n) => n > 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        };
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

    fn take(&mut self) -> Option<Line> {
        match self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let end = self.searched + at;
                // A copy of a short line, so that the room for the next read stays.
                let line = self.buffer[..end].to_vec();
                self.buffer.drain(..=end);
                self.searched = 0;
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
