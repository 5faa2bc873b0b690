//! Signatures of the published clients, byte by byte. Key: 0x01 repeated 32 times.

use alloy_primitives::{hex, keccak256};
use k256::ecdsa::{Signature, SigningKey};

use super::*;

const ADDRESS: &str = "1a642f0e3c3af545e7acbd38b07251b3990914f1";
const CREATE_ARTIFACT_RS: &str = "c501daa290f875e4057153155e7d3810ba316173c9a420f303c97a19a4b8c582167875479f95b241e684220e80f91f5ee26bb32de2d3b5d7096350ab8bc8dd78";
const BASE_BODY: &str = "08071220abababababababababababababababababababababababababababababababab1a0a7370312d76362e312e3020042801321a687474703a2f2f3132372e302e302e313a383038312f612f73313880e6fe890740ffffffffffffffffff0148ffffffffffffffffff01";
const BASE_SIGNATURE: &str = "88ed9d69fdc69b0ffcff661c158a8ae00038b2f26e673c6eb1ce3305f91875be6cd9ed64f0c597fb444013a4bafefd994345dda2f9b253e42e11514a4a82a6ab1c";
const PRIVATE_SIGNATURE: &str = "86cbfcb57644be2c23d009bad6aedd77edd5147acd439ddb5806928557d968733de6ad8b5d5d012cb69e049985bb73108dcdf0be55ffdfb2ff3da9c739b819501c";
const AUCTION_BODY: &str = "08071220abababababababababababababababababababababababababababababababab1a0a7370312d76362e312e3020022803321a687474703a2f2f3132372e302e302e313a383038312f612f73313880e6fe890740c0c40748c7a80e6220dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd6a140a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a72140a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a7a140a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a820120eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee8a01013092010131a201140a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const AUCTION_SIGNATURE: &str = "628edb09dec303bf3ebb853ebfd8128b8259eec85bbfc598024af66d308656dc44fc81b7a43e2e4ad266cedf4c758cf917d221f4ee759482b1e7d36b0eb369d31c";
const CANCEL_BODY: &str = "08081220cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
const CANCEL_SIGNATURE: &str = "3a7220f8c7136f8f55c3af273b48c367ed6f0891ebb90fdd6b079c2bae1e30bd515e323300a83fb8200ef9a4ef1bfe623bc848e136b7086d0da7a2dd5397ee2f1c";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal")
}

fn expected() -> Address {
    Address::from_slice(&bytes(ADDRESS))
}

#[test]
fn create_artifact_has_the_same_account_whatever_its_v() {
    let digest = personal_message_hash(CREATE_ARTIFACT_MESSAGE);
    assert_eq!(
        hex::encode(digest),
        "70f518d3034cb94ffbe469de194d4382d4055de854126ef9aad036d5032c6c2c"
    );
    for v in [0, 27, 54] {
        let signature = [bytes(CREATE_ARTIFACT_RS), vec![v]].concat();
        assert_eq!(recover(CREATE_ARTIFACT_MESSAGE, &signature), Ok(expected()), "v {v}");
    }
    // What a reader that takes v of 35 and more for EIP-155 would find.
    for v in [1, 28, 55] {
        let signature = [bytes(CREATE_ARTIFACT_RS), vec![v]].concat();
        let other = Address::from_slice(&bytes("c3def5acf17de7b65e2209117a474607b090fe9c"));
        assert_eq!(recover(CREATE_ARTIFACT_MESSAGE, &signature), Ok(other), "v {v}");
    }
}

#[test]
fn bodies_of_all_signed_calls_give_their_account() {
    let private_body = format!("{BASE_BODY}6001");
    for (body, signature) in [
        (BASE_BODY, BASE_SIGNATURE),
        (private_body.as_str(), PRIVATE_SIGNATURE),
        (AUCTION_BODY, AUCTION_SIGNATURE),
        (CANCEL_BODY, CANCEL_SIGNATURE),
    ] {
        assert_eq!(recover(&bytes(body), &bytes(signature)), Ok(expected()), "{body}");
        let mut altered = bytes(body);
        altered[1] ^= 1;
        assert_ne!(recover(&altered, &bytes(signature)), Ok(expected()), "altered {body}");
    }
}

#[test]
fn the_hash_is_the_contracts_keccak() {
    let of = [bytes(ADDRESS), bytes(BASE_BODY)].concat();
    assert_eq!(
        hex::encode(keccak256(of)),
        "6b84a04b4c5b3e522cb0b4d39f9a4baa6e74104d8e0d83e707bc6f1ee54a7f9b"
    );
}

#[test]
fn every_other_v_is_refused() {
    for v in (0..=u8::MAX).filter(|v| ![0, 1, 27, 28, 54, 55].contains(v)) {
        let signature = [bytes(CREATE_ARTIFACT_RS), vec![v]].concat();
        let refused = recover(CREATE_ARTIFACT_MESSAGE, &signature).expect_err("not a v that clients send");
        assert!(refused.0.contains("last byte"), "v {v}: {}", refused.0);
    }
}

#[test]
fn signatures_of_the_wrong_length_or_out_of_range_are_refused() {
    let good = [bytes(CREATE_ARTIFACT_RS), vec![27]].concat();
    for length in [0, 1, 64, 66] {
        let mut other = good.clone();
        other.resize(length, 0);
        assert!(recover(CREATE_ARTIFACT_MESSAGE, &other).is_err(), "{length} bytes");
    }
    let zero = [vec![0; 64], vec![27]].concat();
    assert_eq!(
        recover(CREATE_ARTIFACT_MESSAGE, &zero),
        Err(BadSignature("r or s is out of range"))
    );
    let most = [vec![0xff; 64], vec![27]].concat();
    assert_eq!(
        recover(CREATE_ARTIFACT_MESSAGE, &most),
        Err(BadSignature("r or s is out of range"))
    );
}

#[test]
fn the_upper_half_of_s_is_refused() {
    let key = SigningKey::from_slice(&[1; 32]).expect("a key");
    let digest = personal_message_hash(CREATE_ARTIFACT_MESSAGE);
    let (low, parity) = key.sign_prehash_recoverable(digest.as_slice());
    let high = Signature::from_scalars(low.r(), -*low.s()).expect("in range");
    let signature = [high.to_bytes().to_vec(), vec![u8::from(!parity.is_y_odd())]].concat();
    let refused = recover(CREATE_ARTIFACT_MESSAGE, &signature).expect_err("malleable");
    assert!(refused.0.contains("upper half"), "{}", refused.0);
}
