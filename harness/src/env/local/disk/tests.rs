//! What a power failure leaves, against a model that keeps no state: it goes through everything that
//! was ever done, from the beginning.

use super::content::{Content, PAGE, SECTOR};
use super::damage;
use super::tree::{Attr, Body, Ino, ROOT};
use super::volume::{Rename, Volume};
use crate::env::disk::{Damage, Keep, Loss};
use duress_workloads::Rng;
use std::collections::BTreeMap;
use std::time::SystemTime;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Longest file.
const MOST: u64 = 3 * PAGE as u64;

/// Something that was done, and could be.
#[derive(Clone, Debug)]
enum Done {
    Make(&'static str, Ino),
    Link(&'static str, Ino),
    Unlink(&'static str),
    Rename(&'static str, &'static str),
    Exchange(&'static str, &'static str),
    Resize(Ino, u64),
    Write(Ino, u64, Vec<u8>),
    Fsync(Ino),
}

impl Done {
    fn is_metadata(&self) -> bool {
        !matches!(self, Self::Write(..) | Self::Fsync(_))
    }
}

type Names = BTreeMap<&'static str, Ino>;

fn volume() -> Volume {
    Volume::new(attr())
}

fn attr() -> Attr {
    let now = SystemTime::now();
    Attr { mode: 0o600, uid: 0, gid: 0, accessed: now, modified: now, changed: now }
}

fn empty() -> Body {
    Body::File(Content::default())
}

fn at(name: &str) -> (Ino, std::ffi::OsString) {
    (ROOT, name.into())
}

/// Does something by chance.
fn act(volume: &mut Volume, rng: &mut Rng, done: &mut Vec<Done>) {
    let (one, other) = (NAMES[rng.index(NAMES.len())], NAMES[rng.index(NAMES.len())]);
    let there = volume.now().find(ROOT, one.as_ref());
    let step = match (rng.below(20), there) {
        (0..4, None) => volume.make(at(one), attr(), empty()).ok().map(|ino| Done::Make(one, ino)),
        (0, Some(ino)) => volume.link(ino, at(other)).ok().map(|()| Done::Link(other, ino)),
        (1, _) => volume.unlink(at(one)).ok().map(|()| Done::Unlink(one)),
        // The kernel does nothing when both are one file.
        (2..4, Some(ino)) if volume.now().find(ROOT, other.as_ref()) != Some(ino) => {
            volume.rename(at(one), at(other), Rename::Replace).ok().map(|()| Done::Rename(one, other))
        }
        (4, Some(_)) if one != other => {
            volume.rename(at(one), at(other), Rename::Exchange).ok().map(|()| Done::Exchange(one, other))
        }
        (5..7, Some(ino)) => {
            let size = rng.below(MOST);
            volume.resize(ino, size).ok().map(|()| Done::Resize(ino, size))
        }
        (7..15, Some(ino)) => {
            let (from, len) = (rng.below(MOST), rng.between(1, 2 * PAGE as u64));
            // Never zero, so that what was written is told from what was not.
            let fill = rng.below(255);
            let bytes: Vec<u8> = (0..len).map(|at| ((fill + at / 97) % 255 + 1) as u8).collect();
            volume.write(ino, from, &bytes).ok().map(|()| Done::Write(ino, from, bytes))
        }
        (15..18, Some(ino)) => {
            volume.fsync(ino);
            Some(Done::Fsync(ino))
        }
        _ => None,
    };
    done.extend(step);
}

/// The names after these.
fn names(done: &[Done]) -> Names {
    let mut names = Names::new();
    for step in done {
        match *step {
            Done::Make(name, ino) | Done::Link(name, ino) => _ = names.insert(name, ino),
            Done::Unlink(name) => _ = names.remove(name),
            Done::Rename(from, to) => {
                let ino = names.remove(from).expect("it was there");
                names.insert(to, ino);
            }
            Done::Exchange(one, other) => {
                let (a, b) = (names[one], names[other]);
                names.extend([(one, b), (other, a)]);
            }
            _ => {}
        }
    }
    names
}

/// What a file holds after these.
fn bytes<'a>(ino: Ino, done: impl IntoIterator<Item = &'a Done>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in done {
        match step {
            Done::Resize(file, size) if *file == ino => bytes.resize(*size as usize, 0),
            Done::Write(file, from, written) if *file == ino => {
                let end = *from as usize + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*from as usize..end].copy_from_slice(written);
            }
            _ => {}
        }
    }
    bytes
}

/// What must be left of a file when the changes of metadata before `committed` are: all until its last
/// fsync, and the lengths given since.
fn durable(ino: Ino, done: &[Done], committed: usize) -> Vec<u8> {
    let synced = done.iter().rposition(|step| matches!(step, Done::Fsync(file) if *file == ino));
    let synced = synced.unwrap_or(0);
    let lengths = done[synced..committed.max(synced)].iter().filter(|step| step.is_metadata());
    bytes(ino, done[..synced].iter().chain(lengths))
}

fn found(volume: &Volume) -> Names {
    NAMES.into_iter().filter_map(|name| Some((name, volume.now().find(ROOT, name.as_ref())?))).collect()
}

fn whole(volume: &Volume, ino: Ino) -> Vec<u8> {
    volume.read(ino, 0, 2 * MOST as usize + 2 * PAGE).expect("it is there")
}

/// Where the metadata is certain to be committed.
fn last_fsync(done: &[Done]) -> usize {
    done.iter().rposition(|step| matches!(step, Done::Fsync(_))).unwrap_or(0)
}

#[test]
fn without_luck_exactly_what_was_fsynced_is_left() {
    let mut losses = Loss::default();
    for seed in 0..200 {
        let mut rng = Rng::new(seed).split("power");
        let (mut volume, mut done) = (volume(), Vec::new());
        for _ in 0..rng.between(1, 60) {
            act(&mut volume, &mut rng, &mut done);
        }
        assert_eq!(found(&volume), names(&done), "seed {seed}: before");
        for &ino in found(&volume).values() {
            assert_eq!(whole(&volume, ino), bytes(ino, &done), "seed {seed}: before");
        }
        let committed = last_fsync(&done);
        let loss = volume.crash(Keep::None, &rng);
        assert_eq!(found(&volume), names(&done[..committed]), "seed {seed}: names after {done:?}");
        for &ino in found(&volume).values() {
            assert_eq!(whole(&volume, ino), durable(ino, &done, committed), "seed {seed}: {ino} {done:?}");
        }
        let undone = done[committed..].iter().filter(|step| step.is_metadata()).count() as u64;
        assert_eq!((loss.changes, loss.kept, loss.torn, loss.betrayed), (undone, 0, 0, 0), "seed {seed}");
        losses.pages += loss.pages;
        assert_eq!(volume.dirty_pages(), 0);
        assert_eq!(volume.crash(Keep::None, &rng), Loss::default(), "the second takes nothing more");
    }
    assert!(losses.pages > 200, "{losses:?}");
}

#[test]
fn with_luck_nothing_is_there_that_was_never_written() {
    let mut losses = Loss::default();
    for seed in 0..200 {
        let keep = if seed % 2 == 0 { Keep::Random { percent: 50 } } else { Keep::Torn { percent: 50 } };
        let mut rng = Rng::new(seed).split("luck");
        let (mut volume, mut done) = (volume(), Vec::new());
        for _ in 0..rng.between(1, 60) {
            act(&mut volume, &mut rng, &mut done);
        }
        let now: BTreeMap<Ino, Vec<u8>> =
            found(&volume).values().map(|&ino| (ino, bytes(ino, &done))).collect();
        let loss = volume.crash(keep, &rng);
        assert!(keep != Keep::Random { percent: 50 } || loss.torn == 0);
        let (left, first) = (found(&volume), last_fsync(&done));
        let fits = |committed: usize| {
            left == names(&done[..committed])
                && left.values().all(|&ino| {
                    is_between(&whole(&volume, ino), &durable(ino, &done, committed), now.get(&ino))
                })
        };
        assert!((first..=done.len()).any(fits), "seed {seed} {keep:?}: {left:?} after {done:?}");
        losses.pages += loss.pages;
        losses.kept += loss.kept;
        losses.torn += loss.torn;
        losses.changes += loss.changes;
    }
    let Loss { pages, kept, torn, changes, .. } = losses;
    assert!(pages > 100 && kept > 100 && torn > 20 && changes > 20, "{losses:?}");
}

/// Is each sector what was safe, or what was on its way, or not written yet?
fn is_between(left: &[u8], safe: &[u8], now: Option<&Vec<u8>>) -> bool {
    let none = Vec::new();
    let now = now.unwrap_or(&none);
    let padded = |bytes: &[u8], from: usize, len: usize| -> Vec<u8> {
        (from..from + len).map(|at| bytes.get(at).copied().unwrap_or(0)).collect()
    };
    let sectors = left.chunks(SECTOR).enumerate().all(|(number, sector)| {
        let from = number * SECTOR;
        sector == padded(safe, from, sector.len()) || sector == padded(now, from, sector.len())
    });
    let length = left.len() == safe.len() || left.len() <= now.len() && left.len() > safe.len();
    sectors && length
}

#[test]
fn what_was_written_after_a_cut_is_not_there_without_the_cut() {
    let (mut olds, mut news) = (0, 0);
    for seed in 0..50 {
        let mut volume = volume();
        let ino = volume.make(at("a"), attr(), empty()).unwrap();
        let (old, new) = ([1; 2 * PAGE], [2; 10]);
        volume.write(ino, 0, &old).unwrap();
        volume.fsync(ino);
        // As `O_TRUNC` does.
        volume.resize(ino, 0).unwrap();
        volume.write(ino, 0, &new).unwrap();
        volume.crash(Keep::Random { percent: 100 }, &Rng::new(seed));
        let left = whole(&volume, ino);
        olds += u32::from(left == old);
        news += u32::from(left == new);
    }
    assert!(olds > 0 && news > 0 && olds + news == 50, "{olds} old, {news} new");
}

#[test]
fn a_disk_that_lies_keeps_nothing_and_makes_it_good_when_it_stops() {
    let promise = |honest_again: bool| {
        let mut volume = volume();
        let before = volume.make(at("before"), attr(), empty()).unwrap();
        volume.write(before, 0, b"safe").unwrap();
        volume.fsync(before);
        volume.set_lies(true);
        volume.write(before, 0, b"lost").unwrap();
        let after = volume.make(at("after"), attr(), empty()).unwrap();
        volume.write(after, 0, b"lost").unwrap();
        volume.fsync(before);
        volume.fsync(after);
        volume.set_lies(!honest_again);
        let loss = volume.crash(Keep::None, &Rng::new(1));
        (loss, whole(&volume, before), volume.now().find(ROOT, "after".as_ref()))
    };
    let (loss, before, after) = promise(false);
    assert_eq!((loss.betrayed, loss.pages, loss.changes), (2, 2, 1));
    assert_eq!((before.as_slice(), after), (b"safe".as_slice(), None));
    let (loss, before, after) = promise(true);
    assert_eq!((loss, before.as_slice(), after.is_some()), (Loss::default(), b"lost".as_slice(), true));
}

#[test]
fn what_has_no_name_is_there_while_it_is_known() {
    let mut volume = volume();
    let ino = volume.make(at("a"), attr(), empty()).unwrap();
    volume.tell(ino);
    volume.tell(ino);
    volume.write(ino, 0, b"still here").unwrap();
    volume.unlink(at("a")).unwrap();
    volume.forget(ino, 1);
    assert_eq!(whole(&volume, ino), b"still here");
    volume.fsync(ino);
    volume.forget(ino, 1);
    assert!(volume.inode(ino).is_err());
    assert_eq!((volume.dirty_pages(), volume.now().usage()), (0, (0, 1)));
}

#[test]
fn damage_is_done_where_it_was_asked_for_and_nowhere_else() {
    let written = |name: &str, fill: u8, volume: &mut Volume| {
        let ino = volume.make(at(name), attr(), empty()).unwrap();
        volume.write(ino, 0, &vec![fill; 2 * PAGE]).unwrap();
        // Room that was never written.
        volume.resize(ino, 100 * PAGE as u64).unwrap();
        ino
    };
    let all = |volume: &Volume, ino| volume.read(ino, 0, 200 * PAGE).unwrap();
    let files = || "*.wal".to_owned();
    for (damage, differing) in [
        (Damage::BitFlips { files: files(), count: 1 }, 1),
        (Damage::Zero { files: files(), kib: 1 }, 1024),
        (Damage::Truncate { files: files(), percent: 75 }, PAGE / 2),
        (Damage::Rollback, 0),
    ] {
        let mut volume = volume();
        let (log, other) = (written("0.wal", 7, &mut volume), written("db", 9, &mut volume));
        let (log_before, other_before) = (all(&volume, log), all(&volume, other));
        damage::inflict(&mut volume, &damage, &Rng::new(3)).unwrap();
        let differs = |before: &[u8], ino| {
            let after = if volume.inode(ino).is_ok() { all(&volume, ino) } else { Vec::new() };
            before.iter().zip(after.iter().chain(std::iter::repeat(&0))).filter(|(a, b)| a != b).count()
        };
        let rolled_back = damage == Damage::Rollback;
        let expected =
            (if rolled_back { 2 * PAGE } else { differing }, if rolled_back { 2 * PAGE } else { 0 });
        assert_eq!((differs(&log_before, log), differs(&other_before, other)), expected, "{damage:?}");
        assert_eq!(volume.crash(Keep::None, &Rng::new(4)), Loss::default(), "it is there for good");
    }
    let mut volume = volume();
    let why = damage::inflict(&mut volume, &Damage::BitFlips { files: files(), count: 1 }, &Rng::new(3));
    assert!(why.unwrap_err().contains("no file like *.wal"));
}
