//! A client that signs as published ones do and sends whatever it is given.

use alloy_primitives::eip191_hash_message;
use k256::ecdsa::SigningKey;
use prost::Message;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::wire;

pub(crate) type Answer<T> = Result<T, Status>;

/// One account on one connection.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    key: SigningKey,
}

impl Client {
    /// With the key of this byte repeated.
    pub(crate) async fn connect(url: &str, key: u8) -> Self {
        let channel = Endpoint::from_shared(url.to_owned())
            .expect("a URL")
            .connect()
            .await
            .expect("connects");
        Self {
            channel,
            key: SigningKey::from_slice(&[key; 32]).expect("a key"),
        }
    }

    /// The 20 bytes of the account.
    pub(crate) fn address(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        alloy_primitives::Address::from_raw_public_key(&point.as_bytes()[1..]).to_vec()
    }

    /// r, s and parity + `v`.
    pub(crate) fn sign(&self, message: &[u8], v: u8) -> Vec<u8> {
        let digest = eip191_hash_message(message);
        let (signature, parity) = self.key.sign_prehash_recoverable(digest.as_slice());
        [signature.to_bytes().to_vec(), vec![v + parity.to_byte()]].concat()
    }

    /// Sends a message as it is.
    pub(crate) async fn call<Q, A>(&self, method: &'static str, message: Q) -> Answer<A>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.expect("the connection is there");
        let path = PathAndQuery::from_static(method);
        let reply = grpc
            .unary(Request::new(message), path, ProstCodec::<Q, A>::default())
            .await?;
        assert!(
            !reply.metadata().contains_key("grpc-encoding"),
            "item 2: replies are not compressed"
        );
        Ok(reply.into_inner())
    }

    /// Signs a body as SDK 5.2 and later do and sends it.
    pub(crate) async fn signed<A>(&self, method: &'static str, body: &impl Message) -> Answer<A>
    where
        A: Message + Default + Send + Sync + 'static,
    {
        let body = body.encode_to_vec();
        self.call(
            method,
            wire::Envelope {
                format: 1,
                signature: self.sign(&body, 27),
                body: Some(body),
            },
        )
        .await
    }

    pub(crate) async fn create_artifact(&self, artifact_type: i32) -> Answer<wire::CreateArtifactResponse> {
        let signature = self.sign(b"create_artifact", 54);
        self.call(
            "/artifact.ArtifactStore/CreateArtifact",
            wire::CreateArtifactRequest {
                signature,
                artifact_type,
            },
        )
        .await
    }

    pub(crate) async fn create_program(&self, vk_hash: &[u8], vk: &[u8], uri: &str) -> Answer<wire::SignedReply> {
        let body = wire::CreateProgramBody {
            nonce: 1,
            vk_hash: vk_hash.to_vec(),
            vk: vk.to_vec(),
            program_uri: uri.to_owned(),
        };
        self.signed("/network.ProverNetwork/CreateProgram", &body).await
    }

    pub(crate) async fn get_program(&self, vk_hash: &[u8]) -> Answer<wire::GetProgramResponse> {
        self.call(
            "/network.ProverNetwork/GetProgram",
            wire::OneBytes {
                value: vk_hash.to_vec(),
            },
        )
        .await
    }

    pub(crate) async fn nonce(&self) -> Answer<wire::OneNumber> {
        self.call(
            "/network.ProverNetwork/GetNonce",
            wire::OneBytes { value: self.address() },
        )
        .await
    }

    /// Asks for a proof and gives the request's id, checked as clients check it.
    pub(crate) async fn request_proof(&self, body: &impl Message) -> Answer<Vec<u8>> {
        let reply: wire::SignedReply = self.signed("/network.ProverNetwork/RequestProof", body).await?;
        assert_eq!(reply.tx_hash.len(), 32, "item 23: clients panic otherwise");
        let id = reply.body.expect("a body").value;
        assert_eq!(id.len(), 32, "item 23: clients panic otherwise");
        Ok(id)
    }

    pub(crate) async fn cancel(&self, id: &[u8]) -> Answer<wire::SignedReply> {
        // nonce 8, request_id
        let mut body = vec![0x08, 8, 0x12, u8::try_from(id.len()).expect("short")];
        body.extend(id);
        let signature = self.sign(&body, 27);
        let envelope = wire::Envelope {
            format: 1,
            signature,
            body: Some(body),
        };
        self.call("/network.ProverNetwork/CancelRequest", envelope).await
    }

    pub(crate) async fn status(&self, id: &[u8]) -> Answer<wire::StatusResponse> {
        self.call(
            "/network.ProverNetwork/GetProofRequestStatus",
            wire::OneBytes { value: id.to_vec() },
        )
        .await
    }

    /// Details as an auction client decodes them.
    pub(crate) async fn details(&self, id: &[u8]) -> Answer<wire::AuctionProofRequest> {
        let details: wire::AuctionDetails = self
            .call(
                "/network.ProverNetwork/GetProofRequestDetails",
                wire::OneBytes { value: id.to_vec() },
            )
            .await?;
        Ok(details.request.expect("a request"))
    }

    /// Details as a base client decodes them.
    pub(crate) async fn base_details(&self, id: &[u8]) -> Answer<wire::BaseProofRequest> {
        let details: wire::BaseDetails = self
            .call(
                "/network.ProverNetwork/GetProofRequestDetails",
                wire::OneBytes { value: id.to_vec() },
            )
            .await?;
        Ok(details.request.expect("a request"))
    }

    pub(crate) async fn list(&self, filter: wire::Filter) -> Answer<Vec<wire::AuctionProofRequest>> {
        let listing: wire::Listing = self
            .call("/network.ProverNetwork/GetFilteredProofRequests", filter)
            .await?;
        Ok(listing.requests)
    }
}
