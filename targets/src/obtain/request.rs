//! What a user asks for, and what of it contradicts itself.

use super::{ObtainError, binary};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// This binary and no other.
    pub bin: Option<PathBuf>,
    /// This version and no other; `None` takes the first source that has any.
    pub version: Option<String>,
    /// This release archive and no other: `https://`, `http://` or `file://`.
    pub url: Option<String>,
    /// The SHA-256 that the archive, or the binary of `bin`, has to have.
    pub sha256: Option<String>,
    /// Duress's cache; see [`super::default_cache`].
    pub cache: PathBuf,
    /// Where programs are looked for, the server's and the tools', in the form of `PATH`.
    pub search: OsString,
}

impl Request {
    /// Whatever can be had, with this process' `PATH`.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        let search = std::env::var_os("PATH").unwrap_or_default();
        Self { bin: None, version: None, url: None, sha256: None, cache: cache.into(), search }
    }

    /// The request in plain form, or why it cannot be.
    pub(super) fn checked(&self) -> Result<Self, ObtainError> {
        let refuse = |why: &str| Err(ObtainError::Request(why.to_owned()));
        let mut request = self.clone();
        if self.bin.is_some() && self.url.is_some() {
            return refuse("`--bin` and `--url` exclude each other: give one of them");
        }
        if self.url.is_some() && self.sha256.is_none() {
            return refuse(
                "`--url` needs `--sha256`, the archive's SHA-256: a truncated one would pass unnoticed",
            );
        }
        if self.sha256.is_some() && self.url.is_none() && self.bin.is_none() {
            return refuse("`--sha256` belongs to `--url` or `--bin`: give one of them");
        }
        if let Some(sum) = &mut request.sha256 {
            sum.make_ascii_lowercase();
            if sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
                return refuse("`--sha256` takes the 64 hexadecimal digits that `sha256sum` prints");
            }
        }
        if let Some(version) = &mut request.version {
            let plain = version.strip_prefix('v').unwrap_or(version).to_owned();
            if !binary::is_version(&plain) {
                return refuse(&format!("`{version}` is no version: it looks like 3.5.1"));
            }
            *version = plain;
        }
        Ok(request)
    }
}
