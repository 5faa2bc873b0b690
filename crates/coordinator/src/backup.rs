//! The operators' commands for what is on disk: `hierophant backup`, `restore` and `check`.
//!
//! What must stay true: a backup is one moment of the database with every blob that it needs, made while the coordinator works and
//! without stopping it; its last file is the manifest, so one that was cut off is known; a restore writes where no database is,
//! and the database last.
//!
//! Not here: how a database is copied (`hierophant_store::sqlite::backup`) and blobs are (`hierophant_artifacts::mirror`).

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use hierophant_artifacts::mirror::{self, Found, Mirror};
use hierophant_config::settings::hierophant::Settings;
use hierophant_store::sqlite::{
    KNOWN_SCHEMA,
    backup::{self, ListedBlob},
};
use serde::{Deserialize, Serialize};

use crate::cli::VERSION;

/// The database in a backup.
const DATABASE: &str = "hierophant.db";
/// The folder of blobs in a backup.
const ARTIFACTS: &str = "artifacts";
/// The file that says that a backup is complete.
const MANIFEST: &str = "backup.json";
/// How often a moment is looked for at which every blob is still there.
const TRIES: u32 = 5;
/// Problems that are told; the rest is counted.
const PROBLEMS_MAX: usize = 20;

/// Where a backup is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The backup's folder.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A backup's folder; without it the coordinator's own data.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Read every blob and compare its SHA-256.
    #[arg(long)]
    deep: bool,
}

/// What stands in the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Who made it.
    release: String,
    /// The database's schema.
    schema: i64,
    /// Blobs that the database needs.
    blobs: u64,
    /// Their size in all, in bytes.
    bytes: u64,
}

impl Place {
    /// Makes a backup of a coordinator's data, and says in words what was made.
    pub(crate) fn backup(&self, settings: &Settings) -> anyhow::Result<String> {
        let began = Instant::now();
        new_folder(&self.folder)?;
        let database = self.folder.join(DATABASE);
        let blobs = Mirror::new(&settings.artifact_directory(), &self.folder.join(ARTIFACTS))
            .with_context(|| format!("{} cannot be written", self.folder.display()))?;
        // First, so that what is removed from now on is there.
        blobs.copy_all().context("the artifacts cannot be copied")?;
        let (count, bytes) = one_moment(&settings.database_file(), &database, &blobs)?;
        blobs.finish().context("the artifacts could not be synced")?;
        let manifest = Manifest {
            release: VERSION.to_owned(),
            schema: KNOWN_SCHEMA,
            blobs: count,
            bytes,
        };
        write_synced(&self.folder.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
        Ok(format!(
            "{} is a backup: {count} blobs of {bytes} bytes in all and the database, in {:.1} s.\nOn the file system of the \
             artifacts it shares their disk: copy it to another one.\n",
            self.folder.display(),
            began.elapsed().as_secs_f64()
        ))
    }

    /// Puts a backup where the settings say that the data is.
    pub(crate) fn restore(&self, settings: &Settings) -> anyhow::Result<String> {
        let target = settings.database_file();
        ensure!(
            !target.exists(),
            "{} exists: a backup is restored where there is no database; name another data directory, or move this one away",
            target.display()
        );
        let manifest = manifest(&self.folder)?;
        let database = self.folder.join(DATABASE);
        let problems = problems(&database, &self.folder.join(ARTIFACTS), true)?;
        ensure!(problems.is_empty(), "the backup is damaged: {}", told(&problems));
        let data = &settings.data_directory;
        fs::create_dir_all(data).with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let blobs = Mirror::new(&self.folder.join(ARTIFACTS), &settings.artifact_directory())?;
        blobs.copy_all().context("the artifacts cannot be copied")?;
        blobs.finish()?;
        let aside = target.with_extension("restoring");
        let _ = fs::remove_file(&aside);
        backup::copy(&database, &aside)?;
        fs::rename(&aside, &target)?;
        File::open(data)?.sync_all()?;
        Ok(format!(
            "{} is restored to {}: {} blobs of {} bytes in all. Start the coordinator.\n",
            self.folder.display(),
            data.display(),
            manifest.blobs,
            manifest.bytes
        ))
    }
}

impl Check {
    /// Checks what is on disk, of a backup or of the coordinator's own data, which may be in use.
    pub(crate) fn run(&self, settings: &Settings) -> anyhow::Result<String> {
        let (database, artifacts) = match &self.folder {
            Some(folder) => {
                manifest(folder)?;
                (folder.join(DATABASE), folder.join(ARTIFACTS))
            }
            None => (settings.database_file(), settings.artifact_directory()),
        };
        let problems = problems(&database, &artifacts, self.deep)?;
        ensure!(
            problems.is_empty(),
            "{} is damaged: {}",
            database.display(),
            told(&problems)
        );
        Ok(format!("{} and its artifacts are whole\n", database.display()))
    }
}

/// Copies the database at a moment at which every blob that it needs could be copied, too; gives their number and size.
fn one_moment(from: &Path, to: &Path, blobs: &Mirror) -> anyhow::Result<(u64, u64)> {
    for _ in 0..TRIES {
        backup::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
        let (mut count, mut bytes, mut failed) = (0, 0, Ok(()));
        let mut all = true;
        backup::blobs(to, |blob| match copied(blobs, &blob) {
            Ok(there) => {
                all &= there || blob.rebuildable;
                count += u64::from(there);
                bytes += blob.size * u64::from(there);
            }
            Err(error) => failed = Err(error),
        })?;
        failed.context("an artifact cannot be copied")?;
        if all {
            return Ok((count, bytes));
        }
        // One was needed at that moment and is gone now: a later moment does not need it.
        fs::remove_file(to)?;
    }
    bail!("blobs were removed faster than they could be copied, {TRIES} times: try again when there is less to do")
}

fn copied(blobs: &Mirror, blob: &ListedBlob) -> std::io::Result<bool> {
    blobs.copy(blob.id)?;
    Ok(blobs.look(blob.id, blob.size, blob.sha256, false)? == Found::Whole)
}

/// What is wrong with a database and its blobs.
fn problems(database: &Path, artifacts: &Path, deep: bool) -> anyhow::Result<Vec<String>> {
    let mut found = backup::check(database)?;
    let mut failed = Ok(());
    backup::blobs(database, |blob| {
        match mirror::look(artifacts, blob.id, blob.size, blob.sha256, deep) {
            Ok(Found::Missing) if !blob.rebuildable => found.push(format!("the artifact {} is missing", blob.id)),
            Ok(Found::Damaged) if !blob.rebuildable => found.push(format!("the artifact {} is damaged", blob.id)),
            Ok(Found::Whole | Found::Missing | Found::Damaged) => {}
            Err(error) => failed = Err(error),
        }
    })?;
    failed.context("an artifact cannot be read")?;
    Ok(found)
}

fn told(problems: &[String]) -> String {
    let told = problems[..problems.len().min(PROBLEMS_MAX)].join("; ");
    match problems.len().checked_sub(PROBLEMS_MAX) {
        None | Some(0) => told,
        Some(more) => format!("{told}; and {more} more"),
    }
}

fn manifest(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text =
        fs::read(&path).with_context(|| format!("{} is no complete backup: it has no {MANIFEST}", folder.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", path.display()))
}

/// Makes a folder, or takes an empty one.
fn new_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    ensure!(
        fs::read_dir(folder)?.next().is_none(),
        "{} is not empty: name a new folder",
        folder.display()
    );
    Ok(())
}

fn write_synced(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.write_all(content)?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
