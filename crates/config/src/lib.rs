//! Settings of both programs: what the keys are, where their values come from, and how they are explained.
//!
//! Layers in rising order of strength: defaults, the file, the environment, the command line. [`load`] merges them,
//! keeps the [`Origin`] of every value, and reports **all** problems at once. Nothing given is ignored: an unknown key
//! or variable, a value of the wrong type, and a key of an earlier generation are each refused with what to do instead.
//!
//! The settings are plain structs written with [`settings!`]; their doc comments are the manual. The example file
//! ([`example_file`]), the reference page ([`reference_page`]) and `config show` ([`show`]) are generated from the same
//! declaration, so they cannot drift apart.
//!
//! - *Invariant*: the process environment is read in one place ([`Layers::process_environment`]); all else takes pairs.
//! - *Invariant*: a [`Secret`](types::Secret) is never printed, neither in a problem nor in `show` nor by `Debug`.
//! - *Invariant*: every key has exactly one variable, and no two keys share one.
//!
//! Not here: command-line parsing (the binaries map their flags to keys), and acting on any setting.

mod choices;
mod field;
mod generate;
mod layers;
mod nearest;
mod origin;
mod problem;
mod program;
mod raw;
pub mod replaced;
mod rules;
mod schema;
mod section;
pub mod settings;
pub mod types;
mod value;

pub use field::{Field, Group, Leaf, Optional, Required, Tables, group, optional, required, tables, value};
pub use generate::{ShownSetting, example_file, reference_page, show, shown_settings};
pub use layers::{FILE_MAX_BYTES, Layers, Loaded, TEXT_MAX_BYTES, load};
pub use origin::{Origin, Origins};
pub use problem::{Problem, Problems};
pub use program::{OtherVariable, Program, Settings};
pub use raw::{Node, Raw};
pub use replaced::Replaced;
pub use rules::Rules;
pub use schema::{GroupDoc, Key, Presence, Schema};
pub use section::{Entry, Found, Reader, Section, join};
pub use value::{LIST_MAX_ITEMS, Mismatch, Value};
