//! Bytes from outside that are nothing that a client would send.

use std::sync::OnceLock;

use proptest::prelude::*;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::support::{Rig, wire};

const SIGNED: [&str; 3] = [
    "/network.ProverNetwork/CreateProgram",
    "/network.ProverNetwork/RequestProof",
    "/network.ProverNetwork/CancelRequest",
];
const ALL: [&str; 13] = [
    "/artifact.ArtifactStore/CreateArtifact",
    "/network.ProverNetwork/GetNonce",
    "/network.ProverNetwork/GetBalance",
    "/network.ProverNetwork/GetProgram",
    "/network.ProverNetwork/CreateProgram",
    "/network.ProverNetwork/GetProofRequestParams",
    "/network.ProverNetwork/GetProversByUptime",
    "/network.ProverNetwork/RequestProof",
    "/network.ProverNetwork/GetProofRequestStatus",
    "/network.ProverNetwork/GetProofRequestDetails",
    "/network.ProverNetwork/GetFilteredProofRequests",
    "/network.ProverNetwork/CancelRequest",
    "/network.ProverNetwork/GetMarketPricePerPgu",
];

/// A message that is encoded as the bytes it holds.
#[derive(Clone, Debug, Default)]
struct Raw(Vec<u8>);

impl Message for Raw {
    fn encode_raw(&self, buffer: &mut impl prost::bytes::BufMut) {
        buffer.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buffer: &mut impl prost::bytes::Buf,
        context: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Codes on which clients try again for two minutes.
fn is_retried(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Internal | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// One server for all cases of the properties.
fn rig() -> &'static (Runtime, Rig) {
    static RIG: OnceLock<(Runtime, Rig)> = OnceLock::new();
    RIG.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let rig = runtime.block_on(Rig::start());
        (runtime, rig)
    })
}

fn send(method: &'static str, bytes: Vec<u8>) -> Result<Raw, Status> {
    let (runtime, rig) = rig();
    runtime.block_on(rig.client.call(method, Raw(bytes)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_is_refused_for_good_by_every_call(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for method in ALL {
            if let Err(refused) = send(method, bytes.clone()) {
                prop_assert!(!is_retried(&refused), "{}: {:?}", method, refused);
            }
        }
    }

    #[test]
    fn signed_noise_is_refused_for_good(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let signature = rig().1.client.sign(&body, 27);
        let envelope = wire::Envelope { format: 1, signature, body: Some(body) }.encode_to_vec();
        for method in SIGNED {
            let refused = send(method, envelope.clone()).expect_err("noise is no request");
            prop_assert!(!is_retried(&refused), "{}: {:?}", method, refused);
        }
    }

    /// Well signed, and nearly right: a real body with one byte changed.
    #[test]
    fn damaged_bodies_that_are_signed_are_refused_for_good(at in any::<prop::sample::Index>(), to in any::<u8>(), auction in any::<bool>()) {
        let (now, uri) = (1_800_000_000, "hierophant://artifacts/01920000-0000-7000-8000-0000000000ff".to_owned());
        let mut body = if auction {
            wire::AuctionBody { stdin_uri: uri, domain: vec![1; 32], ..wire::auction_body(now) }.encode_to_vec()
        } else {
            wire::BaseBody { stdin_uri: uri, ..wire::base_body(now) }.encode_to_vec()
        };
        let at = at.index(body.len());
        body[at] = to;
        let signature = rig().1.client.sign(&body, 27);
        let envelope = wire::Envelope { format: 1, signature, body: Some(body) }.encode_to_vec();
        let refused = send("/network.ProverNetwork/RequestProof", envelope).expect_err("no such upload");
        prop_assert!(!is_retried(&refused), "{:?}", refused);
    }

    #[test]
    fn forged_signatures_are_refused_for_good(signature in proptest::collection::vec(any::<u8>(), 0..70)) {
        let body = wire::base_body(1_800_000_000).encode_to_vec();
        let envelope = wire::Envelope { format: 1, signature, body: Some(body) }.encode_to_vec();
        for method in SIGNED {
            let refused = send(method, envelope.clone()).expect_err("not signed");
            prop_assert!(!is_retried(&refused), "{}: {:?}", method, refused);
        }
    }
}

#[test]
fn an_envelope_without_a_body_is_refused() {
    let envelope = wire::Envelope {
        format: 1,
        signature: vec![0; 65],
        body: None,
    }
    .encode_to_vec();
    for method in SIGNED {
        assert_eq!(
            send(method, envelope.clone()).expect_err("no body").code(),
            Code::InvalidArgument
        );
    }
}

#[test]
fn sizes_are_checked_at_their_edges() {
    let envelope = |size: usize| {
        wire::Envelope {
            format: 1,
            signature: vec![0; 65],
            body: Some(vec![0; size]),
        }
        .encode_to_vec()
    };
    let largest_body = 128 * 1024;
    let framing = envelope(hierophant_door_sp1::RECEIVE_MAX_BYTES).len() - hierophant_door_sp1::RECEIVE_MAX_BYTES;
    for (size, code) in [
        (largest_body, Code::Unauthenticated),
        (largest_body + 1, Code::InvalidArgument),
        (hierophant_door_sp1::RECEIVE_MAX_BYTES - framing, Code::InvalidArgument),
        (hierophant_door_sp1::RECEIVE_MAX_BYTES - framing + 1, Code::OutOfRange),
    ] {
        let refused = send(SIGNED[1], envelope(size)).expect_err("nonsense");
        assert_eq!(refused.code(), code, "{size} bytes: {}", refused.message());
    }
}

#[test]
fn calls_that_are_not_served_are_unimplemented() {
    for method in [
        "/network.ProverNetwork/FulfillProof",
        "/network.ProverNetwork/Bid",
        "/network.ProverNetwork/GetStdinUri",
    ] {
        assert_eq!(
            send(method, Vec::new()).expect_err("not served").code(),
            Code::Unimplemented
        );
    }
}

#[test]
fn the_descriptors_name_both_services() {
    use prost_types::FileDescriptorSet;
    let set = FileDescriptorSet::decode(hierophant_door_sp1::FILE_DESCRIPTOR_SET).expect("descriptors");
    let services: Vec<String> = set
        .file
        .iter()
        .flat_map(|file| {
            file.service
                .iter()
                .map(|service| format!("{}.{}", file.package(), service.name()))
        })
        .collect();
    assert!(services.contains(&"network.ProverNetwork".to_owned()), "{services:?}");
    assert!(services.contains(&"artifact.ArtifactStore".to_owned()), "{services:?}");
}
