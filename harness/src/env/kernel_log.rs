//! What the kernel says of processes while a run goes on: that it killed one since memory ran out, that one
//! crashed, that one hangs.
//!
//! Read from `/dev/kmsg`, which root may, and others where `kernel.dmesg_restrict` is 0.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;

/// Most messages that are looked through.
const MAX_RECORDS: usize = 100_000;
/// Most that are kept.
const MAX_KEPT: usize = 1_000;
/// No record is longer: the kernel's own limit.
const RECORD: usize = 8192;
/// Words of messages that are about one process.
const ABOUT: [&str; 7] = [
    "segfault",
    "traps:",
    "general protection",
    "oom-kill",
    "Out of memory",
    "out of memory",
    "blocked for more",
];

/// The kernel's messages from the moment it was opened on.
#[derive(Debug)]
pub struct KernelLog(File);

impl KernelLog {
    /// From now on.
    ///
    /// # Errors
    /// When this user may not read it, or a container hides it.
    pub fn begin() -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// What it has said since of processes with these numbers, a line each, with the seconds since the
    /// machine started.
    pub fn about(mut self, pids: &BTreeSet<u32>) -> Vec<String> {
        let mut kept = Vec::new();
        let mut record = vec![0; RECORD];
        for _ in 0..MAX_RECORDS {
            match self.0.read(&mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    kept.extend(line(&text).filter(|line| is_about(line, pids)));
                }
                // It has been overwritten meanwhile; what follows has not.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                // There is no more.
                Err(_) => break,
            }
            if kept.len() >= MAX_KEPT {
                break;
            }
        }
        kept
    }
}

/// A record, `6,1234,98765432,-;text` and what belongs to it, as a line.
fn line(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = text.lines().next()?;
    Some(format!("[{:5}.{:06}] {text}", micros / 1_000_000, micros % 1_000_000))
}

fn is_about(line: &str, pids: &BTreeSet<u32>) -> bool {
    let text = line.split_once(']').map_or(line, |(_, text)| text);
    let mut numbers = text.split(|c: char| !c.is_ascii_alphanumeric());
    ABOUT.iter().any(|word| text.contains(word))
        && numbers.any(|number| number.parse().is_ok_and(|pid| pids.contains(&pid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_our_processes_is_kept() {
        let ours = [4711, 4712].into();
        let about = |record: &str| line(record).filter(|line| is_about(line, &ours));
        let crash =
            "6,900,12345678,-;redis-server[4711]: segfault at 0 ip 00007f01 sp 0 error 4 in x[1+2]\n SUB=x\n";
        assert_eq!(
            about(crash).as_deref(),
            Some("[   12.345678] redis-server[4711]: segfault at 0 ip 00007f01 sp 0 error 4 in x[1+2]")
        );
        assert!(about("3,901,1,-;Out of memory: Killed process 4712 (etcd) total-vm:1kB").is_some());
        assert!(about("6,902,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=etcd,pid=4711,uid=0").is_some());
        assert!(about("6,903,1,-;other[47111]: segfault at 0").is_none(), "another's");
        assert!(about("6,904,4711,-;device eth0 left 4711").is_none(), "about no process");
        assert!(line("nonsense").is_none());
    }
}
