//! Which kind a test is of, by the binary it is in.

/// The kinds, in the order of the table: from the pure to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// In a crate's own source.
    Unit,
    /// Examples in the documentation.
    Documentation,
    /// The suite that every store passes.
    StoreConformance,
    /// A front door's wire contract.
    DoorWire,
    /// The link between coordinator and worker.
    WorkerLink,
    /// The protocol between a worker and a prover process.
    ProverProtocol,
    /// Real binaries that are started, killed and restarted.
    Process,
    /// Any other crate from outside.
    Integration,
}

impl Kind {
    /// The kind's name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Documentation => "documentation",
            Self::StoreConformance => "store conformance",
            Self::DoorWire => "door wire",
            Self::WorkerLink => "worker link",
            Self::ProverProtocol => "prover protocol",
            Self::Process => "process",
            Self::Integration => "integration",
        }
    }

    /// The kind of a test of cargo-nextest. `binary` is its binary id: `crate` for unit tests of a library,
    /// `crate::bin/name` for those of an executable, `crate::name` for a file in `tests/`.
    pub(super) fn of(binary: &str, test: &str) -> Self {
        let (package, target) = binary.split_once("::").unwrap_or((binary, ""));
        let conformance = target.contains("conformance") || test.split("::").any(|part| part.contains("conformance"));
        match package {
            "hierophant-store" if conformance => Self::StoreConformance,
            "hierophant-testkit" => Self::Process,
            _ if target.is_empty() || target.starts_with("bin/") => Self::Unit,
            "hierophant-worker-link" => Self::WorkerLink,
            "hierophant-prover-protocol" | "prover-mock" => Self::ProverProtocol,
            "hierophant" | "contemplant" => Self::Process,
            door if door.starts_with("hierophant-door-") => Self::DoorWire,
            _ => Self::Integration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn a_binary_tells_the_kind() {
        let cases = [
            ("hierophant-domain", "task::tests::a", Kind::Unit),
            ("hierophant::bin/hierophant", "tests::a", Kind::Unit),
            ("hierophant-store", "conformance::claims::a", Kind::StoreConformance),
            ("hierophant-store::conformance", "sqlite::a", Kind::StoreConformance),
            ("hierophant-store", "sqlite::tests::a", Kind::Unit),
            ("hierophant-door-sp1::recorded", "a", Kind::DoorWire),
            ("hierophant-door-sp1", "tests::a", Kind::Unit),
            ("hierophant-worker-link::stream", "a", Kind::WorkerLink),
            ("prover-mock::conformance", "a", Kind::ProverProtocol),
            ("hierophant-testkit::restart", "a", Kind::Process),
            ("hierophant::start", "a", Kind::Process),
            ("hierophant-core::use_cases", "a", Kind::Integration),
        ];
        for (binary, test, kind) in cases {
            assert_eq!(Kind::of(binary, test), kind, "{binary} {test}");
        }
    }
}
