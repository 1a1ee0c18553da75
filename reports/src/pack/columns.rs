//! Columns of bytes, written straight into the compressor: no column is ever held in memory.

use crate::measure::Calls;
use crate::words::SECOND;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

/// Latency of step 0.
pub(super) const BASE_NS: f64 = 1_000.0;
/// From one step to the next: finer than a pixel of the plot. Step 254 is 95 s.
pub(super) const RATIO: f64 = 1.075;
/// The last step; longer ones are shown as this long.
const LAST_STEP: u8 = 254;
/// It never returned.
pub(super) const NEVER: u8 = 255;

/// Up to here a tick is as fine as anybody can zoom.
const FEW: usize = 20_000;
const FINE_TICK: u64 = 10_000;
const TICK: u64 = 100_000;
const COARSE_TICK: u64 = 1_000_000;
/// Mean gap between operations from which a tick may be coarse.
const SPARSE: u64 = SECOND / 100;

/// Bytes on their way into the compressor, which dislikes them one by one.
const BUFFER: usize = 64 << 10;
/// Good enough: the usual one, six, makes the whole report take a fifth longer for one percent.
const LEVEL: u32 = 4;

/// Nanoseconds per tick: gaps between operations should take about a byte.
pub(super) fn tick(n: usize, length: u64) -> u64 {
    match n {
        0..=FEW => FINE_TICK,
        _ if length / n as u64 > SPARSE => COARSE_TICK,
        _ => TICK,
    }
}

/// The step of a latency.
pub(super) fn step(latency: Option<u64>) -> u8 {
    let Some(ns) = latency else { return NEVER };
    let step = (ns as f64 / BASE_NS).max(1.0).ln() / RATIO.ln();
    (step.round() as u64).min(u64::from(LAST_STEP)) as u8
}

/// Smallest and largest step; `(0, 0)` when nothing returned.
pub(super) fn extent(calls: &Calls) -> (u8, u8) {
    let latencies = || calls.rows.iter().filter_map(crate::measure::Row::latency);
    (step(Some(latencies().min().unwrap_or(0))), step(Some(latencies().max().unwrap_or(0))))
}

/// Ticks since the start of the run, as differences. Clocks of foreign histories may run
/// backwards; here they stand still then.
pub(super) fn starts(writer: &mut Writer, ticks: impl Iterator<Item = u64>) {
    let mut last = 0;
    for tick in ticks {
        writer.varint(tick.saturating_sub(last));
        last = last.max(tick);
    }
}

/// Numbers below `bound`: their low bytes, and then their high bytes if any can have one.
pub(super) fn planes<I: Iterator<Item = u16>>(writer: &mut Writer, bound: usize, values: impl Fn() -> I) {
    for value in values() {
        writer.byte(value as u8);
    }
    if bound > 256 {
        for value in values() {
            writer.byte((value >> 8) as u8);
        }
    }
}

/// Which process a row shows from when on.
pub(super) fn switches(writer: &mut Writer, calls: impl Iterator<Item = (u16, u32)>) {
    let mut shows: Vec<Option<u32>> = Vec::new();
    let mut switches: Vec<(u64, u32)> = Vec::new();
    let mut last = 0;
    for (at, (row, process)) in (0_u64..).zip(calls) {
        let row = usize::from(row);
        if shows.len() <= row {
            shows.resize(row + 1, None);
        }
        if shows[row] != Some(process) {
            shows[row] = Some(process);
            switches.push((at - last, process));
            last = at;
        }
    }
    writer.varint(switches.len() as u64);
    for (gap, process) in switches {
        writer.varint(gap);
        writer.varint(u64::from(process));
    }
}

/// Deflates what it is given, without a header that would carry a time.
pub(super) struct Writer {
    encoder: DeflateEncoder<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        let encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
        Self { encoder, buffer: Vec::with_capacity(BUFFER) }
    }
}

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.buffer.push(byte);
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    /// Seven bits a byte, the lowest first; the top bit says that there are more.
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 128 {
            self.byte(value as u8 | 128);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn flush(&mut self) {
        // Writing to memory fails for no reason that data could cause.
        if let Err(e) = self.encoder.write_all(&self.buffer) {
            unreachable!("compressed into memory: {e}");
        }
        self.buffer.clear();
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        match self.encoder.finish() {
            Ok(bytes) => bytes,
            Err(e) => unreachable!("compressed into memory: {e}"),
        }
    }
}
