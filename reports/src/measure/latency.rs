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
    let mut ok: Vec<Vec<u64>> = vec![Vec::new(); calls.fs.len()];
    for row in &calls.rows {
        let f = row.f as usize;
        match row.kind {
            Kind::Ok => {
                counts[f][0] += 1;
                ok[f].extend(row.latency());
            }
            Kind::Fail => counts[f][1] += 1,
            Kind::Info | Kind::Invoke => counts[f][2] += 1,
        }
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
