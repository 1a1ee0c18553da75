//! Images made on the spot, good ones and malicious ones.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use tar::{Builder, EntryType, Header};

/// A folder for archives, a cache, and somebody else's file.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.path("outside")).expect("a folder");
        fs::write(place.path("outside/file"), "untouched").expect("a file");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn unpack(&self, name: &str) -> Result<Image, String> {
        unpack(&self.path(name), &self.path("cache"), &mut |_| ()).map_err(|e| e.to_string())
    }

    /// Of an archive with these bytes.
    fn unpacked(&self, bytes: &[u8]) -> Result<Image, String> {
        fs::write(self.path("image.tar"), bytes).expect("written");
        self.unpack("image.tar")
    }

    /// What is in the cache, without its lock.
    fn entries(&self) -> usize {
        let entries = fs::read_dir(self.path("cache/rootfs")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name() != ".lock").count()
    }
}

/// An entry of an archive: kind, name, content or target, permissions. The name is written as it is:
/// the library refuses some that others write.
type Item<'a> = (EntryType, &'a str, &'a str, u32);

fn file<'a>(name: &'a str, content: &'a str) -> Item<'a> {
    (EntryType::Regular, name, content, 0o644)
}

fn folder(name: &str) -> Item<'_> {
    (EntryType::Directory, name, "", 0o755)
}

fn link<'a>(name: &'a str, to: &'a str) -> Item<'a> {
    (EntryType::Symlink, name, to, 0o777)
}

fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for &(kind, name, content, mode) in items {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().expect("it is").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000);
        header.set_uid(0);
        header.set_gid(0);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let data = if is_link { "" } else { content };
        if is_link {
            header.as_gnu_mut().expect("it is").linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data.as_bytes()).expect("appended");
    }
    builder.into_inner().expect("an archive")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("zeros and text")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn read(image: &Image, name: &str) -> String {
    fs::read_to_string(image.root.join(name)).expect("the file")
}

const CONFIG: &str = r#"{"architecture":"amd64","config":{"Env":["PATH=/bin","A=b=c"],"Entrypoint":["/bin/sv"],
    "Cmd":["serve"],"WorkingDir":"/srv","User":"42"}}"#;

/// As `docker save` writes it, of two layers.
fn saved(lower: &[u8], upper: &[u8]) -> Vec<u8> {
    let manifest = r#"[{"Config":"c.json","RepoTags":null,"Layers":["1/layer.tar","2/layer.tar"]}]"#;
    archive(&[
        file("1/layer.tar", text(lower)),
        file("c.json", CONFIG),
        file("2/layer.tar", text(upper)),
        file("manifest.json", manifest),
    ])
}

#[test]
fn an_upper_layer_hides_replaces_and_adds() {
    let lower = archive(&[
        folder("etc/"),
        file("etc/one", "old"),
        file("etc/two", "old"),
        folder("var/"),
        folder("var/deep/"),
        file("var/deep/gone", "old"),
        file("var/gone", "old"),
        link("lib", "usr/lib"),
        folder("usr/lib/"),
        file("was-file", ""),
        folder("was-folder/"),
    ]);
    let upper = archive(&[
        file("etc/one", "new"),
        file("etc/.wh.two", ""),
        // Its own file comes before the mark, and stays.
        file("var/deep/own", "new"),
        file("var/.wh..wh..opq", ""),
        // Through a link of the lower layer.
        file("lib/library", "new"),
        (EntryType::Link, "lib/same", "usr/lib/library", 0o644),
        folder("was-file/"),
        file("was-folder", "now a file"),
        // Not what this layer brings itself.
        file("etc/.wh.one", ""),
        (EntryType::Char, "dev/null", "", 0o666),
    ]);
    let place = Place::new();
    let image = place.unpacked(&saved(&lower, &upper)).expect("an image");
    assert_eq!(read(&image, "etc/one"), "new");
    assert!(!image.root.join("etc/two").exists());
    assert!(!image.root.join("var/gone").exists() && !image.root.join("var/deep/gone").exists());
    assert_eq!(read(&image, "var/deep/own"), "new");
    assert_eq!(read(&image, "usr/lib/library"), "new");
    let inode = |name: &str| image.root.join(name).metadata().expect("there").ino();
    assert_eq!(inode("usr/lib/same"), inode("usr/lib/library"));
    assert!(image.root.join("was-file").is_dir());
    assert_eq!(read(&image, "was-folder"), "now a file");
    assert!(!image.root.join("dev/null").exists());
    assert_eq!(image.root.join("etc/one").metadata().expect("there").mtime(), 1_000_000);
    let defaults = image.defaults;
    assert_eq!(defaults.env[1], ("A".to_owned(), "b=c".to_owned()));
    assert_eq!(defaults.command(None), ["/bin/sv", "serve"]);
    assert_eq!(defaults.command(Some(&["--x".to_owned()])), ["/bin/sv", "--x"]);
    assert_eq!(defaults.working_dir.as_deref(), Some(Path::new("/srv")));
    assert_eq!(defaults.user, "42");
}

#[test]
fn an_image_is_unpacked_once() {
    let place = Place::new();
    let bytes = saved(&archive(&[file("a", "1")]), &archive(&[file("b", "2")]));
    let first = place.unpacked(&bytes).expect("an image");
    let written = first.root.metadata().expect("there").ino();
    let second = place.unpacked(&bytes).expect("the same");
    assert_eq!((&second, second.root.metadata().expect("there").ino()), (&first, written));
    // What a crash has left without its last file is none, and is replaced.
    fs::remove_file(first.root.with_file_name("image.json")).expect("removed");
    let third = place.unpacked(&bytes).expect("again");
    assert_eq!(third, first);
    assert_ne!(third.root.metadata().expect("there").ino(), written);
    // Compressed it is another file.
    assert_ne!(place.unpacked(&gzip(&bytes)).expect("unpacked").root, first.root);
    assert_eq!(place.entries(), 2);
}

#[test]
fn a_plain_root_is_taken_as_archive_and_as_folder() {
    let place = Place::new();
    let plain = archive(&[folder("bin/"), (EntryType::Regular, "bin/su", "#!", 0o4755)]);
    for bytes in [plain.clone(), gzip(&plain)] {
        let image = place.unpacked(&bytes).expect("a root");
        assert_eq!(image.defaults, Defaults::default());
        let mode = image.root.join("bin/su").metadata().expect("there").mode();
        assert_eq!(mode & 0o7777, 0o755, "no program that becomes another user");
    }
    fs::create_dir_all(place.path("root/bin")).expect("a folder");
    assert_eq!(place.unpack("root").expect("a root").root, place.path("root"));
}

#[test]
fn an_oci_layout_is_taken_as_archive_and_as_folder() {
    let place = Place::new();
    let layer = gzip(&archive(&[file("hello", "world")]));
    let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let blobs = [
        ("c0", CONFIG.as_bytes().to_vec()),
        ("1a", layer),
        ("3f", br#"{"config":{"digest":"sha256:c0"},"layers":[{"digest":"sha256:1a"}]}"#.to_vec()),
        (
            "1d",
            format!(
                r#"{{"manifests":[{{"digest":"sha256:ee","platform":{{"os":"linux","architecture":"other"}}}},
                {{"digest":"sha256:3f","platform":{{"os":"linux","architecture":"{architecture}"}}}}]}}"#
            )
            .into_bytes(),
        ),
    ];
    let index =
        r#"{"manifests":[{"digest":"sha256:1d","mediaType":"application/vnd.oci.image.index.v1+json"}]}"#;
    fs::create_dir_all(place.path("layout/blobs/sha256")).expect("folders");
    for (name, bytes) in &blobs {
        fs::write(place.path("layout/blobs/sha256").join(name), bytes).expect("written");
    }
    fs::write(place.path("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
    fs::write(place.path("layout/index.json"), index).expect("written");
    let image = place.unpack("layout").expect("an image");
    assert_eq!(
        (read(&image, "hello").as_str(), image.defaults.cmd.as_slice()),
        ("world", &["serve".to_owned()][..])
    );

    let mut builder = Builder::new(Vec::new());
    builder.append_dir_all("", place.path("layout")).expect("appended");
    let image = place.unpacked(&builder.into_inner().expect("an archive")).expect("an image");
    assert_eq!(read(&image, "hello"), "world");
}

#[test]
fn nothing_outside_is_touched() {
    let outside = |place: &Place| place.path("outside").to_str().expect("text").to_owned();
    let refused = |items: &dyn Fn(&str) -> Vec<u8>, why: &str| {
        let place = Place::new();
        let result = place.unpacked(&items(&outside(&place)));
        assert_eq!(fs::read_to_string(place.path("outside/file")).expect("there"), "untouched", "{why}");
        assert_eq!(fs::read_dir(place.path("outside")).expect("there").count(), 1, "{why}");
        let error = result.expect_err(why);
        assert!(error.contains(why), "{error}");
        assert_eq!(place.entries(), 0, "nothing is kept of it");
    };
    refused(&|_| archive(&[file("../../../outside/file", "x")]), "leads out");
    refused(&|_| archive(&[(EntryType::Link, "a", "../../../../outside/file", 0o644)]), "links out");
    refused(&|_| archive(&[folder("a/"), file("a/.wh...", "")]), "hides what is no name");
    refused(&|_| archive(&[file("a", ""), file("a/b", "")]), "a folder above it is none");
    refused(&|_| archive(&[link("a", "b"), link("b", "a"), file("a/c", "")]), "a folder above it is none");
    refused(&|_| archive(&[]), "nothing in it");

    // Links are followed as the container would: inside.
    for to in ["", "../../../../../../.."] {
        let place = Place::new();
        let target = if to.is_empty() { outside(&place) } else { to.to_owned() };
        let items = [link("a", &target), file("a/file", "x"), file("a/.wh.file2", "")];
        let image = place.unpacked(&archive(&items)).expect("an image");
        assert_eq!(fs::read_to_string(place.path("outside/file")).expect("there"), "untouched");
        let inside = image.root.join(target.trim_start_matches("../").trim_start_matches(".."));
        let inside = if to.is_empty() { image.root.join(target.trim_start_matches('/')) } else { inside };
        assert_eq!(fs::read_to_string(inside.join("file")).expect("inside"), "x");
    }
    // Over a link, not through it.
    let place = Place::new();
    let target = format!("{}/file", outside(&place));
    let image = place.unpacked(&archive(&[link("a", &target), file("a", "x")])).expect("an image");
    assert_eq!(read(&image, "a"), "x");
    assert_eq!(fs::read_to_string(place.path("outside/file")).expect("there"), "untouched");
}

#[test]
fn what_is_no_image_says_why() {
    let place = Place::new();
    let error = |bytes: &[u8]| place.unpacked(bytes).expect_err("refused");
    assert!(error(b"hello").contains("not a whole .tar"), "{}", error(b"hello"));
    assert!(error(&gzip(b"hello")).contains("not a whole .tar"));
    let two = r#"[{"Config":"c","Layers":[]},{"Config":"c","Layers":[]}]"#;
    assert!(error(&archive(&[file("manifest.json", two)])).contains("2 images"));
    let gone = r#"[{"Config":"c.json","Layers":["l.tar"]}]"#;
    let missing = archive(&[file("manifest.json", gone), file("c.json", CONFIG)]);
    assert!(error(&missing).contains("no l.tar"));
    let mut broken = archive(&[file("a", &"x".repeat(2000))]);
    broken.truncate(1000);
    assert!(error(&broken).contains("not a whole"), "{}", error(&broken));
    assert!(place.unpack("not-there").expect_err("refused").contains("No such file"));
    assert_eq!(place.entries(), 0);
    // A folder without permissions does not keep its entry from being removed.
    let shut = archive(&[(EntryType::Directory, "a/", "", 0o000), file("a/b", "x"), file("../x", "")]);
    assert!(error(&shut).contains("leads out"));
    assert_eq!(place.entries(), 0);
    fs::set_permissions(place.path("cache"), Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn a_layer_by_zstd_is_told_what_to_do() {
    let place = Place::new();
    let manifest = r#"[{"Config":"c.json","Layers":["l"]}]"#;
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in [
        ("manifest.json", manifest.as_bytes()),
        ("c.json", CONFIG.as_bytes()),
        ("l", &[0x28, 0xb5, 0x2f, 0xfd, 0]),
    ] {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).expect("appended");
    }
    let error = place.unpacked(&builder.into_inner().expect("an archive")).expect_err("refused");
    assert!(error.contains("zstd") && error.contains("gzip"), "{error}");
}

#[test]
fn a_program_is_found_as_the_container_would() {
    let place = Place::new();
    let tool = |name: &'static str| (EntryType::Regular, name, "#!", 0o755);
    let bytes = archive(&[
        tool("usr/bin/db"),
        tool("opt/db-2/db"),
        file("usr/bin/data", ""),
        link("bin", "usr/bin"),
        link("srv", "/opt/db-2"),
        link("out", "../../../../../../bin"),
        link("loop", "loop"),
        link("machine", "/bin/sh"),
    ]);
    let image = place.unpacked(&bytes).expect("a root");
    let at = |path: &str| program(&image, Path::new(path), "my-db.toml:3");
    for (path, found) in [
        ("db", "/usr/bin/db"),
        ("/bin/db", "/bin/db"),
        ("/srv/db", "/srv/db"),
        ("/out/db", "/out/db"),
        ("/srv/../../opt/db-2/db", "/srv/../../opt/db-2/db"),
    ] {
        let program = at(path).expect(path);
        assert_eq!((program.path.as_path(), program.sha256.len()), (Path::new(found), 64), "{path}");
    }
    for path in ["sh", "/bin/sh", "/machine", "/loop", "usr/bin/db", "/usr/bin/data", "/usr/bin", "data"] {
        let error = at(path).expect_err(path).to_string();
        assert!(
            error.starts_with("my-db.toml:3: there is no program `") && error.contains("in the image"),
            "{error}"
        );
    }
}
