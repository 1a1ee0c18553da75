//! Latency by function: exact quantiles of the calls that succeeded. A timeout is not a
//! latency; it is counted instead.

use super::Calls;
use duress_checkers::Kind;
use serde::{Deserialize, Serialize};

/// One function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// `read`, `write`, …
    pub f: String,
    /// Calls that happened.
    pub ok: u64,
    /// Calls that did not.
    pub fail: u64,
    /// Calls that may have.
    pub info: u64,
    /// Of the `ok` ones, in milliseconds; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<Quantiles>,
}

/// Milliseconds, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// By function, in order of appearance.
pub(crate) fn latency(calls: &Calls) -> Vec<LatencyRow> {
    let mut counts = vec![[0_u64; 3]; calls.fs.len()];
    for row in &calls.rows {
        let outcome = match row.kind {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        counts[row.f as usize][outcome] += 1;
    }
    // Of the right size at once: grown as they fill, they would take twice the room.
    let mut ok: Vec<Vec<u64>> = counts.iter().map(|n| Vec::with_capacity(n[0] as usize)).collect();
    for row in calls.rows.iter().filter(|row| row.kind == Kind::Ok) {
        ok[row.f as usize].extend(row.latency());
    }
    calls
        .fs
        .iter()
        .zip(counts)
        .zip(&mut ok)
        .map(|((f, [ok, fail, info]), ns)| {
            ns.sort_unstable();
            LatencyRow { f: f.clone(), ok, fail, info, ms: quantiles(ns) }
        })
        .collect()
}

fn quantiles(sorted: &[u64]) -> Option<Quantiles> {
    let ms = |permille| quantile(sorted, permille).map(milliseconds);
    Some(Quantiles { p50: ms(500)?, p95: ms(950)?, p99: ms(990)?, p999: ms(999)?, max: ms(1000)? })
}

pub(crate) fn milliseconds(ns: u64) -> f64 {
    (ns / 1000) as f64 / 1000.0
}

/// The smallest value that at least `permille` of a thousand values do not exceed (nearest
/// rank, no interpolation: every figure shown was measured).
pub(crate) fn quantile(sorted: &[u64], permille: u64) -> Option<u64> {
    let rank = (sorted.len() as u64 * permille).div_ceil(1000).max(1);
    sorted.get(usize::try_from(rank - 1).ok()?).copied()
}
