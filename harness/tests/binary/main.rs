//! The real binary, from the outside.

mod bad_input;
mod browser;
mod check;
mod clusters;
mod common;
mod demo;
mod disks;
mod lifecycle;
mod redis;
