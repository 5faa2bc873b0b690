//! The texts generated from the declarations: example file, reference page, and the values with their origins.

mod example;
mod reference;
mod shown;

pub use example::example_file;
pub use reference::reference_page;
pub use shown::{ShownSetting, show, shown_settings};

use crate::schema::{Key, Schema};

/// The keys directly below a table, in the order declared.
fn keys_of<'a>(schema: &'a Schema, group: &'a str) -> impl Iterator<Item = &'a Key> {
    schema
        .keys
        .iter()
        .filter(move |key| key.path.rsplit_once('.').map_or("", |(table, _)| table) == group)
}

/// Appends a text.
fn add(out: &mut String, text: &str) {
    out.push_str(text);
}

/// The last part of a dotted path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The type with what is allowed of it.
fn type_of(key: &Key) -> String {
    match &key.constraint {
        Some(constraint) => format!("{}, {constraint}", key.type_name),
        None => key.type_name.clone(),
    }
}
