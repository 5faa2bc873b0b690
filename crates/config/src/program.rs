//! What distinguishes one program's settings from another's: names, prefix, and what it refuses.

use crate::{replaced::Tables, rules::Rules, section::Section};

/// The identity of a program as far as its settings are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of the binary.
    pub name: &'static str,
    /// File read from the working directory when none is named. It may be absent.
    pub default_file: &'static str,
    /// Prefix of every variable, with its underscore: `HIEROPHANT_`.
    pub prefix: &'static str,
    /// Variables with the prefix that are not settings, so that they are not taken for mistakes.
    pub other_variables: &'static [OtherVariable],
    /// Names of earlier generations and of other programs, each with what to do instead.
    pub replaced: Tables,
}

/// A variable that the program reads besides its settings.
#[derive(Clone, Copy, Debug)]
pub struct OtherVariable {
    /// Full name.
    pub name: &'static str,
    /// What it does, a sentence for the reference page.
    pub meaning: &'static str,
}

/// All settings of one program.
pub trait Settings: Section {
    /// Whose settings these are.
    const PROGRAM: Program;

    /// Checks what concerns several keys at once. Each rule is reported only while the keys it names are sound by
    /// themselves.
    fn rules(&self, rules: &mut Rules<'_>);
}

impl Program {
    /// The variable of a dotted key: the prefix, then the key in capitals with `_` for each dot.
    pub fn variable(&self, key: &str) -> String {
        format!("{}{}", self.prefix, key.replace('.', "_").to_uppercase())
    }

    /// The variable that names the settings file when `--config` does not.
    pub fn file_variable(&self) -> String {
        format!("{}CONFIG", self.prefix)
    }
}
