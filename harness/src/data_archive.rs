//! A node's data directory as a `.tar.gz` for whoever looks into a failure.
//!
//! Files are written as GNU tar writes sparse ones: servers allocate tens of megabytes of zeros for
//! their logs, and `tar -x` makes the holes again.

use crate::env::data::{Entry, Files};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use tar::{Builder, EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

/// Under which name the files are in it.
const FOLDER: &str = "data";
/// A length as sparse files have it: eleven octal digits.
const MAX_LENGTH: u64 = 0o777_7777_7777;

/// The archive.
///
/// # Errors
/// For names and lengths that it cannot express.
pub(crate) fn of(files: &Files) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, entry) in &files.0 {
        let name = Path::new(FOLDER).join(name);
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        match entry {
            Entry::Folder { mode } => {
                header.set_mode(*mode);
                header.set_entry_type(EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, name, io::empty())?;
            }
            Entry::File { mode, length, blocks } => {
                header.set_mode(*mode);
                append_sparse(&mut builder, header, &name, (*length, blocks))?;
            }
        }
    }
    builder.into_inner()?.finish()
}

/// Where bytes are that are not all zeros.
#[derive(Clone, Copy)]
struct Extent {
    offset: u64,
    length: u64,
}

fn append_sparse(
    builder: &mut Builder<impl Write>,
    mut header: Header,
    name: &Path,
    (length, blocks): (u64, &BTreeMap<u64, Vec<u8>>),
) -> io::Result<()> {
    if length > MAX_LENGTH {
        return Err(io::Error::other(format!("{} is too long for an archive", name.display())));
    }
    let data: Vec<u8> = blocks.values().flatten().copied().collect();
    let extents = extents(length, blocks);
    let (first, more) = extents.split_at(extents.len().min(4));
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(data.len() as u64);
    let gnu = header.as_gnu_mut().ok_or_else(|| io::Error::other("the header is none of GNU's"))?;
    octal(&mut gnu.realsize, length);
    gnu.set_is_extended(!more.is_empty());
    for (extent, place) in first.iter().zip(&mut gnu.sparse) {
        note(*extent, place);
    }
    let more: Vec<&[Extent]> = more.chunks(21).collect();
    let mut body = Vec::with_capacity(data.len() + 512 * more.len());
    for (at, extents) in more.iter().enumerate() {
        let mut next = GnuExtSparseHeader::new();
        for (extent, place) in extents.iter().zip(&mut next.sparse) {
            note(*extent, place);
        }
        next.isextended[0] = u8::from(at + 1 < more.len());
        body.extend_from_slice(next.as_bytes());
    }
    body.extend_from_slice(&data);
    builder.append_data(&mut header, name, &*body)
}

/// The last one ends where the file does, even if nothing is there: so says its length.
fn extents(length: u64, blocks: &BTreeMap<u64, Vec<u8>>) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for (number, block) in blocks {
        let (offset, more) = (number * Entry::BLOCK as u64, block.len() as u64);
        match extents.last_mut() {
            Some(last) if last.offset + last.length == offset => last.length += more,
            _ => extents.push(Extent { offset, length: more }),
        }
    }
    if extents.last().is_none_or(|last| last.offset + last.length < length) {
        extents.push(Extent { offset: length, length: 0 });
    }
    extents
}

fn note(extent: Extent, place: &mut GnuSparseHeader) {
    octal(&mut place.offset, extent.offset);
    octal(&mut place.numbytes, extent.length);
}

/// Eleven digits and a zero.
fn octal(to: &mut [u8; 12], value: u64) {
    to[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    to[11] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn what_tar_takes_out_is_what_was_there() {
        let block = |byte: u8| vec![byte; Entry::BLOCK];
        // More pieces than a header holds, and than the next one does.
        let scattered: BTreeMap<u64, Vec<u8>> = (0..40).map(|at| (at * 3, block(at as u8 + 1))).collect();
        let file = |length: u64, blocks| Entry::File { mode: 0o640, length, blocks };
        let size = Entry::BLOCK as u64;
        let files = Files(
            [
                ("member".into(), Entry::Folder { mode: 0o750 }),
                ("member/log".into(), file(64 << 20, [(1, block(7)), (2, block(8))].into())),
                ("member/scattered".into(), file(200 * size, scattered.clone())),
                ("member/short".into(), file(5, [(0, b"hello".to_vec())].into())),
                (format!("{}/x", "long".repeat(30)).into(), file(5, [(0, b"hello".to_vec())].into())),
                ("empty".into(), file(0, BTreeMap::new())),
                ("holes".into(), file(3 * size, BTreeMap::new())),
            ]
            .into(),
        );
        let bytes = of(&files).expect("an archive");
        assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("data.tar.gz"), bytes).expect("written");
        let ran = Command::new("tar").args(["-xzf", "data.tar.gz"]).current_dir(dir.path()).status();
        assert!(ran.expect("tar is there").success());
        let read = |name: &str| fs::read(dir.path().join("data").join(name)).expect("the file");
        let log = read("member/log");
        assert_eq!(log.len(), 64 << 20);
        let at = |block: usize| &log[block * Entry::BLOCK..][..Entry::BLOCK];
        assert!(at(0).iter().all(|&byte| byte == 0) && at(1) == block(7) && at(2) == block(8));
        let pieces = read("member/scattered");
        assert_eq!(pieces.len() as u64, 200 * size);
        for number in 0..200_u64 {
            let here = &pieces[usize::try_from(number * size).expect("small")..][..Entry::BLOCK];
            assert_eq!(here, scattered.get(&number).unwrap_or(&block(0)), "block {number}");
        }
        assert_eq!(read("member/short"), b"hello");
        assert_eq!(read(&format!("{}/x", "long".repeat(30))), b"hello");
        assert_eq!((read("empty").len(), read("holes").len() as u64), (0, 3 * size));
    }
}
