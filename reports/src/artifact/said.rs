//! What the nodes said around a moment: excerpts of their logs.
//!
//! A log may have gigabytes: the place is found by halving, and only a bounded piece is read. What
//! cannot be read or has no times in it is left out: an excerpt decides nothing.

use super::stamp::{Stamp, stamp};
use super::{RunDir, RunInfo};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How far around a moment.
const AROUND: u64 = 300_000_000;
/// Lines of one excerpt: those nearest to the moment, few that are alike.
const MAX_LINES: usize = 40;
/// Lines of one node that begin alike.
const MAX_ALIKE: usize = 3;
/// Characters that tell whether they do.
const HEAD: usize = 40;
/// Bytes read where the lines may begin.
const PIECE: usize = 256 << 10;
/// Bytes read to see what time it is somewhere in a log.
const PROBE: usize = 16 << 10;
/// Halvings; enough for 2^40 bytes.
const MAX_STEPS: usize = 40;
/// Characters of a line.
const MAX_TEXT: usize = 400;
/// A local time is off by a multiple of this.
const ZONE_STEP: i128 = 15 * 60 * 1_000_000_000;

/// Lines of the nodes' logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// By time.
    pub lines: Vec<Said>,
    /// Further ones in the same time: they are like others, or there are too many.
    pub left_out: usize,
}

/// A line that a node logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Nanoseconds since the start of the run, by the node's own clock.
    pub at: u64,
    /// Who said it.
    pub node: String,
    /// What, without its time.
    pub text: String,
}

impl RunDir {
    /// What the nodes said from shortly before `from` to shortly after `to`, in nanoseconds since the
    /// start of the run. Empty for a run that does not say when its clock began.
    pub fn said(&self, info: &RunInfo, from: u64, to: u64) -> Excerpt {
        let Some(epoch) = info.clock_epoch else { return Excerpt::default() };
        let (first, last) = (from.saturating_sub(AROUND), to.saturating_add(AROUND));
        let logs = info.nodes.iter().filter_map(|node| Some((&node.name, node.log.as_deref()?)));
        let mut lines: Vec<Said> = logs
            .filter(|(_, log)| is_within(log))
            .flat_map(|(node, log)| {
                let Some(mut log) = Log::open(&self.path().join(log), epoch.into()) else {
                    return Vec::new();
                };
                log.between(node, i128::from(first), i128::from(last))
            })
            .collect();
        let all = lines.len();
        let far = |said: &Said| said.at.abs_diff(said.at.clamp(from, to));
        lines.sort_by_key(far);
        // A node that says the same again and again would leave no room for anything else.
        let mut alike: BTreeMap<(String, String), usize> = BTreeMap::new();
        lines.retain(|said| {
            let head = said.text.chars().filter(|c| !c.is_ascii_digit()).take(HEAD).collect();
            let count = alike.entry((said.node.clone(), head)).or_default();
            *count += 1;
            *count <= MAX_ALIKE
        });
        lines.truncate(MAX_LINES);
        let left_out = all - lines.len();
        lines.sort_by_key(|said| said.at);
        Excerpt { lines, left_out }
    }
}

/// Of the run's own directory? What `run.json` names may have been changed.
fn is_within(log: &str) -> bool {
    Path::new(log).components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

struct Log {
    file: File,
    length: u64,
    /// To be taken off its times, for those of the run's clock.
    epoch: i128,
    /// Likewise, off times without a zone.
    zone: i128,
}

impl Log {
    fn open(path: &Path, epoch: i128) -> Option<Self> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let mut log = Self { file, length, epoch, zone: 0 };
        // The servers start when the run does, so a first line hours away was written in another zone.
        let first = log.piece(0, PROBE)?.lines().find_map(stamp)?;
        if !first.zoned {
            let off = first.ns - epoch;
            log.zone = (off + ZONE_STEP / 2).div_euclid(ZONE_STEP) * ZONE_STEP;
        }
        Some(log)
    }

    fn piece(&mut self, at: u64, length: usize) -> Option<String> {
        self.file.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.file).take(length as u64).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn time(&self, stamp: Stamp) -> i128 {
        stamp.ns - self.epoch - if stamp.zoned { 0 } else { self.zone }
    }

    /// Lines from `first` to `last`.
    fn between(&mut self, node: &str, first: i128, last: i128) -> Vec<Said> {
        let Some(start) = self.find(first) else { return Vec::new() };
        let Some(piece) = self.piece(start, PIECE) else { return Vec::new() };
        // Where nothing is skipped the first line is whole; elsewhere it may begin anywhere.
        let lines = piece.lines().skip(usize::from(start > 0));
        lines
            .filter_map(|line| {
                let time = self.time(stamp(line)?);
                let at = u64::try_from(time).ok().filter(|_| (first..=last).contains(&time))?;
                Some(Said { at, node: node.to_owned(), text: plain(line) })
            })
            .collect()
    }

    /// A place shortly before the first line that is not before `time`, for times that only grow.
    fn find(&mut self, time: i128) -> Option<u64> {
        let (mut low, mut high) = (0, self.length);
        for _ in 0..MAX_STEPS {
            if high - low <= PROBE as u64 {
                break;
            }
            let middle = low + (high - low) / 2;
            let piece = self.piece(middle, PROBE)?;
            let seen = piece.lines().skip(1).find_map(stamp).map(|stamp| self.time(stamp));
            if seen.is_some_and(|seen| seen < time) { low = middle } else { high = middle }
        }
        Some(low)
    }
}

/// A line without its time: structured ones as a message and its fields.
fn plain(line: &str) -> String {
    let told = match serde_json::from_str::<Map<String, Value>>(line) {
        Ok(fields) => structured(&fields),
        Err(_) => line.trim().to_owned(),
    };
    if told.chars().count() <= MAX_TEXT {
        return told;
    }
    told.chars().take(MAX_TEXT).chain(['…']).collect()
}

fn structured(fields: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let named = |name: &str| fields.get(name).map(text).unwrap_or_default();
    let known = ["level", "ts", "caller", "msg", "logger", "stacktrace"];
    let rest = fields.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let rest: String = rest.map(|(name, value)| format!(" {name}={}", text(value))).collect();
    format!("{}: {}{rest}", named("level"), named("msg"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SECOND: i128 = 1_000_000_000;
    const EPOCH: i128 = 1_795_288_611 * SECOND;

    fn clock(second: u64, milli: u64) -> String {
        let of_day = 19 * 3600 + 16 * 60 + 51 + second;
        format!("{:02}:{:02}:{:02}.{milli:03}", of_day / 3600, of_day / 60 % 60, of_day % 60)
    }

    /// Ten lines a second, more than fit into any piece that is read.
    fn log(line: impl Fn(&str, u64) -> String) -> (tempfile::NamedTempFile, u64) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        for tenth in 0..60_000 {
            let line = line(&clock(tenth / 10, tenth % 10 * 100), tenth);
            writeln!(file, "{line}").expect("it can be written");
        }
        let length = file.as_file().metadata().expect("a length").len();
        (file, length)
    }

    fn around(file: &tempfile::NamedTempFile, second: u64) -> Vec<Said> {
        let mut log = Log::open(file.path(), EPOCH).expect("a log with times");
        let at = i128::from(second) * SECOND;
        log.between("n1", at - SECOND / 2, at + SECOND / 2)
    }

    #[test]
    fn a_moment_is_found_in_a_long_log() {
        let zoned = |clock: &str, n: u64| {
            format!(r#"{{"level":"warn","ts":"2026-11-21T{clock}Z","msg":"line","n":{n}}}"#)
        };
        // Of another zone, three hours to the east.
        let local = |clock: &str, n: u64| {
            let hour: u64 = clock[..2].parse().expect("an hour");
            format!("77:M 21 Nov 2026 {:02}{} * line {n}", hour + 3, &clock[2..])
        };
        for (file, length) in [log(zoned), log(local)] {
            assert!(length > 8 * PIECE as u64 / 2);
            for second in [1, 77, 3000, 5998] {
                let said = around(&file, second);
                assert_eq!(said.len(), 11, "{second}: {:?}", said.first());
                assert_eq!(u128::from(said[5].at), u128::from(second) * 1_000_000_000);
                assert!(said[5].text.contains(&format!("{}", second * 10)), "{}", said[5].text);
            }
            assert!(around(&file, 7000).is_empty());
        }
    }

    #[test]
    fn what_has_no_times_is_left_out() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&[0xff; 100_000]).expect("it can be written");
        assert!(Log::open(file.path(), EPOCH).is_none());
        assert!(!is_within("/etc/passwd") && !is_within("../x") && is_within("nodes/n1/etcd.log"));
    }
}
