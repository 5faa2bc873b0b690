//! Names for workers whose operator gave none: two words, easy to tell apart in a table.

use rand::seq::IndexedRandom as _;

const FIRST: &[&str] = &[
    "amber", "brisk", "calm", "copper", "curious", "dusty", "early", "faint", "gentle", "hidden", "hollow", "idle",
    "jade", "keen", "late", "lucid", "mellow", "misty", "narrow", "nimble", "patient", "plain", "quiet", "rapid",
    "rustic", "silver", "slow", "steady", "still", "sunlit", "tidy", "vivid", "wry",
];
const SECOND: &[&str] = &[
    "alder", "anvil", "badger", "beacon", "birch", "brook", "cedar", "cinder", "comet", "crane", "delta", "ember",
    "falcon", "fern", "glacier", "harbor", "heron", "island", "juniper", "lantern", "lynx", "marsh", "meadow", "otter",
    "pebble", "quarry", "raven", "ridge", "sparrow", "thicket", "tundra", "willow", "wren",
];

/// A name such as "patient-heron". Names need not be unique.
pub(crate) fn random() -> String {
    let mut rng = rand::rng();
    let mut word = |words: &[&'static str]| words.choose(&mut rng).copied().unwrap_or("worker");
    format!("{}-{}", word(FIRST), word(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_two_words_of_the_lists() {
        let name = random();
        let (first, second) = name.split_once('-').unwrap();
        assert!(FIRST.contains(&first) && SECOND.contains(&second), "{name}");
    }
}
