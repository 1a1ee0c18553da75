//! On CI hosts: what each of them is told, and that the README's snippets work.

use super::common::{Bench, Ended, ended};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// A run whose verdict is no matter of luck: it asks for more than can be done.
const INCONCLUSIVE: &[&str] =
    &["run", "sim", "--faults", "none", "--time", "1s", "--min-ok", "100000000", "--dir", "run"];

fn run_on(bench: &Bench, env: &[(&str, &str)], more: &[&str]) -> Ended {
    let mut command = bench.command(&[INCONCLUSIVE, more].concat());
    ended(&command.envs(env.iter().copied()).output().expect("duress starts")).expect(3)
}

/// As GitHub's runner reads a log.
fn commands(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| line.trim_start().starts_with("::") || line.contains("##[")).collect()
}

#[test]
fn github_gets_annotations_a_summary_and_outputs() {
    let bench = Bench::new();
    let file = |name: &str| bench.path(name).display().to_string();
    fs::write(bench.path("summary"), "before\n").expect("written");
    let (summary, output) = (file("summary"), file("output"));
    let env = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", &*summary), ("GITHUB_OUTPUT", &*output)];
    let run = run_on(&bench, &env, &[]);
    let [group, end, error] = commands(&run.stderr)[..] else { panic!("{}", run.stderr) };
    assert!(group.starts_with("::group::duress: sim-"), "{group}");
    assert_eq!(end, "::endgroup::");
    assert!(error.starts_with("::error title=sim-") && error.contains("::Inconclusive: "), "{error}");
    assert_eq!(commands(&run.stdout), [""; 0]);

    assert_eq!(bench.text("summary"), format!("before\n{}", bench.text("run/summary.md")));
    let text = bench.text("output");
    let mut lines = text.lines();
    let mut outputs = BTreeMap::new();
    while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
        outputs.insert(name, lines.by_ref().take_while(|line| *line != end).collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(outputs["verdict"], "inconclusive");
    assert_eq!(outputs["findings"], "0");
    assert!(Path::new(&outputs["report"]).is_file(), "{}", outputs["report"]);
}

#[test]
fn hosts_are_told_apart_and_can_be_switched_off() {
    let bench = Bench::new();
    let off = run_on(&bench, &[("GITHUB_ACTIONS", "true")], &["--ci", "none", "--plots", "none"]);
    assert_eq!(commands(&off.stderr), [""; 0]);
    assert!(!bench.path("run/plots").exists(), "none were asked for");
    fs::remove_dir_all(bench.path("run")).expect("removed");
    let gitlab = run_on(&bench, &[("GITLAB_CI", "true")], &["--plots", "png"]);
    let (start, end) = (gitlab.stderr.find("section_start:"), gitlab.stderr.find("section_end:"));
    assert!(start.is_some() && start < end, "{}", gitlab.stderr);
    assert!(gitlab.stderr.contains("artifacts:reports:junit run/junit.xml"), "{}", gitlab.stderr);
    assert!(fs::read(bench.path("run/plots/rate.png")).expect("a plot").starts_with(b"\x89PNG"));
    fs::remove_dir_all(bench.path("run")).expect("removed");
    let jenkins = run_on(&bench, &[("JENKINS_URL", "https://ci.example")], &[]);
    assert!(jenkins.stderr.contains("junit 'run/junit.xml'"), "{}", jenkins.stderr);
    // And written again as something else.
    bench.duress(&["report", "run", "--plots", "png"]).expect(0);
    let files = bench.json("run/verdict.json")["files"].to_string();
    assert!(files.contains("plots/rate.png") && !files.contains("rate.svg"), "{files}");
}

/// Blocks of the README in a language.
fn snippets(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("a README");
    let fence = format!("```{language}\n");
    let opened = readme.split(&fence).skip(1);
    opened.map(|rest| rest.split("```").next().expect("a block").to_owned()).collect()
}

/// Every text in a document, with the name that it stands under.
fn texts(yaml: &Yaml, name: &str, found: &mut Vec<(String, String)>) {
    match yaml {
        Yaml::String(text) => found.push((name.to_owned(), text.clone())),
        Yaml::Array(items) => items.iter().for_each(|item| texts(item, name, found)),
        Yaml::Hash(fields) => {
            fields.iter().for_each(|(key, value)| texts(value, key.as_str().unwrap_or(name), found));
        }
        _ => {}
    }
}

#[test]
fn the_snippets_of_the_readme_work() {
    let mut jobs: Vec<Vec<(String, String)>> = Vec::new();
    for snippet in snippets("yaml") {
        let mut found = Vec::new();
        YamlLoader::load_from_str(&snippet)
            .expect("YAML")
            .iter()
            .for_each(|yaml| texts(yaml, "", &mut found));
        jobs.push(found);
    }
    for snippet in snippets("groovy") {
        let quoted: Vec<&str> = snippet.split('\'').collect();
        let under = |before: &str| before.split_whitespace().last().unwrap_or_default().to_owned();
        jobs.push(
            quoted.chunks(2).filter_map(|pair| Some((under(pair[0]), (*pair.get(1)?).to_owned()))).collect(),
        );
    }
    assert_eq!(jobs.len(), 3, "GitHub, GitLab, Jenkins");
    for job in jobs {
        let bench = Bench::new();
        fs::create_dir(bench.path("bin")).expect("made");
        symlink(env!("CARGO_BIN_EXE_duress"), bench.path("bin/duress")).expect("linked");
        let path = format!("{}:{}", bench.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let steps: Vec<&String> =
            job.iter().filter(|(_, text)| text.starts_with("duress ")).map(|(_, text)| text).collect();
        assert!(!steps.is_empty(), "{job:?}");
        for step in steps {
            // Not a minute of a real cluster: what is tested here is the step.
            let quick = step.replace("run etcd --time 60s", "run sim --set bug=none --faults none --time 1s");
            let mut shell = Command::new("sh");
            shell.args(["-c", &quick]).current_dir(bench.dir.path()).env("PATH", &path);
            let run = ended(&shell.output().expect("a shell"));
            assert!(quick != *step || step == "duress doctor", "{step}");
            // What the machine cannot do is for the doctor to say.
            assert!(run.code == Some(0) || step == "duress doctor", "{step}: {}{}", run.stdout, run.stderr);
        }
        for (name, text) in
            job.iter().filter(|(name, _)| ["path", "paths", "junit", "archiveArtifacts"].contains(&&**name))
        {
            let kept = text.trim_end_matches("/**");
            assert!(bench.path(kept).exists(), "{name}: {text} is not there after the run");
        }
    }
}
