//! The binary. Everything is in the library.

fn main() -> std::process::ExitCode {
    duress::cli::main(duress_targets::Registry::builtin())
}
