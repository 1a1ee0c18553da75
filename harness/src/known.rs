//! `known.toml`: which violations somebody knows of. Read before a run begins, and kept in its
//! `run.json`; what it excuses is decided by the reports.
//!
//! ```toml
//! [[known]]
//! fingerprint = "a91f3c07e2d4"
//! issue = "https://example.org/issues/17"
//! expires = 2026-12-24
//! note = "members answer serializable reads by themselves"
//! ```

use crate::failure::Failure;
use duress_reports::Known;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use toml::value::Datetime;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The file. A name that is not known is refused: `expire = …` would be an entry without its day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fingerprint: String,
    issue: String,
    expires: Datetime,
    note: Option<String>,
}

/// Reads the list.
///
/// # Errors
/// When it cannot be read, or one entry is not as it must be: half a list is not what was asked for.
pub fn read(path: &Path) -> Result<Vec<Known>, Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), what: "read", source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(refused(path, &format!("it has {length} bytes, and {MAX_BYTES} are allowed")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    parse(&text).map_err(|why| refused(path, &why))
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::usage(
        format!("--known {}", path.display()),
        why,
        "an entry is [[known]] with fingerprint, issue and expires = 2026-12-24, and perhaps a note",
    )
}

fn parse(text: &str) -> Result<Vec<Known>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let mut seen = BTreeSet::new();
    let mut known = Vec::new();
    for Entry { fingerprint, issue, expires, note } in file.known {
        // A time of day would be read as if it were not there.
        let day = match expires {
            Datetime { date: Some(date), time: None, offset: None } => date.to_string(),
            other => return Err(format!("{other} is no day")),
        };
        let entry = Known { fingerprint, issue, expires: day, note };
        entry.check()?;
        if !seen.insert(entry.fingerprint.clone()) {
            return Err(format!("{} is listed twice", entry.fingerprint));
        }
        known.push(entry);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn entry(fingerprint: &str, rest: &str) -> String {
        format!("[[known]]\nfingerprint = \"{fingerprint}\"\n{rest}\n")
    }

    const FINE: &str = "issue = \"#17\"\nexpires = 2026-12-24";

    #[test]
    fn a_list_is_read() {
        let text =
            entry("a91f3c07e2d4", FINE) + &entry("b91f3c07e2d4", &format!("{FINE}\nnote = \"as agreed\""));
        let known = parse(&text).expect("a list");
        assert_eq!(known[0].expires, "2026-12-24");
        assert_eq!(known[1].note.as_deref(), Some("as agreed"));
        assert_eq!(parse("").expect("an empty list"), []);
    }

    #[test]
    fn what_is_not_quite_an_entry_is_refused() {
        for (text, why) in [
            (entry("a91f3c07e2d4", "issue = \"#17\""), "expires"),
            (entry("a91f3c07e2d4", "expires = 2026-12-24"), "issue"),
            (entry("a91f3c07e2d4", "issue = \" \"\nexpires = 2026-12-24"), "no issue"),
            (entry("a91f", FINE), "no fingerprint"),
            (entry("a91f3c07e2d", FINE), "no fingerprint"),
            (entry("A91F3C07E2D4", FINE), "no fingerprint"),
            (entry("*", FINE), "no fingerprint"),
            (entry("", FINE), "no fingerprint"),
            (entry("a91f3c07e2d4", "issue = \"#17\"\nexpires = \"2026-12-24\""), "expires"),
            (entry("a91f3c07e2d4", "issue = \"#17\"\nexpires = 2026-12-24T10:00:00Z"), "no day"),
            (entry("a91f3c07e2d4", "issue = \"#17\"\nexpires = 10:00:00"), "no day"),
            (entry("a91f3c07e2d4", "issue = \"#17\"\nexpires = 2026-13-24"), ""),
            (entry("a91f3c07e2d4", &format!("{FINE}\nexpiry = 2027-01-01")), "expiry"),
            (entry("a91f3c07e2d4", FINE).repeat(2), "twice"),
            ("[[konwn]]\n".to_owned(), "konwn"),
        ] {
            let refused = parse(&text).expect_err(&text);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
