//! Protocol lines, the generations of the contract, and the kinds of proof.

use std::{fmt, str::FromStr};

/// A generation of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// `remote_prover.Api`, releases 0.10 to 0.16: opaque payloads.
    B,
    /// `miden.remote_prover.v1`, releases 0.17 and 0.18: structured messages.
    C,
}

/// A line of Miden's protocol: payloads of one line are not those of another, and nothing in them says which they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// Protocol 0.15.
    V0_15,
    /// Protocol 0.18.
    V0_18,
}

impl Line {
    /// Every line that there is a prover for.
    pub const ALL: [Self; 2] = [Self::V0_15, Self::V0_18];

    /// As operators write it: "0.15".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_15 => "0.15",
            Self::V0_18 => "0.18",
        }
    }

    /// The generation that its clients speak.
    pub fn generation(self) -> Generation {
        match self {
            Self::V0_15 => Generation::B,
            Self::V0_18 => Generation::C,
        }
    }

    /// The name of its proof system among provers and requests.
    pub fn system(self) -> &'static str {
        match self {
            Self::V0_15 => "miden-0.15",
            Self::V0_18 => "miden-0.18",
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|line| line.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no line that is served: use 0.15 or 0.18"))
    }
}

/// What is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One transaction.
    Transaction,
    /// A batch of transactions.
    Batch,
    /// A block of batches.
    Block,
}

impl Kind {
    /// Every kind, in the order of their numbers on the wire.
    pub const ALL: [Self; 3] = [Self::Transaction, Self::Batch, Self::Block];

    /// The name among provers, in settings and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Batch => "batch",
            Self::Block => "block",
        }
    }

    /// The number in `ProofType`, the same in both generations.
    pub fn number(self) -> i32 {
        match self {
            Self::Transaction => 0,
            Self::Batch => 1,
            Self::Block => 2,
        }
    }

    /// Reads [`Self::number`].
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no kind: use transaction, batch or block"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!(Kind::from_number(3), None);
        for line in Line::ALL {
            assert_eq!(line.as_str().parse(), Ok(line));
        }
        assert!("0.16".parse::<Line>().is_err());
    }
}
