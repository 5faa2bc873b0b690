//! `cargo xtask guests`: builds the guest programs of `guests/sp1` with Debian's cross compiler, or compares the
//! committed ELF files with what it builds.
//!
//! Must stay true: the same sources and compiler give the same bytes wherever the checkout lies, and every ELF file
//! keeps the rules of [`rules`]. Why the programs exist and what they read and commit is in `guests/README.md`.

mod build;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::env::Env;
use crate::stage::Tally;
use crate::tools::on_path;
use build::COMPILER;

/// What `guests` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where a committed file is not what its source gives, or breaks a rule of the machine.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    if args.check {
        return check(env).map(drop);
    }
    if on_path(COMPILER).is_none() {
        bail!("{COMPILER} is not installed: on Debian, apt-get install gcc-riscv64-unknown-elf");
    }
    let source = source(env);
    build::build_all(&source, &source.join("elf"))?;
    rules_hold(&source)?;
    Ok(())
}

/// Checks the committed files: the rules of the machine always, and byte for byte against a build where the compiler
/// is there (says so where it is not).
pub(crate) fn check(env: &Env) -> Result<Tally> {
    let source = source(env);
    rules_hold(&source)?;
    if on_path(COMPILER).is_none() {
        println!("skipped: {COMPILER} not installed");
        return Ok(Tally {
            skipped: 1,
            ..Tally::default()
        });
    }
    let fresh = tempfile::tempdir().context("could not create a temporary folder")?;
    build::build_all(&source, fresh.path())?;
    same_files(fresh.path(), &source.join("elf"))?;
    Ok(Tally::one_passed())
}

fn source(env: &Env) -> PathBuf {
    env.root().join("guests/sp1")
}

fn rules_hold(source: &Path) -> Result<()> {
    for name in elf_files(&source.join("elf"))? {
        let path = source.join("elf").join(&name);
        let bytes = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        rules::check(&bytes).with_context(|| format!("SP1 would refuse {}", path.display()))?;
    }
    Ok(())
}

/// Fails unless both folders hold the same ELF files; names all that differ.
fn same_files(built: &Path, committed: &Path) -> Result<()> {
    let names: BTreeSet<String> = elf_files(built)?.union(&elf_files(committed)?).cloned().collect();
    let mut different = Vec::new();
    for name in names {
        // A file that only one side has reads as None there.
        if fs::read(built.join(&name)).ok() != fs::read(committed.join(&name)).ok() {
            different.push(name);
        }
    }
    if !different.is_empty() {
        let names = different.join(", ");
        bail!("not what their sources give: {names}; run `cargo xtask guests` (with Debian's gcc 12.2) and commit");
    }
    println!("guests: the committed files are what their sources give");
    Ok(())
}

fn elf_files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "elf") {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed files keep the rules, and where the compiler is installed they are what it builds.
    #[test]
    fn committed_files_are_what_their_sources_give() {
        let env = Env::discover().unwrap();
        check(&env).unwrap();
        let programs = fs::read_dir(source(&env).join("programs")).unwrap().count();
        assert_eq!(elf_files(&source(&env).join("elf")).unwrap().len(), programs);
    }

    #[test]
    fn a_changed_missing_or_extra_file_is_named() {
        let (built, committed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, name, text) in [
            (&built, "same.elf", "1"),
            (&committed, "same.elf", "1"),
            (&built, "changed.elf", "1"),
            (&committed, "changed.elf", "2"),
            (&built, "missing.elf", "1"),
            (&committed, "extra.elf", "1"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let message = same_files(built.path(), committed.path()).unwrap_err().to_string();
        assert!(message.contains("changed.elf, extra.elf, missing.elf;"), "{message}");
    }
}
