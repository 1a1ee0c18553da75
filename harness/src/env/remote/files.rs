//! A node's files as bytes, to be sent from host to host: a line of JSON with all names, and the blocks
//! behind it in their order.

use crate::env::data::{Entry, Files};
use serde::{Deserialize, Serialize};
use std::path::{Component, PathBuf};

/// One name.
#[derive(Serialize, Deserialize)]
struct Named {
    name: PathBuf,
    mode: u32,
    /// Of a file: its length, and the numbers of its blocks.
    file: Option<(u64, Vec<u64>)>,
}

/// As bytes.
pub(super) fn write(files: &Files) -> Vec<u8> {
    let named = files.0.iter().map(|(name, entry)| match entry {
        Entry::Folder { mode } => Named { name: name.clone(), mode: *mode, file: None },
        Entry::File { mode, length, blocks } => {
            Named { name: name.clone(), mode: *mode, file: Some((*length, blocks.keys().copied().collect())) }
        }
    });
    let named: Vec<Named> = named.collect();
    let mut bytes = serde_json::to_vec(&named).expect("names and numbers are JSON");
    bytes.push(b'\n');
    for entry in files.0.values() {
        if let Entry::File { blocks, .. } = entry {
            bytes.extend(blocks.values().flatten());
        }
    }
    bytes
}

/// Of bytes; an error where they are none of [`write`]'s.
pub(super) fn read(bytes: &[u8]) -> Result<Files, String> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("there are no names")?;
    let (names, mut rest) = (&bytes[..end], &bytes[end + 1..]);
    let named: Vec<Named> = serde_json::from_slice(names).map_err(|error| error.to_string())?;
    let mut files = Files::default();
    for Named { name, mode, file } in named {
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("{} leads elsewhere", name.display()));
        }
        let entry = match file {
            None => Entry::Folder { mode },
            Some((length, numbers)) => {
                let mut blocks = std::collections::BTreeMap::new();
                for number in numbers {
                    let from = number.saturating_mul(Entry::BLOCK as u64);
                    let size = length.saturating_sub(from).min(Entry::BLOCK as u64) as usize;
                    let (block, left) = rest.split_at_checked(size).ok_or("there is less than announced")?;
                    blocks.insert(number, block.to_vec());
                    rest = left;
                }
                Entry::File { mode, length, blocks }
            }
        };
        files.0.insert(name, entry);
    }
    if rest.is_empty() { Ok(files) } else { Err("there is more than announced".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_out_as_they_went_in() {
        let blocks = [(0, vec![1; Entry::BLOCK]), (3, vec![2; 10])].into();
        let file = Entry::File { mode: 0o600, length: 3 * Entry::BLOCK as u64 + 10, blocks };
        let empty = Entry::File { mode: 0o644, length: 0, blocks: Default::default() };
        let files = Files(
            [("a".into(), Entry::Folder { mode: 0o700 }), ("a/b".into(), file), ("c".into(), empty)].into(),
        );
        let bytes = write(&files);
        assert_eq!(read(&bytes).expect("files"), files);
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert!(read(&[&bytes[..], b"x"].concat()).is_err());
        let elsewhere = r#"[{"name":"../x","mode":0,"file":null}]"#.to_owned() + "\n";
        assert!(read(elsewhere.as_bytes()).is_err());
    }
}
