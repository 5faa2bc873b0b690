//! What a job makes the mock do, written in the job's own inputs.
//!
//! A script is `mock:` followed by `key=value` pairs with `,` between them; it ends at `;`, at a line's end, at any byte
//! that is not printable ASCII, or with the blob. It is found anywhere in the first 4 KiB of the program and of any
//! other input, because clients wrap inputs in encodings of their own. The program's pairs come first, then the
//! inputs', then those of the hello option `script`; a later pair replaces an earlier one. Unknown keys are refused.
//!
//! What the job is:
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `prove_ms`, `execute_ms`, `setup_ms`, `verify_ms` | how long the call takes | 0 (`prove_ms`: the option of that name) |
//! | `phases` | phases of progress while proving, with `+` between | `execute+prove+compress` |
//! | `cycles`, `gas` | what execution reports; over the call's limit is a fault | 1,000 and 2,000 |
//! | `exit_code` | not 0: `NON_ZERO_EXIT` | 0 |
//! | `fault` | a cause in lower case, `abnormal_exit` ... | none |
//! | `public_values` | hexadecimal | SHA-256 over program and inputs |
//! | `log` | guest log | none |
//! | `log_bytes` | a guest log of so many bytes | none |
//! | `output_bytes` | length of an extra output `padding` of a proof | none |
//! | `program_id` | hexadecimal; in the program: its id | SHA-256 over the program |
//!
//! How it misbehaves, in the call `at` (`hello`, `prove`, `execute`, `setup`, `verify`; default `prove`):
//!
//! | key | meaning |
//! |---|---|
//! | `crash` | `exit:N`, `kill` (SIGKILL to itself), `panic`, `abort` |
//! | `hang` | `busy` (heartbeats go on, cancels are ignored), `silent` (the whole process stops) |
//! | `ignore_cancel` | `1`: goes on until the call's time is over |
//! | `memory` | bytes that are taken and kept for the call's time |
//! | `garbage` | `1`: bytes that are no frame, on the host's pipe |
//! | `noise` | `1`: prints to stdout, which is harmless |
//! | `fail` | `input`, `transient`, `prover`, `program`, `unsupported`: answers with that failure |
//! | `lie` | in prove, a false success: `forged`, `truncated`, `other_program`, `other_values`, `other_kind` |
//! | `once` | a path: misbehaves only while no file is there, and makes it |

use std::{collections::BTreeMap, str::FromStr};

use hierophant_prover_protocol::proto::Failure;

/// How a script begins.
const MARK: &[u8] = b"mock:";

/// How far into a blob its script may begin, in bytes.
const SEARCHED_BYTES: usize = 4096;

/// Longest script, in bytes.
const MAX_SCRIPT_BYTES: usize = 4096;

const KEYS: &[&str] = &[
    "at",
    "crash",
    "cycles",
    "execute_ms",
    "exit_code",
    "fail",
    "fault",
    "garbage",
    "gas",
    "hang",
    "ignore_cancel",
    "lie",
    "log",
    "log_bytes",
    "memory",
    "noise",
    "once",
    "output_bytes",
    "phases",
    "program_id",
    "prove_ms",
    "public_values",
    "setup_ms",
    "verify_ms",
];

/// The pairs that apply to one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(BTreeMap<String, String>);

impl Script {
    /// Adds the pairs of the first script in `blob`, if it has any.
    pub(crate) fn add_blob(&mut self, blob: &[u8]) -> Result<(), Failure> {
        let searched = &blob[..blob.len().min(SEARCHED_BYTES)];
        let Some(start) = searched.windows(MARK.len()).position(|part| part == MARK) else {
            return Ok(());
        };
        let text = &blob[start + MARK.len()..];
        let ends = |byte: &u8| *byte == b';' || !(b' '..=b'~').contains(byte);
        let end = text.iter().position(ends).unwrap_or(text.len());
        if end > MAX_SCRIPT_BYTES {
            return Err(Failure::input("the script of the mock is over 4 KiB"));
        }
        self.add_text(&String::from_utf8_lossy(&text[..end]))
    }

    /// Adds the pairs of a bare script.
    pub(crate) fn add_text(&mut self, text: &str) -> Result<(), Failure> {
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .filter(|(key, _)| KEYS.contains(key))
                .ok_or_else(|| {
                    Failure::input(format!(
                        "the script of the mock has no pair {pair:?}; known keys: {}",
                        KEYS.join(", ")
                    ))
                })?;
            self.0.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// The text of a pair.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        debug_assert!(KEYS.contains(&key), "{key} is missing in KEYS");
        self.0.get(key).map(String::as_str)
    }

    /// Whether a pair has the value `1`.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.text(key) == Some("1")
    }

    /// The number of a pair.
    pub(crate) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Failure> {
        self.text(key)
            .map(|text| {
                text.parse()
                    .map_err(|_| Failure::input(format!("{key}={text} is no number in range")))
            })
            .transpose()
    }

    /// The bytes of a pair.
    pub(crate) fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.text(key)
            .map(|text| hex::decode(text).map_err(|error| Failure::input(format!("{key} is not hexadecimal: {error}"))))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_inside_other_bytes_and_end_where_they_should() {
        let mut script = Script::default();
        script
            .add_blob(b"\x7fELF\0\0mock:cycles=7, log=hello world;tail=1")
            .unwrap();
        script.add_blob(b"mock:cycles=8\x05gas=9").unwrap();
        script.add_blob(b"nothing here").unwrap();
        assert_eq!(script.number::<u64>("cycles").unwrap(), Some(8));
        assert_eq!(script.text("log"), Some("hello world"));
        assert_eq!(script.number::<u64>("gas").unwrap(), None);
    }

    #[test]
    fn typos_are_refused() {
        let mut script = Script::default();
        let refused = script.add_blob(b"mock:cicles=7").unwrap_err();
        assert!(refused.message.contains("cycles"), "{}", refused.message);
        script.add_blob(b"mock:gas=many").unwrap();
        assert!(script.number::<u64>("gas").is_err());
    }
}
