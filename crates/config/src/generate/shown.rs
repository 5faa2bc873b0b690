//! The values with their origins, as `config show` prints them; secrets are replaced.

use crate::{layers::Loaded, origin::Origin, program::Settings, raw::Raw, schema::Presence};

/// One setting as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSetting {
    /// Dotted path.
    pub key: String,
    /// Its value; none when it is optional and absent.
    pub value: Option<Raw>,
    /// What happens without it, when it is absent.
    pub absent: Option<&'static str>,
    /// Where the value came from.
    pub origin: Origin,
}

/// Every setting in the order declared.
pub fn shown_settings<S: Settings>(loaded: &Loaded<S>) -> Vec<ShownSetting> {
    let schema = S::schema();
    let mut entries = Vec::new();
    loaded.settings.write("", &mut entries);
    let shown = entries.into_iter().map(|(key, value)| {
        let absent = match schema.key(&key).map(|key| &key.presence) {
            Some(Presence::Optional { absent, .. }) if value.is_none() => Some(*absent),
            _ => None,
        };
        ShownSetting {
            origin: loaded.origins.of(&key),
            key,
            value,
            absent,
        }
    });
    shown.collect()
}

/// Every setting on a line of its own, as TOML with the origin in a comment.
pub fn show<S: Settings>(loaded: &Loaded<S>) -> String {
    let line = |shown: &ShownSetting| match &shown.value {
        Some(value) => format!("{} = {}  # {}\n", shown.key, value.to_toml(), shown.origin),
        None => format!("# {} is absent: {}\n", shown.key, shown.absent.unwrap_or("not set")),
    };
    shown_settings(loaded).iter().map(line).collect()
}
