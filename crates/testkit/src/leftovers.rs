//! Processes that should be gone: found by a folder that only one test uses.

use std::{fs, path::Path};

/// A process that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its id.
    pub pid: i32,
    /// Its command line, words with spaces between.
    pub command: String,
}

/// Living processes that have `folder` in their command line, their environment or as their working directory, apart
/// from the running test. Reads /proc: where there is none, there are no leftovers to be found.
pub fn leftovers(folder: &Path) -> Vec<Leftover> {
    let own = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str() != Some(&own))
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // A process may go while it is looked at; what cannot be read is gone or somebody else's.
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let inside = fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at.starts_with(folder));
            let marked = names(&command, folder) || names(&environment, folder) || inside;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            marked.then(|| Leftover {
                pid,
                command: command.trim_end().to_owned(),
            })
        })
        .collect()
}

fn names(text: &[u8], folder: &Path) -> bool {
    let folder = folder.as_os_str().as_encoded_bytes();
    text.windows(folder.len()).any(|part| part == folder)
}
