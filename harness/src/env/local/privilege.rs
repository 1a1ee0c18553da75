//! The right to make namespaces, mounts and network interfaces: root's, or an ordinary user's
//! in a user namespace of its own.

use super::host::Netns;
use super::trial;
use crate::env::EnvError;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use std::fs;

/// `linux/capability.h`: what the namespaces, their mounts and packet sockets need.
const NEEDED: [(&str, u32); 4] =
    [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13), ("CAP_SYS_CHROOT", 18), ("CAP_SYS_ADMIN", 21)];

/// Proof that this process may build a cluster, and by what right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It had the capabilities already.
    Root,
    /// It has them inside a user namespace, in which it is still the same ordinary user.
    UserNamespace,
}

/// Obtains the right to build clusters for the whole process. Call it before the process has a
/// second thread: the kernel refuses a user namespace later.
///
/// The user is mapped to itself and not to root: the servers run as who started Duress, and
/// those that refuse to run as root start. The capabilities in the new namespace last until
/// exec, so Duress has them and the servers do not. On an error nothing has changed.
pub fn acquire() -> Result<Privilege, EnvError> {
    if missing_capabilities().is_empty() {
        return Ok(Privilege::Root);
    }
    // First on a copy: AppArmor lets the namespace be made and refuses its use.
    trial::in_child(|| {
        enter_user_namespace()?;
        Netns::create().map_err(|e| format!("made a user namespace, but no network namespace in it: {e}"))?;
        Ok(String::new())
    })
    .and_then(|_| enter_user_namespace())
    .map(|()| Privilege::UserNamespace)
    .map_err(|why| EnvError::Unable {
        what: "become able to make network namespaces without being root".into(),
        why,
        fix: remedy(),
    })
}

/// The capabilities which this process lacks for building clusters without a user namespace.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED.iter().filter(|(_, bit)| effective & 1 << bit == 0).map(|(name, _)| *name).collect()
}

/// Puts this process, of one thread, into a new user namespace under its own identity.
pub(crate) fn enter_user_namespace() -> Result<(), String> {
    let (user, group) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| format!("cannot make a user namespace: {e}"))?;
    for (file, content) in [
        // The kernel demands it before an unprivileged process may map a group.
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), content)
            .map_err(|e| format!("cannot write /proc/self/{file} of a new user namespace: {e}"))?;
    }
    Ok(())
}

/// What the user can do about it, after what this machine shows.
pub(crate) fn remedy() -> String {
    let is = |path: &str, value: &str| {
        fs::read_to_string(format!("/proc/sys/{path}")).is_ok_and(|found| found.trim() == value)
    };
    if is("kernel/unprivileged_userns_clone", "0") {
        "run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1".into()
    } else if is("user/max_user_namespaces", "0") {
        "run as root, or allow user namespaces: sysctl user.max_user_namespaces=10000".into()
    } else if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "run as root, or let programs use user namespaces: sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` for duress"
            .into()
    } else {
        "run as root; in a container, start it with --privileged, or with --cap-add SYS_ADMIN \
         --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
            .into()
    }
}
