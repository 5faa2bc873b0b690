//! The conformance suite over SQLite.

mod common;

use common::Folder;

hierophant_store::store_conformance_suite!(Folder::new());
