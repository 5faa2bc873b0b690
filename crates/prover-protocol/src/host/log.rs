//! The prover's stderr becomes the host's log, line by line.
//!
//! What must stay true: the pipe is always emptied, or the prover would stop; a line without an end costs at most
//! [`MAX_LINE_BYTES`].

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// What is kept of one line, in bytes.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Lines kept for error reports.
const RECENT_LINES: usize = 20;

/// What is kept of each of those, in bytes.
const RECENT_LINE_BYTES: usize = 512;

/// The end of a prover's log.
#[derive(Debug, Default)]
pub(crate) struct RecentLog(Mutex<VecDeque<String>>);

impl RecentLog {
    /// Returns the kept lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    fn push(&self, line: &str) {
        let mut kept = line.to_owned();
        crate::failure::truncate(&mut kept, RECENT_LINE_BYTES);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == RECENT_LINES {
            lines.pop_front();
        }
        lines.push_back(kept);
    }
}

/// Logs what the prover writes to stderr until it closes it.
pub(crate) async fn forward(stderr: impl AsyncRead + Unpin, name: &str, pid: u32, log: &RecentLog) {
    let mut reader = BufReader::new(stderr);
    while let Some(line) = next_line(&mut reader).await {
        tracing::info!(target: "prover", { prover.name = name, prover.pid = pid }, "{line}");
        log.push(&line);
    }
}

/// Returns the next line without its end, cut to the limit and free of control characters; `None` at the end.
async fn next_line(reader: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut line = Vec::new();
    let mut cut = false;
    loop {
        let available = match reader.fill_buf().await {
            Ok([]) | Err(_) if line.is_empty() => return None,
            Ok([]) | Err(_) => break,
            Ok(available) => available,
        };
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let room = MAX_LINE_BYTES - line.len();
        cut |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line);
    let mut text: String = text
        .trim_end()
        .chars()
        .map(|character| {
            if character.is_control() && character != '\t' {
                ' '
            } else {
                character
            }
        })
        .collect();
    if cut {
        text.push_str(" [line cut]");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_lines_are_cut_and_the_rest_goes_on() {
        let mut input = vec![b'x'; MAX_LINE_BYTES + 1];
        input.extend_from_slice(b"\nok\x1b[0m\r\n\nlast");
        let mut reader = BufReader::new(&input[..]);
        let long = next_line(&mut reader).await.unwrap();
        assert_eq!(long, "x".repeat(MAX_LINE_BYTES) + " [line cut]");
        assert_eq!(next_line(&mut reader).await.unwrap(), "ok [0m");
        assert_eq!(next_line(&mut reader).await.unwrap(), "");
        assert_eq!(next_line(&mut reader).await.unwrap(), "last");
        assert_eq!(next_line(&mut reader).await, None);
    }

    #[tokio::test]
    async fn only_the_last_lines_are_kept() {
        let log = RecentLog::default();
        let numbers: Vec<String> = (0..RECENT_LINES + 5).map(|n| n.to_string()).collect();
        let input = numbers.join("\n");
        forward(input.as_bytes(), "test", 1, &log).await;
        let lines = log.lines();
        assert_eq!(lines.len(), RECENT_LINES);
        assert_eq!(lines[0], "5");
    }
}
