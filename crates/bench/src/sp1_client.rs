//! Calls of the SP1 network's contract as published clients make them, with the signing apart from the sending.

use alloy_primitives::{Address, eip191_hash_message};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hierophant_door_sp1::proto::{
    artifact::{ArtifactType, CreateArtifactRequest, CreateArtifactResponse},
    types::{
        AuctionRequestProofBody, CreateProgramRequestBody, CreateProgramResponse, GetNonceRequest, GetNonceResponse,
        GetProofRequestParamsRequest, GetProofRequestParamsResponse, GetProofRequestStatusRequest,
        GetProofRequestStatusResponse, RequestProofResponse, SignedRequest,
    },
};
use k256::ecdsa::SigningKey;
use prost::Message;
use tonic::{
    Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// The system as `prover-mock` takes it.
pub(crate) const MOCK_SYSTEM: &str = "sp1=v6.1.0:core,compressed";

/// One account on one connection.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    http: reqwest::Client,
    key: SigningKey,
}

/// An announced upload.
pub(crate) struct Upload {
    pub(crate) uri: String,
    pub(crate) url: String,
}

impl Client {
    /// The account whose key is this byte repeated.
    pub(crate) async fn connect(url: &str, key: u8) -> Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?
            .tcp_nodelay(true)
            .connect()
            .await?;
        Ok(Self {
            channel,
            http: hierophant_testkit::http_client(),
            key: SigningKey::from_slice(&[key; 32])?,
        })
    }

    /// The account.
    pub(crate) fn address(&self) -> Bytes {
        let point = self.key.verifying_key().to_sec1_point(false);
        Bytes::copy_from_slice(Address::from_raw_public_key(&point.as_bytes()[1..]).as_slice())
    }

    fn sign(&self, message: &[u8]) -> Bytes {
        let digest = eip191_hash_message(message);
        let (signature, parity) = self.key.sign_prehash_recoverable(digest.as_slice());
        [signature.to_bytes().as_slice(), &[27 + parity.to_byte()]]
            .concat()
            .into()
    }

    /// A body in its signed envelope.
    pub(crate) fn signed(&self, body: &impl Message) -> SignedRequest {
        let body: Bytes = body.encode_to_vec().into();
        SignedRequest {
            format: 1,
            signature: self.sign(&body),
            body,
        }
    }

    async fn call<Q, A>(&self, method: &'static str, message: Q) -> Result<A, tonic::Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(method);
        let reply = grpc
            .unary(Request::new(message), path, ProstCodec::<Q, A>::default())
            .await?;
        Ok(reply.into_inner())
    }

    /// Announces an upload.
    pub(crate) async fn announce(&self, kind: ArtifactType) -> Result<Upload> {
        let request = CreateArtifactRequest {
            signature: self.sign(b"create_artifact"),
            artifact_type: kind.into(),
        };
        let reply: CreateArtifactResponse = self.call("/artifact.ArtifactStore/CreateArtifact", request).await?;
        Ok(Upload {
            uri: reply.artifact_uri,
            url: reply.artifact_presigned_url,
        })
    }

    /// Announces and uploads; gives the URI.
    pub(crate) async fn upload(&self, kind: ArtifactType, content: Vec<u8>) -> Result<String> {
        let upload = self.announce(kind).await?;
        let reply = self.http.put(&upload.url).body(content).send().await?;
        ensure!(
            reply.status().is_success(),
            "an upload was refused: {}",
            reply.text().await?
        );
        Ok(upload.uri)
    }

    /// Registers a program.
    pub(crate) async fn register(&self, id: &[u8], program_uri: String) -> Result<()> {
        let body = CreateProgramRequestBody {
            nonce: 1,
            vk_hash: Bytes::copy_from_slice(id),
            vk: Bytes::new(),
            program_uri,
        };
        let path = "/network.ProverNetwork/CreateProgram";
        self.call::<_, CreateProgramResponse>(path, self.signed(&body)).await?;
        Ok(())
    }

    /// What requests of this network are signed for.
    pub(crate) async fn domain(&self) -> Result<Bytes> {
        let path = "/network.ProverNetwork/GetProofRequestParams";
        let reply: GetProofRequestParamsResponse = self.call(path, GetProofRequestParamsRequest { mode: 1 }).await?;
        Ok(reply.domain)
    }

    /// The next nonce.
    pub(crate) async fn nonce(&self) -> Result<u64> {
        let request = GetNonceRequest {
            address: self.address(),
        };
        let reply: GetNonceResponse = self.call("/network.ProverNetwork/GetNonce", request).await?;
        Ok(reply.nonce)
    }

    /// Sends a signed request; gives its id.
    pub(crate) async fn request(&self, signed: SignedRequest) -> Result<Bytes> {
        let reply: RequestProofResponse = self.call("/network.ProverNetwork/RequestProof", signed).await?;
        let id = reply.body.context("a reply without a body")?.request_id;
        ensure!(id.len() == 32, "a request id has 32 bytes");
        Ok(id)
    }

    /// A request's status.
    pub(crate) async fn status(&self, request_id: Bytes) -> Result<GetProofRequestStatusResponse, tonic::Status> {
        let path = "/network.ProverNetwork/GetProofRequestStatus";
        self.call(path, GetProofRequestStatusRequest { request_id }).await
    }
}

/// A request as the SDK's Mainnet mode sends it. `mode` is 1 (core) or 2 (compressed).
pub(crate) fn body(domain: &Bytes, stdin_uri: String, mode: i32, nonce: u64) -> AuctionRequestProofBody {
    let party = Bytes::from_static(&[0; 20]);
    AuctionRequestProofBody {
        nonce,
        vk_hash: Bytes::copy_from_slice(&crate::made_up::PROGRAM_ID),
        version: "sp1-v6.1.0".to_owned(),
        mode,
        strategy: 3,
        stdin_uri,
        deadline: crate::worker::nanoseconds() / 1_000_000_000 + 3600,
        cycle_limit: 123_456,
        gas_limit: 234_567,
        domain: domain.clone(),
        auctioneer: party.clone(),
        executor: party.clone(),
        verifier: party.clone(),
        treasury: party,
        base_fee: "0".to_owned(),
        max_price_per_pgu: "1".to_owned(),
        ..Default::default()
    }
}
