//! A server with a gate that keeps its rows in memory, and ways to look at what lies on the disk.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hierophant_artifacts::{
    BlobSettings, BlobStore, Durability, Grant, Holder, Operation, Signer, Stored, TokenError,
    http::{Credential, Denied, Gate, HttpLimits, PutPermit, router},
};
use hierophant_domain::{ArtifactId, Digest, LeaseToken, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

/// The gate's clock stands here.
pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

/// What the gate lets in, unless a test says otherwise.
pub(crate) const LIMIT: u64 = 8 * 1024 * 1024;

/// Decides by tokens alone and remembers what was stored.
#[derive(Debug)]
pub(crate) struct FakeGate {
    pub(crate) signer: Signer,
    pub(crate) limit_bytes: u64,
    pub(crate) rows: Mutex<HashMap<ArtifactId, Stored>>,
    /// How many notes will still be refused with a retryable answer.
    pub(crate) store_away: AtomicU32,
}

impl FakeGate {
    fn check(&self, credential: &Credential) -> Result<Grant, Denied> {
        let token = credential
            .token()
            .ok_or_else(|| Denied::Unauthorized("send a token".into()))?;
        self.signer.check(token, NOW).map_err(|error| match error {
            TokenError::Expired | TokenError::Forged | TokenError::Malformed => Denied::Unauthorized(error.to_string()),
        })
    }

    pub(crate) fn row(&self, id: ArtifactId) -> Option<Stored> {
        self.rows.lock().unwrap().get(&id).copied()
    }
}

#[async_trait]
impl Gate for FakeGate {
    async fn may_put(&self, id: ArtifactId, credential: &Credential) -> Result<PutPermit, Denied> {
        if !self.check(credential)?.allows_put(id) {
            return Err(Denied::Forbidden("this token is for something else".into()));
        }
        Ok(PutPermit {
            limit_bytes: self.limit_bytes,
            durability: Durability::Durable,
            already: self.row(id),
        })
    }

    async fn stored(&self, id: ArtifactId, _: &Credential, stored: Stored) -> Result<(), Denied> {
        let away = self
            .store_away
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if away.is_ok() {
            return Err(Denied::Retry("the store is away: send it again".into()));
        }
        self.rows.lock().unwrap().entry(id).or_insert(stored);
        Ok(())
    }

    async fn may_get(&self, id: ArtifactId, credential: &Credential) -> Result<Stored, Denied> {
        if !self.check(credential)?.allows_get(id) {
            return Err(Denied::Forbidden("this token is for something else".into()));
        }
        self.row(id).ok_or_else(|| Denied::NotFound("no such artifact".into()))
    }
}

/// A running server over a directory of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Arc<FakeGate>,
    pub(crate) blobs: BlobStore,
    pub(crate) directory: tempfile::TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a test may want otherwise.
pub(crate) struct Setup {
    pub(crate) limits: HttpLimits,
    pub(crate) limit_bytes: u64,
    pub(crate) min_free_bytes: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: HttpLimits::default(),
            limit_bytes: LIMIT,
            min_free_bytes: 0,
        }
    }
}

impl Server {
    pub(crate) async fn start(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("artifacts");
        let blobs = BlobStore::open(BlobSettings {
            root,
            min_free_bytes: setup.min_free_bytes,
        })
        .await
        .unwrap();
        let gate = Arc::new(FakeGate {
            signer: Signer::new([3; 32]),
            limit_bytes: setup.limit_bytes,
            rows: Mutex::default(),
            store_away: AtomicU32::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(gate.clone(), blobs.clone(), setup.limits);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            gate,
            blobs,
            directory,
            serving,
        }
    }

    pub(crate) fn token(&self, operation: Operation) -> String {
        let holder = match operation {
            Operation::PutAny => Holder::Lease(LeaseToken(Uuid::from_u128(5))),
            Operation::Put(_) | Operation::Get(_) => Holder::Anyone,
        };
        self.gate.signer.grant(&Grant {
            operation,
            holder,
            expires: Timestamp(NOW.0 + 1),
        })
    }

    pub(crate) fn bare_url(&self, id: ArtifactId) -> String {
        format!("http://{}/artifacts/{id}", self.address)
    }

    pub(crate) fn put_url(&self, id: ArtifactId) -> String {
        format!("{}?token={}", self.bare_url(id), self.token(Operation::Put(id)))
    }

    pub(crate) fn get_url(&self, id: ArtifactId) -> String {
        format!("{}?token={}", self.bare_url(id), self.token(Operation::Get(id)))
    }

    /// Stores a blob as if it had been uploaded.
    pub(crate) async fn store(&self, content: &[u8]) -> ArtifactId {
        let id = new_id();
        let content = bytes::Bytes::copy_from_slice(content);
        let stored = self.blobs.put_bytes(id, Durability::Durable, content).await.unwrap();
        self.gate.rows.lock().unwrap().insert(id, stored);
        id
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("artifacts")
    }

    /// Waits until no upload's file is left.
    pub(crate) async fn nothing_incoming(&self) {
        wait_until("no file is left in incoming/", || {
            files_in(&self.root().join("incoming")).is_empty()
        })
        .await;
    }
}

pub(crate) fn new_id() -> ArtifactId {
    ArtifactId(Uuid::new_v4())
}

/// `length` bytes that repeat nowhere near, different for each seed.
pub(crate) fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next)
        .take(length.div_ceil(8))
        .flatten()
        .collect();
    bytes.truncate(length);
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

pub(crate) fn files_in(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// Waits for a condition, at most ten seconds.
pub(crate) async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited ten seconds in vain until {what}");
}
