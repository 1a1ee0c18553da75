//! Servers in a root file system of their own, made here of this machine's programs; and what is saved of
//! nodes.

use super::{Cluster, Setting, config, eventually, remains, shell};
use duress::env::data::Entry;
use duress::env::local::{Config, Data, Disks, Local, Rootfs};
use duress::env::{Environment, ProcessState, Stop};
use duress_targets::obtain::image;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the image has, with the libraries that they need.
const PROGRAMS: [&str; 4] = ["/bin/sh", "/bin/sleep", "/bin/cat", "/bin/ls"];

/// Data of one node, at most.
const ROOM: usize = 1 << 20;

/// As `docker export` gives it.
pub(super) fn archive(dir: &Path) -> PathBuf {
    let root = dir.join("made");
    for program in PROGRAMS {
        let said = Command::new("ldd").arg(program).output().expect("ldd is there").stdout;
        let said = String::from_utf8(said).expect("text");
        let libraries = said.split_whitespace().filter(|word| word.starts_with('/'));
        for file in [program].into_iter().chain(libraries) {
            let to = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
            fs::copy(file, to).expect("copied");
        }
    }
    // A link that leads to this machine's files, if it is followed too early.
    std::os::unix::fs::symlink("/elsewhere", root.join("tmp")).expect("a link");
    fs::create_dir_all(root.join("elsewhere")).expect("a folder");
    fs::create_dir_all(root.join("srv")).expect("a folder");
    let archive = dir.join("root.tar");
    let ran = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg(".").status();
    assert!(ran.expect("tar is there").success());
    archive
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

pub(super) fn servers_live_in_an_image(setting: &Setting) {
    let disks = if setting.fuse { Disks::Faulty { direct_reads: false } } else { Disks::Plain };
    let made = tempfile::tempdir().expect("a folder");
    let image =
        image::unpack(&archive(made.path()), &made.path().join("cache"), &mut |_| ()).expect("a root");
    let usual = std::env::temp_dir();
    // The last is below one of the folders that the node has of this machine anyway.
    for (disks, place) in [(Disks::Plain, &*usual), (disks, &*usual), (disks, Path::new("/dev/shm"))] {
        let dir = tempfile::tempdir_in(place).expect("a folder");
        let (before, files) = (remains::traces_at_rest(), names(&image.root));
        let work_dir = dir.path().join("run");
        let data = Local::data_dir(&work_dir, &Local::addresses(1)[0]);
        let script = format!(
            "pwd; ls / ; cat /etc/hosts /proc/self/comm; cat /own 2>/dev/null; echo own of $GREETING > /own; \
             echo kept > {}/file; echo done; exec sleep 1000",
            data.display()
        );
        let rootfs = Rootfs { root: image.root.clone(), work_dir: "/srv".into() };
        let config = Config {
            rootfs: Some(rootfs),
            disks,
            servers: vec![shell(&script), shell("cat /own; echo done; exec sleep 1000")],
            ..config(setting.ports, &work_dir, 2, "", Data::Memory)
        };
        let cluster = Cluster { local: Local::create(setting.privilege, config).expect("a cluster"), dir };
        let log = |node: usize| fs::read_to_string(cluster.log(node).expect("a log")).unwrap_or_default();
        for node in 0..2 {
            cluster.start(node).unwrap_or_else(|error| panic!("{error}"));
            eventually("the server talks", || log(node).contains("done"));
        }
        let said = log(0);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "/srv", "{said}");
        assert!(
            said.contains("10.77.0.2 n2") && lines.contains(&"cat") && lines.contains(&"elsewhere"),
            "{said}"
        );
        assert!(
            !lines.contains(&"root") && !lines.contains(&"home") && !said.contains("duress-old"),
            "{said}"
        );
        assert!(log(1).contains("No such file"), "what a node writes is its own: {}", log(1));

        // It is there as long as the node is; killed like any other server.
        cluster.stop(0, Stop::Kill).expect("stopped");
        assert_eq!(cluster.state(0), ProcessState::Gone);
        let saved = cluster.salvage(0, ROOM).data.expect("its data goes with it");
        assert!(matches!(saved.0.get(Path::new("file")), Some(Entry::File { length: 5, .. })), "{saved:?}");
        cluster.start(0).expect("started again");
        eventually("it finds what it wrote", || log(0).contains("own of hello"));
        let Cluster { local, dir } = cluster;
        drop(local);
        remains::nothing_is_left_since(&before);
        assert_eq!(names(&image.root), files);
        assert!(!dir.path().join("run/n1/root").exists() && !Path::new("/own").exists());
        let elsewhere = image.root.join("elsewhere");
        assert!(names(&elsewhere).is_empty(), "nothing was mounted or made outside the node");
    }
}

pub(super) fn an_image_without_the_program_is_an_error(setting: &Setting) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("empty")).expect("a folder");
    let rootfs = |root: PathBuf| Some(Rootfs { root, work_dir: "/".into() });
    let good = config(setting.ports, &dir.path().join("run"), 1, "exit", Data::Memory);
    let config = Config { rootfs: rootfs(dir.path().join("empty")), ..good.clone() };
    let cluster = Local::create(setting.privilege, config).expect("a cluster");
    let error = cluster.start(0).expect_err("there is no shell").to_string();
    assert!(error.contains("/bin/sh") && error.contains("No such file"), "{error}");
    drop(cluster);
    let config = Config { rootfs: rootfs(dir.path().join("none")), ..good };
    let error = Local::create(setting.privilege, config).err().expect("refused").to_string();
    assert!(error.contains("image's root"), "{error}");
}

pub(super) fn what_is_left_of_a_node_is_saved(setting: &Setting) {
    let dir = tempfile::tempdir().expect("a folder");
    let script = "[ -e data/pid ] || echo $$ > data/pid; sleep 0.2 & wait; kill -SEGV $$";
    let config = config(setting.ports, dir.path(), 1, script, Data::Memory);
    let cluster = Cluster { local: Local::create(setting.privilege, config).expect("a cluster"), dir };
    cluster.start(0).expect("started");
    eventually("it crashes", || cluster.state(0) == ProcessState::Gone);
    cluster.start(0).expect("started again");
    cluster.stop(0, Stop::Kill).expect("stopped");
    let saved = cluster.salvage(0, ROOM);
    assert_eq!((saved.exits.len(), saved.pids.len()), (2, 2), "{saved:?}");
    assert!(
        saved.exits[0].contains(&format!("process {}: signal: 11 (SIGSEGV)", saved.pids[0])),
        "{saved:?}"
    );
    assert!(saved.exits[0].ends_with("by itself"), "{saved:?}");
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let (_, most) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE).expect("a limit");
    if pattern.starts_with("core") && most > 1 << 20 {
        assert!(!saved.cores.is_empty(), "{saved:?}");
        let core = cluster.dir.path().join("n1").join(&saved.cores[0]);
        assert!(fs::read(core).expect("a file").starts_with(b"\x7fELF"));
        assert!(saved.exits[0].contains("with a core file"), "{saved:?}");
    } else {
        eprintln!("no look at core files: this machine writes them to {}", pattern.trim());
    }
    let data = saved.data.expect("in memory");
    assert_eq!(data.0.len(), 1, "{data:?}");
    let none = cluster.salvage(0, 0);
    assert!(none.data.is_none() && none.notes[0].contains("the data of n1 was not kept"), "{none:?}");
}
