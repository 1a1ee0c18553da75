//! Which format is it? Told by the first characters that are not blank.

use super::Format;
use super::lines::BOM;
use crate::history::HistoryError;

/// Characters of a file that an error repeats.
const SHOWN: usize = 40;

/// The format of what begins with `head`. Nothing at all counts as JSON lines.
pub(super) fn detect(head: &[u8]) -> Result<Format, HistoryError> {
    let text = blank(head.strip_prefix(BOM).unwrap_or(head));
    let Some(&first) = text.first() else { return Ok(Format::JsonLines) };
    let second = blank(&text[1..]).first().copied();
    match (first, second) {
        (b'{', Some(b'"')) if opens_report(&text[1..]) => return Ok(Format::EtcdReport),
        (b'{', Some(b'"' | b'}') | None) => return Ok(Format::JsonLines),
        (b'[', Some(b']') | None) => return Ok(Format::JsonArray),
        (b'[', Some(b'{')) if opens_json(&text[1..]) => return Ok(Format::JsonArray),
        _ => {}
    }
    #[cfg(feature = "edn")]
    if let Some(format) = clojure(text, first, second) {
        return Ok(format);
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A terminal would obey control characters.
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    Err(HistoryError::Format { head: line.chars().take(SHOWN).map(shown).collect() })
}

fn blank(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// Does an operation of an etcd client begin like this? Its first field is always the same.
fn opens_report(fields: &[u8]) -> bool {
    blank(fields).starts_with(b"\"ClientId\"") || blank(fields).starts_with(b"\"ClientID\"")
}

/// Is the next object one with quoted names?
fn opens_json(text: &[u8]) -> bool {
    let inner = blank(text).strip_prefix(b"{").map(blank);
    inner.is_some_and(|inner| matches!(inner.first(), Some(b'"' | b'}') | None))
}

#[cfg(feature = "edn")]
fn clojure(text: &[u8], first: u8, second: Option<u8>) -> Option<Format> {
    let opens_edn = match first {
        b'{' | b';' | b'#' => true,
        b'[' | b'(' => matches!(second, Some(b'{' | b';' | b'#' | b'(' | b'[' | b')')),
        _ => false,
    };
    if opens_edn {
        return Some(Format::Edn);
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let talks = text.windows(JEPSEN.len()).any(|window| window == JEPSEN);
    (talks || super::jepsen_log::is_operation(line)).then_some(Format::JepsenLog)
}

/// Part of the name of whoever talks in Jepsen's logs.
#[cfg(feature = "edn")]
const JEPSEN: &[u8] = b"jepsen.";
