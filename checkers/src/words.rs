//! Numbers, times and calls as people read them, in every sentence and report.

use crate::history::Call;

/// `100,442`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 key`, `3 keys`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A moment of the run: `94.604 s`.
pub fn at(ns: u64) -> String {
    format!("{} s", at_bare(ns))
}

/// The same without its unit.
pub fn at_bare(ns: u64) -> String {
    let ms = ns.saturating_add(500_000) / 1_000_000;
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// How long something took, to three digits: `0.42 ms`, `373 ms`, `1.51 s`, `12.3 s`.
pub fn span(ns: u64) -> String {
    match ns {
        0 => "0 ms".to_owned(),
        1..10_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        10_000_000..100_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        // Up to where rounding would print `1000 ms`.
        100_000_000..999_500_000 => format!("{:.0} ms", ns as f64 / 1e6),
        999_500_000..10_000_000_000 => format!("{:.2} s", ns as f64 / 1e9),
        10_000_000_000..600_000_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        _ => format!("{} min {} s", ns / 60_000_000_000, ns / 1_000_000_000 % 60),
    }
}

/// How long after `from` something at `to` happened: `373 ms after`. Histories without a clock
/// number their operations instead; such tiny differences say no more than the order.
pub(crate) fn after(from: u64, to: u64) -> String {
    match to.saturating_sub(from) {
        0..1_000 => "after".to_owned(),
        ns => format!("{} after", span(ns)),
    }
}

/// A size: `2 GiB`, `1.5 MiB`.
pub(crate) fn size(bytes: usize) -> String {
    let units = [("GiB", 1_usize << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((name, unit)) = units.into_iter().find(|&(_, unit)| bytes >= unit) else {
        return format!("{bytes} bytes");
    };
    match bytes % unit * 10 / unit {
        0 => format!("{} {name}", bytes / unit),
        tenth => format!("{}.{tenth} {name}", bytes / unit),
    }
}

/// `process 8`, `process 8 through n4`.
pub(crate) fn who(call: &Call) -> String {
    match node(call) {
        Some(node) => format!("process {} through {node}", call.invoke.process),
        None => format!("process {}", call.invoke.process),
    }
}

/// The node a call went to.
pub(crate) fn node<'a>(call: &Call<'a>) -> Option<&'a str> {
    call.invoke.node.as_deref().or_else(|| call.completion.and_then(|op| op.node.as_deref()))
}

/// A value as people write it.
pub(crate) fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "nil".to_owned(),
        other => other.to_string(),
    }
}

/// A key as people write it: strings without quotes.
pub(crate) fn bare(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts: Vec<_> = [0, 7, 999, 1000, 100_442, 1_234_567].into_iter().map(count).collect();
        assert_eq!(counts, ["0", "7", "999", "1,000", "100,442", "1,234,567"]);
        let spans: Vec<_> = [
            0,
            420_000,
            3_400_000,
            99_900_000,
            373_000_000,
            999_600_000,
            1_510_000_000,
            12_300_000_000,
            605_000_000_000,
        ]
        .into_iter()
        .map(span)
        .collect();
        assert_eq!(
            spans,
            ["0 ms", "0.42 ms", "3.40 ms", "99.9 ms", "373 ms", "1.00 s", "1.51 s", "12.3 s", "10 min 5 s"]
        );
        assert_eq!(at(94_603_999_999), "94.604 s");
        assert_eq!(after(5, 9), "after");
        assert_eq!(after(1_000_000, 374_000_000), "373 ms after");
        assert_eq!(
            (size(2 << 30), size(3 << 19), size(100)),
            ("2 GiB".into(), "1.5 MiB".into(), "100 bytes".into())
        );
    }
}
