//! The main loop of a prover process.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::AtomicBool,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{
    JobContext, Prover,
    jobs::{Jobs, Refused, Work},
    outbox::Outbox,
    stdio,
};
use crate::{
    PROTOCOL_VERSION,
    proto::{
        Call, CancelReply, Event, Failure, Frame, Heartbeat, Hello, HelloReply, Reply, Role, call::Call as Kind, event,
        frame, reply::Reply as Answer,
    },
    wire::{FrameReader, WireError},
};

/// How long replies may take to reach the host after it closed our stdin.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Legal values of `Hello.heartbeat_ms`. Contract: `proto/prover.proto`.
const HEARTBEAT_MS: std::ops::RangeInclusive<u32> = 10..=600_000;

/// Legal values of `HelloReply.max_jobs`. Contract: `proto/prover.proto`.
const MAX_JOBS: std::ops::RangeInclusive<u32> = 1..=1024;

/// Why a prover stopped serving in disorder. `main` returns it, so that the process ends with a status that is not 0.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// stdin and stdout are no usable pipes.
    #[error("cannot take over stdin and stdout; this program is started by a host, not by hand")]
    Stdio(#[source] io::Error),
    /// A thread of the process itself could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The host sent what is no frame.
    #[error("the host broke the protocol")]
    Wire(#[from] WireError),
    /// The host used a call id that is still running.
    #[error("the host used call id {0} while it was running")]
    DuplicateCall(u64),
}

/// Serves the host on stdin and stdout until it closes stdin. Running jobs are then abandoned: return from `main`.
///
/// From the first moment on everything that the process prints to stdout goes to stderr.
pub fn serve(prover: impl Prover) -> Result<(), ServeError> {
    let pipes = stdio::take().map_err(ServeError::Stdio)?;
    let outbox = Arc::new(Outbox::default());
    let writer = Arc::clone(&outbox);
    thread::Builder::new()
        .name("to-host".into())
        .spawn(move || writer.write_to(pipes.to_host))
        .map_err(ServeError::Thread)?;
    let mut server = Server {
        prover: Arc::new(prover),
        outbox,
        jobs: Arc::default(),
        hello: Arc::default(),
        beating: None,
    };
    let mut frames = FrameReader::new(pipes.from_host);
    let result = server.run(&mut frames);
    server.outbox.close(FLUSH_PATIENCE);
    result
}

/// How far the first call is.
#[derive(Default)]
enum Greeting {
    #[default]
    None,
    Running,
    Done(Role, HelloReply),
}

struct Server<P> {
    prover: Arc<P>,
    outbox: Arc<Outbox>,
    jobs: Arc<Jobs>,
    hello: Arc<Mutex<Greeting>>,
    /// Stops the heartbeat's thread when it is dropped.
    beating: Option<mpsc::SyncSender<()>>,
}

impl<P: Prover> Server<P> {
    fn run(&mut self, frames: &mut FrameReader<std::fs::File>) -> Result<(), ServeError> {
        while let Some(frame) = frames.read()? {
            let ids = (frame.job_id, frame.call_id);
            match frame.body {
                Some(frame::Body::Call(call)) => self.call(ids, call)?,
                // We call nobody yet, and what a newer host tells us unasked is not for us.
                Some(frame::Body::Reply(_) | frame::Body::Event(_)) | None => {}
            }
        }
        Ok(())
    }

    fn call(&mut self, ids: (u64, u64), call: Call) -> Result<(), ServeError> {
        match call.call {
            None => self.answer(ids, Err(Failure::unsupported("this call is not known here"))),
            Some(Kind::Hello(hello)) => return self.greet(ids, hello),
            Some(Kind::Cancel(cancel)) => {
                self.jobs.cancel(cancel.job_id);
                self.answer(ids, Ok(Answer::Cancel(CancelReply {})));
            }
            Some(call) => {
                if !self.greeted() {
                    let failure = Failure::input("the first call must be hello, and be answered");
                    self.answer(ids, Err(failure));
                    return Ok(());
                }
                let cancelled = Arc::new(AtomicBool::new(false));
                let work = self.job(ids, call, Arc::clone(&cancelled));
                return self.start(ids, cancelled, work);
            }
        }
        Ok(())
    }

    fn greeted(&self) -> bool {
        matches!(*lock(&self.hello), Greeting::Done(..))
    }

    /// Runs the first hello on a thread, answers later ones from memory.
    fn greet(&mut self, ids: (u64, u64), hello: Hello) -> Result<(), ServeError> {
        let refused = {
            let mut greeting = lock(&self.hello);
            match &*greeting {
                Greeting::Done(role, reply) if *role == hello.role() => Some(Ok(Answer::Hello(reply.clone()))),
                Greeting::Done(..) => Some(Err(Failure::input(
                    "this process has another role; start one for each role",
                ))),
                Greeting::Running => Some(Err(Failure::input("the first hello is not answered yet"))),
                Greeting::None => match check_hello(&hello) {
                    Ok(()) => {
                        *greeting = Greeting::Running;
                        None
                    }
                    Err(failure) => Some(Err(failure)),
                },
            }
        };
        if let Some(answer) = refused {
            self.answer(ids, answer);
            return Ok(());
        }
        self.jobs.set_max_jobs(1);
        let cancelled = Arc::new(AtomicBool::new(false));
        let (prover, jobs, greeting) = (
            Arc::clone(&self.prover),
            Arc::clone(&self.jobs),
            Arc::clone(&self.hello),
        );
        let interval = Duration::from_millis(u64::from(hello.heartbeat_ms)) / 2;
        let finish = self.finisher(ids);
        let work = Box::new(move || {
            let answer = caught(|| prover.hello(&hello)).and_then(|mut reply| {
                reply.protocol = PROTOCOL_VERSION;
                if !MAX_JOBS.contains(&reply.max_jobs) {
                    return Err(Failure::prover("max_jobs must be 1 to 1,024"));
                }
                Ok(reply)
            });
            *lock(&greeting) = match &answer {
                Ok(reply) => Greeting::Done(hello.role(), reply.clone()),
                Err(_) => Greeting::None,
            };
            if let Ok(reply) = &answer {
                jobs.set_max_jobs(reply.max_jobs as usize);
            }
            finish(answer.map(Answer::Hello));
        });
        self.start(ids, cancelled, work)?;
        self.beat(interval)
    }

    /// Prepares a call for its thread.
    fn job(&self, ids: (u64, u64), call: Kind, cancelled: Arc<AtomicBool>) -> Work {
        let prover = Arc::clone(&self.prover);
        let outbox = Arc::clone(&self.outbox);
        let finish = self.finisher(ids);
        Box::new(move || {
            let output_dir = match &call {
                Kind::Prove(prove) => prove.output_dir.as_str(),
                Kind::Execute(execute) => execute.output_dir.as_str(),
                Kind::Hello(_) | Kind::Setup(_) | Kind::Verify(_) | Kind::Cancel(_) => "",
            };
            let job = JobContext::new(ids.0, cancelled, output_dir, outbox);
            finish(caught(|| match call {
                Kind::Prove(call) => prover.prove(&job, call).map(Answer::Prove),
                Kind::Execute(call) => prover.execute(&job, call).map(Answer::Execute),
                Kind::Setup(call) => prover.setup(&job, call).map(Answer::Setup),
                Kind::Verify(call) => prover.verify(&job, call).map(Answer::Verify),
                Kind::Hello(_) | Kind::Cancel(_) => unreachable!("answered by the main loop"),
            }));
        })
    }

    /// Returns what ends a call on its thread.
    fn finisher(&self, ids: (u64, u64)) -> impl FnOnce(Result<Answer, Failure>) + Send + 'static {
        let (jobs, outbox) = (Arc::clone(&self.jobs), Arc::clone(&self.outbox));
        move |answer| {
            jobs.finish(ids.1);
            send(&outbox, ids, answer);
        }
    }

    fn start(&self, ids: (u64, u64), cancelled: Arc<AtomicBool>, work: Work) -> Result<(), ServeError> {
        let failure = match self.jobs.start(ids, cancelled, work) {
            Ok(()) => return Ok(()),
            Err(Refused::DuplicateCall) => return Err(ServeError::DuplicateCall(ids.1)),
            Err(Refused::Full) => {
                Failure::transient("as many calls as max_jobs are running in this process; wait for one to end")
            }
            Err(Refused::Thread(error)) => Failure::prover(format!("cannot start a thread: {error}")),
        };
        self.answer(ids, Err(failure));
        Ok(())
    }

    /// Starts the thread of the heartbeat, which nothing else runs on.
    fn beat(&mut self, interval: Duration) -> Result<(), ServeError> {
        let (stop, stopped) = mpsc::sync_channel::<()>(0);
        let (jobs, outbox) = (Arc::clone(&self.jobs), Arc::clone(&self.outbox));
        thread::Builder::new()
            .name("heartbeat".into())
            .spawn(move || {
                while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    if jobs.any_running() {
                        outbox.offer(&heartbeat());
                    }
                }
            })
            .map_err(ServeError::Thread)?;
        // A hello that failed may be tried again: the new thread replaces the old one.
        self.beating = Some(stop);
        Ok(())
    }

    fn answer(&self, ids: (u64, u64), answer: Result<Answer, Failure>) {
        send(&self.outbox, ids, answer);
    }
}

fn check_hello(hello: &Hello) -> Result<(), Failure> {
    if hello.protocol < PROTOCOL_VERSION {
        return Err(Failure::unsupported(format!(
            "this prover speaks protocol {PROTOCOL_VERSION}, the host {}",
            hello.protocol
        )));
    }
    if hello.role() == Role::Unspecified {
        return Err(Failure::input("hello names no role that is known here"));
    }
    if !HEARTBEAT_MS.contains(&hello.heartbeat_ms) {
        return Err(Failure::input("heartbeat_ms must be 10 to 600,000"));
    }
    Ok(())
}

/// Runs a method of the prover; a panic becomes a failure of this call alone.
fn caught<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // A prover that breaks its own invariants in a panic is its author's matter; ours are not reachable from there.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        Err(Failure::prover(format!("the prover panicked: {message}")))
    })
}

fn send(outbox: &Outbox, (job_id, call_id): (u64, u64), answer: Result<Answer, Failure>) {
    let frame = |answer| Frame {
        job_id,
        call_id,
        body: Some(frame::Body::Reply(Reply { reply: Some(answer) })),
    };
    let answer = answer.unwrap_or_else(Answer::Failure);
    if let Err(error) = outbox.send(&frame(answer)) {
        let failure = Failure::prover(format!("the reply cannot be sent: {error}"));
        // A failure's message is bounded, so that this one fits.
        let _ = outbox.send(&frame(Answer::Failure(failure)));
    }
}

fn heartbeat() -> Frame {
    Frame {
        job_id: 0,
        call_id: 0,
        body: Some(frame::Body::Event(Event {
            event: Some(event::Event::Heartbeat(Heartbeat {})),
        })),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
