//! `duress serve`: index and reports in a browser.

use super::{print, say};
use crate::failure::Failure;
use crate::{index, serve};
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where it listens, unless another place is asked for.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7300);

/// `duress serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The directory that holds the runs
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// Address and port; port 0 for any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = USUAL)]
    listen: SocketAddr,
}

impl ServeArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        index::directory(&self.dir)?;
        if !self.listen.ip().is_loopback() {
            say(&format!(
                "warning: {} is not a loopback address: whoever reaches it reads all runs, logs and packets in {}",
                self.listen.ip(),
                self.dir.display()
            ));
        }
        serve::serve(&self.dir, self.listen, |address| print(&format!("http://{address}/\n")))?;
        Ok(ExitCode::SUCCESS)
    }
}
