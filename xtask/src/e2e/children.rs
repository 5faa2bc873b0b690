//! Which processes a process has started.

/// Processes of this name whose parent is `parent`.
pub(crate) fn children_of(parent: u32, name: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // "pid (name) state parent …": the name may hold anything, so the fields begin after its last bracket.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((head, rest)) = stat.rsplit_once(')') else {
            return false;
        };
        head.ends_with(name) && rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    })
    .collect()
}
