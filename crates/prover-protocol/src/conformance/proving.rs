//! The checks that need a case.

use std::path::Path;

use tokio::time::Instant;

use super::{
    Case, Subject,
    session::{HEARTBEAT, Not, PROMPT, Session, describe, expect_failure},
};
use crate::{
    blob::{check_outputs, read_output},
    proto::{
        Cancel, Execute, HelloReply, Limits, NamedBlob, Prove, ProveReply, Role, Setup, SetupReply, Verify,
        call::Call as Kind, event::Event as Told, failure::Class, reply::Reply as Answer,
    },
};

/// Largest output that is read back, in bytes.
const MAX_OUTPUT_BYTES: u64 = 1 << 30;

/// A hash that no public values have.
const OTHER_HASH: [u8; 32] = [0x5a; 32];

/// The job of set-ups; those of proofs count from 1.
const SETUP_JOB: u64 = 1_000;

/// What it is, proof, program id, hash of the public values, and whether it is valid.
type Trial<'a> = (&'a str, &'a [u8], &'a [u8], &'a [u8], bool);

type Passed = Result<(), Not>;

fn case(subject: &Subject) -> Result<&Case, Not> {
    let missing = || Not::Asked("a case with real inputs (--case DIR)".into());
    subject.case.as_ref().ok_or_else(missing)
}

fn announced(reply: &HelloReply, call: &str) -> Passed {
    if reply.calls.iter().any(|known| known == call) {
        return Ok(());
    }
    Err(Not::Asked(format!("a prover that announces {call}")))
}

/// Starts a process in the first of `roles` that announces `call`.
async fn session_for(subject: &Subject, roles: &[Role], call: &str) -> Result<(Session, HelloReply), Not> {
    let mut last = Not::Asked(format!("a prover that announces {call}"));
    for role in roles {
        match Session::greeted(subject, *role).await {
            Ok((session, reply)) => match announced(&reply, call) {
                Ok(()) => return Ok((session, reply)),
                Err(other) => last = other,
            },
            Err(Not::Asked(what)) => last = Not::Asked(what),
            Err(failed) => return Err(failed),
        }
    }
    Err(last)
}

async fn set_up(session: &mut Session, subject: &Subject) -> Result<SetupReply, Not> {
    let case = case(subject)?;
    let call = Kind::Setup(Setup {
        system: case.system.clone(),
        inputs: case.program(),
    });
    match session.ask(SETUP_JOB, call, subject.call_timeout).await? {
        Answer::Setup(reply) => Ok(reply),
        other => Err(format!("setup was answered with {}", describe(&other)).into()),
    }
}

pub(super) async fn setup(subject: &Subject) -> Passed {
    case(subject)?;
    let (mut session, _) = session_for(subject, &[Role::Light, Role::Prove], "setup").await?;
    let first = set_up(&mut session, subject).await?;
    if first.vk.is_empty() || first.program_id.is_empty() {
        return Err("the reply to setup has no vk or no program_id".into());
    }
    if set_up(&mut session, subject).await? != first {
        return Err("the same program has another vk the second time".into());
    }
    Ok(())
}

pub(super) async fn execute(subject: &Subject) -> Passed {
    let case = case(subject)?;
    let (mut session, _) = session_for(subject, &[Role::Light, Role::Prove], "execute").await?;
    let output_dir = session.output_dir()?;
    let call = |cycles| {
        Kind::Execute(Execute {
            system: case.system.clone(),
            inputs: case.blobs(),
            limits: Some(Limits {
                cycles,
                gas: None,
                guest_log_bytes: 1024,
            }),
            output_dir: output_dir.clone(),
            kind: case.kind.clone(),
        })
    };
    let reply = match session.ask(1, call(None), subject.call_timeout).await? {
        Answer::Execute(reply) => reply,
        other => return Err(format!("execute was answered with {}", describe(&other)).into()),
    };
    check_outputs(&reply.outputs, &output_dir)?;
    if let Some(fault) = reply.fault {
        return Err(format!("the case's program is at fault: {}", fault.message).into());
    }
    if NamedBlob::find(&reply.outputs, "public_values").is_none() {
        return Err("the reply to execute has no output public_values".into());
    }
    let Some(cycles) = reply.record.and_then(|record| record.cycles) else {
        return Ok(());
    };
    match session.ask(2, call(Some(cycles)), subject.call_timeout).await? {
        Answer::Execute(reply) if reply.fault.is_none() => {}
        _ => return Err("a cycle limit that is just met is reported as broken".into()),
    }
    match session.ask(3, call(Some(cycles - 1)), subject.call_timeout).await? {
        Answer::Execute(reply) if reply.fault.is_some() => Ok(()),
        _ => Err("a cycle limit that is broken by one is not reported as a fault".into()),
    }
}

/// Starts a prover and gives it the case's proof to make as job 1.
async fn proving(subject: &Subject) -> Result<(Session, HelloReply, Prove, u64), Not> {
    let case = case(subject)?;
    let (mut session, hello) = session_for(subject, &[Role::Prove], "prove").await?;
    let program_id = if announced(&hello, "setup").is_ok() {
        set_up(&mut session, subject).await?.program_id
    } else {
        let (mut light, _) = session_for(subject, &[Role::Light], "setup").await?;
        set_up(&mut light, subject).await?.program_id
    };
    let call = Prove {
        system: case.system.clone(),
        kind: case.kind.clone(),
        inputs: case.blobs(),
        limits: Some(Limits::default()),
        output_dir: session.output_dir()?,
        program_id,
        mock: false,
    };
    session.events.clear();
    let call_id = session.send(1, Kind::Prove(call.clone())).await?;
    Ok((session, hello, call, call_id))
}

fn proved(answer: Answer, output_dir: &str) -> Result<ProveReply, Not> {
    let reply = match answer {
        Answer::Prove(reply) => reply,
        other => return Err(format!("prove was answered with {}", describe(&other)).into()),
    };
    check_outputs(&reply.outputs, output_dir)?;
    if NamedBlob::find(&reply.outputs, "proof").is_none() {
        return Err("the reply to prove has no output proof".into());
    }
    Ok(reply)
}

pub(super) async fn prove_and_verify(subject: &Subject) -> Passed {
    let case = case(subject)?;
    let (mut session, _, call, call_id) = proving(subject).await?;
    let answer = session.reply(call_id, subject.call_timeout).await?;
    let reply = proved(answer, &call.output_dir)?;
    let proof = NamedBlob::find(&reply.outputs, "proof").ok_or("checked just before")?;
    let bytes = read_output(proof, Path::new(&call.output_dir), MAX_OUTPUT_BYTES)
        .map_err(|error| format!("the proof cannot be read: {error}"))?;
    let (mut verifier, _) = session_for(subject, &[Role::Light, Role::Prove], "verify").await?;
    let good = call.program_id.clone();
    let mut wrong = good.clone();
    wrong[0] ^= 1;
    let mut tampered = bytes.clone();
    let middle = tampered.len() / 2;
    *tampered.get_mut(middle).ok_or("the proof is empty")? ^= 1;
    let half = &bytes[..middle];
    let trials: [Trial<'_>; 5] = [
        ("its own proof", &bytes, &good, &[], true),
        ("a proof with one bit changed", &tampered, &good, &[], false),
        ("half a proof", half, &good, &[], false),
        ("a proof for another program", &bytes, &wrong, &[], false),
        ("a proof of other public values", &bytes, &good, &OTHER_HASH, false),
    ];
    for (job, (what, proof, program_id, public_values, valid)) in (1..).zip(trials) {
        let path = Path::new(&call.output_dir).join(format!("trial-{job}"));
        std::fs::write(&path, proof).map_err(|error| format!("cannot write a proof: {error}"))?;
        let mut inputs = case.program();
        inputs.push(NamedBlob::file("proof", &path));
        let verify = Kind::Verify(Verify {
            system: case.system.clone(),
            kind: case.kind.clone(),
            inputs,
            program_id: program_id.to_vec(),
            public_values_sha256: public_values.to_vec(),
            toolchain: String::new(),
            mock: false,
        });
        match verifier.ask(job, verify, subject.call_timeout).await? {
            Answer::Verify(reply) if reply.valid == valid => {}
            Answer::Verify(reply) => {
                let verdict = if reply.valid { "accepted" } else { "refused" };
                return Err(format!("{what} is {verdict}: {}", reply.reason).into());
            }
            // What cannot be decoded need not be judged.
            Answer::Failure(failure) if !valid && failure.class() == Class::Input => {}
            other => return Err(format!("{what} is answered with {}", describe(&other)).into()),
        }
    }
    Ok(())
}

pub(super) async fn heartbeats(subject: &Subject) -> Passed {
    let (mut session, _, call, call_id) = proving(subject).await?;
    let start = Instant::now();
    let answer = session.reply(call_id, subject.call_timeout).await?;
    let end = Instant::now();
    proved(answer, &call.output_dir)?;
    check_progress(&session)?;
    if end - start < 3 * HEARTBEAT {
        return Err(Not::Asked(format!(
            "a case that proves for longer than {:?}",
            3 * HEARTBEAT
        )));
    }
    let mut last = start;
    for at in session.events.iter().map(|(at, ..)| *at).chain([end]) {
        if at - last > 3 * HEARTBEAT {
            return Err(format!("it was silent for {:?} with a job running", at - last).into());
        }
        last = at;
    }
    Ok(())
}

fn check_progress(session: &Session) -> Passed {
    let mut last: Option<(&str, u64, u32)> = None;
    for (_, job_id, event) in &session.events {
        let Some(Told::Progress(progress)) = &event.event else {
            continue;
        };
        if *job_id != 1 {
            return Err(format!("progress is told of job {job_id}, which does not run").into());
        }
        if progress.overall_bp > 10_000 || progress.phase.is_empty() || progress.phase.len() > 64 {
            return Err("progress has no phase, one over 64 bytes, or an overall_bp over 10,000".into());
        }
        if let Some((phase, done, overall)) = last
            && (progress.overall_bp < overall || (progress.phase == phase && progress.done < done))
        {
            return Err(format!("progress falls in the phase {phase}").into());
        }
        last = Some((&progress.phase, progress.done, progress.overall_bp));
    }
    Ok(())
}

pub(super) async fn two_jobs(subject: &Subject) -> Passed {
    let (mut session, hello, first, first_id) = proving(subject).await?;
    if hello.max_jobs < 2 {
        return Err(Not::Asked("a prover that announces max_jobs over 1".into()));
    }
    let mut second = first.clone();
    second.output_dir = session.output_dir()?;
    let second_id = session.send(2, Kind::Prove(second.clone())).await?;
    let answer = session.reply(first_id, subject.call_timeout).await?;
    proved(answer, &first.output_dir)?;
    let answer = session.reply(second_id, subject.call_timeout).await?;
    proved(answer, &second.output_dir)?;
    Ok(())
}

pub(super) async fn cancel(subject: &Subject) -> Passed {
    let (mut session, hello, _, call_id) = proving(subject).await?;
    announced(&hello, "cancel")?;
    session.event(PROMPT).await?;
    let call = Kind::Cancel(Cancel { job_id: 1 });
    match session.ask(0, call, PROMPT).await? {
        Answer::Cancel(_) => {}
        other => return Err(format!("cancel was answered with {}", describe(&other)).into()),
    }
    let answer = session.reply(call_id, PROMPT).await?;
    if matches!(answer, Answer::Prove(_)) {
        return Err(Not::Asked("a case whose job takes longer".into()));
    }
    expect_failure(&answer, Class::Cancelled, "the cancelled job")
}

pub(super) async fn eof(subject: &Subject) -> Passed {
    let (mut session, ..) = proving(subject).await?;
    session.event(PROMPT).await?;
    session.close();
    let status = session.exit().await?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("it ends with {status} when its stdin is closed").into())
    }
}
