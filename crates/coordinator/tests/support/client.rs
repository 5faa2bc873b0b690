//! A raw client of SP1's network: it signs as published ones do, sends whatever it is given, and comes back where they
//! come back. Its address holds over restarts of the coordinator.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::eip191_hash_message;
use bytes::Bytes;
use hierophant_door_sp1::proto::{
    artifact::{CreateArtifactRequest, CreateArtifactResponse},
    types::{
        AuctionRequestProofBody, BaseRequestProofBody, CancelRequestRequestBody, CancelRequestResponse,
        CreateProgramRequestBody, CreateProgramResponse, ExecutionStatus, FulfillmentStatus,
        GetProofRequestDetailsRequest, GetProofRequestDetailsResponse, GetProofRequestParamsRequest,
        GetProofRequestParamsResponse, GetProofRequestStatusRequest, GetProofRequestStatusResponse, MessageFormat,
        ProofMode, ProofRequest, RequestProofResponse, SignedRequest,
    },
};
use hierophant_testkit::{Cluster, wait_until};
use k256::ecdsa::SigningKey;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{PATIENCE, mock};

pub(crate) type Answer<T> = Result<T, Status>;

/// Announced as an executable.
pub(crate) const PROGRAM: i32 = 1;
/// Announced as an input.
pub(crate) const STDIN: i32 = 2;

const ARTIFACTS: &str = "/artifact.ArtifactStore/CreateArtifact";
const CREATE_PROGRAM: &str = "/network.ProverNetwork/CreateProgram";
const PARAMS: &str = "/network.ProverNetwork/GetProofRequestParams";
const REQUEST_PROOF: &str = "/network.ProverNetwork/RequestProof";
const STATUS: &str = "/network.ProverNetwork/GetProofRequestStatus";
const DETAILS: &str = "/network.ProverNetwork/GetProofRequestDetails";
const CANCEL: &str = "/network.ProverNetwork/CancelRequest";

/// One account on one connection.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    key: SigningKey,
    http: reqwest::Client,
}

/// A program and an input, uploaded and ready to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) elf: Vec<u8>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) stdin_uri: String,
    pub(crate) mode: ProofMode,
    /// What auction bodies sign as the hash of the public values; `None`: their SHA-256.
    pub(crate) signed_hash: Option<Vec<u8>>,
    domain: Bytes,
}

/// An id as messages have it.
fn id_of(id: &[u8]) -> Bytes {
    Bytes::copy_from_slice(id)
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs()
}

impl Wish {
    /// As the SDK's Mainnet mode sends it after a simulation.
    pub(crate) fn auction(&self) -> AuctionRequestProofBody {
        let party = Bytes::from_static(&[0x0a; 20]);
        AuctionRequestProofBody {
            nonce: 7,
            vk_hash: mock::program_id(&self.elf).into(),
            version: "sp1-v6.1.0".to_owned(),
            mode: self.mode as i32,
            strategy: 3,
            stdin_uri: self.stdin_uri.clone(),
            deadline: now() + 3600,
            cycle_limit: 100_000_000,
            gas_limit: 1_000_000_000,
            domain: self.domain.clone(),
            auctioneer: party.clone(),
            executor: party.clone(),
            verifier: party.clone(),
            treasury: party,
            public_values_hash: Some(match &self.signed_hash {
                Some(hash) => hash.clone().into(),
                None => Sha256::digest(mock::public_values(&self.elf, &self.stdin))
                    .to_vec()
                    .into(),
            }),
            base_fee: "0".to_owned(),
            max_price_per_pgu: "1".to_owned(),
            ..AuctionRequestProofBody::default()
        }
    }

    /// As the SDK's Reserved mode sends it.
    pub(crate) fn base(&self) -> BaseRequestProofBody {
        BaseRequestProofBody {
            nonce: 7,
            vk_hash: mock::program_id(&self.elf).into(),
            version: "sp1-v6.1.0".to_owned(),
            mode: self.mode as i32,
            strategy: 1,
            stdin_uri: self.stdin_uri.clone(),
            deadline: now() + 3600,
            cycle_limit: 100_000_000,
            gas_limit: 1_000_000_000,
            ..BaseRequestProofBody::default()
        }
    }

    /// The only right proof of it.
    pub(crate) fn proof(&self) -> Vec<u8> {
        let kind = if self.mode == ProofMode::Core {
            "core"
        } else {
            "compressed"
        };
        mock::proof(&self.elf, &self.stdin, kind)
    }
}

impl Client {
    /// With the key of this byte repeated.
    pub(crate) fn new(cluster: &Cluster, key: u8) -> Self {
        Self {
            channel: Endpoint::from_shared(cluster.grpc_url()).expect("a URL").connect_lazy(),
            key: SigningKey::from_slice(&[key; 32]).expect("a key"),
            http: hierophant_testkit::http_client(),
        }
    }

    /// r, s and v of 27 or 28.
    pub(crate) fn sign(&self, message: &[u8]) -> Bytes {
        let digest = eip191_hash_message(message);
        let (signature, parity) = self.key.sign_prehash_recoverable(digest.as_slice());
        [signature.to_bytes().to_vec(), vec![27 + parity.to_byte()]]
            .concat()
            .into()
    }

    /// An envelope that is right for its body.
    pub(crate) fn envelope(&self, body: &impl Message) -> SignedRequest {
        let body: Bytes = body.encode_to_vec().into();
        SignedRequest {
            format: MessageFormat::Binary as i32,
            signature: self.sign(&body),
            body,
        }
    }

    /// Sends a message as it is, once.
    async fn call<Q, A>(&self, method: &'static str, message: Q) -> Answer<A>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(format!("not connected: {error}")))?;
        let path = PathAndQuery::from_static(method);
        Ok(grpc
            .unary(Request::new(message), path, ProstCodec::<Q, A>::default())
            .await?
            .into_inner())
    }

    /// Announces an upload.
    pub(crate) async fn create_artifact(&self, artifact_type: i32) -> Answer<CreateArtifactResponse> {
        let signature = self.sign(b"create_artifact");
        self.call(
            ARTIFACTS,
            CreateArtifactRequest {
                signature,
                artifact_type,
            },
        )
        .await
    }

    /// Uploads once: the status and the text of the answer, or what was wrong with the connection.
    pub(crate) async fn put(&self, url: &str, content: impl Into<reqwest::Body>) -> Result<(u16, String), String> {
        let response = self
            .http
            .put(url)
            .body(content)
            .send()
            .await
            .map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        Ok((status, response.text().await.map_err(|error| format!("{error:?}"))?))
    }

    /// Announces and uploads, coming back as published clients do. The URI of the upload.
    pub(crate) async fn upload(&self, artifact_type: i32, content: &[u8]) -> String {
        let announced = persist("an announced upload", async || {
            self.create_artifact(artifact_type).await
        })
        .await;
        self.put_whole(&announced.artifact_presigned_url, content).await;
        announced.artifact_uri
    }

    /// Uploads to a URL until it is taken.
    pub(crate) async fn put_whole(&self, url: &str, content: &[u8]) {
        wait_until("a taken upload", PATIENCE, async || {
            match self.put(url, content.to_vec()).await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Registers an uploaded program, once.
    pub(crate) async fn create_program(
        &self,
        vk_hash: Vec<u8>,
        vk: Vec<u8>,
        uri: &str,
    ) -> Answer<CreateProgramResponse> {
        let body = CreateProgramRequestBody {
            nonce: 1,
            vk_hash: vk_hash.into(),
            vk: vk.into(),
            program_uri: uri.to_owned(),
        };
        self.call(CREATE_PROGRAM, self.envelope(&body)).await
    }

    /// Uploads and registers a program with a script in it.
    pub(crate) async fn program(&self, script: &str) -> Vec<u8> {
        let elf = mock::elf(script);
        let uri = self.upload(PROGRAM, &elf).await;
        persist("a registered program", async || {
            self.create_program(mock::program_id(&elf), mock::vk(&elf), &uri).await
        })
        .await;
        elf
    }

    /// Uploads an input for a program.
    pub(crate) async fn wish(&self, elf: &[u8], stdin: &str) -> Wish {
        let request = || GetProofRequestParamsRequest {
            mode: ProofMode::Compressed as i32,
        };
        let params: GetProofRequestParamsResponse =
            persist("the network's parameters", async || self.call(PARAMS, request()).await).await;
        Wish {
            elf: elf.to_vec(),
            stdin: stdin.as_bytes().to_vec(),
            stdin_uri: self.upload(STDIN, stdin.as_bytes()).await,
            mode: ProofMode::Compressed,
            signed_hash: None,
            domain: params.domain,
        }
    }

    /// Asks for a proof, once. The id of the request.
    pub(crate) async fn request_proof(&self, body: &impl Message) -> Answer<Bytes> {
        self.send_request(self.envelope(body)).await
    }

    /// Sends an envelope that asks for a proof as it is, once. The id of the request.
    pub(crate) async fn send_request(&self, envelope: SignedRequest) -> Answer<Bytes> {
        let reply: RequestProofResponse = self.call(REQUEST_PROOF, envelope).await?;
        let id = reply.body.expect("a reply has a body").request_id;
        assert_eq!((id.len(), reply.tx_hash.len()), (32, 32), "clients panic otherwise");
        Ok(id)
    }

    /// Asks for a proof, coming back as published clients do.
    pub(crate) async fn ask(&self, wish: &Wish) -> Bytes {
        persist("an accepted request", async || {
            self.request_proof(&wish.auction()).await
        })
        .await
    }

    /// A program without a script, an input with one, and the request for its proof.
    pub(crate) async fn ask_scripted(&self, script: &str) -> (Wish, Bytes) {
        let elf = self.program("").await;
        let wish = self.wish(&elf, &format!("mock:{script};")).await;
        let id = self.ask(&wish).await;
        (wish, id)
    }

    /// Takes a request back, once.
    pub(crate) async fn cancel(&self, id: &[u8]) -> Answer<CancelRequestResponse> {
        let body = CancelRequestRequestBody {
            nonce: 8,
            request_id: id_of(id),
        };
        self.call(CANCEL, self.envelope(&body)).await
    }

    /// Polls once.
    pub(crate) async fn status(&self, id: &[u8]) -> Answer<GetProofRequestStatusResponse> {
        self.call(STATUS, GetProofRequestStatusRequest { request_id: id_of(id) })
            .await
    }

    /// The whole request.
    pub(crate) async fn details(&self, id: &[u8]) -> ProofRequest {
        let reply: GetProofRequestDetailsResponse = persist("a request's details", async || {
            self.call(DETAILS, GetProofRequestDetailsRequest { request_id: id_of(id) })
                .await
        })
        .await;
        reply.request.expect("details have a request")
    }

    /// Polls until the request has ended. Nothing but ASSIGNED may be seen until then.
    pub(crate) async fn ended(&self, id: &[u8]) -> GetProofRequestStatusResponse {
        wait_until("the end of a request", PATIENCE, async || {
            let status = patient(self.status(id).await)?;
            if status.fulfillment_status() == FulfillmentStatus::Assigned {
                assert_eq!(status.proof_uri, None, "a proof before its end");
                return Err("it is assigned".to_owned());
            }
            Ok(status)
        })
        .await
    }

    /// Waits for the end, which must not be a proof: the status, and the details with their sentence.
    pub(crate) async fn unfulfilled(&self, id: &[u8]) -> (ExecutionStatus, ProofRequest, String) {
        let status = self.ended(id).await;
        assert_eq!(
            status.fulfillment_status(),
            FulfillmentStatus::Unfulfillable,
            "{status:?}"
        );
        assert_eq!(status.proof_uri, None, "{status:?}");
        let details = self.details(id).await;
        assert_eq!(details.fulfillment_status, status.fulfillment_status, "{details:?}");
        assert_eq!(details.execution_status, status.execution_status, "{details:?}");
        let trace = details.error_trace.clone().expect("a failed request says why");
        let trace = String::from_utf8(trace.to_vec()).expect("it is text");
        (status.execution_status(), details, trace)
    }

    /// Waits for the proof, downloads it, and checks that it is the right one.
    pub(crate) async fn proven(&self, wish: &Wish, id: &[u8]) {
        let status = self.ended(id).await;
        let details = self.details(id).await;
        assert_eq!(status.fulfillment_status(), FulfillmentStatus::Fulfilled, "{details:?}");
        assert_eq!(status.execution_status(), ExecutionStatus::Executed, "{status:?}");
        assert!(status.deadline > now(), "older clients throw the proof away");
        let url = status.proof_uri.expect("a fulfilled request has a proof");
        let proof = wait_until("a downloaded proof", PATIENCE, async || self.get(&url).await).await;
        assert_eq!(String::from_utf8_lossy(&proof), String::from_utf8_lossy(&wish.proof()));
    }

    async fn get(&self, url: &str) -> Result<Bytes, String> {
        let response = self
            .http
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        response
            .map_err(|error| format!("{error:?}"))?
            .bytes()
            .await
            .map_err(|error| format!("{error:?}"))
    }
}

/// Calls until there is an answer, as published clients do: again after what passes, and not after anything else.
pub(crate) async fn persist<T>(what: &str, mut call: impl AsyncFnMut() -> Answer<T>) -> T {
    wait_until(what, PATIENCE, async || patient(call().await)).await
}

/// `Err` for what published clients try again on.
///
/// # Panics
/// On everything that they give up on.
fn patient<T>(answer: Answer<T>) -> Result<T, String> {
    answer.map_err(|status| match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::Aborted | Code::Cancelled => {
            status.to_string()
        }
        // A connection that broke under an open call. `sp1-sdk` 6 hands this on to its caller, who asks again.
        Code::Unknown if status.message() == "transport error" => status.to_string(),
        _ => panic!("clients give up on this: {status:?}"),
    })
}

/// Asserts a refusal: its code, and that its sentence contains `says`.
pub(crate) fn assert_refused<T: std::fmt::Debug>(answer: Answer<T>, code: Code, says: &str) {
    let status = answer.expect_err("it had to be refused");
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(says), "{status:?}");
}
