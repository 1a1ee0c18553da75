//! The vDSO of a process: the memory in which the kernel gives programs functions that tell the time
//! without a system call. Where those are, and where they lead once they were changed.

use super::code::{ENTRIES, offsets};
use super::page::LENGTH;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// `movabs rax, …; jmp rax`: leads anywhere and changes no register that a call preserves.
pub(super) const JUMP: usize = 12;

const MOVABS_RAX: [u8; 2] = [0x48, 0xb8];
const JMP_RAX: [u8; 2] = [0xff, 0xe0];
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Largest vDSO that is looked at, bytes. It has about two pages.
const LARGEST: u64 = 1 << 20;

/// Symbols looked at, at most. There are about a dozen.
const MOST_SYMBOLS: usize = 1_000;

/// ELF64: size of a symbol, and the type of the section that holds them.
const SYMBOL: usize = 24;
const SHT_DYNSYM: u32 = 11;

/// A process' vDSO, as it is now.
pub(super) struct Vdso {
    start: u64,
    image: Vec<u8>,
    /// Where each of [`ENTRIES`] begins in it.
    entries: [usize; ENTRIES.len()],
}

impl Vdso {
    /// Looks at a process that may not be changed by anybody else meanwhile.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let mapped = Mappings::of(pid)?;
        let (start, end) = mapped.vdso.ok_or_else(|| invalid("it has no vDSO"))?;
        let mut image = vec![0; usize::try_from((end - start).min(LARGEST)).unwrap_or(0)];
        File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut image, start)?;
        let entries = find_entries(&image).ok_or_else(|| {
            invalid("its vDSO is not one of 64 bits with the functions that programs ask for the time")
        })?;
        Ok(Self { start, image, entries })
    }

    /// The address of a system call instruction.
    pub(super) fn system_call(&self) -> io::Result<u64> {
        let at = self.image.windows(SYSCALL.len()).position(|bytes| bytes == SYSCALL);
        Ok(self.start + at.ok_or_else(|| invalid("its vDSO makes no system call"))? as u64)
    }

    /// What has to stand where, so that the time is asked of the code at `page`.
    pub(super) fn detours(&self, page: u64) -> impl Iterator<Item = (u64, [u8; JUMP])> {
        let entries = self.entries.into_iter().zip(offsets());
        entries.map(move |(entry, offset)| (self.start + entry as u64, jump(page + offset as u64)))
    }

    fn leads_to(&self, page: u64) -> bool {
        let mut wanted = self.entries.iter().zip(offsets());
        wanted.all(|(&entry, offset)| self.image[entry..entry + JUMP] == jump(page + offset as u64))
    }
}

/// Do all functions of a process that tell the time lead to the page with this inode?
pub(super) fn leads_to(pid: u32, inode: u64) -> io::Result<bool> {
    let pages = Mappings::of(pid)?.files;
    let vdso = Vdso::of(pid)?;
    Ok(pages.iter().any(|&(start, of)| of == inode && vdso.leads_to(start)))
}

/// What of a process' memory concerns us.
struct Mappings {
    vdso: Option<(u64, u64)>,
    /// Where files of the length of a page begin, and their inodes.
    files: Vec<(u64, u64)>,
}

impl Mappings {
    fn of(pid: u32) -> io::Result<Self> {
        let mut found = Self { vdso: None, files: Vec::new() };
        for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
            // start-end permissions offset device inode path
            let mut fields = line.split_whitespace();
            let range = fields.next().and_then(|range| range.split_once('-'));
            let Some((start, end)) = range.and_then(|(a, b)| {
                Some((u64::from_str_radix(a, 16).ok()?, u64::from_str_radix(b, 16).ok()?))
            }) else {
                continue;
            };
            let inode = fields.nth(3).and_then(|inode| inode.parse().ok()).unwrap_or(0);
            if fields.next() == Some("[vdso]") {
                found.vdso = Some((start, end));
            } else if inode != 0 && end - start == LENGTH as u64 {
                found.files.push((start, inode));
            }
        }
        Ok(found)
    }
}

fn jump(to: u64) -> [u8; JUMP] {
    let mut code = [0; JUMP];
    code[..2].copy_from_slice(&MOVABS_RAX);
    code[2..10].copy_from_slice(&to.to_le_bytes());
    code[10..].copy_from_slice(&JMP_RAX);
    code
}

/// By the dynamic symbols; `None` when one is missing, or too short for a jump.
fn find_entries(image: &[u8]) -> Option<[usize; ENTRIES.len()]> {
    const ELF64: [u8; 5] = [0x7f, b'E', b'L', b'F', 2];
    if !image.starts_with(&ELF64) {
        return None;
    }
    let (table, size, count) = (number(image, 40, 8)?, number(image, 58, 2)?, number(image, 60, 2)?);
    let sections = (0..count).map(|n| table + n * size);
    let symbols = sections.into_iter().find(|&at| number(image, at + 4, 4) == Some(SHT_DYNSYM as usize))?;
    let (from, length) = (number(image, symbols + 24, 8)?, number(image, symbols + 32, 8)?);
    let strings = number(image, table + number(image, symbols + 40, 4)? * size + 24, 8)?;
    let mut entries = [None; ENTRIES.len()];
    for at in (0..(length / SYMBOL).min(MOST_SYMBOLS)).map(|n| from + n * SYMBOL) {
        let name = image.get(strings + number(image, at, 4)?..)?.split(|&byte| byte == 0).next()?;
        if let Some(which) = ENTRIES.iter().position(|entry| entry.as_bytes() == name) {
            let (entry, length) = (number(image, at + 8, 8)?, number(image, at + 16, 8)?);
            let fits = length >= JUMP && entry + length <= image.len();
            entries[which] = fits.then_some(entry);
        }
    }
    let [Some(a), Some(b), Some(c)] = entries else { return None };
    Some([a, b, c])
}

/// A little-endian number of so many bytes.
fn number(image: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let mut wide = [0; 8];
    wide[..bytes].copy_from_slice(image.get(at..at.checked_add(bytes)?)?);
    // Anything larger than the image fails later.
    usize::try_from(u64::from_le_bytes(wide)).ok().filter(|&n| n < usize::MAX / 4)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_vdso_has_what_is_needed_and_leads_to_no_page() {
        let vdso = Vdso::of(std::process::id()).unwrap();
        assert!(vdso.system_call().is_ok());
        assert_eq!(vdso.detours(0).count(), ENTRIES.len());
        assert!(!leads_to(std::process::id(), 1).unwrap());
        assert!(find_entries(&vdso.image[..vdso.image.len() / 2]).is_none());
        assert!(find_entries(b"\x7fELF\x01").is_none());
    }
}
