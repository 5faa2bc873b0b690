//! Lists that would take much memory for few bytes.
//!
//! An element of a list costs two bytes when it is empty, and hundreds of bytes once decoded. So before a message is
//! decoded, its lists are walked, and elements too short to be real are refused: what is left takes at most about ten
//! times the memory of its bytes.

use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// A list within a message.
#[derive(Debug)]
pub struct List {
    /// What it is a list of, for people.
    name: &'static str,
    /// The fields that lead to it, from the outside in.
    path: &'static [u32],
    /// Fewest bytes of an element.
    least: usize,
}

const fn list(name: &'static str, path: &'static [u32], least: usize) -> List {
    List { name, path, least }
}

/// The lists of `transaction.TransactionInputs`.
pub const TRANSACTION_INPUTS: &[List] = &[
    list("block headers", &[1, 4, 2], HEADER),
    list("input notes", &[1, 5, 1], NOTE),
];

/// The lists of `transaction.ProvenTransaction`.
pub const PROVEN_TRANSACTION: &[List] = &[list("input notes", &[2], WORD), list("output notes", &[3], NOTE)];

/// The lists of `transaction.ProposedBatch`.
pub const PROPOSED_BATCH: &[List] = &[
    list("transactions", &[1], 4 * WORD),
    list("input notes", &[1, 2], WORD),
    list("output notes", &[1, 3], NOTE),
    list("block headers", &[3, 2], HEADER),
    list("note proofs", &[4], WORD),
];

/// The lists of `transaction.ProvenBatch`.
pub const PROVEN_BATCH: &[List] = &[
    list("account updates", &[3], 2 * WORD),
    list("input notes", &[4], WORD),
    list("output notes", &[5], NOTE),
    list("transactions", &[7], 3 * WORD),
    list("input notes of transactions", &[7, 5], WORD),
    list("output notes of transactions", &[7, 6], NOTE),
];

/// The lists of `block_proving.BlockProofRequest`.
pub const BLOCK_PROOF_REQUEST: &[List] = &[
    list("batches", &[1], 3 * WORD),
    list("account updates", &[1, 3], 2 * WORD),
    list("input notes", &[1, 4], WORD),
    list("output notes", &[1, 5], NOTE),
    list("transactions", &[1, 7], 3 * WORD),
    list("input notes of transactions", &[1, 7, 5], WORD),
    list("output notes of transactions", &[1, 7, 6], NOTE),
    list("block headers", &[2, 2, 2], HEADER),
    list("account witnesses", &[2, 3], WORD),
    list("nullifier witnesses", &[2, 4], WORD),
    list("note proofs", &[2, 5], WORD),
];

/// A word behind the keys and lengths of its two messages.
const WORD: usize = 36;
/// A note has an id and its sender.
const NOTE: usize = 48;
/// A block header has seven words.
const HEADER: usize = 7 * WORD;

/// Looks at every element of the lists; names the first list with one that is too short.
///
/// Bytes that are no protobuf pass: decoding finds them.
pub(crate) fn too_short(bytes: &[u8], lists: &'static [List]) -> Option<&'static str> {
    let short = |list: &&List| walk(bytes, list.path, list.least) == Some(Found::TooShort);
    lists.iter().find(short).map(|list| list.name)
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    TooShort,
    Fine,
}

/// `None` where the bytes are no protobuf.
fn walk(mut bytes: &[u8], path: &[u32], least: usize) -> Option<Found> {
    let (first, rest) = path.split_first()?;
    while bytes.has_remaining() {
        let (field, wire_type) = decode_key(&mut bytes).ok()?;
        if field != *first || wire_type != WireType::LengthDelimited {
            skip_field(wire_type, field, &mut bytes, DecodeContext::default()).ok()?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        let (element, after) = bytes.split_at_checked(length)?;
        let found = match rest {
            [] if element.len() < least => Found::TooShort,
            [] => Found::Fine,
            rest => walk(element, rest, least)?,
        };
        if found == Found::TooShort {
            return Some(found);
        }
        bytes = after;
    }
    Some(Found::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("short");
        assert!(length < 0x80, "one byte of length");
        [&[number << 3 | 2, length], bytes].concat()
    }

    const LISTS: &[List] = &[list("things", &[1, 2], 3)];

    #[test]
    fn elements_are_found_at_any_depth_and_after_any_other() {
        let fine = field(2, b"abc");
        let short = field(2, b"ab");
        let other = field(3, b"");
        for (inner, expected) in [
            (vec![&fine], None),
            (vec![&fine, &other, &fine], None),
            (vec![&short], Some("things")),
            (vec![&fine, &other, &short], Some("things")),
            (vec![&other], None),
        ] {
            let inner = inner.into_iter().map(Vec::as_slice).collect::<Vec<_>>().concat();
            let message = [field(4, b"ignored"), field(1, b""), field(1, &inner)].concat();
            assert_eq!(too_short(&message, LISTS), expected, "{inner:?}");
        }
    }

    #[test]
    fn what_is_no_protobuf_is_left_to_the_decoder() {
        for bytes in [&[0xff; 20][..], &[0x0a, 0x7f], &[0x0a], &[]] {
            assert_eq!(too_short(bytes, LISTS), None);
        }
    }
}
