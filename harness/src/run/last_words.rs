//! The last line that a server printed, for errors about it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes at the end of a log in which it is looked for.
const END: u64 = 4 << 10;
/// Characters of it that are repeated.
const SHOWN: usize = 300;

/// Without what surrounds it; `None` when there is none, or it cannot be read.
pub(super) fn of(log: &Path) -> Option<String> {
    let mut log = File::open(log).ok()?;
    let length = log.metadata().ok()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut end = Vec::new();
    log.take(END).read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    let last = end.lines().map(str::trim).rfind(|line| line.contains(char::is_alphanumeric))?;
    Some(last.chars().take(SHOWN).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_anything_is_repeated() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("server.log");
        assert_eq!(of(&log), None);
        for (text, last) in [
            ("", None),
            ("\n \n", None),
            ("starting\n  cannot open x: no such file \n    ^^^^\n", Some("cannot open x: no such file")),
        ] {
            std::fs::write(&log, text).expect("written");
            assert_eq!(of(&log).as_deref(), last, "{text:?}");
        }
        std::fs::write(&log, format!("{}\nthe end\n", "x".repeat(10_000))).expect("written");
        assert_eq!(of(&log).as_deref(), Some("the end"));
        std::fs::write(&log, "ü".repeat(10_000)).expect("written");
        assert!(of(&log).is_some_and(|last| last.chars().count() == SHOWN));
    }
}
