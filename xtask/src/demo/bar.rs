//! Shows how a proof goes on: a bar that is drawn over on a terminal, a line for each new state elsewhere.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::mpsc,
};

use super::network::{LOOK_EVERY, get};

/// Width of the bar of progress, in characters.
const BAR: usize = 30;

/// Shows the progress of the worker's lease until the other side of `ended` is dropped.
pub(super) fn watch(http: &str, ended: &mpsc::Receiver<()>) {
    let mut bar = Bar::new();
    while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
        let Ok(page) = get(&format!("{http}/contemplants")) else {
            continue;
        };
        let progress = &page["workers"][0]["working_on"][0]["progress"];
        if let (Some(phase), Some(percent)) = (progress["phase"].as_str(), progress["percent"].as_f64()) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            bar.show(&format!("proving: {phase}"), percent as usize);
        }
    }
    bar.end("");
}

/// A line that is drawn over on a terminal; elsewhere a line for each new state.
pub(super) struct Bar {
    terminal: bool,
    last: String,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            last: String::new(),
        }
    }

    pub(super) fn show(&mut self, words: &str, percent: usize) {
        let filled = (percent * BAR / 100).min(BAR);
        let line = match percent {
            0 => format!("   {words}"),
            _ => format!(
                "   [{}{}] {percent:3} % {words}",
                "#".repeat(filled),
                ".".repeat(BAR - filled)
            ),
        };
        if self.terminal {
            print!("\r\x1b[K{line}");
            let _ = std::io::stdout().flush();
        } else if line != self.last && percent > 0 {
            println!("{line}");
        }
        self.last = line;
    }

    pub(super) fn end(&self, words: &str) {
        if self.terminal {
            print!("\r\x1b[K");
        }
        if !words.is_empty() {
            println!("   {words}");
        }
    }
}
