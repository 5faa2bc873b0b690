//! Variables of upstream's worker that are set: a start is refused for them, as for those of an earlier generation of ours.

use hierophant_config::replaced::{Old, miden::WORKER};

/// A sentence for each variable of upstream's worker that is set, with what to do instead.
pub fn replaced_variables(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let set = WORKER.iter().filter_map(|replaced| match replaced.old {
        Old::Variable(name) if is_set(name) => Some((name, replaced.instead)),
        Old::Variable(_) | Old::Key(_) => None,
    });
    set.map(|(name, instead)| format!("environment {name}: `{name}` is no longer a setting: {instead}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_named_with_its_replacement() {
        assert!(replaced_variables(|_| false).is_empty());
        let port = replaced_variables(|name| name == "MIDEN_PROVER_PORT");
        assert_eq!(port.len(), 1);
        assert!(
            port[0].contains("`MIDEN_PROVER_PORT` is no longer a setting: "),
            "{port:?}"
        );
        assert!(port[0].contains("CONTEMPLANT_MIDEN_PORT"), "{port:?}");
        assert_eq!(replaced_variables(|_| true).len(), WORKER.len());
    }
}
