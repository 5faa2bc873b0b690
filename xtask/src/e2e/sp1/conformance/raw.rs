//! A client that signs as published releases do and sends whatever it is given.
//!
//! For what the stock SDK of one release cannot show: other releases' signatures and bodies, damaged ones, and looks at
//! replies as bytes. Everything that it is told is written into a [`Ledger`].

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use alloy_primitives::{Address, eip191_hash_message};
use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes};
use hierophant_testkit::try_wait_until;
use k256::ecdsa::SigningKey;
use prost::Message;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

use super::wire;

pub(super) const CREATE_ARTIFACT: &str = "/artifact.ArtifactStore/CreateArtifact";
pub(super) const REQUEST_PROOF: &str = "/network.ProverNetwork/RequestProof";
pub(super) const CREATE_PROGRAM: &str = "/network.ProverNetwork/CreateProgram";
const GET_PROGRAM: &str = "/network.ProverNetwork/GetProgram";
const STATUS: &str = "/network.ProverNetwork/GetProofRequestStatus";
pub(super) const DETAILS: &str = "/network.ProverNetwork/GetProofRequestDetails";
pub(super) const LIST: &str = "/network.ProverNetwork/GetFilteredProofRequests";

/// What FULFILLED and UNFULFILLABLE are on the wire.
pub(super) const FULFILLED: i32 = 3;
pub(super) const UNFULFILLABLE: i32 = 4;
pub(super) const ASSIGNED: i32 = 2;
/// What UNEXECUTABLE is on the wire.
pub(super) const UNEXECUTABLE: i32 = 3;

/// What all clients of one run were told.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Told>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Fulfilment and execution of every status reply.
    pub(super) statuses: BTreeSet<(i32, i32)>,
    pub(super) status_replies: u64,
    pub(super) replies: u64,
    pub(super) largest_bytes: usize,
}

impl Ledger {
    pub(super) fn told(&self) -> Told {
        self.0.lock().expect("no holder of the ledger panics").clone()
    }

    /// Writes down one reply of a method.
    pub(super) fn write(&self, method: &str, reply: &[u8]) {
        let mut told = self.0.lock().expect("no holder of the ledger panics");
        told.replies += 1;
        told.largest_bytes = told.largest_bytes.max(reply.len());
        if method == STATUS
            && let Ok(status) = wire::StatusResponse::decode(reply)
        {
            told.status_replies += 1;
            told.statuses
                .insert((status.fulfillment_status, status.execution_status));
        }
    }
}

/// One account.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    url: String,
    key: SigningKey,
    /// `None`: a connection for each call, as releases before 6.2.2 have it.
    channel: Option<Channel>,
    http: reqwest::Client,
    ledger: Ledger,
}

impl Raw {
    /// With the key of this byte repeated, on one connection for all calls.
    pub(super) fn new(url: &str, key: u8, ledger: &Ledger) -> Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect_lazy();
        Ok(Self {
            channel: Some(channel),
            ..Self::per_call(url, key, ledger)?
        })
    }

    /// The same with a connection for each call.
    pub(super) fn per_call(url: &str, key: u8, ledger: &Ledger) -> Result<Self> {
        Ok(Self {
            url: url.to_owned(),
            key: SigningKey::from_slice(&[key; 32])?,
            channel: None,
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build()?,
            ledger: ledger.clone(),
        })
    }

    /// The same on this channel.
    pub(super) fn on(self, channel: Channel) -> Self {
        Self {
            channel: Some(channel),
            ..self
        }
    }

    /// The 20 bytes of the account.
    pub(super) fn address(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        Address::from_raw_public_key(&point.as_bytes()[1..]).to_vec()
    }

    /// r, s and parity + `v`.
    pub(super) fn sign(&self, message: &[u8], v: u8) -> Vec<u8> {
        let digest = eip191_hash_message(message);
        let (signature, parity) = self.key.sign_prehash_recoverable(digest.as_slice());
        [signature.to_bytes().to_vec(), vec![v + parity.to_byte()]].concat()
    }

    /// Sends bytes and gives those of the reply.
    pub(super) async fn send(&self, method: &str, message: Vec<u8>) -> Result<Bytes, Status> {
        let channel = if let Some(channel) = &self.channel {
            channel.clone()
        } else {
            let endpoint =
                Endpoint::from_shared(self.url.clone()).map_err(|error| Status::internal(error.to_string()))?;
            endpoint
                .connect()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?
        };
        let mut grpc = Grpc::new(channel);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path: PathAndQuery = method.parse().map_err(|_| Status::internal("no path"))?;
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("grpc-accept-encoding", "gzip,zstd".parse().expect("plain text"));
        let reply = grpc.unary(request, path, AsBytes).await?;
        if let Some(encoding) = reply
            .metadata()
            .get("grpc-encoding")
            .filter(|encoding| *encoding != "identity")
        {
            return Err(Status::data_loss(format!("the reply is compressed: {encoding:?}")));
        }
        let reply = reply.into_inner();
        self.ledger.write(method, &reply);
        Ok(reply)
    }

    /// Sends a message.
    pub(super) async fn call<A: Message + Default>(&self, method: &str, message: &impl Message) -> Result<A, Status> {
        let reply = self.send(method, message.encode_to_vec()).await?;
        A::decode(reply).map_err(|error| Status::data_loss(format!("{method} was answered with no message: {error}")))
    }

    /// Signs a body with `v` added to the parity and sends it.
    pub(super) async fn signed(&self, method: &str, body: Vec<u8>, v: u8) -> Result<wire::SignedReply, Status> {
        let signature = self.sign(&body, v);
        self.call(
            method,
            &wire::Envelope {
                format: 1,
                signature,
                body: Some(body),
            },
        )
        .await
    }

    /// Announces an artifact, signed as SDK 5.2 and later do.
    pub(super) async fn announce(&self, artifact_type: i32, v: u8) -> Result<wire::CreateArtifactResponse, Status> {
        let signature = self.sign(b"create_artifact", v);
        self.call(
            CREATE_ARTIFACT,
            &wire::CreateArtifactRequest {
                signature,
                artifact_type,
            },
        )
        .await
    }

    /// Puts bytes where a reply said.
    pub(super) async fn put(&self, url: &str, bytes: Vec<u8>) -> Result<()> {
        let status = self.http.put(url).body(bytes).send().await?.status();
        ensure!(status.is_success(), "the upload was answered with {status}");
        Ok(())
    }

    /// Gets what is at a URL, with its headers.
    pub(super) async fn get(&self, url: &str) -> Result<(http::HeaderMap, Bytes)> {
        let response = self.http.get(url).send().await?;
        ensure!(
            response.status().is_success(),
            "{url} was answered with {}",
            response.status()
        );
        let headers = response.headers().clone();
        Ok((headers, response.bytes().await?))
    }

    /// Uploads something and gives its URI.
    pub(super) async fn upload(&self, artifact_type: i32, bytes: Vec<u8>) -> Result<String> {
        let made = self.announce(artifact_type, 54).await?;
        self.put(&made.artifact_presigned_url, bytes).await?;
        Ok(made.artifact_uri)
    }

    /// Registers a program, whatever it is, under a hash.
    pub(super) async fn create_program(
        &self,
        vk_hash: &[u8],
        vk: &[u8],
        uri: &str,
    ) -> Result<wire::SignedReply, Status> {
        let body = wire::CreateProgramBody {
            nonce: self.nonce().await?,
            vk_hash: vk_hash.to_vec(),
            vk: vk.to_vec(),
            program_uri: uri.to_owned(),
        };
        self.signed(CREATE_PROGRAM, body.encode_to_vec(), 27).await
    }

    pub(super) async fn program(&self, vk_hash: &[u8]) -> Result<Option<wire::Program>, Status> {
        let reply: wire::GetProgramResponse = self
            .call(
                GET_PROGRAM,
                &wire::OneBytes {
                    value: vk_hash.to_vec(),
                },
            )
            .await?;
        Ok(reply.program)
    }

    pub(super) async fn nonce(&self) -> Result<u64, Status> {
        let asked = wire::OneBytes { value: self.address() };
        Ok(self
            .call::<wire::OneNumber>("/network.ProverNetwork/GetNonce", &asked)
            .await?
            .value)
    }

    /// Asks for a proof and gives the request's id; the lengths that clients panic about are checked.
    pub(super) async fn request(&self, body: &impl Message) -> Result<Vec<u8>, Status> {
        self.request_signed(body.encode_to_vec(), 27).await
    }

    /// The same with a `v` of another release.
    pub(super) async fn request_signed(&self, body: Vec<u8>, v: u8) -> Result<Vec<u8>, Status> {
        let reply = self.signed(REQUEST_PROOF, body, v).await?;
        let id = reply.body.unwrap_or_default().value;
        if reply.tx_hash.len() != 32 || id.len() != 32 {
            let lengths = format!(
                "tx_hash of {} and request_id of {} bytes",
                reply.tx_hash.len(),
                id.len()
            );
            return Err(Status::data_loss(lengths));
        }
        Ok(id)
    }

    pub(super) async fn status(&self, id: &[u8]) -> Result<wire::StatusResponse, Status> {
        self.call(STATUS, &wire::OneBytes { value: id.to_vec() }).await
    }

    /// Polls until the request has ended one way or the other.
    pub(super) async fn wait(&self, id: &[u8], bound: Duration) -> Result<wire::StatusResponse> {
        let ended = try_wait_until("the end of a request", bound, async || {
            let status = self.status(id).await.map_err(|error| error.to_string())?;
            if status.fulfillment_status >= FULFILLED {
                Ok(status)
            } else {
                Err(format!("{status:?}"))
            }
        });
        Ok(ended.await?)
    }

    /// Polls until it is fulfilled and gives the status.
    pub(super) async fn wait_fulfilled(&self, id: &[u8], bound: Duration) -> Result<wire::StatusResponse> {
        let status = self.wait(id, bound).await?;
        ensure!(
            status.fulfillment_status == FULFILLED,
            "the request was to be fulfilled: {status:?}"
        );
        Ok(status)
    }

    /// Details as an auction client decodes them.
    pub(super) async fn details(&self, id: &[u8]) -> Result<wire::AuctionProofRequest> {
        let reply: wire::AuctionDetails = self.call(DETAILS, &wire::OneBytes { value: id.to_vec() }).await?;
        reply.request.context("details without a request")
    }

    /// Details as a base client decodes them.
    pub(super) async fn base_details(&self, id: &[u8]) -> Result<wire::BaseProofRequest> {
        let reply: wire::BaseDetails = self.call(DETAILS, &wire::OneBytes { value: id.to_vec() }).await?;
        reply.request.context("details without a request")
    }

    pub(super) async fn list(&self, filter: &wire::Filter) -> Result<Vec<wire::AuctionProofRequest>, Status> {
        Ok(self.call::<wire::Listing>(LIST, filter).await?.requests)
    }

    pub(super) async fn cancel(&self, id: &[u8]) -> Result<wire::SignedReply, Status> {
        // nonce 8, request_id of 32 bytes
        let body = [&[0x08, 8, 0x12, 32], id].concat();
        self.signed("/network.ProverNetwork/CancelRequest", body, 27).await
    }
}

/// Unix seconds.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The refusal must have this code; its text is given back.
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code) -> Result<String> {
    match answer {
        Err(status) if status.code() == code => Ok(status.message().to_owned()),
        Err(status) => bail!(
            "the refusal was to be {code:?}, not {:?}: {}",
            status.code(),
            status.message()
        ),
        Ok(reply) => bail!("it was to be refused with {code:?}, and was answered: {reply:?}"),
    }
}

/// Messages as bytes, both ways.
#[derive(Clone, Copy, Debug)]
struct AsBytes;

impl Codec for AsBytes {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsBytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, destination: &mut EncodeBuf<'_>) -> Result<(), Status> {
        destination.put_slice(&item);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
