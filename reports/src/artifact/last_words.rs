//! The line in which a server says why it ends, and what of it is the same the next time.
//!
//! Only lines that runtimes and loggers write for that are known: any other line may be there by
//! chance, and what is recognised by it would be another bug in each run.

use serde_json::{Map, Value};

/// Characters of the line that are kept.
const MAX_TEXT: usize = 300;

/// How such a line begins.
const BEGINS: [&str; 8] = [
    "panic: ",                     // Go
    "fatal error: ",               // Go
    "runtime: out of memory",      // Go
    "terminate called ",           // C++
    "Exception in thread ",        // Java
    "Fatal Python error",          // Python
    "*** stack smashing detected", // C
    "=== REDIS BUG REPORT START",  // Redis
];
/// What it contains, all of it.
const CONTAINS: [&[&str]; 5] = [
    &["thread '", "panicked at"],  // Rust
    &["Assertion `", "failed"],    // C
    &["==ERROR: ", "Sanitizer"],   // sanitizers
    &["# ", " crashed by signal"], // Redis
    &[" C | "],                    // etcd's old logger: critical
];

/// The last such line of a log.
pub fn last_words(log: &str) -> Option<String> {
    let line = log.lines().rev().find_map(telling)?;
    Some(crate::words::short(&line, MAX_TEXT))
}

fn telling(line: &str) -> Option<String> {
    let line = line.trim();
    if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(line) {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let fatal = ["fatal", "panic", "dpanic"].contains(&text("level").to_ascii_lowercase().as_str());
        return fatal
            .then(|| format!("{}: {} {}", text("level"), text("msg"), text("error")).trim().to_owned());
    }
    if BEGINS.iter().any(|begin| line.starts_with(begin)) {
        return Some(line.to_owned());
    }
    // What is in front, times above all, differs from run to run.
    let all = CONTAINS.iter().find(|all| all.iter().all(|part| line.contains(part)))?;
    line.find(all[0]).map(|at| line[at..].trim().to_owned())
}

/// A line without what differs from run to run: addresses, numbers, times, names with numbers in them.
pub(crate) fn reduced(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut word = String::new();
    // Whatever holds a digit was counted, measured or drawn: `0xc000`, `n3`, `12.5`, `2026-11-21T10:00:00Z`.
    let close = |word: &mut String, out: &mut String| {
        let counted = word.chars().any(|c| c.is_ascii_digit());
        out.push_str(if counted { "#" } else { word.as_str() });
        word.clear();
    };
    for c in line.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            close(&mut word, &mut out);
            out.push(c);
        }
    }
    close(&mut word, &mut out);
    // Times and addresses are several words.
    for joined in ["#.#", "#:#", "#-#", "#/#"] {
        while out.contains(joined) {
            out = out.replace(joined, "#");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why_is_found_and_no_other() {
        let go = "raft: n1 is leader\npanic: tocommit(12) is out of range [lastIndex(7)]\n\ngoroutine 1 [running]:\n";
        assert_eq!(last_words(go).as_deref(), Some("panic: tocommit(12) is out of range [lastIndex(7)]"));
        let zap = r#"{"level":"fatal","ts":"x","msg":"failed to open WAL","error":"wal: crc mismatch"}"#;
        assert_eq!(last_words(zap).as_deref(), Some("fatal: failed to open WAL wal: crc mismatch"));
        let old = "2026-11-21 10:00:00.1 C | etcdserver: publish error";
        assert_eq!(last_words(old).as_deref(), Some("C | etcdserver: publish error"));
        let redis = "3:M 22 Nov 2026 00:02:59.069 # Redis 7.0.15 crashed by signal: 11, si_code: 0";
        assert_eq!(last_words(redis).as_deref(), Some("# Redis 7.0.15 crashed by signal: 11, si_code: 0"));
        let rust = "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds\n";
        assert!(last_words(rust).expect("a panic").starts_with("thread 'main'"));
        for calm in
            ["", "a client asked for panic: nothing\n", r#"{"level":"info","msg":"panic: no"}"#, "done"]
        {
            assert_eq!(last_words(calm), None, "{calm}");
        }
    }

    #[test]
    fn the_same_line_of_another_run_is_the_same() {
        let one = reduced("panic: tocommit(12) at 0xc00012ab00, n3 10.77.0.3:2380, 2026-11-21T10:00:00.123Z");
        let other =
            reduced("panic: tocommit(9871) at 0xc0001ffff8, n1 10.77.0.1:2379, 2026-12-01T23:01:59.9Z");
        assert_eq!(one, other);
        assert_eq!(one, "panic: tocommit(#) at #, # #, #");
        assert_ne!(reduced("panic: a"), reduced("panic: b"));
    }
}
