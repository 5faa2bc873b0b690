//! The commands `circuits record` and `circuits verify`: whether the circuit files are the ones that the operator
//! trusted.
//!
//! What must stay true: a verifying key that clients do not have is never recorded and never verifies; every other file
//! of the folder is compared with the manifest, and a file that the manifest does not name is a difference too.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    circuits::{Circuit, CircuitsError},
    kinds::Kind,
};

/// Where the hashes are kept: lines of `sha256sum`.
const MANIFEST: &str = "hierophant.sha256";

/// Most files of a circuit folder; it holds a handful.
const FILES_MAX: usize = 1024;

/// The circuit files of one kind, in one folder.
#[derive(Debug)]
pub(crate) struct Installed {
    circuit: Circuit,
    directory: PathBuf,
}

/// The folders that a command is about: the one of `kind`, at `at` or where SP1 looks; without a kind, each that is
/// where SP1 looks.
pub(crate) fn installed(kind: Option<&str>, at: Option<PathBuf>) -> Result<Vec<Installed>, CircuitsError> {
    let Some(name) = kind else {
        return all_installed();
    };
    let circuit = Kind::from_name(name)
        .and_then(Circuit::of)
        .ok_or_else(|| CircuitsError::Kind(name.to_owned()))?;
    let directory = at.map_or_else(|| circuit.directory(), Ok)?;
    Ok(vec![Installed { circuit, directory }])
}

fn all_installed() -> Result<Vec<Installed>, CircuitsError> {
    let mut installed = Vec::new();
    let mut looked = Vec::new();
    for circuit in Circuit::ALL {
        let directory = circuit.directory()?;
        looked.push(directory.display().to_string());
        if directory.is_dir() {
            installed.push(Installed { circuit, directory });
        }
    }
    if installed.is_empty() {
        return Err(CircuitsError::None(looked.join(" or ")));
    }
    Ok(installed)
}

impl Installed {
    /// Writes down the hashes of the files. Returns what to tell the operator.
    pub(crate) fn record(&self) -> Result<String, CircuitsError> {
        self.circuit.compare_key(&self.directory)?;
        let hashes = hashes(&self.directory)?;
        let lines: Vec<String> = hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
        let manifest = self.manifest();
        fs::write(&manifest, lines.concat()).map_err(|error| CircuitsError::io(&manifest, error))?;
        Ok(format!("wrote down {} files in {}", hashes.len(), manifest.display()))
    }

    /// Compares the verifying key with the one that clients have, and every file with the manifest. Returns what to
    /// tell the operator.
    pub(crate) fn verify(&self) -> Result<String, CircuitsError> {
        self.circuit.compare_key(&self.directory)?;
        let recorded = self.recorded()?;
        let differences = differences(&recorded, &hashes(&self.directory)?);
        let directory = self.directory.display().to_string();
        if !differences.is_empty() {
            return Err(CircuitsError::Changed {
                directory,
                differences: differences.join(", "),
            });
        }
        Ok(format!(
            "{}: {} files in {directory} are as recorded, and the verifying key is the one that clients have",
            self.circuit.kind.name(),
            recorded.len()
        ))
    }

    fn manifest(&self) -> PathBuf {
        self.directory.join(MANIFEST)
    }

    fn recorded(&self) -> Result<BTreeMap<String, String>, CircuitsError> {
        let manifest = self.manifest();
        let text = match fs::read_to_string(&manifest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CircuitsError::NotRecorded(manifest)),
            read => read.map_err(|error| CircuitsError::io(&manifest, error))?,
        };
        parse(&text).ok_or(CircuitsError::Manifest(manifest))
    }
}

fn differences(recorded: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let gone_or_changed = recorded.iter().filter_map(|(name, hash)| match found.get(name) {
        None => Some(format!("{name} is missing")),
        Some(other) if other != hash => Some(format!("{name} has changed")),
        Some(_) => None,
    });
    let new = found.keys().filter(|name| !recorded.contains_key(*name));
    gone_or_changed
        .chain(new.map(|name| format!("{name} is not recorded")))
        .collect()
}

/// SHA-256 of every file directly in `directory`, but for the manifest.
fn hashes(directory: &Path) -> Result<BTreeMap<String, String>, CircuitsError> {
    let mut hashes = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| CircuitsError::io(directory, error))? {
        let path = entry.map_err(|error| CircuitsError::io(directory, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_file() || name == MANIFEST {
            continue;
        }
        if hashes.len() == FILES_MAX {
            return Err(CircuitsError::TooMany(directory.to_owned()));
        }
        let mut hasher = Sha256::new();
        fs::File::open(&path)
            .and_then(|mut file| io::copy(&mut file, &mut hasher))
            .map_err(|error| CircuitsError::io(&path, error))?;
        hashes.insert(name, hex::encode(hasher.finalize()));
    }
    Ok(hashes)
}

fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    for line in text.lines() {
        let (hash, name) = line.split_once("  ")?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash || name.is_empty() || entries.len() == FILES_MAX {
            return None;
        }
        entries.insert(name.to_owned(), hash.to_owned());
    }
    (!entries.is_empty()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use sp1_verifier::GROTH16_VK_BYTES;

    use super::*;

    fn folder() -> (tempfile::TempDir, Installed) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("groth16_vk.bin"), *GROTH16_VK_BYTES).expect("writes");
        fs::write(folder.path().join("groth16_pk.bin"), b"pk").expect("writes");
        let at = Some(folder.path().to_owned());
        let [installed] = installed(Some("groth16"), at).expect("named").try_into().expect("one");
        (folder, installed)
    }

    #[test]
    fn recorded_files_verify_until_one_changes() {
        let (folder, files) = folder();
        assert!(matches!(files.verify(), Err(CircuitsError::NotRecorded(_))));
        files.record().expect("records");
        assert!(files.verify().expect("verifies").starts_with("groth16: 2 files"));
        fs::write(folder.path().join("groth16_pk.bin"), b"pK").expect("writes");
        fs::write(folder.path().join("more"), b"").expect("writes");
        let error = files.verify().expect_err("changed").to_string();
        assert!(error.contains("groth16_pk.bin has changed"), "{error}");
        assert!(error.contains("more is not recorded"), "{error}");
        fs::remove_file(folder.path().join("groth16_pk.bin")).expect("removes");
        let error = files.verify().expect_err("missing").to_string();
        assert!(error.contains("groth16_pk.bin is missing"), "{error}");
    }

    #[test]
    fn another_verifying_key_is_refused_before_anything_is_recorded() {
        let (folder, files) = folder();
        fs::write(folder.path().join("groth16_vk.bin"), b"mine").expect("writes");
        for result in [files.record(), files.verify()] {
            assert!(matches!(result, Err(CircuitsError::Key(_))), "{result:?}");
        }
        assert!(!files.manifest().exists());
    }

    #[test]
    fn only_kinds_with_circuit_files_are_taken() {
        for kind in ["core", "groth"] {
            assert!(matches!(installed(Some(kind), None), Err(CircuitsError::Kind(_))));
        }
    }

    #[test]
    fn a_folder_of_too_many_files_is_refused() {
        let (folder, files) = folder();
        for number in 2..FILES_MAX {
            fs::write(folder.path().join(number.to_string()), b"").expect("writes");
        }
        files.record().expect("as many as there may be");
        files.verify().expect("as many as there may be");
        fs::write(folder.path().join("one more"), b"").expect("writes");
        assert!(matches!(files.record(), Err(CircuitsError::TooMany(_))));
    }

    #[test]
    fn a_manifest_is_a_list_of_hashes_or_nothing() {
        let hash = "ab".repeat(32);
        assert_eq!(parse(&format!("{hash}  a\n")).map(|list| list.len()), Some(1));
        for text in ["", "a", &format!("{hash} a"), &format!("{}  a", &hash[1..])] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
