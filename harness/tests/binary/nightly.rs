//! The snippets of `docs/nightly.md` work: each step is run by a shell, with runs that take no time.

use super::common::{Bench, alone, ended};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// Shards of what is run here.
const SHARDS: u64 = 2;
/// What is run in place of a night.
const QUICK: &str = "target = \"sim\"\nretries = 0\n[run]\ntime = \"2m\"\nops = 60\nrate = 0\n\"set.bug\" = \"none\"\nmin-ok = 1\n\
    faults = \"none\"\nop-timeout = \"20s\"\nplots = \"none\"\n[matrix]\nnodes = [1, 3]\n";

fn guide() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nightly.md")).expect("the guide")
}

/// The blocks of a language below a headline.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let guide = guide();
    let below = guide.split("\n## ").find(|part| part.starts_with(section)).expect("a section");
    let fence = format!("```{language}\n");
    let opened = below.split(&fence).skip(1);
    opened.map(|rest| rest.split("\n```").next().expect("a block").to_owned()).collect()
}

/// Every text of a document, in its order.
fn texts(yaml: &Yaml, found: &mut Vec<String>) {
    match yaml {
        Yaml::String(text) => found.push(text.clone()),
        Yaml::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Yaml::Hash(fields) => fields.iter().for_each(|(_, value)| texts(value, found)),
        _ => {}
    }
}

fn steps(section: &str) -> Vec<String> {
    let blocks = blocks(section, "yaml");
    assert_eq!(blocks.len(), 1, "{section}");
    let documents = YamlLoader::load_from_str(&blocks[0]).expect("YAML");
    let mut found = Vec::new();
    documents.iter().for_each(|yaml| texts(yaml, &mut found));
    found
        .retain(|text| ["duress soak ", "duress merge ", "cat "].iter().any(|begin| text.starts_with(begin)));
    found
}

struct Host {
    bench: Bench,
    env: BTreeMap<&'static str, String>,
}

impl Host {
    fn new(env: &[(&'static str, &str)]) -> Self {
        let bench = Bench::new();
        fs::create_dir(bench.path("bin")).expect("made");
        symlink(env!("CARGO_BIN_EXE_duress"), bench.path("bin/duress")).expect("linked");
        fs::write(bench.path("nightly.toml"), QUICK).expect("written");
        let path = format!("{}:{}", bench.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let env = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self { bench, env: env.chain([("PATH", path)]).collect() }
    }

    /// As the host would, but for the time.
    #[track_caller]
    fn run(&self, step: &str) {
        let quick = step
            .replace("--budget 3h", "--trials 2 --jobs 4")
            .replace("/etc/duress/", "")
            .replace("/night/", "night/")
            .replace("/4 ", &format!("/{SHARDS} "))
            .replace("/4\" ", &format!("/{SHARDS}\" "));
        let mut shell = Command::new("sh");
        shell.args(["-c", &quick]).current_dir(self.bench.dir.path()).envs(&self.env);
        for host in ["GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL"] {
            shell.env_remove(host);
        }
        let run = ended(&shell.output().expect("a shell"));
        assert_eq!(run.code, Some(0), "{quick}\n{}{}", run.stdout, run.stderr);
    }

    fn night(&self, dir: &str) {
        assert_eq!(self.bench.json(&format!("{dir}/soak.json"))["ran"], 2);
        for file in ["junit.xml", "summary.md", "index.html"] {
            assert!(self.bench.path(dir).join(file).is_file(), "{dir}/{file}");
        }
    }
}

fn github() {
    let host = Host::new(&[("GITHUB_STEP_SUMMARY", "step")]);
    let steps = steps("GitHub Actions");
    let [soak, merge, summary] = &steps[..] else { panic!("{steps:?}") };
    fs::create_dir(host.bench.path("shards")).expect("made");
    for shard in 1..=SHARDS {
        let shard = shard.to_string();
        host.run(&soak.replace("${{ github.run_id }}", "17").replace("${{ matrix.shard }}", &shard));
        // Up and down again.
        let artifact = format!("shard-{shard}");
        fs::rename(host.bench.path(&artifact), host.bench.path("shards").join(&artifact)).expect("moved");
    }
    host.run(merge);
    host.run(summary);
    host.night("night");
    assert!(host.bench.text("step").starts_with("## ✓ Valid"), "{}", host.bench.text("step"));
}

fn gitlab() {
    let steps = steps("GitLab CI");
    let [soak, merge] = &steps[..] else { panic!("{steps:?}") };
    let total = SHARDS.to_string();
    let mut host = Host::new(&[("CI_PIPELINE_ID", "17"), ("CI_NODE_TOTAL", &total)]);
    for shard in 1..=SHARDS {
        host.env.insert("CI_NODE_INDEX", shard.to_string());
        host.run(soak);
    }
    host.run(merge);
    host.night("night");
}

/// The workspace is that of the night before.
fn jenkins() {
    let blocks = blocks("Jenkins", "groovy");
    let quoted: Vec<&str> = blocks[0].split('\'').skip(1).step_by(2).collect();
    let step = quoted.iter().find(|text| text.starts_with("duress soak")).expect("a step");
    let mut host = Host::new(&[]);
    for build in ["17", "18"] {
        host.env.insert("BUILD_NUMBER", build.to_owned());
        host.run(step);
        host.night(&format!("nights/{build}"));
    }
    for published in ["junit \"nights/${env.BUILD_NUMBER}/junit.xml\"", "\"nights/${env.BUILD_NUMBER}/**\""] {
        assert!(blocks[0].contains(published), "{}", blocks[0]);
    }
}

/// The volume is that of the night before.
fn kubernetes() {
    let steps = steps("Kubernetes");
    let mut host = Host::new(&[]);
    for night in ["20261121", "20261122"] {
        host.env.insert("NIGHT", night.to_owned());
        for index in 0..SHARDS {
            host.env.insert("JOB_COMPLETION_INDEX", index.to_string());
            host.run(&steps[0]);
        }
        host.run(&said("Kubernetes", "duress merge "));
        host.night(&format!("night/nights/{night}"));
    }
    assert_eq!(nights(&host, "night/nights"), 2);
}

fn slurm() {
    let script = blocks("Slurm", "bash").pop().expect("a script");
    let mut host = Host::new(&[]);
    for job in ["17", "18"] {
        host.env.insert("SLURM_ARRAY_JOB_ID", job.to_owned());
        for task in 1..=SHARDS {
            host.env.insert("SLURM_ARRAY_TASK_ID", task.to_string());
            host.run(&script);
        }
        host.run(&said("Slurm", "duress merge ").replace("ID", job));
        host.night(&format!("nights/{job}"));
    }
    assert_eq!(nights(&host, "nights"), 2);
}

/// What a sentence below a headline says to run.
fn said(section: &str, command: &str) -> String {
    let guide = guide();
    let below = guide.split("\n## ").find(|part| part.starts_with(section)).expect("a section");
    let from = below.split(&format!("`{command}")).nth(1).expect("a command");
    format!("{command}{}", from.split('`').next().expect("its end"))
}

/// Of how many nights there are runs below this directory.
fn nights(host: &Host, dir: &str) -> usize {
    let csv = host.bench.duress(&["export", dir]).expect(0).stdout;
    let night = |line: &str| line.split('/').next().map(str::to_owned);
    csv.lines().skip(1).filter_map(night).collect::<BTreeSet<_>>().len()
}

fn systemd() {
    let unit = blocks("systemd", "ini").remove(0);
    let host = Host::new(&[]);
    let command = |name: &str| -> String {
        let line = unit.lines().find_map(|line| line.strip_prefix(name)).expect("a command");
        line.replace("%%", "%")
    };
    host.run(&command("ExecStart="));
    let mut entries = host.bench.dir.path().read_dir().expect("a directory").flatten();
    let night =
        entries.find(|entry| entry.file_name().to_string_lossy().starts_with("night-")).expect("a night");
    host.night(&night.file_name().to_string_lossy());
    host.run(&command("ExecStopPost="));
}

#[test]
fn the_snippets_of_the_guide_work() {
    // Six hosts with four runs each leave nothing of this machine to others.
    let _machine = alone();
    std::thread::scope(|scope| {
        for host in [github, gitlab, jenkins, kubernetes, slurm, systemd] {
            scope.spawn(host);
        }
    });
}

#[test]
fn the_matrix_of_the_guide_can_be_planned() {
    let bench = Bench::new();
    let file =
        guide().split("```toml\n").nth(1).expect("a matrix").split("```").next().expect("its end").to_owned();
    fs::write(bench.path("nightly.toml"), file).expect("written");
    let (matrix, seed) = duress::soak::matrix::read(&bench.path("nightly.toml")).expect("a matrix");
    assert_eq!((matrix.combinations.len(), seed), (4 * 4 * 2 - 2, None));
    for combination in [&matrix.combinations[0], &matrix.combinations[29]] {
        let args: Vec<&str> = combination.args.iter().map(String::as_str).collect();
        bench.duress(&[&["run"], &args[..], &["--dry-run"]].concat()).expect(0);
    }
}
