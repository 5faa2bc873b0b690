//! How much memory a prover and its children use.
//!
//! Resident memory, because the systems that prove reserve address space by the terabyte (which rules out `RLIMIT_AS`).
//! Counted over the process group; a child that leaves the group is not counted. Pages that several processes of
//! the group share count once for each.

use std::fs;

/// Returns the resident memory of the process group `group`, in bytes. Blocking: reads a file per process of the system.
pub(super) fn group_resident_bytes(group: i32) -> u64 {
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    let page = rustix::param::page_size() as u64;
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        // A process that ends while it is read has no memory any more.
        .filter_map(|entry| fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| parse_stat(&String::from_utf8_lossy(&stat)))
        .filter(|(process_group, _)| *process_group == group)
        .map(|(_, pages)| pages.saturating_mul(page))
        .sum()
}

/// Returns the process group and the resident pages in a line of `/proc/<pid>/stat` (proc(5): fields 5 and 24). The
/// second field is the command in parentheses and may contain anything, so counting starts behind its end.
fn parse_stat(stat: &str) -> Option<(i32, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let group = fields.nth(2)?.parse().ok()?;
    let pages = fields.nth(18)?.parse().ok()?;
    Some((group, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat =
            "42 (a ) 9 (b)) S 1 77 77 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 100 2203648 321 18446744073709551615 1";
        assert_eq!(parse_stat(stat), Some((77, 321)));
        assert_eq!(parse_stat("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_has_memory() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(group_resident_bytes(group) > 100_000);
        assert_eq!(group_resident_bytes(i32::MAX), 0);
    }
}
