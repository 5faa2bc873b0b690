//! Queries of listings: what a caller may ask for, and where the next page begins.
//!
//! Every parameter is known by name and may stand once; anything else is refused with a sentence.

use std::fmt::Write as _;

use axum::extract::{Query, rejection::QueryRejection};
use hierophant_domain::Timestamp;
use hierophant_store::PAGE_MAX;

use super::{ApiError, quoted};

/// Rows of a page where the caller does not say.
pub(crate) const LIMIT_DEFAULT: usize = 50;
/// Furthest row that a cursor may name: far above what a listing is read for, and small enough for every backend.
pub(crate) const SKIP_MAX: usize = 1_000_000_000;

/// A query as axum gives it.
pub(crate) type RawQuery = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// A checked query: each parameter known, and there once.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes a query apart; `own` are the parameters of this listing besides `limit` and `cursor`.
    pub(crate) fn read(raw: RawQuery, own: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs) = raw.map_err(|_| ApiError::bad_query("the query cannot be decoded".to_owned()))?;
        let is_known = |name: &str| name == "limit" || name == "cursor" || own.contains(&name);
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !is_known(name) {
                let known = own
                    .iter()
                    .fold("limit, cursor".to_owned(), |known, name| known + ", " + name);
                return Err(ApiError::bad_query(format!(
                    "there is no parameter {}; there are {known}",
                    quoted(name)
                )));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::bad_query(format!("{name} may stand only once")));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Rows of the page.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(LIMIT_DEFAULT);
        };
        let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
        limit.ok_or_else(|| {
            ApiError::bad_query(format!(
                "limit is a whole number from 1 to {PAGE_MAX}, not {}",
                quoted(text)
            ))
        })
    }

    /// Rows to pass over, of a listing whose cursor is their number.
    pub(crate) fn offset(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("cursor") else { return Ok(0) };
        text.parse()
            .ok()
            .filter(|offset| *offset <= SKIP_MAX)
            .ok_or_else(|| bad_cursor(text))
    }

    /// Where the page begins, of a listing by time.
    pub(crate) fn position(&self) -> Result<Option<Position>, ApiError> {
        self.get("cursor")
            .map(|text| Position::parse(text).ok_or_else(|| bad_cursor(text)))
            .transpose()
    }

    /// The path of the page that begins at `cursor`, with everything else as it was asked for. Values of parameters
    /// are checked before to be of names and commas, which need no escapes.
    pub(crate) fn next(&self, path: &str, cursor: impl std::fmt::Display) -> String {
        let mut next = format!("{path}?");
        for (name, value) in self.0.iter().filter(|(name, _)| name != "cursor") {
            let _ = write!(next, "{name}={value}&");
        }
        let _ = write!(next, "cursor={cursor}");
        next
    }
}

fn bad_cursor(text: &str) -> ApiError {
    ApiError::bad_query(format!(
        "cursor is taken from `next` of an earlier answer, and {} is not one",
        quoted(text)
    ))
}

/// A place in a listing that is ordered by time, newest first: after the first `skip` rows of the millisecond `at`.
/// Rows that come in at the top do not move it. Prints as `at-skip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The time of the row before.
    pub(crate) at: Timestamp,
    /// How many rows of that time were shown.
    pub(crate) skip: usize,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        let (at, skip) = text.split_once('-')?;
        let at = i64::try_from(at.parse::<u64>().ok()?).ok()?;
        let skip = skip.parse().ok().filter(|skip| *skip <= SKIP_MAX)?;
        Some(Self {
            at: Timestamp(at),
            skip,
        })
    }

    /// The place after a page that began at `start` and whose rows have `times`; none after an empty page.
    pub(crate) fn after(start: Option<Self>, times: &[Timestamp]) -> Option<Self> {
        let at = *times.last()?;
        let here = times.iter().rev().take_while(|time| **time == at).count();
        let before = start
            .filter(|start| start.at == at && here == times.len())
            .map_or(0, |start| start.skip);
        Some(Self {
            at,
            skip: before + here,
        })
    }

    /// The first time that is after everything of `at`: where "before this" includes it.
    pub(crate) fn upper(&self) -> Timestamp {
        Timestamp(self.at.0.saturating_add(1))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at.0, self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[i64]) -> Vec<Timestamp> {
        times.iter().copied().map(Timestamp).collect()
    }

    #[test]
    fn a_position_reads_back_and_refuses_the_rest() {
        let position = Position {
            at: Timestamp(17),
            skip: SKIP_MAX,
        };
        assert_eq!(Position::parse(&position.to_string()), Some(position));
        for bad in [
            "",
            "1",
            "-1-1",
            "1-",
            "1--1",
            "1-1000000001",
            "9223372036854775808-0",
            "a-b",
        ] {
            assert_eq!(Position::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn rows_of_one_millisecond_are_counted_over_pages() {
        assert_eq!(Position::after(None, &[]), None);
        let first = Position::after(None, &at(&[9, 7, 7])).expect("rows");
        assert_eq!(
            first,
            Position {
                at: Timestamp(7),
                skip: 2
            }
        );
        let second = Position::after(Some(first), &at(&[7, 7, 7])).expect("rows");
        assert_eq!(
            second,
            Position {
                at: Timestamp(7),
                skip: 5
            }
        );
        let third = Position::after(Some(second), &at(&[7, 3, 3])).expect("rows");
        assert_eq!(
            third,
            Position {
                at: Timestamp(3),
                skip: 2
            }
        );
    }
}
