//! A place where one proof at a time is made, in a prover process that is kept warm.
//!
//! What must stay true: a seat takes a proof only when its process is ready; a proof that nobody wants any more, or that takes
//! longer than a call may, has no process a moment later; a seat tells the desk of a proof's end only when its process is idle or gone.

use std::{sync::Arc, time::Duration};

use hierophant_miden_api::Refusal;
use hierophant_prover_protocol::host::ProverProcess;
use hierophant_telemetry::{Kind as SpanKind, Span};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    call::{self, Ask, CallFiles, Trouble},
    crew::{Crew, causes},
    desk::{self, Answer, Job},
    telemetry,
};

/// How often a proof is tried, each time in another process.
const TRIES: u32 = 2;
/// First wait before a prover that does not get ready is started again; it doubles up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_millis(100);
/// Longest such wait.
const RESTART_MAX: Duration = Duration::from_secs(30);

/// How making a proof ended without one.
enum Ended {
    /// Nobody wants it any more.
    Unwanted,
    /// It took longer than any call may.
    Overdue,
    /// There is no proof.
    Refused(Refusal),
}

impl Ended {
    fn refusal(self, timeout: Duration) -> Refusal {
        match self {
            Self::Unwanted => Refusal::Unavailable("the proof was stopped; ask again".into()),
            Self::Overdue => desk::timed_out(timeout),
            Self::Refused(refusal) => refusal,
        }
    }
}

/// See the module's comment.
#[derive(Debug)]
pub(crate) struct Seat {
    crew: Arc<Crew>,
    process: Option<ProverProcess>,
    /// Starts in a row that gave no process which was given a proof.
    failures: u32,
}

impl Seat {
    /// With a process that is ready, or to start one.
    pub(crate) fn new(crew: Arc<Crew>, process: Option<ProverProcess>) -> Self {
        Self {
            crew,
            process,
            failures: 0,
        }
    }

    /// Makes proofs until the crew ends. No process is left then.
    pub(crate) async fn work(mut self) {
        let crew = Arc::clone(&self.crew);
        while let Some(process) = self.process().await {
            tokio::select! {
                biased;
                () = crew.ending.cancelled() => break,
                died = process.gone() => {
                    tracing::error!(prover.pid = process.pid(), "a prover with nothing to do is gone: {died}");
                    self.lose();
                    self.failures += 1;
                }
                job = crew.desk.next() => {
                    self.failures = 0;
                    let span = tracing::info_span!("proof", request.id = %job.request_id, kind = %job.kind);
                    self.prove(job).instrument(span).await;
                }
            }
        }
        self.kill("this worker ends").await;
    }

    async fn prove(&mut self, job: Job) {
        let began = Instant::now();
        let (id, kind) = (job.id, job.kind);
        let answer = match CallFiles::make(self.crew.scratch.path().to_owned(), job.witness.clone()).await {
            Ok(files) => {
                let limit = self.crew.settings.timeout;
                let answer = tokio::select! {
                    biased;
                    () = job.stop.cancelled() => Err(Ended::Unwanted),
                    answer = tokio::time::timeout(limit, self.tries(&job, &files)) => match answer {
                        Ok(answer) => answer.map_err(Ended::Refused),
                        // Callers that come and go would keep it for ever.
                        Err(_) => Err(Ended::Overdue),
                    },
                };
                if matches!(answer, Err(Ended::Unwanted | Ended::Overdue)) {
                    self.kill("its proof is not waited for any longer").await;
                }
                files.remove().await;
                answer
            }
            Err(error) => {
                tracing::error!(%error, "the files of a call cannot be written; check --scratch-directory");
                Err(Ended::Refused(Refusal::Unavailable(
                    "this worker has no room for the call; ask another, or ask again later".into(),
                )))
            }
        };
        let took = began.elapsed();
        let answer = answer.map_err(|ended| ended.refusal(self.crew.settings.timeout));
        let result = match &answer {
            Ok(_) => "proved",
            Err(Refusal::Unavailable(_)) => "stopped",
            Err(refusal) => telemetry::cause(refusal),
        };
        tracing::info!(seconds = took.as_secs_f64(), "{result}");
        telemetry::ended(kind, result, took);
        self.crew.desk.end(id, answer);
    }

    async fn tries(&mut self, job: &Job, files: &CallFiles) -> Answer {
        let ask = Ask {
            system: self.crew.settings.system.clone(),
            kind: job.kind,
        };
        let mut last = String::new();
        for number in 1..=TRIES {
            let Some(process) = self.process().await else { break };
            let span = Span::begin("prover", SpanKind::Internal, job.trace.as_ref());
            span.note("prover.pid", || i64::from(process.pid()));
            match call::attempt(&process, &self.crew.checks, &ask, files).await {
                Ok(proof) => return Ok(proof),
                Err(Trouble::Settled(refusal)) => {
                    span.failed(&refusal.to_string());
                    return Err(refusal);
                }
                Err(Trouble::Again(why)) => {
                    span.failed(&why);
                    tracing::warn!(
                        prover.pid = process.pid(),
                        "try {number} of {TRIES} gave no proof: {why}"
                    );
                    self.kill("the next try is a fresh process's").await;
                    last = why;
                }
            }
            if number < TRIES {
                telemetry::retried(job.kind);
            }
        }
        Err(Refusal::Failed(format!("no proof in {TRIES} tries: {last}")))
    }

    /// The process, started if need be; `None` when the crew ends.
    async fn process(&mut self) -> Option<ProverProcess> {
        let crew = Arc::clone(&self.crew);
        loop {
            if let Some(process) = self.process.as_ref().filter(|process| process.is_alive()) {
                return Some(process.clone());
            }
            self.lose();
            let spawned = async {
                tokio::time::sleep(self.wait()).await;
                crew.spawn().await
            };
            let spawned = tokio::select! {
                biased;
                () = crew.ending.cancelled() => return None,
                spawned = spawned => spawned,
            };
            match spawned {
                Ok(process) => {
                    crew.seated();
                    self.process = Some(process);
                }
                Err(error) => {
                    self.failures += 1;
                    let why = causes(&error);
                    tracing::error!("{why}; it is started again in {:.1?}", self.wait());
                    crew.troubled(why);
                }
            }
        }
    }

    /// How long to wait before the next start.
    fn wait(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => RESTART_MIN.saturating_mul(1 << doublings.min(16)).min(RESTART_MAX),
        }
    }

    fn lose(&mut self) {
        if self.process.take().is_some() {
            self.crew.unseated();
        }
    }

    async fn kill(&mut self, why: &str) {
        if let Some(process) = &self.process {
            process.kill(why).await;
        }
        self.lose();
    }
}
