//! Disks of our own making, through real system calls on their mounts: that they are file systems,
//! what they do wrong when told to, and that nothing of it remains.

#![expect(unsafe_code, reason = "memory that is mapped has no safe wrapper here")]

use super::remains::{nothing_is_left_since, traces, traces_at_rest};
use super::{Cluster, Setting, eventually, pid};
use duress::env::Environment;
use duress::env::disk::{Calls, Damage, Failing, FaultyDisk, Keep, Loss, Misdeed, Operation};
use duress::env::local::{Data, Disks, Local};
use duress_workloads::Rng;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FallocateFlags, RenameFlags, fallocate, renameat2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A test by its name; they run where the machine has FUSE.
pub(super) const TESTS: [super::Test; 8] = [
    ("a_disk_is_a_file_system", a_disk_is_a_file_system),
    ("what_is_mapped_is_what_is_written", what_is_mapped_is_what_is_written),
    ("a_power_failure_takes_what_was_not_fsynced", a_power_failure_takes_what_was_not_fsynced),
    ("a_disk_that_lies_loses_what_was_fsynced", a_disk_that_lies_loses_what_was_fsynced),
    ("calls_fail_and_are_slow_as_told", calls_fail_and_are_slow_as_told),
    ("what_is_read_and_written_is_damaged_as_told", what_is_read_and_written_is_damaged_as_told),
    ("a_dropped_disk_leaves_nothing", a_dropped_disk_leaves_nothing),
    ("a_server_whose_disk_failed_is_excused", a_server_whose_disk_failed_is_excused),
];

const FAULT: u32 = 7;

impl Setting {
    fn with_disks(&self, script: &str, direct_reads: bool) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let mut config = super::config(self.ports, dir.path(), 1, script, Data::Memory);
        config.disks = Disks::Faulty { direct_reads };
        let local = Local::create(self.privilege, config).unwrap();
        local.start(0).unwrap();
        Cluster { local, dir }
    }
}

fn disk(cluster: &Cluster) -> &dyn FaultyDisk {
    cluster.disk(0).unwrap()
}

/// Runs on a thread that sees the node's mounts, with the node's data directory.
pub(super) fn on_host<T: Send>(cluster: &Cluster, f: impl FnOnce(&Path) -> T + Send) -> T {
    let mounts = File::open(format!("/proc/{}/ns/mnt", pid(cluster, 0))).unwrap();
    let data = Local::data_dir(cluster.dir.path(), &Local::addresses(1)[0]);
    thread::scope(|scope| {
        let run = || {
            unshare(CloneFlags::CLONE_FS).unwrap();
            setns(mounts, CloneFlags::CLONE_NEWNS).unwrap();
            f(&data)
        };
        scope.spawn(run).join().unwrap()
    })
}

/// Everything below a directory, with what programs can see of it.
fn picture(dir: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let holds = if about.is_file() {
                format!("{:?}", fs::read(&path).map(|bytes| (bytes.len(), checksum(&bytes))).ok())
            } else if about.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else {
                left.push(path.clone());
                String::new()
            };
            let size = if about.is_file() { about.len() } else { 0 };
            let name = path.strip_prefix(dir).unwrap().display();
            let (mode, links) = (about.mode(), if about.is_dir() { 0 } else { about.nlink() });
            seen.push(format!("{name} {mode:o} {links} {size} {holds}"));
        }
    }
    seen.sort();
    seen
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(17, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

/// Does something by chance in a directory, with these numbers: the same in all that are alike. In
/// words what it was and what came of it.
fn act(dir: &Path, open: &mut Vec<File>, rng: &mut Rng) -> String {
    let draw = |rng: &mut Rng| {
        let name = ["a", "b", "c", "d"][rng.index(4)];
        PathBuf::from(["", "", "sub", "other"][rng.index(4)]).join(name)
    };
    let (what, one, other) = (rng.below(17), draw(rng), draw(rng));
    let (from, len, fill) = (rng.below(9_000), rng.below(9_000), rng.bits());
    let (a, b) = (dir.join(&one), dir.join(&other));
    let bytes: Vec<u8> = (0..len).map(|at| (fill >> (at % 57)) as u8).collect();
    let writable = || OpenOptions::new().write(true).open(&a);
    let done = match what {
        0 | 1 => fs::write(&a, &bytes).map(|()| 0),
        2 => writable().and_then(|file| file.write_all_at(&bytes, from)).map(|()| 0),
        3 => OpenOptions::new().append(true).open(&a).and_then(|mut f| f.write_all(&bytes)).map(|()| 0),
        4 => writable().and_then(|file| file.set_len(from)).map(|()| 0),
        5 => fs::remove_file(&a).map(|()| 0),
        6 => fs::rename(&a, &b).map(|()| 0),
        7 => fs::hard_link(&a, &b).map(|()| 0),
        8 => symlink(&other, &a).map(|()| 0),
        9 => fs::create_dir(dir.join(["sub", "other"][rng.index(2)])).map(|()| 0),
        10 => fs::remove_dir(dir.join(["sub", "other"][rng.index(2)])).map(|()| 0),
        11 => fs::set_permissions(&a, PermissionsExt::from_mode(0o600 | (fill as u32 & 0o77))).map(|()| 0),
        12 => {
            let flags = [RenameFlags::RENAME_NOREPLACE, RenameFlags::RENAME_EXCHANGE][rng.index(2)];
            renameat2(AT_FDCWD, &a, AT_FDCWD, &b, flags).map(|()| 0).map_err(io::Error::from)
        }
        13 => {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let how = [FallocateFlags::empty(), punch, FallocateFlags::FALLOC_FL_KEEP_SIZE][rng.index(3)];
            let (from, len) = (from.cast_signed(), len.cast_signed() + 1);
            writable().and_then(|file| Ok(fallocate(file, how, from, len)?)).map(|()| 0)
        }
        14 => OpenOptions::new().read(true).write(true).open(&a).map(|file| {
            open.push(file);
            open.len() as u64
        }),
        // Also of files that have no name any more.
        15 if !open.is_empty() => {
            let file = open.swap_remove(rng.index(open.len()));
            let mut held = vec![0; 4_000];
            let read = file.write_all_at(&bytes, from).and_then(|()| file.read_at(&mut held, from / 2));
            read.and_then(|n| Ok(checksum(&held[..n]) ^ file.metadata()?.len()))
        }
        15 => Ok(0),
        _ => File::open(&a).and_then(|file| file.sync_all()).map(|()| 0),
    };
    let came = done.map_err(|error| error.raw_os_error());
    format!("{what} {} {} {from} {len}: {came:?}", one.display(), other.display())
}

/// Beside a directory of the machine, which does what file systems do.
fn a_disk_is_a_file_system(setting: &Setting) {
    let cluster = setting.with_disks("exec sleep 1000", false);
    on_host(&cluster, |data| {
        let plain = cluster.dir.path().join("plain");
        for seed in 0..25 {
            let (ours, theirs) = (data.join("tree"), plain.clone());
            let mut open = (Vec::new(), Vec::new());
            fs::create_dir(&ours).unwrap();
            fs::create_dir(&theirs).unwrap();
            let mut told = Vec::new();
            for _ in 0..80 {
                let rng = Rng::new(seed).split(&format!("{}", told.len()));
                let expected = act(&theirs, &mut open.1, &mut rng.split("act"));
                let found = act(&ours, &mut open.0, &mut rng.split("act"));
                told.push(expected.clone());
                assert_eq!(found, expected, "seed {seed}: {told:#?}");
            }
            assert_eq!(picture(&ours), picture(&theirs), "seed {seed}: {told:#?}");
            fs::remove_dir_all(&ours).unwrap();
            fs::remove_dir_all(&theirs).unwrap();
        }
        times_are_kept(data);
        assert!(fs::metadata(data).unwrap().permissions().mode() & 0o077 == 0, "nobody else's business");
    });
}

fn times_are_kept(data: &Path) {
    let file = File::create(data.join("times")).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    file.set_modified(then).unwrap();
    assert_eq!(file.metadata().unwrap().modified().unwrap(), then);
    file.write_all_at(b"now", 0).unwrap();
    assert!(file.metadata().unwrap().modified().unwrap() > then);
}

/// As bbolt has it: written by calls, read through a map; and the other way round.
fn what_is_mapped_is_what_is_written(setting: &Setting) {
    const LENGTH: usize = 3 * 4096;
    for direct_reads in [false, true] {
        let cluster = setting.with_disks("exec sleep 1000", direct_reads);
        on_host(&cluster, |data| {
            let path = data.join("mapped");
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
            file.set_len(LENGTH as u64).unwrap();
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: a new mapping of a file that is as long and outlives it.
            let map = unsafe {
                let at = libc::mmap(
                    std::ptr::null_mut(),
                    LENGTH,
                    protection,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                );
                assert_ne!(at, libc::MAP_FAILED, "{}", io::Error::last_os_error());
                std::slice::from_raw_parts_mut(at.cast::<u8>(), LENGTH)
            };
            assert_eq!(map[5000], 0);
            for (at, fill) in [(4990, 1), (100, 2), (4990, 3)] {
                file.write_all_at(&[fill; 200], at as u64).unwrap();
                assert_eq!(map[at..at + 200], [fill; 200]);
            }
            map[8192] = 9;
            // SAFETY: of the mapping above.
            assert_eq!(unsafe { libc::msync(map.as_mut_ptr().cast(), LENGTH, libc::MS_SYNC) }, 0);
            let mut byte = [0];
            file.read_exact_at(&mut byte, 8192).unwrap();
            assert_eq!(byte, [9]);
            // SAFETY: as above; nobody uses it afterwards.
            unsafe { libc::munmap(map.as_mut_ptr().cast(), LENGTH) };
        });
    }
}

/// Ends the server, lets the power fail, and starts it again.
fn power_failure(cluster: &Cluster, keep: Keep) -> Loss {
    cluster.stop(0, duress::env::Stop::Kill).unwrap();
    let loss = disk(cluster).crash(keep, 3);
    cluster.start(0).unwrap();
    loss
}

fn a_power_failure_takes_what_was_not_fsynced(setting: &Setting) {
    let cluster = setting.with_disks("exec sleep 1000", false);
    on_host(&cluster, |data| {
        fs::write(data.join("kept"), vec![1; 10_000]).unwrap();
        fs::write(data.join("old"), b"old").unwrap();
        for name in ["kept", "old"] {
            File::open(data.join(name)).unwrap().sync_all().unwrap();
        }
    });
    // What survives a power failure survives the next one; what the page cache holds does not.
    for _ in 0..2 {
        on_host(&cluster, |data| {
            let kept = OpenOptions::new().append(true).open(data.join("kept")).unwrap();
            (&kept).write_all(&[2; 5_000]).unwrap();
            fs::write(data.join("new"), b"new").unwrap();
            fs::rename(data.join("new"), data.join("old")).unwrap();
            fs::create_dir(data.join("dir")).unwrap();
            assert_eq!(fs::read(data.join("old")).unwrap(), b"new");
        });
        let loss = power_failure(&cluster, Keep::None);
        assert_eq!((loss.pages, loss.changes, loss.betrayed), (3, 3, 0), "{loss}");
        on_host(&cluster, |data| {
            assert_eq!(fs::read(data.join("kept")).unwrap(), vec![1; 10_000]);
            assert_eq!(fs::read(data.join("old")).unwrap(), b"old");
            assert!(!data.join("dir").exists() && !data.join("new").exists());
        });
    }
    // Killing alone loses nothing, synced or not.
    on_host(&cluster, |data| fs::write(data.join("new"), b"new").unwrap());
    cluster.stop(0, duress::env::Stop::Kill).unwrap();
    cluster.start(0).unwrap();
    on_host(&cluster, |data| assert_eq!(fs::read(data.join("new")).unwrap(), b"new"));
    // An fsync of anything commits the names; that of a directory as well.
    on_host(&cluster, |data| File::open(data).unwrap().sync_all().unwrap());
    let loss = power_failure(&cluster, Keep::None);
    assert_eq!((loss.pages, loss.changes), (1, 0), "{loss}");
    on_host(&cluster, |data| assert_eq!(fs::read(data.join("new")).unwrap(), b""));
    assert_eq!(power_failure(&cluster, Keep::None).to_string(), "nothing was unsynced");
}

fn a_disk_that_lies_loses_what_was_fsynced(setting: &Setting) {
    let cluster = setting.with_disks("exec sleep 1000", false);
    let write = |text: &'static str| {
        on_host(&cluster, |data| {
            let mut file = File::create(data.join("file")).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.sync_all().unwrap();
        });
    };
    let read = || on_host(&cluster, |data| fs::read_to_string(data.join("file")).unwrap());
    write("one");
    disk(&cluster).misbehave(FAULT, &Misdeed::Lie);
    write("two");
    assert_eq!(disk(&cluster).hits(FAULT), 1);
    let loss = power_failure(&cluster, Keep::None);
    assert!(loss.betrayed == 1 && loss.pages == 1, "{loss}");
    assert_eq!(read(), "one");
    write("three");
    assert_eq!(disk(&cluster).behave(Some(FAULT)), 2);
    assert_eq!(power_failure(&cluster, Keep::None), Loss::default());
    assert_eq!(read(), "three");
}

fn calls(on: Operation) -> Calls {
    Calls { on, ..Calls::default() }
}

fn calls_fail_and_are_slow_as_told(setting: &Setting) {
    let cluster = setting.with_disks("exec sleep 1000", false);
    let errno = |result: io::Result<()>| result.err().and_then(|error| error.raw_os_error());
    let write = |name: &str| {
        on_host(&cluster, |data| {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .custom_flags(libc::O_CLOEXEC)
                .open(data.join(name))?;
            file.write_all(b"data")?;
            file.sync_data()
        })
    };
    assert!(write("good").is_ok() && write("bad").is_ok());
    let fail = |error, calls| disk(&cluster).misbehave(FAULT, &Misdeed::Error { error, calls });
    // By kind of call and file, the second only.
    fail(Failing::Eio, Calls { on: Operation::Fsync, files: "b?d".into(), nth: Some(2), ..Calls::default() });
    let failed = ["bad", "good", "bad", "bad"].map(|name| errno(write(name)));
    assert_eq!(failed, [None, None, Some(libc::EIO), None]);
    assert_eq!(disk(&cluster).behave(Some(FAULT)), 1);
    // A full disk: nothing can be written, everything read and removed.
    fail(Failing::Enospc, calls(Operation::Write));
    assert_eq!(errno(write("good")), Some(libc::ENOSPC));
    assert_eq!(errno(write("new")), Some(libc::ENOSPC));
    on_host(&cluster, |data| {
        assert_eq!(fs::read(data.join("good")).unwrap(), b"data");
        let full = nix::sys::statvfs::statvfs(data).unwrap();
        assert_eq!(full.blocks_available(), 0);
        fs::remove_file(data.join("bad")).unwrap();
    });
    assert_eq!(disk(&cluster).behave(None), 0);
    assert!(write("new").is_ok());
    // Slow is what was asked for, and nothing else waits for it.
    let slow = Duration::from_millis(300);
    disk(&cluster).misbehave(FAULT, &Misdeed::Slow { ms: 300, calls: calls(Operation::Fsync) });
    // Writes to the same file would wait: so has it the kernel.
    let [file, other] =
        ["slow", "other"].map(|name| on_host(&cluster, |data| File::create(data.join(name)).unwrap()));
    let began = Instant::now();
    thread::scope(|scope| {
        let syncing = scope.spawn(|| {
            file.sync_all().unwrap();
            began.elapsed()
        });
        eventually("the fsync has begun", || disk(&cluster).hits(FAULT) == 1);
        let mut others = 0;
        while !syncing.is_finished() {
            other.write_all_at(b"quick", 0).unwrap();
            others += 1;
        }
        assert!(syncing.join().unwrap() >= slow);
        assert!(others > 5, "only {others} writes during one slow fsync");
    });
    assert_eq!(disk(&cluster).behave(Some(FAULT)), 1);
    assert!(disk(&cluster).counters().fsyncs >= 8);
}

fn what_is_read_and_written_is_damaged_as_told(setting: &Setting) {
    const LENGTH: usize = 8_192;
    let cluster = setting.with_disks("exec sleep 1000", true);
    let intact = vec![0x5a; LENGTH];
    let read = || {
        on_host(&cluster, |data| {
            let mut bytes = vec![0; LENGTH];
            let n = File::open(data.join("file")).unwrap().read(&mut bytes)?;
            bytes.truncate(n);
            Ok::<_, io::Error>(bytes)
        })
    };
    let bits = |bytes: &[u8]| -> u32 { bytes.iter().map(|byte| (byte ^ 0x5a).count_ones()).sum() };
    on_host(&cluster, |data| fs::write(data.join("file"), &intact).unwrap());
    let reading = || calls(Operation::Read);
    let done = |misdeed: &Misdeed| {
        disk(&cluster).misbehave(FAULT, misdeed);
        let came = read();
        assert_eq!(disk(&cluster).behave(Some(FAULT)), 1, "{misdeed:?}");
        came
    };
    assert_eq!(done(&Misdeed::ShortRead { calls: reading() }).unwrap(), intact[..LENGTH / 2]);
    let eio = done(&Misdeed::Error { error: Failing::Eio, calls: reading() }).unwrap_err();
    assert_eq!(eio.raw_os_error(), Some(Errno::EIO as i32));
    assert_eq!(bits(&done(&Misdeed::BitFlip { calls: reading() }).unwrap()), 1);
    assert_eq!(read().unwrap(), intact, "reading badly changes nothing");
    disk(&cluster).misbehave(FAULT, &Misdeed::BitFlip { calls: calls(Operation::Write) });
    on_host(&cluster, |data| {
        OpenOptions::new().write(true).open(data.join("file")).unwrap().write_all(&intact).unwrap();
    });
    assert_eq!(disk(&cluster).behave(Some(FAULT)), 1);
    assert_eq!(bits(&read().unwrap()), 1, "what was written badly stays so");

    cluster.stop(0, duress::env::Stop::Kill).unwrap();
    let damage = Damage::BitFlips { files: "f*".into(), count: 1 };
    disk(&cluster).damage(&damage, 11).unwrap();
    cluster.start(0).unwrap();
    assert!(matches!(bits(&read().unwrap()), 0 | 2));
}

fn a_dropped_disk_leaves_nothing(setting: &Setting) {
    let before = traces_at_rest();
    for _ in 0..3 {
        let cluster = setting.with_disks("cd data; echo x > file; exec sleep 1000", false);
        disk(&cluster).misbehave(FAULT, &Misdeed::Slow { ms: 5, calls: calls(Operation::Any) });
        eventually("the server has written", || disk(&cluster).counters().writes > 0);
        assert_eq!(traces().2, before.2, "the mount is the node's own");
        drop(cluster);
    }
    nothing_is_left_since(&before);
}

/// A server that ends over a failing disk is told of as such; one that ends by itself is not.
fn a_server_whose_disk_failed_is_excused(setting: &Setting) {
    let script = "trap 'exit 3' TERM; cd data; while echo x >> file; do sleep 0.01; done; exit 5";
    let cluster = setting.with_disks(script, false);
    let fail = Misdeed::Error { error: Failing::Eio, calls: calls(Operation::Write) };
    disk(&cluster).misbehave(FAULT, &fail);
    let mut exits = Vec::new();
    eventually("the server has ended", || {
        exits.extend(cluster.exits());
        !exits.is_empty()
    });
    assert_eq!((exits[0].status.as_str(), exits[0].excuse.is_some()), ("exit status: 5", true));
    disk(&cluster).behave(Some(FAULT));
    cluster.start(0).unwrap();
    exits.clear();
    let server = nix::unistd::Pid::from_raw(pid(&cluster, 0).cast_signed());
    nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the server has ended again", || {
        exits.extend(cluster.exits());
        !exits.is_empty()
    });
    assert_eq!(exits[0].excuse, None, "{:?}", exits[0]);
}
