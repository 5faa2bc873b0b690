//! Where things are: the repository, the cache of build outputs and tools, and the workspaces with their target
//! folders.
//!
//! Must stay true: the workspace is built where this program was, so that nothing is compiled twice; provers are built
//! below the cache, since they take long and outlive a checkout; every cargo command is `--locked`. Not here: starting processes (`process`) and installing tools (`tools`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Names the folder for build outputs and tools; without it `~/.cache/hierophant`.
const CACHE_VARIABLE: &str = "HIEROPHANT_CACHE";

/// Variables that `cargo run` sets for this program. Build scripts watch some of them, so that a cargo started from
/// here with them would build again what a cargo started from a shell has built.
const CARGO_RUN_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Where the repository and the cache are.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    root: PathBuf,
    cache: PathBuf,
    target: PathBuf,
}

/// A cargo workspace of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Workspace {
    /// The repository's root.
    Main,
    /// `provers/<name>`, which pins dependencies of its own.
    Prover(String),
}

impl Env {
    /// Finds the repository (where this program was built) and the cache.
    pub(crate) fn discover() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in no repository")?;
        let cache = match std::env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(cache) => root.join(cache),
            None => std::env::home_dir()
                .with_context(|| format!("no home folder: set {CACHE_VARIABLE} to a folder for build outputs"))?
                .join(".cache/hierophant"),
        };
        let own = std::env::current_exe().context("this program cannot find its own file")?;
        // Cargo marks the target folder with this file.
        let target = own.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        let target = target.map_or_else(|| cache.join("target"), Path::to_owned);
        Ok(Self {
            root: root.to_owned(),
            cache,
            target,
        })
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of tools that are installed for the routines alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// The folder of databases that the benchmarks generate once.
    pub(crate) fn bench_cache(&self) -> PathBuf {
        self.cache.join("bench")
    }

    /// The folder of a workspace.
    pub(crate) fn folder(&self, workspace: &Workspace) -> PathBuf {
        match workspace {
            Workspace::Main => self.root.clone(),
            Workspace::Prover(name) => self.root.join("provers").join(name),
        }
    }

    /// The target folder of a workspace.
    pub(crate) fn target(&self, workspace: &Workspace) -> PathBuf {
        match workspace {
            Workspace::Main => self.target.clone(),
            Workspace::Prover(name) => self.cache.join(format!("{name}-target")),
        }
    }

    /// The names of the provers: each folder in `provers/` with a manifest, in order.
    pub(crate) fn provers(&self) -> Result<Vec<String>> {
        let folder = self.root.join("provers");
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// A prover's workspace; fails for a name that is not in `provers/` and names those that are.
    pub(crate) fn prover(&self, name: &str) -> Result<Workspace> {
        let names = self.provers()?;
        if !names.iter().any(|known| known == name) {
            bail!("there is no prover {name:?}: choose one of {}", names.join(", "));
        }
        Ok(Workspace::Prover(name.to_owned()))
    }

    /// The executable that a prover's workspace builds.
    pub(crate) fn prover_executable(&self, name: &str) -> PathBuf {
        self.target(&Workspace::Prover(name.to_owned()))
            .join("release")
            .join(format!("prover-{name}"))
    }

    /// `cargo` in a workspace, with its target folder; in a prover's workspace with `PROTOC`, which the build scripts
    /// of proof systems call.
    pub(crate) fn cargo(&self, workspace: &Workspace) -> Result<Command> {
        let mut command = self.bare_cargo();
        command
            .current_dir(self.folder(workspace))
            .env("CARGO_TARGET_DIR", self.target(workspace));
        if let Workspace::Prover(_) = workspace {
            command.env("PROTOC", self.protoc()?);
        }
        Ok(command)
    }

    /// What `cargo` has to be told to build a workspace whose dependencies declare a newer compiler than they need. Its manifest
    /// says so: `[workspace.metadata.hierophant] ignore-rust-version = true`.
    pub(crate) fn rust_version_flags(&self, workspace: &Workspace) -> Result<&'static [&'static str]> {
        let manifest = self.folder(workspace).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| format!("could not read {}", manifest.display()))?;
        let parsed: toml::Table = text
            .parse()
            .with_context(|| format!("{} is no TOML", manifest.display()))?;
        let metadata = &parsed["workspace"]
            .get("metadata")
            .and_then(|all| all.get("hierophant"));
        let ignores = metadata.and_then(|ours| ours.get("ignore-rust-version")?.as_bool());
        Ok(if ignores == Some(true) {
            &["--ignore-rust-version"]
        } else {
            &[]
        })
    }

    /// `cargo` in the repository's root with no target folder set.
    pub(crate) fn bare_cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        for (name, _) in std::env::vars_os() {
            let from_cargo_run = name
                .to_str()
                .is_some_and(|name| CARGO_RUN_PREFIXES.iter().any(|p| name.starts_with(p)));
            if from_cargo_run {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).env_remove("CARGO_TARGET_DIR");
        command
    }

    /// An executable protoc: the one of crate `protoc-bin-vendored`, or where that is not executable (some file
    /// systems lose the bit) a copy in the cache.
    pub(crate) fn protoc(&self) -> Result<PathBuf> {
        let vendored =
            protoc_bin_vendored::protoc_bin_path().context("crate protoc-bin-vendored has no protoc here")?;
        if is_executable(&vendored) {
            return Ok(vendored);
        }
        // protoc finds the well-known types in ../include beside its own folder, so both are copied.
        let home = self.tools().join("protoc");
        let copy = home.join("bin/protoc");
        copy_tree(&protoc_bin_vendored::include_path()?, &home.join("include"))?;
        fs::create_dir_all(home.join("bin"))?;
        fs::copy(&vendored, &copy).with_context(|| format!("could not copy protoc to {}", copy.display()))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        Ok(copy)
    }
}

/// Whether a file can be executed by somebody.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not create {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("could not write {}", target.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_repository_and_its_provers() {
        let env = Env::discover().unwrap();
        assert!(env.root().join("xtask/Cargo.toml").is_file());
        for name in env.provers().unwrap() {
            assert!(env.folder(&env.prover(&name).unwrap()).join("Cargo.toml").is_file());
        }
    }

    #[test]
    fn an_unknown_prover_is_refused_by_name() {
        let message = Env::discover().unwrap().prover("nosuch").unwrap_err().to_string();
        assert!(message.contains("\"nosuch\""), "{message}");
    }

    #[test]
    fn protoc_can_be_executed() {
        let protoc = Env::discover().unwrap().protoc().unwrap();
        let output = Command::new(protoc).arg("--version").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("libprotoc "));
    }

    #[test]
    fn cargo_inherits_nothing_of_cargo_run() {
        let command = Env::discover().unwrap().cargo(&Workspace::Main).unwrap();
        // The test runner sets CARGO_MANIFEST_DIR for this very process.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(
            command
                .get_envs()
                .any(|(name, value)| name == "CARGO_MANIFEST_DIR" && value.is_none())
        );
    }
}
