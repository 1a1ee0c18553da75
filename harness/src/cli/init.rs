//! `duress init`: files to begin with, for a system of one's own.

use super::print;
use crate::failure::Failure;
use clap::Args;
use duress_targets::declared::skeleton;
use duress_targets::exec::skeletons::{self, SKELETONS};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `duress init`
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// What your system is called; the file will be NAME.toml
    name: String,
    /// The language of the client: python, javascript, go, rust, shell
    #[arg(long, short, default_value = "python", conflicts_with = "http")]
    language: String,
    /// Without a client program: Duress sends the requests
    #[arg(long)]
    http: bool,
    /// Where the files go; made if it is not there
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl InitArgs {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
            let fix = "use letters, digits and dashes: it becomes part of file names";
            return Err(Failure::usage(format!("init {name}"), "that cannot be a name", fix));
        }
        let client = if self.http {
            None
        } else {
            let known: Vec<&str> = SKELETONS.iter().map(|skeleton| skeleton.language).collect();
            let fix = format!("choose from {}, or use --http", known.join(", "));
            let refused =
                || Failure::usage(format!("--language {}", self.language), "there is no client in it", fix);
            Some(skeletons::find(&self.language).ok_or_else(refused)?)
        };
        let file = format!("{name}.toml");
        let mut files = vec![(self.dir.join(&file), skeleton(name, client))];
        files.extend(client.map(|client| (self.dir.join(client.file), client.text.to_owned())));
        // All or none.
        if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
            return Err(Failure::usage(
                path.strip_prefix(".").unwrap_or(path).display().to_string(),
                "it is there already, and is not overwritten",
                "move it away, or use another --dir",
            ));
        }
        fs::create_dir_all(&self.dir).map_err(|source| Failure::File {
            path: self.dir.clone(),
            what: "created",
            source,
        })?;
        for (path, text) in &files {
            write(path, text)?;
        }
        let mut told = String::new();
        for (path, _) in &files {
            let _ = writeln!(told, "wrote {}", path.strip_prefix(".").unwrap_or(path).display());
        }
        let _ = writeln!(told, "\nIt runs as it is. Try it, and then put your own system in its place:\n");
        if self.dir != Path::new(".") {
            let _ = writeln!(told, "  cd {}", self.dir.display());
        }
        if let Some(build) = client.and_then(|client| client.build) {
            let _ = writeln!(told, "  {}", build.join(" "));
        }
        let _ = writeln!(told, "  duress run {file}");
        print(&told);
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| {
        let what = if source.kind() == ErrorKind::NotFound { "created" } else { "written" };
        Failure::File { path: path.to_owned(), what, source }
    })
}
