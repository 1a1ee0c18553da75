//! The machine code that answers a node's processes when they ask for the time (x86-64).
//!
//! It is copied to the beginning of a [`super::page::Page`], jumped to from the vDSO, and reads what
//! stands one memory page behind its own beginning; so it may refer to nothing else and may stand
//! anywhere. It makes the real system call and adds the skew. Programs that make the system call
//! themselves, or read the processor's counter, do not come here.
//!
//! A change in the middle of an answer is seen by the number of changes, and the answer worked out
//! again: nobody ever waits for whoever makes changes.

#![expect(unsafe_code, reason = "machine code, and what the linker says of where it stands")]

use super::page::{BLOCK, BLOCKS, DELTAS, FAMILIES, FAMILY, FAMILY_OF, PAGE, TERM};
use std::arch::global_asm;

/// What has to lead here: the vDSO's name for it, and where it begins in [`code`].
pub(super) const ENTRIES: [&str; 3] = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"];

global_asm!(
    ".pushsection .rodata",
    // The references may come to stand in another object file; no other program is to see them.
    ".globl duress_clock_begin, duress_clock_gettime, duress_clock_gettimeofday, duress_clock_time, duress_clock_end",
    ".hidden duress_clock_begin, duress_clock_gettime, duress_clock_gettimeofday, duress_clock_time, duress_clock_end",
    ".balign 16",
    "duress_clock_begin:",
    // int clock_gettime(clockid_t edi, struct timespec *rsi)
    "duress_clock_gettime:",
    "mov eax, {clock_gettime}",
    "syscall",
    "test eax, eax",
    "jnz 29f",
    "cmp edi, 15",
    "ja 29f",
    "mov edi, edi",
    "lea r10, [rip + duress_clock_begin + {page}]",
    "movzx r8d, byte ptr [r10 + rdi + {family_of}]",
    "test r8d, r8d",
    "jz 29f",
    "push rbx",
    "mov rbx, [rsi]",
    "imul rbx, rbx, 1000000000",
    "add rbx, [rsi + 8]",
    "sub rbx, [r10 + rdi * 8 + {deltas}]",
    // From here on: rbx true time, rdi where the family stands in its block.
    "lea edi, [r8 - 1]",
    "imul edi, edi, {family}",
    "23:",
    "mov r9, [r10]",
    "mov r8, r9",
    "and r8d, 1",
    "imul r8, r8, {block}",
    "lea r8, [r10 + r8 + {blocks}]",
    "add r8, rdi",
    "mov rcx, [r8]",
    "add r8, 8",
    "xor r11d, r11d",
    "test rcx, rcx",
    "jz 27f",
    // Of each term at r8 = {{from, until, offset, rate, period}}, rcx of them, the sum in r11.
    "24:",
    "mov rax, [r8 + 8]",
    "cmp rax, rbx",
    "cmovg rax, rbx",
    "sub rax, [r8]",
    "js 26f",
    "cmp qword ptr [r8 + 32], 0",
    "jne 25f",
    "imul qword ptr [r8 + 24]",
    "shrd rax, rdx, 32",
    "add rax, [r8 + 16]",
    "add r11, rax",
    "jmp 26f",
    "25:",
    "xor edx, edx",
    "div qword ptr [r8 + 32]",
    "test al, 1",
    "jnz 26f",
    "add r11, [r8 + 16]",
    "26:",
    "add r8, {term}",
    "dec rcx",
    "jnz 24b",
    "27:",
    "cmp r9, [r10]",
    "jne 23b",
    "mov rax, [rsi]",
    "imul rax, rax, 1000000000",
    "add rax, [rsi + 8]",
    "add rax, r11",
    "xor edx, edx",
    "mov ecx, 1000000000",
    "div rcx",
    "mov [rsi], rax",
    "mov [rsi + 8], rdx",
    "pop rbx",
    "xor eax, eax",
    "29:",
    "ret",
    // int gettimeofday(struct timeval *rdi, struct timezone *rsi)
    ".balign 16",
    "duress_clock_gettimeofday:",
    "push rdi",
    "test rsi, rsi",
    "jz 32f",
    "xor edi, edi",
    "mov eax, {gettimeofday}",
    "syscall",
    "32:",
    "sub rsp, 16",
    "xor edi, edi",
    "mov rsi, rsp",
    "call duress_clock_gettime",
    "pop rsi",
    "pop rax",
    "pop rdi",
    "test rdi, rdi",
    "jz 33f",
    "mov [rdi], rsi",
    "xor edx, edx",
    "mov ecx, 1000",
    "div rcx",
    "mov [rdi + 8], rax",
    "33:",
    "xor eax, eax",
    "ret",
    // time_t time(time_t *rdi)
    ".balign 16",
    "duress_clock_time:",
    "push rdi",
    "sub rsp, 16",
    "xor edi, edi",
    "mov rsi, rsp",
    "call duress_clock_gettime",
    "pop rax",
    "pop rcx",
    "pop rdi",
    "test rdi, rdi",
    "jz 42f",
    "mov [rdi], rax",
    "42:",
    "ret",
    "duress_clock_end:",
    ".popsection",
    clock_gettime = const libc::SYS_clock_gettime,
    gettimeofday = const libc::SYS_gettimeofday,
    page = const PAGE,
    family_of = const FAMILY_OF,
    deltas = const DELTAS,
    family = const FAMILY,
    block = const BLOCK,
    blocks = const BLOCKS,
    term = const TERM,
);

unsafe extern "C" {
    static duress_clock_begin: u8;
    static duress_clock_gettime: u8;
    static duress_clock_gettimeofday: u8;
    static duress_clock_time: u8;
    static duress_clock_end: u8;
}

const _: () = assert!(BLOCKS + 2 * BLOCK <= PAGE && BLOCK == FAMILIES * FAMILY);

/// The code, to be put at the beginning of a page.
pub(super) fn code() -> &'static [u8] {
    let length = offset(&raw const duress_clock_end);
    // SAFETY: the linker keeps what is between the two labels together and never changes it.
    unsafe { std::slice::from_raw_parts(&raw const duress_clock_begin, length) }
}

/// Where each of [`ENTRIES`] begins in it.
pub(super) fn offsets() -> [usize; ENTRIES.len()] {
    [&raw const duress_clock_gettime, &raw const duress_clock_gettimeofday, &raw const duress_clock_time]
        .map(offset)
}

fn offset(label: *const u8) -> usize {
    label.addr() - (&raw const duress_clock_begin).addr()
}
