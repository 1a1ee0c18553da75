//! The house rules that a machine can check: who depends on whom, and how files open.

use std::fs;
use std::path::{Path, PathBuf};

/// Package, and the siblings that it may use.
const DIRECTION: [(&str, &[&str]); 5] = [
    ("checkers", &[]),
    ("workloads", &["checkers"]),
    ("targets", &["checkers", "workloads"]),
    ("reports", &["checkers"]),
    ("harness", &["checkers", "workloads", "targets", "reports"]),
];

/// The longest file that is still one subject.
const MAX_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace").to_owned()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (package, _) in DIRECTION {
        for part in ["src", "tests", "benches", "examples"] {
            sources(&root().join(package).join(part), &mut found);
        }
    }
    assert!(found.len() > 50, "only {} source files found", found.len());
    found
}

#[test]
fn packages_depend_in_one_direction() {
    for (package, allowed) in DIRECTION {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
        for (sibling, _) in DIRECTION {
            let used = manifest.lines().any(|line| line.starts_with(&format!("duress-{sibling}")));
            assert!(!used || allowed.contains(&sibling), "{package} must not depend on {sibling}");
        }
    }
}

#[test]
fn checkers_know_no_clock_and_no_network() {
    let manifest = fs::read_to_string(root().join("checkers/Cargo.toml")).expect("a manifest");
    for banned in ["tokio", "reqwest", "nix", "libc"] {
        assert!(!manifest.contains(banned), "checkers must not depend on {banned}");
    }
    let mut files = Vec::new();
    sources(&root().join("checkers/src"), &mut files);
    for file in files.into_iter().filter(|file| !file.components().any(|part| part.as_os_str() == "tests")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for banned in ["std::time", "Instant::now", "SystemTime", "std::net", "async fn"] {
            assert!(!text.contains(banned), "{} uses {banned}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for file in all_sources() {
        let text = fs::read_to_string(&file).expect("a source file");
        let name = file.display();
        assert!(text.starts_with("//!"), "{name} does not open with //!");
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines; the limit is {MAX_LINES}");
        for banned in
            [concat!("#[ig", "nore"), concat!("TO", "DO"), concat!("FIX", "ME"), concat!("dbg", "!(")]
        {
            assert!(!text.contains(banned), "{name} contains {banned}");
        }
        for (at, line) in text.lines().enumerate() {
            assert_eq!(line.trim_end(), line, "{name}:{} ends in white space", at + 1);
        }
    }
}
