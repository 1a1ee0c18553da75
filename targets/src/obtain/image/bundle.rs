//! The files that an image comes in: which of them are layers, in what order, and what it says of itself.
//!
//! Two formats and a half: that of `docker save` (`manifest.json`), the OCI's (`index.json`; both, from
//! newer engines), and a plain root file system, which has neither. Not here: what layers do (`layer`).

use super::Defaults;
// Some tools write each file as a gzip of its own, one behind the other.
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Marks a folder as an OCI layout.
const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const MANIFEST: &str = "manifest.json";
/// Longest file of JSON in an image.
const MAX_JSON: u64 = 4 << 20;
/// Most files of an archive that is an image; one with more is a root file system.
const MAX_FILES: usize = 4096;
/// Most layers; engines stop at 127.
const MAX_LAYERS: usize = 256;
/// Indices in indices.
const MAX_DEPTH: usize = 4;
/// Links from layer to layer: old engines made one of a layer that occurs twice.
const MAX_LINKS: usize = 8;
/// No image is larger, unpacked from `.gz`.
const MAX_ARCHIVE: u64 = 32 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Is this folder an image, and not a root file system?
pub(super) fn is_layout(path: &Path) -> bool {
    path.join(LAYOUT).is_file() && path.join(INDEX).is_file()
}

/// The file whose content decides what an image is. That of a layout names all others by digests.
pub(super) fn identity(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(INDEX) } else { path.to_owned() }
}

/// What is in a bundle.
pub(super) enum Kind {
    /// The root file system itself.
    Root,
    /// Layers, the lowest first.
    Image {
        /// Their names in the bundle.
        layers: Vec<String>,
        /// Of the image.
        defaults: Defaults,
    },
}

/// An image as the user has it.
pub(super) enum Bundle {
    /// An OCI layout.
    Folder(PathBuf),
    /// An archive, not compressed.
    Archive {
        /// All of it.
        file: File,
        /// Its files, and the links to them; none when it has too many for an image.
        places: BTreeMap<PathBuf, Place>,
    },
}

/// Where a file is in an archive.
pub(super) enum Place {
    /// From this byte, so many of them.
    At(u64, u64),
    /// Where that one is.
    Link(PathBuf),
}

impl Bundle {
    /// Looks into it. A compressed archive is unpacked into the scratch folder first: layers are read in
    /// another order than they come in.
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Self, String> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let broken = |e: io::Error| format!("it is not a whole .tar or .tar.gz: {e}");
        let mut file = File::open(path).map_err(|e| e.to_string())?;
        if head(&mut file).map_err(broken)?.starts_with(&GZIP) {
            let plain = scratch.join("archive");
            let mut out = File::create_new(&plain).map_err(|e| e.to_string())?;
            let copied =
                io::copy(&mut MultiGzDecoder::new(file).take(MAX_ARCHIVE + 1), &mut out).map_err(broken)?;
            if copied > MAX_ARCHIVE {
                return Err(format!("it has more than {} GiB", MAX_ARCHIVE >> 30));
            }
            file = File::open(plain).map_err(broken)?;
        }
        let places = places(&mut file).map_err(broken)?;
        Ok(Self::Archive { file, places })
    }

    /// Which kind it is.
    pub(super) fn kind(&mut self) -> Result<Kind, String> {
        if self.has(MANIFEST) {
            return self.saved();
        }
        if !self.has(INDEX) || !self.has(LAYOUT) {
            return Ok(Kind::Root);
        }
        let mut index: OciIndex = self.json(INDEX)?;
        for _ in 0..MAX_DEPTH {
            let manifest = index.choose()?;
            let name = blob(&manifest.digest)?;
            if manifest.is_index() {
                index = self.json(&name)?;
                continue;
            }
            let manifest: OciManifest = self.json(&name)?;
            let layers = manifest.layers.iter().map(|layer| blob(&layer.digest)).collect::<Result<_, _>>()?;
            return self.image(&blob(&manifest.config.digest)?, layers);
        }
        Err(format!("its index has more than {MAX_DEPTH} others in it"))
    }

    /// As `docker save` writes it.
    fn saved(&mut self) -> Result<Kind, String> {
        let images: Vec<Saved> = self.json(MANIFEST)?;
        match <[Saved; 1]>::try_from(images) {
            Ok([Saved { config, layers }]) => self.image(&config, layers),
            Err(images) => Err(format!("it has {} images in it: save one alone", images.len())),
        }
    }

    fn image(&mut self, config: &str, layers: Vec<String>) -> Result<Kind, String> {
        if layers.len() > MAX_LAYERS {
            return Err(format!("it has more than {MAX_LAYERS} layers"));
        }
        let Config { config } = self.json(config)?;
        Ok(Kind::Image { layers, defaults: config.unwrap_or_default().into() })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(dir) => dir.join(name).is_file(),
            Self::Archive { places, .. } => places.contains_key(Path::new(name)),
        }
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let mut text = String::new();
        let mut from = self.read(name)?.take(MAX_JSON);
        from.read_to_string(&mut text).map_err(|e| format!("{name}: {e}"))?;
        serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))
    }

    /// The archive as a layer.
    pub(super) fn whole(&mut self) -> Result<Box<dyn Read + '_>, String> {
        match self {
            Self::Folder(dir) => Err(format!("{} has no image in it", dir.display())),
            Self::Archive { file, .. } => {
                file.rewind().map_err(|e| e.to_string())?;
                Ok(Box::new(io::BufReader::new(&*file)))
            }
        }
    }

    /// A layer, not compressed.
    pub(super) fn layer(&mut self, name: &str) -> Result<Box<dyn Read + '_>, String> {
        let mut layer = self.read(name)?;
        let mut head = Vec::new();
        layer.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head).map_err(|e| format!("{name}: {e}"))?;
        let layer = io::Cursor::new(head.clone()).chain(layer);
        if head.starts_with(&ZSTD) {
            return Err(format!(
                "layer {name} is compressed by zstd, which Duress does not read: write the image again with \
                 gzip (skopeo copy --dest-compress-format gzip, or docker save)"
            ));
        }
        Ok(if head.starts_with(&GZIP) { Box::new(MultiGzDecoder::new(layer)) } else { Box::new(layer) })
    }

    fn read(&mut self, name: &str) -> Result<Box<dyn Read + '_>, String> {
        let mut wanted = inner(Path::new(name)).ok_or_else(|| format!("`{name}` leads out of the image"))?;
        match self {
            Self::Folder(dir) => {
                let file = File::open(dir.join(wanted)).map_err(|e| format!("{name}: {e}"))?;
                Ok(Box::new(io::BufReader::new(file)))
            }
            Self::Archive { file, places } => {
                for _ in 0..MAX_LINKS {
                    match places.get(&wanted) {
                        Some(Place::At(start, length)) => {
                            file.seek(SeekFrom::Start(*start)).map_err(|e| format!("{name}: {e}"))?;
                            return Ok(Box::new(io::BufReader::new((&*file).take(*length))));
                        }
                        Some(Place::Link(to)) => wanted.clone_from(to),
                        None => return Err(format!("there is no {name} in it")),
                    }
                }
                Err(format!("{name} is a link to a link to a link"))
            }
        }
    }
}

fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

/// The files of an archive; none when they are too many for an image.
fn places(file: &mut File) -> io::Result<BTreeMap<PathBuf, Place>> {
    let mut places = BTreeMap::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let Some(name) = inner(&entry.path()?) else { continue };
        let kind = entry.header().entry_type();
        if kind.is_file() {
            places.insert(name, Place::At(entry.raw_file_position(), entry.size()));
        } else if kind.is_symlink()
            && let (Some(target), Some(parent)) = (entry.link_name()?, name.parent())
            && let Some(to) = inner(&parent.join(target))
        {
            places.insert(name, Place::Link(to));
        }
        if places.len() > MAX_FILES {
            return Ok(BTreeMap::new());
        }
    }
    Ok(places)
}

/// A relative path without detours; `None` for one that leads out.
pub(super) fn inner(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inner.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir if inner.pop() => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(inner)
}

/// Where an OCI layout keeps what has this digest.
fn blob(digest: &str) -> Result<String, String> {
    let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
    let good = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good(algorithm) && good(hex) {
        Ok(format!("blobs/{algorithm}/{hex}"))
    } else {
        Err(format!("`{digest}` is no digest"))
    }
}

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct OciIndex {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct OciManifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    media_type: Option<String>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl OciIndex {
    /// The manifest for this machine; the only one, if it does not say for which it is.
    fn choose(&self) -> Result<&Descriptor, String> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let ours = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture;
        let fitting = |one: &&Descriptor| one.platform.as_ref().is_none_or(ours);
        let mut fitting = self.manifests.iter().filter(fitting);
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(format!("it has no image for linux/{architecture}")),
            (Some(_), Some(_)) => Err("it has several images in it: write one alone".to_owned()),
        }
    }
}

impl Descriptor {
    fn is_index(&self) -> bool {
        let kind = self.media_type.as_deref().unwrap_or_default();
        kind.contains("image.index") || kind.contains("manifest.list")
    }
}

/// The part of an image's configuration that says how it starts.
#[derive(Deserialize)]
struct Config {
    config: Option<Start>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<PathBuf>,
    user: Option<String>,
}

impl From<Start> for Defaults {
    fn from(start: Start) -> Self {
        let pair =
            |text: String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            env: start.env.unwrap_or_default().into_iter().filter_map(pair).collect(),
            entrypoint: start.entrypoint.unwrap_or_default(),
            cmd: start.cmd.unwrap_or_default(),
            working_dir: start.working_dir.filter(|dir| dir.is_absolute()),
            user: start.user.unwrap_or_default(),
        }
    }
}
