//! Runs on a CI host: which one it is, and what it is told in its own way.
//!
//! What is said there is made by the reports; nothing here changes a verdict or an exit code.

mod github;
mod gitlab;

use super::say;
use crate::run::Outcome;
use clap::ValueEnum;
use duress_reports::ci::inert;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

/// Which CI host is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// The one that the environment speaks of
    Auto,
    /// GitHub Actions: annotations, step summary, outputs, log groups
    Github,
    /// GitLab: log sections, what to keep
    Gitlab,
    /// Jenkins: what to keep
    Jenkins,
    /// None
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Github,
    Gitlab,
    Jenkins,
}

/// Decided once: everything printed later has to be fit for it.
static HOST: OnceLock<Option<Host>> = OnceLock::new();

/// Says which host it is; before anything is printed.
pub(super) fn choose(choice: Choice) {
    HOST.get_or_init(|| host(choice, &env));
}

fn current() -> Option<Host> {
    *HOST.get_or_init(|| host(Choice::Auto, &env))
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn host(choice: Choice, env: &dyn Fn(&str) -> Option<OsString>) -> Option<Host> {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty() && value != "false");
    match choice {
        Choice::Github => Some(Host::Github),
        Choice::Gitlab => Some(Host::Gitlab),
        Choice::Jenkins => Some(Host::Jenkins),
        Choice::None => None,
        Choice::Auto if set("GITHUB_ACTIONS") => Some(Host::Github),
        Choice::Auto if set("GITLAB_CI") => Some(Host::Gitlab),
        Choice::Auto if set("JENKINS_URL") => Some(Host::Jenkins),
        Choice::Auto => None,
    }
}

/// Text as it may be printed here: a log that is read for commands gets none that is not ours.
pub(super) fn fit(text: &str) -> Cow<'_, str> {
    match current() {
        Some(Host::Github) => Cow::Owned(inert(text)),
        Some(Host::Gitlab | Host::Jenkins) | None => Cow::Borrowed(text),
    }
}

/// A part of the log that can be folded; it ends when this is dropped.
pub(super) struct Group(Option<Host>);

impl Group {
    pub(super) fn begin(title: &str) -> Self {
        let host = current();
        match host {
            Some(Host::Github) => command(&github::group(title)),
            Some(Host::Gitlab) => command(&gitlab::section_start(title)),
            Some(Host::Jenkins) | None => {}
        }
        Self(host)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        match self.0 {
            Some(Host::Github) => command(github::END_GROUP),
            Some(Host::Gitlab) => command(&gitlab::section_end()),
            Some(Host::Jenkins) | None => {}
        }
    }
}

/// Tells the host what came of a run. `definition` is the file that says what was tested, if there is one.
pub(super) fn tell(ended: &Outcome, definition: Option<&Path>) {
    let dir = ended.claim.dir.path().display();
    match current() {
        Some(Host::Github) => {
            let file = definition.and_then(|path| github::in_repository(path, &env));
            command(&duress_reports::ci::annotations(&ended.run, &ended.conclusion, file.as_deref()));
            for error in github::files(ended, &env) {
                say(&format!("note: {error}"));
            }
        }
        Some(Host::Gitlab) => {
            say(&format!("keep: artifacts:paths {dir}, artifacts:reports:junit {dir}/junit.xml"));
        }
        Some(Host::Jenkins) => say(&format!("keep: archiveArtifacts '{dir}/**', junit '{dir}/junit.xml'")),
        None => {}
    }
}

/// Of ours, to the host; not fitted.
fn command(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_by_what_they_set() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| OsString::from(value))
        };
        for (name, expected) in
            [("GITHUB_ACTIONS", Host::Github), ("GITLAB_CI", Host::Gitlab), ("JENKINS_URL", Host::Jenkins)]
        {
            assert_eq!(host(Choice::Auto, &with(name, "true")), Some(expected));
            assert_eq!(host(Choice::Auto, &with(name, "")), None);
            assert_eq!(host(Choice::None, &with(name, "true")), None);
        }
        assert_eq!(host(Choice::Auto, &with("GITHUB_ACTIONS", "false")), None);
        assert_eq!(host(Choice::Jenkins, &with("GITHUB_ACTIONS", "true")), Some(Host::Jenkins));
    }
}
