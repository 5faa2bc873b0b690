//! The tools that the routines need beside the Rust toolchain: found on PATH or in the cache, else installed into
//! the cache at a fixed version.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::env::{Env, is_executable};
use crate::process;

/// A tool that cargo can install.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// Name of the package and of its executable.
    name: &'static str,
    /// The version to install where none is found.
    version: &'static str,
}

/// Runs the tests, each in a process of its own.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.143",
};
/// Checks licences, sources and bans of the dependency trees.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

impl Tool {
    /// A tool that one routine alone needs.
    pub(crate) const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version }
    }

    /// The tool's executable; installs it where it is missing, which takes minutes.
    pub(crate) fn ensure(self, env: &Env) -> Result<PathBuf> {
        if let Some(found) = on_path(self.name) {
            return Ok(found);
        }
        let installed = env.tools().join("bin").join(self.name);
        if is_executable(&installed) {
            return Ok(installed);
        }
        eprintln!(
            "{} is not installed: installing {} into {}",
            self.name,
            self.version,
            env.tools().display()
        );
        let mut cargo = env.bare_cargo();
        cargo
            .args(["install", "--locked", self.name, "--version", self.version, "--root"])
            .arg(env.tools());
        process::run(&mut cargo).with_context(|| format!("could not install {}", self.name))?;
        Ok(installed)
    }

    /// The tool as a command that takes the place of cargo in `cargo`, with its folder and environment.
    pub(crate) fn command(self, env: &Env, cargo: &Command) -> Result<Command> {
        let mut command = Command::new(self.ensure(env)?);
        if let Some(folder) = cargo.get_current_dir() {
            command.current_dir(folder);
        }
        for (name, value) in cargo.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(command)
    }
}

/// The first executable of this name on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_on_the_path_and_only_that() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-tool-of-hierophant").is_none());
    }

    #[test]
    fn a_tool_takes_over_folder_and_environment() {
        let env = Env::discover().unwrap();
        let mut cargo = Command::new("cargo");
        cargo.current_dir("/").env("SET", "1").env_remove("UNSET");
        let here = Tool {
            name: "sh",
            version: "0",
        }
        .command(&env, &cargo)
        .unwrap();
        assert_eq!(here.get_current_dir(), Some(std::path::Path::new("/")));
        let envs: Vec<_> = here.get_envs().collect();
        assert!(envs.contains(&("SET".as_ref(), Some("1".as_ref()))));
        assert!(envs.contains(&("UNSET".as_ref(), None)));
    }
}
