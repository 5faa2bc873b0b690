//! POSIX shared memory (`/dev/shm`): what SP1's executor takes of it, what is free, and what killed processes left.
//!
//! SP1's executor passes traces through shared memory; writing to a full one is a SIGBUS. So it is looked at first.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use hierophant_prover_protocol::proto::Failure;

/// Where Linux keeps POSIX shared memory.
const DIRECTORY: &str = "/dev/shm";

/// What SP1's executor calls its files: `sp1_<random>` and `sem.sp1_<random>_...`.
const PREFIXES: [&str; 2] = ["sp1_", "sem.sp1_"];

/// Bytes of one gas-metering chunk: 2^27 entries of 16 bytes and a ninth in reserve.
const GAS_CHUNK_BYTES: u64 = (1 << 31) / 9 * 10;

/// Room beyond the chunks, for the guest's own memory.
const SLACK_BYTES: u64 = 64 << 20;

/// Shared memory that metering gas with `slots` chunks may take, in bytes.
pub(crate) fn gas_bytes(slots: usize) -> u64 {
    GAS_CHUNK_BYTES * slots as u64 + SLACK_BYTES
}

/// Shared memory that proving may take, in bytes.
pub(crate) fn prove_bytes(chunk_entries: u64, slots: usize) -> u64 {
    chunk_entries * 16 / 9 * 10 * slots as u64 + SLACK_BYTES
}

/// Returns how many gas-metering chunks fit, at most `wanted`; fails where not even one does.
pub(crate) fn gas_slots(wanted: usize) -> Result<usize, Failure> {
    let free = free_bytes()?;
    (1..=wanted)
        .rev()
        .find(|slots| gas_bytes(*slots) <= free)
        .ok_or_else(|| short("executing", gas_bytes(1), free))
}

/// Fails where proving may run out of shared memory.
pub(crate) fn check_prove(needed: u64) -> Result<(), Failure> {
    let free = free_bytes()?;
    if needed <= free {
        return Ok(());
    }
    Err(short("proving", needed, free))
}

/// What to say when a process met a full shared memory after all.
pub(crate) fn full() -> Failure {
    let free = free_bytes().unwrap_or(0);
    Failure::prover(format!(
        "shared memory ran out ({free} bytes of {DIRECTORY} are free now); give {DIRECTORY} more room, for example \
         --shm-size=6g in Docker"
    ))
}

fn short(doing: &str, needed: u64, free: u64) -> Failure {
    Failure::prover(format!(
        "{doing} may take {needed} bytes of shared memory, and {free} bytes of {DIRECTORY} are free; give {DIRECTORY} \
         more room, for example --shm-size=6g in Docker"
    ))
}

fn free_bytes() -> Result<u64, Failure> {
    let stat = rustix::fs::statvfs(DIRECTORY)
        .map_err(|error| Failure::prover(format!("cannot look at {DIRECTORY}: {error}")))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Removes shared memory that killed provers of this user left behind, and returns how many files that were.
///
/// A file is left behind when no process maps it. One that was made moments ago may not be mapped yet, so only files
/// older than a minute count.
pub(crate) fn remove_left_behind() -> io::Result<usize> {
    let Some(mapped) = mapped_names() else {
        return Ok(0);
    };
    let user = rustix::process::getuid().as_raw();
    let mut removed = 0;
    for entry in fs::read_dir(DIRECTORY)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(metadata) = entry.metadata() else { continue };
        let old = metadata
            .modified()
            .ok()
            .and_then(|modified| modified.elapsed().ok())
            .is_some_and(|age| age.as_secs() > 60);
        let ours = metadata.is_file() && metadata.uid() == user;
        let named = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if named && ours && old && !mapped.contains(&name) && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Names of the files in shared memory that any process maps; `None` if a process of this user cannot be looked into.
fn mapped_names() -> Option<HashSet<String>> {
    let user = rustix::process::getuid().as_raw();
    let mut names = HashSet::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let is_process = entry
            .file_name()
            .to_string_lossy()
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if !is_process || entry.metadata().map_or(true, |metadata| metadata.uid() != user) {
            continue;
        }
        let maps = match fs::read_to_string(entry.path().join("maps")) {
            Ok(maps) => maps,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return None,
            // The process has ended.
            Err(_) => continue,
        };
        names.extend(maps.lines().filter_map(name_in_map_line));
    }
    Some(names)
}

fn name_in_map_line(line: &str) -> Option<String> {
    let path = Path::new(line.get(line.find('/')?..)?);
    let name = path.strip_prefix(DIRECTORY).ok()?.to_str()?;
    Some(name.trim_end_matches(" (deleted)").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_sp1() {
        // The figures that SP1 documents for its defaults: 4.4 GiB to meter gas, 1.43 GiB to prove.
        let tenths_of_gib = |bytes: u64| (bytes * 10) >> 30;
        assert_eq!(tenths_of_gib(gas_bytes(2)), 45);
        assert_eq!(tenths_of_gib(prove_bytes(1 << 24, 5)), 14);
    }

    #[test]
    fn reads_names_from_a_memory_map() {
        let line = "7f00-7f01 rw-s 00000000 00:1a 5 /dev/shm/sp1_abc-_= (deleted)";
        assert_eq!(name_in_map_line(line).as_deref(), Some("sp1_abc-_="));
        assert_eq!(name_in_map_line("7f00-7f01 rw-p 00000000 00:00 0"), None);
        assert_eq!(name_in_map_line("7f00-7f01 r--p 0 08:01 9 /usr/lib/x.so"), None);
    }
}
