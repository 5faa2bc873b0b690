//! The front doors' settings, from the operator's.

use anyhow::Context as _;
use hierophant_config::settings::hierophant::{Settings, Sp1Mode};
use hierophant_domain::Name;
use hierophant_door_sp1::{DoorSettings, U256};

/// The SP1 network's door.
pub(crate) fn sp1(settings: &Settings) -> anyhow::Result<DoorSettings> {
    let sp1 = &settings.sp1;
    let door = DoorSettings {
        toolchain: Name::new(&sp1.toolchain).context("sp1.toolchain")?,
        modes: modes(settings),
        balance: sp1.balance.parse::<U256>().context("sp1.balance")?,
        max_deadline: settings.limits.max_deadline.into(),
        fulfilled_lifetime: settings.fulfilled_lifetime.into(),
        ..DoorSettings::default()
    };
    Ok(match sp1.domain {
        Some(domain) => DoorSettings {
            domain: domain.0,
            ..door
        },
        None => door,
    })
}

/// The kinds that are served: those that the operator names, and all of them where they cost nothing.
fn modes(settings: &Settings) -> Vec<Name> {
    let named = settings.sp1.modes.as_slice();
    let all = [Sp1Mode::Core, Sp1Mode::Compressed, Sp1Mode::Plonk, Sp1Mode::Groth16];
    let served = if settings.mock_mode { &all[..] } else { named };
    served.iter().map(|mode| Name::literal(mode.as_str())).collect()
}
