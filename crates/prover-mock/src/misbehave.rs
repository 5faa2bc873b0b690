//! Everything that a prover should not do, on demand of a script.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use hierophant_prover_protocol::{
    proto::{Failure, ProgramFault, program_fault::Cause},
    prover::JobContext,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::script::Script;

/// How often a busy call looks at the clock and at its cancel.
const STEP: Duration = Duration::from_millis(5);

/// How long a signal that a thread sends to its own process may take to reach that thread. Generous.
const SIGNAL_STRIKES_WITHIN: Duration = Duration::from_secs(1);

/// Bytes that announce a frame of 4 GiB.
const GARBAGE: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x0f, 0xde, 0xad];

/// A second hold on the host's pipe, behind the back of `serve`.
#[derive(Debug)]
pub(crate) struct HostPipe(Option<File>);

impl HostPipe {
    pub(crate) fn open() -> Self {
        Self(OpenOptions::new().write(true).open("/proc/self/fd/1").ok())
    }
}

/// Does what the script demands for the call `at`; memory that it took is returned, to be kept for the call's time.
pub(crate) fn misbehave(script: &Script, at: &str, pipe: &HostPipe) -> Result<Vec<u8>, Failure> {
    if !applies(script, at)? {
        return Ok(Vec::new());
    }
    if script.flag("noise") {
        println!("a line that a library prints to stdout");
    }
    if script.flag("garbage")
        && let Some(mut file) = pipe.0.as_ref()
    {
        // A host that is gone cannot be annoyed.
        let _ = file.write_all(GARBAGE);
    }
    crash(script)?;
    hang(script)?;
    fail(script)?;
    let memory = script.number::<usize>("memory")?.unwrap_or(0);
    // Not zero: zeroed memory is not resident until it is written.
    Ok(vec![1; memory])
}

/// Whether the script's misbehaviour is meant for this call, and has not happened already.
pub(crate) fn applies(script: &Script, at: &str) -> Result<bool, Failure> {
    if script.text("at").unwrap_or("prove") != at {
        return Ok(false);
    }
    let Some(path) = script.text("once") else {
        return Ok(true);
    };
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::input(format!("once={path}: {error}"))),
    }
}

#[expect(clippy::panic, reason = "the script demands a panic")]
fn crash(script: &Script) -> Result<(), Failure> {
    match script.text("crash") {
        None => Ok(()),
        Some("kill") => {
            signal(Signal::KILL);
            Ok(())
        }
        Some("panic") => panic!("the script demands a panic"),
        Some("abort") => std::process::abort(),
        Some(other) => match other.strip_prefix("exit:").map(str::parse) {
            Some(Ok(code)) => std::process::exit(code),
            _ => Err(Failure::input(format!("crash={other} is not known"))),
        },
    }
}

fn hang(script: &Script) -> Result<(), Failure> {
    match script.text("hang") {
        None => Ok(()),
        Some("silent") => {
            signal(Signal::STOP);
            Ok(())
        }
        Some("busy") => loop {
            thread::park();
        },
        Some(other) => Err(Failure::input(format!("hang={other} is not known"))),
    }
}

fn fail(script: &Script) -> Result<(), Failure> {
    let says = "the script demands this failure";
    match script.text("fail") {
        None => Ok(()),
        Some("input") => Err(Failure::input(says)),
        Some("transient") => Err(Failure::transient(says)),
        Some("prover") => Err(Failure::prover(says)),
        Some("unsupported") => Err(Failure::unsupported(says)),
        Some("program") => Err(Failure::program(ProgramFault::new(Cause::NonZeroExit, says))),
        Some(other) => Err(Failure::input(format!("fail={other} is not known"))),
    }
}

/// Sends a signal to this process, and waits for it to strike: it may reach another thread first.
fn signal(signal: Signal) {
    // The kernel lets every process signal itself.
    let _ = kill_process(getpid(), signal);
    thread::sleep(SIGNAL_STRIKES_WITHIN);
}

/// Takes `millis` of time, telling progress through `tell` (done of total milliseconds), and heeds a cancel.
pub(crate) fn take_time(job: &JobContext, script: &Script, millis: u64, tell: impl Fn(u64)) -> Result<(), Failure> {
    let start = Instant::now();
    let total = Duration::from_millis(millis);
    loop {
        if !script.flag("ignore_cancel") {
            job.check_cancelled()?;
        }
        let elapsed = start.elapsed();
        if elapsed >= total {
            return Ok(());
        }
        tell(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        thread::sleep(STEP.min(total.saturating_sub(elapsed)));
    }
}
