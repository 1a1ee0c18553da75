//! Real-time priority for the calling thread.

#![expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper in nix or std")]

use nix::errno::Errno;

/// Puts the calling thread under SCHED_RR. Threads and processes that it makes do not inherit it.
pub(crate) fn enter(priority: i32) -> Result<(), Errno> {
    // SAFETY: `sched_param` is plain old data, for which all zeroes is a valid value.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority;
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameter outlives the call; pid 0 is the calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) })?;
    Ok(())
}
