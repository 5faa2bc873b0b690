//! Copies blobs from one root to another, while another process works with the first: for backups.
//!
//! A blob never changes under its name, so on one file system a copy is a hard link. Invariants: what stands under a blob's name is
//! whole; nothing is written or removed at the first root; what was copied is on stable storage when [`Mirror::finish`] returns.
//!
//! Everything here blocks. Not here: which blobs are needed (the database says so).

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use hierophant_domain::{ArtifactId, Digest};

use crate::{
    blobs::{blobs_below, make_directory, place_of, shard_of, sync_directory},
    files::measure,
};

/// A copy of one root's blobs below another.
#[derive(Debug)]
pub struct Mirror {
    from: PathBuf,
    to: PathBuf,
}

/// What is known of a blob that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there and of the expected size (and content, where that was looked at).
    Whole,
    /// It is there and not what is expected.
    Damaged,
    /// It is not there.
    Missing,
}

impl Mirror {
    /// From the root `from` to the root `to`, which is made if it is not there.
    ///
    /// # Errors
    /// When folders cannot be made.
    pub fn new(from: &Path, to: &Path) -> io::Result<Self> {
        let mirror = Self {
            from: blobs_below(from),
            to: blobs_below(to),
        };
        for shard in 0..=u8::MAX {
            make_directory(&shard_of(&mirror.to, shard))?;
        }
        Ok(mirror)
    }

    /// Copies every blob that is there now; says how many were new.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn copy_all(&self) -> io::Result<u64> {
        let mut copied = 0;
        for shard in 0..=u8::MAX {
            let entries = match fs::read_dir(shard_of(&self.from, shard)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let id = entry?.file_name().to_str().and_then(|name| name.parse().ok());
                if let Some(id) = id {
                    copied += u64::from(self.copy(id)?);
                }
            }
        }
        Ok(copied)
    }

    /// Copies a blob that is not in the copy yet; `false` when it is, or is gone from where it was.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn copy(&self, id: ArtifactId) -> io::Result<bool> {
        let (from, to) = (place_of(&self.from, id), place_of(&self.to, id));
        match fs::hard_link(&from, &to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            // Another file system, or one that has no links.
            Err(_) => self.copy_content(&from, &to),
        }
    }

    fn copy_content(&self, from: &Path, to: &Path) -> io::Result<bool> {
        let aside = self.to.join("incoming");
        match fs::copy(from, &aside) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        File::open(&aside)?.sync_all()?;
        fs::rename(&aside, to)?;
        Ok(true)
    }

    /// Looks at a blob of the copy; its content is read only if `deep`.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn look(&self, id: ArtifactId, size: u64, sha256: Option<Digest>, deep: bool) -> io::Result<Found> {
        look_at(&place_of(&self.to, id), size, sha256, deep)
    }

    /// Brings the folders to stable storage.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn finish(&self) -> io::Result<()> {
        for shard in 0..=u8::MAX {
            sync_directory(&shard_of(&self.to, shard))?;
        }
        sync_directory(&self.to)
    }
}

/// Looks at a blob below `root`; its content is read only if `deep`.
///
/// # Errors
/// When it is there and cannot be read.
pub fn look(root: &Path, id: ArtifactId, size: u64, sha256: Option<Digest>, deep: bool) -> io::Result<Found> {
    look_at(&place_of(&blobs_below(root), id), size, sha256, deep)
}

fn look_at(path: &Path, size: u64, sha256: Option<Digest>, deep: bool) -> io::Result<Found> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != size {
        return Ok(Found::Damaged);
    }
    let expected = sha256.filter(|_| deep);
    Ok(match expected {
        Some(expected) if measure(&file)?.1 != expected => Found::Damaged,
        Some(_) | None => Found::Whole,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;

    fn blob(root: &Path, number: u128, content: &[u8]) -> ArtifactId {
        let id = ArtifactId(Uuid::from_u128(number));
        let path = place_of(&blobs_below(root), id);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        id
    }

    fn copied_and_looked_at(copy: impl Fn(&Mirror, ArtifactId) -> io::Result<bool>) {
        let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let id = blob(from.path(), 7, b"content");
        let (size, sha256) = measure(&File::open(place_of(&blobs_below(from.path()), id)).unwrap()).unwrap();
        let mirror = Mirror::new(from.path(), to.path()).unwrap();
        assert_eq!(mirror.look(id, size, Some(sha256), true).unwrap(), Found::Missing);
        assert!(copy(&mirror, id).unwrap());
        mirror.finish().unwrap();
        assert_eq!(mirror.look(id, size, Some(sha256), true).unwrap(), Found::Whole);
        assert_eq!(mirror.look(id, size + 1, None, false).unwrap(), Found::Damaged);
        assert_eq!(
            mirror.look(id, size, Some(Digest([0; 32])), false).unwrap(),
            Found::Whole
        );
        assert_eq!(
            mirror.look(id, size, Some(Digest([0; 32])), true).unwrap(),
            Found::Damaged
        );
        fs::remove_file(place_of(&blobs_below(from.path()), id)).unwrap();
        assert_eq!(
            look(to.path(), id, size, Some(sha256), true).unwrap(),
            Found::Whole,
            "the copy stays"
        );
    }

    #[test]
    fn a_blob_is_linked() {
        copied_and_looked_at(Mirror::copy);
    }

    #[test]
    fn a_blob_is_copied_where_links_do_not_reach() {
        copied_and_looked_at(|mirror, id| mirror.copy_content(&place_of(&mirror.from, id), &place_of(&mirror.to, id)));
    }

    #[test]
    fn all_are_copied_once_and_those_that_are_gone_are_passed_over() {
        let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for number in 0..300 {
            blob(from.path(), number, b"content");
        }
        let mirror = Mirror::new(from.path(), to.path()).unwrap();
        assert_eq!(mirror.copy_all().unwrap(), 300);
        assert_eq!(mirror.copy_all().unwrap(), 0);
        assert!(!mirror.copy(ArtifactId(Uuid::from_u128(1000))).unwrap());
    }
}
