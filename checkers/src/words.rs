//! Numbers as people read them.

use crate::history::Call;

/// A moment: `94.604 s`. Nanoseconds since the start of the run.
pub(crate) fn moment(ns: u64) -> String {
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// How long after `from` something at `to` happened: `373 ms after`. Histories without a clock
/// number their operations instead; such tiny differences say no more than the order.
pub(crate) fn after(from: u64, to: u64) -> String {
    let ns = to.saturating_sub(from);
    match ns {
        0..1_000 => "after".to_owned(),
        1_000..1_000_000 => format!("{} µs after", ns / 1_000),
        1_000_000..10_000_000_000 => format!("{} ms after", ns / 1_000_000),
        _ => format!("{}.{} s after", ns / 1_000_000_000, ns / 100_000_000 % 10),
    }
}

/// A count: `840`, `1.2 M`.
pub(crate) fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{} k", n / 1_000),
        _ => format!("{}.{} M", n / 1_000_000, n / 100_000 % 10),
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

/// `1 key`, `3 keys`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
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

/// A key as people write it: strings without quotes.
pub(crate) fn bare(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(moment(94_604_123_456), "94.604 s");
        assert_eq!(moment(7), "0.000 s");
        assert_eq!(after(5, 9), "after");
        assert_eq!(after(1_000_000, 374_000_000), "373 ms after");
        assert_eq!(after(0, 12_340_000_000), "12.3 s after");
        assert_eq!(
            (count(840), count(52_000), count(1_234_567)),
            ("840".into(), "52 k".into(), "1.2 M".into())
        );
        assert_eq!(
            (size(2 << 30), size(3 << 19), size(100)),
            ("2 GiB".into(), "1.5 MiB".into(), "100 bytes".into())
        );
    }
}
