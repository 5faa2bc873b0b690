//! The files that plonk and groth16 need beside this executable: where they lie, whether they are all there, and
//! whether they are the ones they were.
//!
//! What must stay true: nothing is ever downloaded. SP1's own code fetches missing circuits and runs Docker; that code
//! is reached only when [`unavailable`] finds nothing missing.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use sp1_sdk::SP1_CIRCUIT_VERSION;
use sp1_verifier::{GROTH16_VK_BYTES, PLONK_VK_BYTES};

use crate::kinds::Kind;

/// The file by which SP1's installer says that a folder is complete.
const COMPLETE: &str = ".complete";

/// Where `circuits record` keeps the hashes: lines of `sha256sum`.
const MANIFEST: &str = "hierophant.sha256";

/// Most entries of a manifest, and its largest size; a circuit folder holds a handful of files.
const MANIFEST_ENTRIES_MAX: usize = 1024;

const GIB: u64 = 1 << 30;

/// A kind that needs circuit files.
#[derive(Debug, Clone, Copy)]
struct Circuit {
    kind: Kind,
    variable: &'static str,
    vk_file: &'static str,
    /// What the last step takes on its own, as SP1's operators plan for it.
    memory_bytes: u64,
}

const CIRCUITS: [Circuit; 2] = [
    Circuit {
        kind: Kind::Groth16,
        variable: "SP1_GROTH16_CIRCUIT_PATH",
        vk_file: "groth16_vk.bin",
        memory_bytes: 24 * GIB,
    },
    Circuit {
        kind: Kind::Plonk,
        variable: "SP1_PLONK_CIRCUIT_PATH",
        vk_file: "plonk_vk.bin",
        memory_bytes: 64 * GIB,
    },
];

fn circuit(kind: Kind) -> Option<Circuit> {
    CIRCUITS.into_iter().find(|circuit| circuit.kind == kind)
}

/// Memory that a wrapped kind takes at its peak, in bytes; `None` for kinds without circuit files.
pub(crate) fn memory_bytes(kind: Kind) -> Option<u64> {
    circuit(kind).map(|circuit| circuit.memory_bytes)
}

/// Returns what is missing to prove `kind` here, as one sentence; `None` if nothing is.
pub(crate) fn unavailable(kind: Kind) -> Option<String> {
    let circuit = circuit(kind)?;
    let name = kind.name();
    let needs = format!("{name} takes about {} GiB of memory", circuit.memory_bytes / GIB);
    if !cfg!(feature = "native-gnark") {
        return Some(format!(
            "this prover was built without gnark, which {name} needs; build it with the feature native-gnark (Go 1.24); \
             {needs}"
        ));
    }
    if env::var("SP1_CIRCUIT_MODE").is_ok_and(|mode| mode == "dev") {
        return Some(format!(
            "SP1_CIRCUIT_MODE is dev, whose {name} proofs no client accepts; unset it; {needs}"
        ));
    }
    let directory = match directory(circuit) {
        Ok(directory) => directory,
        Err(problem) => return Some(format!("{problem}; {needs}")),
    };
    if !directory.join(COMPLETE).is_file() {
        return Some(format!(
            "the circuit files of {name} {SP1_CIRCUIT_VERSION} are not in {} (set {} to the folder above, or install \
             them there; nothing is downloaded); {needs}",
            directory.display(),
            circuit.variable,
        ));
    }
    if let Err(problem) = compare_key(circuit, &directory) {
        return Some(format!("{problem}; {needs}"));
    }
    let installed = installed_memory_bytes();
    (installed < circuit.memory_bytes).then(|| format!("{needs}, and this machine has {} GiB", installed / GIB))
}

/// What the commands `circuits record` and `circuits verify` say about one kind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CircuitsError {
    /// The kind has no circuit files.
    #[error("{0:?} has no circuit files; give groth16 or plonk")]
    Kind(String),
    /// No folder is given and none can be guessed.
    #[error("{0}")]
    Directory(String),
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The verifying key is not the one that clients have.
    #[error("{0}")]
    Key(String),
    /// The manifest is no list of `sha256sum`.
    #[error("{0} is not a list as `circuits record` writes it; record it again from files that you trust")]
    Manifest(PathBuf),
    /// Files differ from the manifest.
    #[error("these circuit files are not the recorded ones: {0}")]
    Changed(String),
}

/// Writes down the hashes of the circuit files of `kind`. Returns the manifest's path and how many files it names.
pub(crate) fn record(kind: &str, at: Option<PathBuf>) -> Result<(PathBuf, usize), CircuitsError> {
    let (circuit, directory) = find(kind, at)?;
    compare_key(circuit, &directory).map_err(CircuitsError::Key)?;
    let hashes = hashes(&directory)?;
    let lines: Vec<String> = hashes.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    let manifest = directory.join(MANIFEST);
    fs::write(&manifest, lines.concat()).map_err(|source| CircuitsError::Io {
        path: manifest.clone(),
        source,
    })?;
    Ok((manifest, hashes.len()))
}

/// Compares the verifying key with the one that clients have, and every file with the manifest. Returns the folder and
/// how many files were compared.
pub(crate) fn verify(kind: &str, at: Option<PathBuf>) -> Result<(PathBuf, usize), CircuitsError> {
    let (circuit, directory) = find(kind, at)?;
    compare_key(circuit, &directory).map_err(CircuitsError::Key)?;
    let manifest = directory.join(MANIFEST);
    let text = fs::read_to_string(&manifest).map_err(|source| CircuitsError::Io {
        path: manifest.clone(),
        source,
    })?;
    let recorded = parse_manifest(&text).ok_or(CircuitsError::Manifest(manifest))?;
    let found = hashes(&directory)?;
    let mut differences = Vec::new();
    for (name, hash) in &recorded {
        match found.get(name) {
            None => differences.push(format!("{name} is missing")),
            Some(other) if other != hash => differences.push(format!("{name} has changed")),
            Some(_) => {}
        }
    }
    differences.extend(
        found
            .keys()
            .filter(|name| !recorded.contains_key(*name))
            .map(|name| format!("{name} is not recorded")),
    );
    if differences.is_empty() {
        return Ok((directory, recorded.len()));
    }
    Err(CircuitsError::Changed(differences.join(", ")))
}

fn find(kind: &str, at: Option<PathBuf>) -> Result<(Circuit, PathBuf), CircuitsError> {
    let circuit = Kind::from_name(kind)
        .and_then(circuit)
        .ok_or_else(|| CircuitsError::Kind(kind.to_owned()))?;
    let directory = match at {
        Some(directory) => directory,
        None => directory(circuit).map_err(CircuitsError::Directory)?,
    };
    Ok((circuit, directory))
}

/// Where SP1 looks. Contract: `sp1-prover` 6.10, `build.rs`.
fn directory(circuit: Circuit) -> Result<PathBuf, String> {
    let base = match env::var_os(circuit.variable) {
        Some(path) => PathBuf::from(path),
        None => match env::var_os("HOME") {
            Some(home) => Path::new(&home).join(".sp1/circuits").join(circuit.kind.name()),
            None => return Err(format!("neither {} nor HOME is set", circuit.variable)),
        },
    };
    Ok(base.join(SP1_CIRCUIT_VERSION))
}

fn compare_key(circuit: Circuit, directory: &Path) -> Result<(), String> {
    let path = directory.join(circuit.vk_file);
    let key =
        fs::read(&path).map_err(|error| format!("the verifying key {} cannot be read: {error}", path.display()))?;
    let expected: &[u8] = match circuit.kind {
        Kind::Groth16 => *GROTH16_VK_BYTES,
        Kind::Plonk => *PLONK_VK_BYTES,
        Kind::Core | Kind::Compressed => return Ok(()),
    };
    if key == expected {
        return Ok(());
    }
    Err(format!(
        "the verifying key {} is not the one that clients of {SP1_CIRCUIT_VERSION} have; install the circuit files again",
        path.display()
    ))
}

/// SHA-256 of every regular file directly in `directory`, but for the manifest.
fn hashes(directory: &Path) -> Result<BTreeMap<String, String>, CircuitsError> {
    let failed = |path: &Path, source| CircuitsError::Io {
        path: path.to_owned(),
        source,
    };
    let mut hashes = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| failed(directory, error))? {
        let path = entry.map_err(|error| failed(directory, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_file() || name == MANIFEST {
            continue;
        }
        let mut hasher = Sha256::new();
        fs::File::open(&path)
            .and_then(|mut file| io::copy(&mut file, &mut hasher))
            .map_err(|error| failed(&path, error))?;
        hashes.insert(name, hex::encode(hasher.finalize()));
    }
    Ok(hashes)
}

fn parse_manifest(text: &str) -> Option<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    for line in text.lines() {
        let (hash, name) = line.split_once("  ")?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash || name.is_empty() || entries.len() == MANIFEST_ENTRIES_MAX {
            return None;
        }
        entries.insert(name.to_owned(), hash.to_owned());
    }
    (!entries.is_empty()).then_some(entries)
}

fn installed_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("groth16_vk.bin"), *GROTH16_VK_BYTES).expect("writes");
        fs::write(folder.path().join("groth16_pk.bin"), b"pk").expect("writes");
        folder
    }

    #[test]
    fn recorded_files_verify_until_one_changes() {
        let folder = folder();
        let at = || Some(folder.path().to_owned());
        assert_eq!(record("groth16", at()).expect("records").1, 2);
        assert_eq!(verify("groth16", at()).expect("verifies").1, 2);
        fs::write(folder.path().join("groth16_pk.bin"), b"pK").expect("writes");
        fs::write(folder.path().join("more"), b"").expect("writes");
        let error = verify("groth16", at()).expect_err("changed").to_string();
        assert!(error.contains("groth16_pk.bin has changed"), "{error}");
        assert!(error.contains("more is not recorded"), "{error}");
        fs::remove_file(folder.path().join("groth16_pk.bin")).expect("removes");
        let error = verify("groth16", at()).expect_err("missing").to_string();
        assert!(error.contains("groth16_pk.bin is missing"), "{error}");
    }

    #[test]
    fn another_verifying_key_is_refused_before_anything_is_recorded() {
        let folder = folder();
        fs::write(folder.path().join("groth16_vk.bin"), b"mine").expect("writes");
        for result in [
            record("groth16", Some(folder.path().to_owned())),
            verify("groth16", Some(folder.path().to_owned())),
        ] {
            assert!(matches!(result, Err(CircuitsError::Key(_))), "{result:?}");
        }
        assert!(matches!(verify("core", None), Err(CircuitsError::Kind(_))));
    }

    #[test]
    fn a_manifest_is_a_list_of_hashes_or_nothing() {
        let hash = "ab".repeat(32);
        assert_eq!(parse_manifest(&format!("{hash}  a\n")).map(|list| list.len()), Some(1));
        for text in ["", "a", &format!("{hash} a"), &format!("{}  a", &hash[1..])] {
            assert!(parse_manifest(text).is_none(), "{text:?}");
        }
    }

    #[cfg(not(feature = "native-gnark"))]
    #[test]
    fn says_what_is_missing_and_how_much_it_takes() {
        let sentence = unavailable(Kind::Groth16).expect("needs gnark");
        assert!(
            sentence.contains("native-gnark") && sentence.contains("GiB"),
            "{sentence}"
        );
        assert_eq!(unavailable(Kind::Core), None);
    }
}
