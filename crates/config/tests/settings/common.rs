//! A folder with a settings file, and layers that see nothing but it and what the test gives.

use std::path::PathBuf;

use hierophant_config::{Layers, Loaded, Settings, load};

/// A temporary folder with at most one settings file.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    pub(crate) fn with_file(name: &str, content: &str) -> Self {
        let place = Self::empty();
        std::fs::write(place.path(name), content).expect("a temporary file can be written");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn layers(&self) -> Layers {
        Layers::new().directory(self.folder.path())
    }
}

/// Loads a file with nothing else.
pub(crate) fn load_text<S: Settings>(content: &str) -> Result<Loaded<S>, Vec<String>> {
    let place = Place::with_file(S::PROGRAM.default_file, content);
    problems_of(&place, &place.layers())
}

/// Loads, and turns problems into their messages with the folder's name left out.
pub(crate) fn problems_of<S: Settings>(place: &Place, layers: &Layers) -> Result<Loaded<S>, Vec<String>> {
    let folder = format!("{}/", place.folder.path().display());
    load(layers).map_err(|problems| {
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    })
}
