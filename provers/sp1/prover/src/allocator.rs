//! How the C library's allocator gives memory back: three variables that it reads before `main`, so this program starts
//! itself again with them.
//!
//! SP1 allocates and frees gigabytes in each step of a proof. What glibc keeps of them in many arenas and below a
//! threshold that grows is memory that the next step takes on top; docs/sp1-prover.md has the figures.
//!
//! What must stay true: a variable that the operator sets stays as it is, and this happens once.

use std::{env, io, os::unix::process::CommandExt as _, process::Command};

/// What mallopt(3) says of them: two arenas, and freed blocks of 128 KiB or more go back to the system at once.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Starts this program again where one of the variables is not set; returns when there is nothing to set. Must be
/// called before anything was read from stdin.
///
/// # Errors
/// The program cannot be started again; it runs as well without, in more memory.
pub(crate) fn set_up() -> io::Result<()> {
    let missing = SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none());
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut again = Command::new(env::current_exe()?);
    // Returns only when it fails.
    Err(again.arg0(name).args(arguments).envs(missing).exec())
}
