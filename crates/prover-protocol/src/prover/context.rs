//! What a running call may do towards its host: report progress, notice a cancel, read inputs, hand over outputs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::outbox::Outbox;
use crate::{
    blob::{is_plain_name, read_blob},
    failure::truncate,
    proto::{Event, Failure, Frame, NamedBlob, Progress, event, frame},
    wire::{MAX_INLINE_BYTES, MAX_INLINE_TOTAL_BYTES},
};

/// The whole of a job in `Progress.overall_bp`.
const WHOLE_BP: u32 = 10_000;

/// Progress within a phase is told at most this often; a new phase and the end of one always.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(20);

/// Longest name of a phase, in bytes.
const MAX_PHASE_BYTES: usize = 64;

#[derive(Debug, Default)]
struct LastProgress {
    progress: Option<(Progress, Instant)>,
}

/// One running call, as the prover sees it.
#[derive(Debug)]
pub struct JobContext {
    job_id: u64,
    cancelled: Arc<AtomicBool>,
    output_dir: Option<PathBuf>,
    outbox: Arc<Outbox>,
    last: Mutex<LastProgress>,
    inline_bytes: Mutex<usize>,
}

impl JobContext {
    pub(super) fn new(job_id: u64, cancelled: Arc<AtomicBool>, output_dir: &str, outbox: Arc<Outbox>) -> Self {
        Self {
            job_id,
            cancelled,
            output_dir: (!output_dir.is_empty()).then(|| PathBuf::from(output_dir)),
            outbox,
            last: Mutex::default(),
            inline_bytes: Mutex::default(),
        }
    }

    /// The host's number of this job, for the prover's log.
    pub fn job_id(&self) -> u64 {
        self.job_id
    }

    /// Tells the host how far the job is: `done` of `total` (0: unknown) in `phase`, and the whole job in hundredths of
    /// a percent (0 to 10,000). Cheap: what comes too fast is dropped, what would fall is raised to what was told.
    pub fn progress(&self, phase: &str, done: u64, total: u64, overall_bp: u32) {
        let now = Instant::now();
        let mut next = Progress {
            phase: phase.to_owned(),
            done,
            total,
            overall_bp: overall_bp.min(WHOLE_BP),
        };
        truncate(&mut next.phase, MAX_PHASE_BYTES);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((told, at)) = &last.progress {
            next.overall_bp = next.overall_bp.max(told.overall_bp);
            if next.phase == told.phase {
                next.done = next.done.max(told.done);
                let finishes = next.done == next.total && told.done != told.total;
                if !finishes && now.duration_since(*at) < PROGRESS_INTERVAL {
                    return;
                }
            }
        }
        last.progress = Some((next.clone(), now));
        // Sent under the lock: two threads of one job must not overtake each other.
        self.outbox.offer(&Frame {
            job_id: self.job_id,
            call_id: 0,
            body: Some(frame::Body::Event(Event {
                event: Some(event::Event::Progress(next)),
            })),
        });
    }

    /// Returns whether the host asked for the job to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Returns `Failure.CANCELLED` once the host asked for the job to stop: `job.check_cancelled()?` in every loop.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.is_cancelled() {
            return Err(Failure::cancelled());
        }
        Ok(())
    }

    /// The directory for large outputs; `None` for calls that have none.
    pub fn output_dir(&self) -> Option<&Path> {
        self.output_dir.as_deref()
    }

    /// Hands over an output: in the frame when it is small, else as the file `name` in the output directory.
    pub fn output(&self, name: &str, bytes: Vec<u8>) -> Result<NamedBlob, Failure> {
        if !is_plain_name(name) {
            return Err(Failure::prover(format!("{name:?} is no name of an output")));
        }
        if self.reserve_inline(bytes.len()) {
            return Ok(NamedBlob::inline(name, bytes));
        }
        let directory = self.output_dir().ok_or_else(|| {
            Failure::prover(format!(
                "output {name} of {} bytes is too large for a frame, and the call names no output_dir",
                bytes.len()
            ))
        })?;
        let path = directory.join(name);
        fs::write(&path, bytes)
            .map_err(|error| Failure::prover(format!("cannot write output {}: {error}", path.display())))?;
        Ok(NamedBlob::file(name, &path))
    }

    /// Reads the input `name`, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// `Failure.INPUT` when it is missing, too large or unreadable.
    pub fn input(&self, inputs: &[NamedBlob], name: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        self.optional_input(inputs, name, limit)?
            .ok_or_else(|| Failure::input(format!("the input {name} is missing")))
    }

    /// Reads the input `name` if it is there, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// `Failure.INPUT` when it is too large or unreadable.
    pub fn optional_input(&self, inputs: &[NamedBlob], name: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        NamedBlob::find(inputs, name)
            .map(|blob| read_blob(blob, limit))
            .transpose()
            .map_err(|error| {
                let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
                Failure::input(format!("the input {name}: {error}{cause}"))
            })
    }

    /// Takes `length` bytes of what one message may carry inline; `false` when there is no room.
    fn reserve_inline(&self, length: usize) -> bool {
        let mut used = self.inline_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if length > MAX_INLINE_BYTES || *used + length > MAX_INLINE_TOTAL_BYTES {
            return false;
        }
        *used += length;
        true
    }
}
