//! The front doors' settings, from the operator's.

use std::{net::SocketAddr, num::NonZeroU32};

use anyhow::Context as _;
use hierophant_config::settings::{
    hierophant::{Settings, Sp1Mode},
    miden::{MidenKind, MidenLine, MidenListener},
};
use hierophant_domain::Name;
use hierophant_door_miden as door_miden;
use hierophant_door_sp1::{DoorSettings, U256};
use hierophant_miden_api::{Generation, Kind, Line, RateLimit, ServerSettings, parse_network};

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

/// The Miden door, the same for all its listeners.
pub(crate) fn miden(settings: &Settings) -> door_miden::DoorSettings {
    let miden = &settings.miden;
    door_miden::DoorSettings {
        queue: usize::try_from(miden.queue).unwrap_or(usize::MAX),
        queue_timeout: miden.queue_timeout,
        proof_timeout: miden.proof_timeout,
        grace: miden.grace,
    }
}

/// One listener of the Miden door, and where it listens.
pub(crate) fn miden_listener(
    settings: &Settings,
    listener: &MidenListener,
) -> anyhow::Result<(SocketAddr, ServerSettings)> {
    let of = |generation| {
        let mut lines = listener.lines.iter().copied().map(miden_line);
        lines.find(|line| line.generation() == generation)
    };
    let networks = settings.miden.trusted_proxies.iter().map(|text| parse_network(text));
    let networks = networks.collect::<Result<_, _>>().map_err(anyhow::Error::msg);
    let served = ServerSettings {
        generation_b: of(Generation::B),
        generation_c: of(Generation::C),
        kinds: listener.kinds.iter().copied().map(miden_kind).collect(),
        max_message_bytes: usize::try_from(settings.miden.max_message.bytes())?,
        rate: NonZeroU32::new(settings.miden.calls_per_second).map(|per_second| RateLimit { per_second }),
        trusted_proxies: networks.context("miden.trusted_proxies")?,
        ..ServerSettings::new(env!("CARGO_PKG_VERSION"))
    };
    Ok((
        (listener.listen.unwrap_or(settings.listen), listener.port).into(),
        served,
    ))
}

/// A line of Miden's protocol, from the operator's settings.
pub(crate) fn miden_line(line: MidenLine) -> Line {
    match line {
        MidenLine::V0_15 => Line::V0_15,
        MidenLine::V0_18 => Line::V0_18,
    }
}

fn miden_kind(kind: MidenKind) -> Kind {
    match kind {
        MidenKind::Transaction => Kind::Transaction,
        MidenKind::Batch => Kind::Batch,
        MidenKind::Block => Kind::Block,
    }
}
