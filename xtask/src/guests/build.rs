//! Compiles each guest program with the runtime into one ELF file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The cross compiler, from Debian's package gcc-riscv64-unknown-elf.
pub(super) const COMPILER: &str = "riscv64-unknown-elf-gcc";

/// What every program is compiled with.
const FLAGS: [&str; 20] = [
    // The machine: 64-bit, integers and multiplication, no compressed instructions, code at any address.
    "-march=rv64im",
    "-mabi=lp64",
    "-mcmodel=medany",
    // Nothing sets gp, so nothing may be addressed through it.
    "-mno-relax",
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    // There is no library: loops must not become calls of memcpy.
    "-ffreestanding",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
    "-fno-stack-protector",
    "-fno-pic",
    // Nothing in the file but the program: no unwind tables, compiler's name, symbols or build id.
    "-fno-asynchronous-unwind-tables",
    "-fno-ident",
    "-nostdlib",
    "-static",
    "-Wl,--build-id=none,--no-relax,-z,max-page-size=4096,--strip-all",
    "-Iruntime",
];

/// The parts that every program is linked with, in order.
const RUNTIME: [&str; 3] = ["runtime/start.S", "runtime/rt.c", "runtime/sha256.c"];

/// Builds every `programs/*.c` of `source` into `<into>/<name>.elf`.
pub(super) fn build_all(source: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("could not create {}", into.display()))?;
    let programs = source.join("programs");
    for entry in fs::read_dir(&programs).with_context(|| format!("could not list {}", programs.display()))? {
        let program = entry?.path();
        let name = program.file_stem().context("a program has a name")?;
        let mut elf = into.join(name);
        elf.set_extension("elf");
        build(source, &program, &elf)?;
    }
    Ok(())
}

fn build(source: &Path, program: &Path, elf: &Path) -> Result<()> {
    // Paths relative to the source folder, and that folder mapped away: where the checkout lies must not show.
    let relative = program
        .strip_prefix(source)
        .context("a program lies in the source folder")?;
    let mut compiler = Command::new(COMPILER);
    compiler.current_dir(source).args(FLAGS);
    compiler.arg(format!("-ffile-prefix-map={}=.", source.display()));
    compiler
        .args(["-T", "runtime/link.ld"])
        .args(RUNTIME)
        .arg(relative)
        .arg("-o")
        .arg(elf);
    process::run(&mut compiler)?;
    // The linker makes it executable for this machine, which it is not.
    fs::set_permissions(elf, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("could not set the permissions of {}", elf.display()))
}
