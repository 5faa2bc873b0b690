//! The front doors' settings, from the operator's.

use anyhow::Context as _;
use hierophant_config::settings::hierophant::Settings;
use hierophant_domain::Name;
use hierophant_door_sp1::{DoorSettings, U256};

/// The SP1 network's door.
pub(crate) fn sp1(settings: &Settings) -> anyhow::Result<DoorSettings> {
    let sp1 = &settings.sp1;
    let door = DoorSettings {
        toolchain: Name::new(&sp1.toolchain).context("sp1.toolchain")?,
        modes: sp1.modes.iter().map(|mode| Name::literal(mode.as_str())).collect(),
        balance: sp1.balance.parse::<U256>().context("sp1.balance")?,
        max_deadline: settings.limits.max_deadline.into(),
        fulfilled_lifetime: settings.fulfilled_lifetime.into(),
        ..DoorSettings::default()
    };
    Ok(match sp1.domain {
        Some(domain) => DoorSettings { domain: domain.0, ..door },
        None => door,
    })
}
