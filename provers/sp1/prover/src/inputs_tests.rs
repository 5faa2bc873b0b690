//! What clients upload, and what nobody should: every case ends in a value or in a named error.

use super::*;

const LIMIT: u64 = 1 << 20;

fn packed(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("compresses")
}

#[test]
fn takes_both_forms_that_clients_upload() {
    let bare = bincode::serialize(&vec![7_u8; 1000]).expect("encodes");
    assert_eq!(unpack(bare.clone(), LIMIT), Ok(bare.clone()));
    assert_eq!(unpack(packed(&bare), LIMIT), Ok(bare.clone()));
    assert_eq!(elf_of(&bare), Ok([7_u8; 1000].as_slice()));
}

#[test]
fn stops_at_the_limit_and_not_before() {
    let bomb = packed(&vec![0; 1 << 20]);
    assert!(bomb.len() < 1000, "the frame is small");
    assert_eq!(unpack(bomb.clone(), 1 << 20).map(|plain| plain.len()), Ok(1 << 20));
    assert_eq!(
        unpack(bomb, (1 << 20) - 1),
        Err(DecodeError::TooLarge { limit: (1 << 20) - 1 })
    );
    assert_eq!(unpack(vec![0; 5], 5).map(|plain| plain.len()), Ok(5));
    assert_eq!(unpack(vec![0; 5], 4), Err(DecodeError::TooLarge { limit: 4 }));
}

#[test]
fn names_what_is_wrong_with_a_frame() {
    let frame = packed(&[1; 5000]);
    let cut = frame[..frame.len() - 1].to_vec();
    assert!(matches!(unpack(cut, LIMIT), Err(DecodeError::Zstd(_))));
    assert!(matches!(unpack(ZSTD_MAGIC.to_vec(), LIMIT), Err(DecodeError::Zstd(_))));
    let mut longer = frame.clone();
    longer.push(0);
    assert_eq!(unpack(longer, LIMIT), Err(DecodeError::AfterFrame));
    let twice = [frame.clone(), frame].concat();
    assert_eq!(unpack(twice, LIMIT), Err(DecodeError::AfterFrame));
}

#[test]
fn refuses_lengths_that_the_bytes_do_not_hold() {
    for length in [1_u64 << 60, u64::MAX, 4] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([1, 2, 3]);
        assert!(matches!(elf_of(&bytes), Err(DecodeError::Bincode { .. })), "{length}");
        assert!(matches!(
            decode::<Vec<Vec<u8>>>(&bytes, "a test value"),
            Err(DecodeError::Bincode { .. })
        ));
        assert!(matches!(
            decode::<String>(&bytes, "a test value"),
            Err(DecodeError::Bincode { .. })
        ));
    }
    assert!(elf_of(&[0; 7]).is_err());
}

#[test]
fn refuses_what_follows_a_value() {
    let mut bytes = bincode::serialize(&vec![vec![1_u8]]).expect("encodes");
    assert_eq!(decode::<Vec<Vec<u8>>>(&bytes, "a test value"), Ok(vec![vec![1]]));
    bytes.push(0);
    assert!(decode::<Vec<Vec<u8>>>(&bytes, "a test value").is_err());
}
