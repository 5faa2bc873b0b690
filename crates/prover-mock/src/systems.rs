//! The made-up proof systems, as they are written on the command line.

use std::str::FromStr;

use hierophant_prover_protocol::{is_plain_name, proto};

/// `NAME=TOOLCHAIN:KIND[,KIND...][:MEMORY_BYTES]`, see `main.rs`.
#[derive(Debug, Clone)]
pub(crate) struct SystemArg {
    pub(crate) name: String,
    pub(crate) toolchain: String,
    kinds: Vec<String>,
    memory_bytes: u64,
}

impl FromStr for SystemArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "expected NAME=TOOLCHAIN:KIND[,KIND...][:MEMORY_BYTES]";
        let (name, rest) = text.split_once('=').ok_or(shape)?;
        let mut parts = rest.split(':');
        let toolchain = parts.next().filter(|part| !part.is_empty()).ok_or(shape)?;
        let kinds: Vec<String> = parts.next().ok_or(shape)?.split(',').map(str::to_owned).collect();
        let memory_bytes = parts
            .next()
            .map_or(Ok(0), str::parse)
            .map_err(|error| format!("MEMORY_BYTES: {error}"))?;
        let names = kinds.iter().map(|kind| kind.trim_start_matches('!'));
        if parts.next().is_some() || !names.chain([name]).all(is_plain_name) {
            return Err(shape.into());
        }
        Ok(Self {
            name: name.to_owned(),
            toolchain: toolchain.to_owned(),
            kinds,
            memory_bytes,
        })
    }
}

impl SystemArg {
    /// Whether proofs of this kind can be made.
    pub(crate) fn serves(&self, kind: &str) -> bool {
        self.kinds.iter().any(|served| served == kind)
    }

    /// What hello announces.
    pub(crate) fn announce(&self) -> proto::System {
        let kinds = self.kinds.iter().map(|kind| {
            let name = kind.trim_start_matches('!').to_owned();
            let unavailable = if name == *kind {
                String::new()
            } else {
                format!("{name} was made unavailable on the command line")
            };
            proto::Kind {
                name,
                memory_bytes: self.memory_bytes,
                shared_memory_bytes: 0,
                unavailable,
            }
        });
        proto::System {
            name: self.name.clone(),
            toolchain: self.toolchain.clone(),
            kinds: kinds.collect(),
            mock_kinds: self
                .kinds
                .iter()
                .filter(|kind| !kind.starts_with('!'))
                .cloned()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_parsed_and_typos_refused() {
        let system: SystemArg = "demo=v1:core,!wrapped:7".parse().unwrap();
        assert!(system.serves("core") && !system.serves("wrapped"));
        let announced = system.announce();
        assert_eq!(announced.kinds[0].memory_bytes, 7);
        assert!(announced.kinds[1].unavailable.contains("wrapped"));
        for wrong in [
            "demo",
            "demo=v1",
            "=v1:core",
            "demo=:core",
            "d=v:k:x",
            "d=v:k:1:2",
            "D=v:k",
        ] {
            assert!(wrong.parse::<SystemArg>().is_err(), "{wrong}");
        }
    }
}
