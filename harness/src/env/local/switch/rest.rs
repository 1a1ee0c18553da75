//! When the switch rests between two wake-ups, so that more frames share one.
//!
//! Where processors have nothing else to do, a frame is handed on as soon as it comes. Where they all are at
//! work, each wake-up takes from the servers what little they have, and a frame that waits a moment costs
//! nobody anything: who waits for it waits for a processor anyway. Three etcd with 64 clients on two processors
//! write a tenth more for it. Not here: what befalls frames.

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// How long it rests: a few frames' time on a busy network, and a small part of what an operation takes there.
const REST: Duration = Duration::from_micros(200);

/// How long it goes by what it knows of the processors. The kernel counts their idle time in hundredths of
/// seconds.
const KNOWN_FOR: Duration = Duration::from_millis(250);

/// Processors are all at work when they are idle for a smaller share of the time than this.
const IDLE: f64 = 0.15;

/// Watches the processors.
pub(super) struct Rest {
    /// Absent: nobody says how busy they are, and there is no rest.
    uptime: Option<File>,
    processors: f64,
    looked: Instant,
    last: Uptime,
    wanted: bool,
}

/// What `/proc/uptime` says, seconds: since the machine's start, and how long its processors were idle
/// meanwhile, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Uptime {
    up: f64,
    idle: f64,
}

impl Rest {
    pub(super) fn new(now: Instant) -> Self {
        let uptime = File::open("/proc/uptime").ok();
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let last = uptime.as_ref().and_then(read).unwrap_or_default();
        Self { uptime, processors, looked: now, last, wanted: false }
    }

    /// Rests, if that is of use, but no longer than until one of these files is ready.
    pub(super) fn take(&mut self, until: [BorrowedFd<'_>; 2]) {
        let now = Instant::now();
        if now - self.looked >= KNOWN_FOR {
            self.looked = now;
            self.look();
        }
        if self.wanted {
            let mut files = until.map(|file| PollFd::new(file, PollFlags::POLLIN));
            // Whatever ends it, frames are looked for next.
            let _ = ppoll(&mut files, Some(TimeSpec::from_duration(REST)), None);
        }
    }

    fn look(&mut self) {
        let Some(uptime) = self.uptime.as_ref().and_then(read) else { return };
        self.wanted = all_at_work(self.last, uptime, self.processors);
        self.last = uptime;
    }
}

fn all_at_work(before: Uptime, now: Uptime, processors: f64) -> bool {
    let passed = (now.up - before.up) * processors;
    passed > 0.0 && (now.idle - before.idle) / passed < IDLE
}

fn read(file: &File) -> Option<Uptime> {
    let mut text = [0; 64];
    let length = file.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(&text[..length]).ok()?)
}

fn parse(text: &str) -> Option<Uptime> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(Uptime { up: numbers.next()?.ok()?, idle: numbers.next()?.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_at_work_or_idle() {
        let at = |text: &str| parse(text).expect("two numbers");
        let before = at("100.00 150.00\n");
        assert_eq!(before, Uptime { up: 100.0, idle: 150.0 });
        assert!(all_at_work(before, at("100.25 150.02"), 2.0));
        assert!(!all_at_work(before, at("100.25 150.25"), 2.0), "one of two is idle");
        assert!(!all_at_work(before, before, 2.0), "no time has passed");
        assert_eq!(parse("100.00"), None);
    }

    #[test]
    fn it_looks_at_this_machine() {
        let rest = Rest::new(Instant::now());
        assert!(rest.last.up > 0.0 && rest.processors >= 1.0);
    }
}
