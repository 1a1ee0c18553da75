//! Client programs to begin with: complete ones, for a register on Redis, in five languages.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Skeleton {
    /// `python`
    pub language: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// What is in it.
    pub text: &'static str,
    /// The command that runs it, in the directory of the file.
    pub command: &'static [&'static str],
    /// The command that builds it first, if it has to be built.
    pub build: Option<&'static [&'static str]>,
}
