//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// Names another folder to take the programs from: packaged ones, say.
const FOLDER_VARIABLE: &str = "HIEROPHANT_BIN_DIR";

/// A folder of programs.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// Those that were built beside the running test (`target/debug`), or those in the folder that the variable
    /// `HIEROPHANT_BIN_DIR` names.
    ///
    /// # Panics
    /// When the test cannot find its own path.
    pub fn built() -> Self {
        if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
            return Self(folder.into());
        }
        let own = std::env::current_exe().expect("a running test has a path");
        let folder = own.parent().expect("a file is in a folder");
        let inner = folder.ends_with("deps") || folder.ends_with("examples");
        Self(
            if inner {
                folder.parent().unwrap_or(folder)
            } else {
                folder
            }
            .to_owned(),
        )
    }

    /// Those of a folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The path of a program.
    ///
    /// # Panics
    /// When it is not there, with how to build it.
    pub fn find(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        assert!(
            path.is_file(),
            "{} is not there: build the programs first, with \
             `cargo build -p hierophant -p contemplant -p prover-mock`",
            path.display()
        );
        path
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}
