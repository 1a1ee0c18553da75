//! The distribution's package: downloaded and unpacked by apt's and dpkg's own tools.
//!
//! apt works in directories of its own: then it needs no privilege, changes nothing of the
//! system's, and does not depend on when the system's package lists were last updated.

use super::tools::run;
use super::{DebianPackage, Fetched, Job, archive, libraries};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const UPDATE_LIMIT: Duration = Duration::from_secs(240);
const QUERY_LIMIT: Duration = Duration::from_secs(60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
const UNPACK_LIMIT: Duration = Duration::from_secs(60);

/// Read after the system's own configuration, which says where the archives and proxies are.
///
/// The hooks go: some would clean the system's directories. Of the indices only the list of
/// packages stays: the rest can be ten times as large. As root, apt would drop to the user
/// `_apt`, who cannot write where we are.
const CONFIG: &str = r#"
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages";
  Optional "0";
};
APT::Sandbox::User "root";
Acquire::Retries "2";
"#;

/// Fetches the program out of the package.
pub(super) fn fetch(package: &DebianPackage, job: &Job<'_>) -> Result<Fetched, String> {
    let apt = Apt::new(job)?;
    // An archive out of reach is an error here although another may have the package, so
    // that what follows decides. If it finds nothing, this was why.
    let updated = run(apt.command("apt-get")?.arg("update"), UPDATE_LIMIT);
    let because = |why: String| match &updated {
        Ok(_) => why,
        Err(cause) => format!("{why}, after {cause}"),
    };
    let version = apt.version(package.name, job.version).map_err(because)?;
    let deb = apt.download(package.name, &version)?;
    let root = job.scratch.join("root");
    unpack(&deb, &root, job)?;
    let unpacked = root.join(package.path);
    if !unpacked.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(format!("version {version} has no {}", package.path));
    }
    let program = job.scratch.join(job.server);
    fs::rename(&unpacked, &program).map_err(|e| format!("{}: {e}", program.display()))?;
    let libraries = match libraries::missing(&program, None, job) {
        none if none.is_empty() => None,
        _ => {
            for deb in apt.dependencies(package.name, &version)? {
                unpack(&deb, &root, job)?;
            }
            Some(libraries::gather(&program, &root, job)?)
        }
    };
    let source = format!("distribution's package {} {version}", package.name);
    Ok(Fetched { program, libraries, source })
}

fn unpack(deb: &Path, root: &Path, job: &Job<'_>) -> Result<(), String> {
    let mut unpack = job.tools.command(&["dpkg-deb"])?;
    run(unpack.arg("-x").arg(deb).arg(root), UNPACK_LIMIT).map(|_| ())
}

/// apt, with directories of its own.
struct Apt<'a> {
    job: &'a Job<'a>,
    dir: PathBuf,
}

impl<'a> Apt<'a> {
    fn new(job: &'a Job<'a>) -> Result<Self, String> {
        let dir = job.scratch.join("apt");
        let made = || -> std::io::Result<()> {
            for part in ["state/lists/partial", "cache/archives/partial", "deb"] {
                fs::create_dir_all(dir.join(part))?;
            }
            fs::write(dir.join("apt.conf"), CONFIG)
        };
        made().map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Self { job, dir })
    }

    fn command(&self, program: &str) -> Result<Command, String> {
        let mut command = self.job.tools.command(&[program])?;
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        command
            .current_dir(self.dir.join("deb"))
            .arg("-q")
            .arg("-c")
            .arg(self.dir.join("apt.conf"))
            .args(["-o", &option("Dir::State", &self.dir.join("state"))])
            .args(["-o", &option("Dir::Cache", &self.dir.join("cache"))]);
        Ok(command)
    }

    /// The package's version to take, in the distribution's notation. `madison` lists the
    /// newest first: `etcd-server | 3.4.23-4+b4 | http://… Packages`.
    fn version(&self, package: &str, wanted: Option<&str>) -> Result<String, String> {
        let listed = run(self.command("apt-cache")?.args(["madison", package]), QUERY_LIMIT)?;
        let versions: Vec<_> = listed
            .lines()
            .filter_map(|line| {
                let mut columns = line.split('|').map(str::trim);
                (columns.next() == Some(package)).then(|| columns.next())?
            })
            .collect();
        if versions.is_empty() {
            return Err("the distribution has no such package".to_owned());
        }
        let fits = |version: &&&str| wanted.is_none_or(|wanted| upstream(version) == wanted);
        versions.iter().find(fits).map(|version| (*version).to_owned()).ok_or_else(|| {
            format!(
                "the distribution has version {}, not {}",
                versions.join(", "),
                wanted.unwrap_or_default()
            )
        })
    }

    fn download(&self, package: &str, version: &str) -> Result<PathBuf, String> {
        let asked = format!("{package}={version}");
        run(self.command("apt-get")?.args(["download", &asked]), DOWNLOAD_LIMIT)?;
        archive::with_extension(&self.dir.join("deb"), "deb")
            .pop()
            .ok_or_else(|| "`apt-get download` left no package".to_owned())
    }

    /// The packages that this system would need besides, as apt resolves them.
    fn dependencies(&self, package: &str, version: &str) -> Result<Vec<PathBuf>, String> {
        let mut install = self.command("apt-get")?;
        // The system's lock is for those who change something.
        install.args(["-o", "Debug::NoLocking=1", "--yes", "--no-install-recommends", "--download-only"]);
        run(install.args(["install", &format!("{package}={version}")]), DOWNLOAD_LIMIT)?;
        Ok(archive::with_extension(&self.dir.join("cache/archives"), "deb"))
    }
}

/// The project's own version in a package's: `1:3.4.23+dfsg-4+b4` is 3.4.23.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    version.split(['-', '+', '~']).next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn the_projects_version_is_found_in_the_packages() {
        for version in ["3.4.23-4+b4", "3.4.23", "1:3.4.23+dfsg-1", "3.4.23~bpo12+1"] {
            assert_eq!(upstream(version), "3.4.23", "{version}");
        }
    }
}
