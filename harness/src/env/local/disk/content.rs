//! What a file holds: pages, shared between the states of a disk until one of them is written.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes that a page cache writes at once.
pub(super) const PAGE: usize = 4096;

/// Bytes that a device writes at once, whatever befalls it.
pub(super) const SECTOR: usize = 512;

/// The bytes of a file. Pages that are not there, and what lies behind the end, are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    size: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

/// The numbers of the pages that these bytes lie on.
pub(super) fn pages(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / PAGE as u64..(offset + len).div_ceil(PAGE as u64)
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Pages that take room.
    pub(super) fn allocated(&self) -> u64 {
        self.pages.len() as u64
    }

    /// How far from the beginning something is written that is not zero.
    pub(super) fn written(&self) -> u64 {
        let end = |(number, page): (&u64, &Arc<[u8; PAGE]>)| {
            let last = page.iter().rposition(|&byte| byte != 0)?;
            Some(number * PAGE as u64 + last as u64 + 1)
        };
        self.pages.iter().rev().find_map(end).unwrap_or(0)
    }

    /// What lies there, as far as the file goes.
    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let len = (len as u64).min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        for number in pages(offset, len) {
            if let Some(page) = self.pages.get(&number) {
                let (in_page, in_bytes) = overlap(number, offset, bytes.len());
                bytes[in_bytes].copy_from_slice(&page[in_page]);
            }
        }
        bytes
    }

    /// Puts these bytes there; the file grows as it has to.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for number in pages(offset, bytes.len() as u64) {
            let page = self.pages.entry(number).or_insert_with(|| Arc::new([0; PAGE]));
            let (in_page, in_bytes) = overlap(number, offset, bytes.len());
            Arc::make_mut(page)[in_page].copy_from_slice(&bytes[in_bytes]);
        }
        if !bytes.is_empty() {
            self.size = self.size.max(offset + bytes.len() as u64);
        }
    }

    /// Cuts or extends it.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.pages.split_off(&size.div_ceil(PAGE as u64));
            let (number, rest) = (size / PAGE as u64, usize::try_from(size % PAGE as u64).unwrap_or(0));
            if let Some(page) = self.pages.get_mut(&number) {
                Arc::make_mut(page)[rest..].fill(0);
            }
        }
        self.size = size;
    }

    /// Makes a page what it is in another state of the file.
    pub(super) fn take_page(&mut self, number: u64, from: &Self) {
        match from.pages.get(&number) {
            Some(page) => self.pages.insert(number, Arc::clone(page)),
            None => self.pages.remove(&number),
        };
    }

    /// Makes one sector of a page what it is in another state of the file.
    pub(super) fn take_sector(&mut self, number: u64, sector: usize, from: &Self) {
        let range = sector * SECTOR..(sector + 1) * SECTOR;
        let page = self.pages.entry(number).or_insert_with(|| Arc::new([0; PAGE]));
        let source = from.pages.get(&number).map_or([0; SECTOR].as_slice(), |page| &page[range.clone()]);
        Arc::make_mut(page)[range].copy_from_slice(source);
    }

    /// Flips one bit of a byte of the file.
    pub(super) fn flip(&mut self, at: u64, bit: u32) {
        let byte = self.read(at, 1);
        if let Some(byte) = byte.first() {
            self.write(at, &[byte ^ (1 << (bit % 8))]);
        }
    }
}

/// Where a page and a stretch of bytes meet: seen from the page, and from the stretch.
fn overlap(number: u64, offset: u64, len: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let page = number * PAGE as u64;
    let (from, to) = (page.max(offset), (page + PAGE as u64).min(offset + len as u64));
    let at = |position: u64, base: u64| usize::try_from(position - base).unwrap_or(usize::MAX);
    (at(from, page)..at(to, page), at(from, offset)..at(to, offset))
}
