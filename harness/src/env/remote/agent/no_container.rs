//! Where threads of others cannot be held: processes of containers are left alone.

use super::trouble;
use crate::env::remote::lines;
use crate::env::remote::wire::{FromAgent, Hello};
use std::io::{self, BufRead};
use std::process::ExitCode;

/// Refuses.
pub(super) fn serve(_: &Hello, _: &str, _: impl BufRead) -> ExitCode {
    let why = "that is done on x86-64 only".to_owned();
    let refused = FromAgent::Refused(trouble("break the processes of a container", why));
    let told = lines::write(&mut io::stdout(), &refused, &[]);
    ExitCode::from(if told.is_ok() { 0 } else { 3 })
}
