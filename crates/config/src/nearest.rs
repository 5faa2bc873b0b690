//! Finds the known name that a mistyped one resembles.

/// Below this likeness (0 to 1) a suggestion would be noise.
const LIKENESS_MIN: f64 = 0.6;
/// Longest name compared, in bytes; the comparison takes quadratic time.
const COMPARED_MAX_BYTES: usize = 200;

/// The known name most like `name`, if any is like it at all. A name that is right but stands in the wrong table
/// (`max_strikes` for `workers.max_strikes`) counts as very like.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED_MAX_BYTES {
        return None;
    }
    let likeness = |candidate: &str| {
        let whole = strsim::normalized_damerau_levenshtein(name, candidate);
        let last = strsim::normalized_damerau_levenshtein(last_part(name), last_part(candidate));
        whole.max(last * 0.9)
    };
    let (best, score) = known
        .into_iter()
        .map(|candidate| (candidate, likeness(candidate)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    (score >= LIKENESS_MIN).then_some(best)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_likely_one_or_none() {
        let known = ["http_port", "workers.max_strikes", "verify.max_cycles"];
        assert_eq!(nearest("htp_port", known), Some("http_port"));
        assert_eq!(nearest("max_strikes", known), Some("workers.max_strikes"));
        assert_eq!(nearest("worker.max_strike", known), Some("workers.max_strikes"));
        assert_eq!(nearest("completely_else", known), None);
        assert_eq!(nearest("http_port", []), None);
        assert_eq!(nearest(&"x".repeat(COMPARED_MAX_BYTES + 1), known), None);
    }
}
