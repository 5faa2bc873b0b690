//! Headless Chromium: where it is found or installed from, one process of it with an empty profile, and its end.
//!
//! Must stay true: what it writes lies in the caller's folder, its debugging port is on loopback and chosen by itself, and dropping
//! it kills its group. Its crash handlers leave the group, and end when they lose it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hierophant_testkit::try_wait_until;

use super::devtools::DevTools;
use crate::{
    process::{self, Background},
    tools::on_path,
};

/// What Chromium is called by those who package it.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];
/// Debian's package of it.
const PACKAGE: &str = "chromium";
/// What is to be done where there is none.
const MISSING: &str = "no Chromium on PATH: install Debian's package chromium, or Chrome";
/// How long it may take to start, on a machine that does other things too.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// The file in its profile in which it says where its DevTools listen.
const PORT_FILE: &str = "DevToolsActivePort";
/// No sandbox: it refuses to start as root with one, and the only page that it opens is ours. The rest is what it would do
/// besides opening that page.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-port=0",
];

/// Why no browser can be had here, if so.
pub(in crate::e2e) fn unavailable() -> Option<&'static str> {
    (found().is_none() && !can_install()).then_some(MISSING)
}

/// The executable. Where there is none, Debian's package is installed, if we may.
pub(super) fn ensure() -> Result<PathBuf> {
    if let Some(found) = found() {
        return Ok(found);
    }
    if !can_install() {
        bail!(MISSING);
    }
    eprintln!("Chromium is not installed: installing Debian's package");
    let install = ["install", "--yes", "--no-install-recommends", PACKAGE];
    for arguments in [&["update"][..], &install] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut apt).context(MISSING)?;
    }
    found().context(MISSING)
}

fn found() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| on_path(name))
}

fn can_install() -> bool {
    rustix::process::geteuid().is_root() && on_path("apt-get").is_some()
}

/// A running browser.
pub(super) struct Browser {
    /// Held for its end.
    _process: Background,
    devtools: SocketAddr,
    /// The path of the browser's own DevTools, beside those of its tabs.
    path: String,
}

impl Browser {
    /// Starts it with its profile and log in `folder`.
    pub(super) async fn start(program: &Path, folder: &Path) -> Result<Self> {
        let profile = folder.join("browser");
        let mut command = Command::new(program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            // Crash reports go below it, whatever the profile is.
            .env("HOME", &profile);
        let process = Background::start(&mut command, &folder.join("browser.log"))?;
        let file = profile.join(PORT_FILE);
        let (port, path) = try_wait_until("the browser's DevTools", STARTS_WITHIN, async || {
            process.check().map_err(|error| error.to_string())?;
            let said = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
            address_in(&said).ok_or(said)
        })
        .await?;
        Ok(Self {
            _process: process,
            devtools: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            path,
        })
    }

    /// The DevTools of a new, empty tab.
    pub(super) async fn tab(&self) -> Result<DevTools> {
        let mut browser = DevTools::connect(self.devtools, &self.path).await?;
        let target = browser.new_tab().await?;
        DevTools::connect(self.devtools, &format!("/devtools/page/{target}")).await
    }
}

/// Port and path, once both lines were written.
fn address_in(said: &str) -> Option<(u16, String)> {
    let (port, path) = said.split_once('\n')?;
    let path = path.trim_end();
    path.starts_with("/devtools/browser/")
        .then_some((port.parse().ok()?, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_it_is_whole() {
        let whole = "40123\n/devtools/browser/6b1c-9e";
        assert_eq!(address_in(whole), Some((40123, "/devtools/browser/6b1c-9e".to_owned())));
        assert_eq!(address_in(""), None);
        assert_eq!(address_in("401"), None);
        assert_eq!(address_in("40123\n/devt"), None);
    }
}
