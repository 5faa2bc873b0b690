//! The files that plonk and groth16 need beside this executable: where they lie, and whether a kind can be served with
//! them.
//!
//! What must stay true: nothing is ever downloaded. SP1's own code fetches missing circuits and runs Docker; that code
//! is reached only when [`unavailable`] finds nothing missing. Not here: whether the files are the ones that the
//! operator trusted (`manifest`).

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use sp1_sdk::SP1_CIRCUIT_VERSION;
use sp1_verifier::{GROTH16_VK_BYTES, PLONK_VK_BYTES};

use crate::kinds::Kind;

/// The file by which SP1's installer says that a folder is complete.
const COMPLETE: &str = ".complete";

const GIB: u64 = 1 << 30;

/// A kind that needs circuit files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circuit {
    pub(crate) kind: Kind,
    variable: &'static str,
    vk_file: &'static str,
    /// The key that clients have compiled in.
    vk: fn() -> &'static [u8],
    /// What the last step takes on its own, as SP1's operators plan for it.
    memory_bytes: u64,
}

/// What the commands `circuits record` and `circuits verify` say when all is not well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CircuitsError {
    /// The kind has no circuit files.
    #[error("{0:?} has no circuit files; give groth16 or plonk")]
    Kind(String),
    /// No folder is given and none can be guessed.
    #[error("neither {0} nor HOME is set; name the folder with --dir")]
    NoHome(&'static str),
    /// No circuit files are where they are looked for.
    #[error("there are no circuit files in {0}; install them, or name a kind and its folder with --dir")]
    None(String),
    /// The verifying key is not there.
    #[error("there is no {0}; install the circuit files, or name their folder with --dir")]
    NoKey(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The verifying key is not the one that clients have.
    #[error(
        "the verifying key {0} is not the one that clients of {version} have; install the circuit files again",
        version = SP1_CIRCUIT_VERSION
    )]
    Key(PathBuf),
    /// Nothing was recorded yet.
    #[error("there is no {0}; check where the circuit files are from, then run `circuits record`")]
    NotRecorded(PathBuf),
    /// The manifest is no list of `sha256sum`.
    #[error("{0} is not a list as `circuits record` writes it; record it again from files that you trust")]
    Manifest(PathBuf),
    /// Files differ from the manifest.
    #[error(
        "the circuit files in {directory} are not the recorded ones: {differences}; install them again, or record \
             them if you trust these"
    )]
    Changed {
        /// The folder.
        directory: String,
        /// One for each file.
        differences: String,
    },
    /// The folder is no circuit folder.
    #[error("{0} has more files than circuits have; name the folder of the circuit files with --dir")]
    TooMany(PathBuf),
}

impl CircuitsError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl Circuit {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [
        Self {
            kind: Kind::Groth16,
            variable: "SP1_GROTH16_CIRCUIT_PATH",
            vk_file: "groth16_vk.bin",
            vk: || &GROTH16_VK_BYTES,
            memory_bytes: 24 * GIB,
        },
        Self {
            kind: Kind::Plonk,
            variable: "SP1_PLONK_CIRCUIT_PATH",
            vk_file: "plonk_vk.bin",
            vk: || &PLONK_VK_BYTES,
            memory_bytes: 64 * GIB,
        },
    ];

    /// The circuit of a kind; `None` for kinds without circuit files.
    pub(crate) fn of(kind: Kind) -> Option<Self> {
        Self::ALL.into_iter().find(|circuit| circuit.kind == kind)
    }

    /// Where SP1 looks. Contract: `sp1-prover` 6.10, `build.rs`.
    pub(crate) fn directory(self) -> Result<PathBuf, CircuitsError> {
        let base = match (env::var_os(self.variable), env::var_os("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(&home).join(".sp1/circuits").join(self.kind.name()),
            (None, None) => return Err(CircuitsError::NoHome(self.variable)),
        };
        Ok(base.join(SP1_CIRCUIT_VERSION))
    }

    /// Compares the verifying key in `directory` with the one that clients have.
    pub(crate) fn compare_key(self, directory: &Path) -> Result<(), CircuitsError> {
        let path = directory.join(self.vk_file);
        let key = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CircuitsError::NoKey(path)),
            read => read.map_err(|error| CircuitsError::io(&path, error))?,
        };
        if key == (self.vk)() {
            return Ok(());
        }
        Err(CircuitsError::Key(path))
    }

    /// What is missing in the folder where SP1 looks.
    fn missing(self) -> Option<String> {
        let directory = match self.directory() {
            Ok(directory) => directory,
            Err(error) => return Some(error.to_string()),
        };
        if !directory.join(COMPLETE).is_file() {
            return Some(format!(
                "the circuit files of {} {SP1_CIRCUIT_VERSION} are not in {} (set {} to the folder above, or install \
                 them there; nothing is downloaded)",
                self.kind.name(),
                directory.display(),
                self.variable,
            ));
        }
        self.compare_key(&directory)
            .err()
            .map(|error| format!("{:#}", anyhow::Error::new(error)))
    }
}

/// Memory that a wrapped kind takes at its peak, in bytes; `None` for kinds without circuit files.
pub(crate) fn memory_bytes(kind: Kind) -> Option<u64> {
    Circuit::of(kind).map(|circuit| circuit.memory_bytes)
}

/// Returns what is missing to prove `kind` here, as one sentence; `None` if nothing is.
pub(crate) fn unavailable(kind: Kind) -> Option<String> {
    let circuit = Circuit::of(kind)?;
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
    if let Some(missing) = circuit.missing() {
        return Some(format!("{missing}; {needs}"));
    }
    let installed = installed_memory_bytes();
    (installed < circuit.memory_bytes).then(|| format!("{needs}, and this machine has {} GiB", installed / GIB))
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
