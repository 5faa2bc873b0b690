//! The door: what its listeners call.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use hierophant_core::{
    CoreError,
    ports::{Clients, Operators, Stage},
};
use hierophant_domain::{Name, Request, RequestId, RequestState};
use hierophant_miden_api::{Kind, Line, ProveCall, Proving, Refusal, WorkerStatus};
use hierophant_store::{PAGE_MAX, RequestFilter};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    calls::{Calls, Waiting},
    ending,
    keeper::{Keeping, Kept},
    life::Life,
    metric::{self, Measured},
    settings::DoorSettings,
    submit::{self, Answer},
    workers::{self, Attached},
};

/// The door's name in rows.
pub const DOOR: &str = "miden";
/// The name of a request's only input.
pub(crate) const WITNESS: &str = "witness";
/// Largest proof that is answered, in bytes: what gRPC clients take by default is far less.
const PROOF_MAX_BYTES: u64 = 64 << 20;

/// The door. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Door {
    pub(crate) keeping: Keeping,
    operators: Arc<dyn Operators>,
    attached: Option<Arc<dyn Attached>>,
}

impl Door {
    /// Opens the door. Requests that an earlier process accepted are kept for their callers for the grace. `stop` ends all
    /// calls and gives nothing up.
    ///
    /// # Errors
    /// Those of the core while it lists what is open.
    pub async fn open(
        clients: Arc<dyn Clients>,
        operators: Arc<dyn Operators>,
        attached: Option<Arc<dyn Attached>>,
        settings: DoorSettings,
        stop: CancellationToken,
    ) -> Result<Self, CoreError> {
        let door = Self {
            keeping: Keeping {
                clients,
                calls: Arc::new(Calls::default()),
                settings: Arc::new(settings),
                stop,
                tasks: TaskTracker::new(),
            },
            operators,
            attached,
        };
        door.take_over().await?;
        Ok(door)
    }

    /// How many requests are being made or kept now; none of them is without a caller for longer than the grace.
    pub fn in_hand(&self) -> usize {
        self.keeping.tasks.len()
    }

    /// Waits for a request, with the keeper that it has or a new one.
    pub(crate) fn wait_for(&self, id: RequestId, kept: impl FnOnce() -> Kept) -> Waiting {
        let calls = &self.keeping.calls;
        calls.wait_for(id, |watched| self.keeping.keep(kept(), watched))
    }

    /// Keeps what an earlier process accepted.
    async fn take_over(&self) -> Result<(), CoreError> {
        let mut found = 0;
        for offset in (0..).step_by(PAGE_MAX) {
            let filter = RequestFilter {
                door: Some(Name::literal(DOOR)),
                states: vec![RequestState::Open],
                offset,
                limit: PAGE_MAX,
                ..RequestFilter::default()
            };
            let page = self.keeping.clients.list(filter).await?;
            for request in &page {
                found += usize::from(self.take_over_one(request).await?);
            }
            if page.len() < PAGE_MAX {
                break;
            }
        }
        if found > 0 {
            tracing::info!(requests = found, "requests that were open are kept for their callers");
        }
        Ok(())
    }

    async fn take_over_one(&self, request: &Request) -> Result<bool, CoreError> {
        let line = Line::ALL
            .into_iter()
            .find(|line| line.system() == request.system.as_str());
        let kind = request.kind.as_str().parse::<Kind>().ok();
        let (Some(line), Some(kind)) = (line, kind) else {
            return Ok(false);
        };
        let stage = self.keeping.clients.stage(request.id).await?.unwrap_or(Stage::Ended);
        let Some(watched) = self.keeping.calls.found(request.id) else {
            return Ok(false);
        };
        let kept = Kept {
            id: request.id,
            requester: request.requester.clone(),
            line,
            kind,
            life: Life::found(stage, Instant::now()),
            place: None,
        };
        self.keeping.keep(kept, watched);
        Ok(true)
    }

    async fn proof(&self, call: &ProveCall) -> Result<Bytes, Refusal> {
        let ended = match submit::answer(self, call).await? {
            Answer::There(ended) => ended,
            Answer::Wait(waiting) => waiting.end().await.unwrap_or_else(|| {
                Err(Refusal::Unavailable(
                    "the request was lost sight of; send it again".to_owned(),
                ))
            }),
        };
        let read = self.keeping.clients.read_output(&ended?, PROOF_MAX_BYTES).await;
        read.map_err(ending::of_core)
    }
}

#[async_trait]
impl Proving for Door {
    async fn prove(&self, call: ProveCall) -> Result<Bytes, Refusal> {
        let measured = Measured::start(call.line, call.kind);
        let answer = self.proof(&call).await;
        measured.ended(&answer);
        answer
    }

    fn turned_away(&self, refusal: &Refusal, is_first: bool) {
        metric::turned_away(refusal, is_first);
    }

    async fn workers(&self, line: Line) -> Vec<WorkerStatus> {
        workers::of_line(&*self.operators, self.attached.as_deref(), line).await
    }
}
