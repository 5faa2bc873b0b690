//! The list of checks, and those that need nothing but the executable.

use super::{
    Check, Outcome, Subject, proving,
    session::{Not, PROMPT, Session, expect_failure},
};
use crate::{
    host::process::check_hello,
    proto::{Cancel, Hello, Role, Setup, call::Call as Kind, failure::Class, reply::Reply as Answer},
};

/// A `Frame` with call id 1 and a `Call` whose only field has number 19: a call from the future.
const UNKNOWN_CALL: &[u8] = &[0x07, 0x10, 0x01, 0x1a, 0x03, 0x9a, 0x01, 0x00];

/// A `Frame` whose only field has number 15: a body from the future.
const UNKNOWN_BODY: &[u8] = &[0x02, 0x7a, 0x00];

/// A length of 16, then bytes that are no protobuf (a field of wire type 7).
const GARBAGE: &[u8] = &[16, 0xff, 0xff, 0xff, 0xff, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

/// A length of 1 MiB and one.
const OVERSIZE: &[u8] = &[0x81, 0x80, 0x40];

/// A length of 5, then less than that.
const TRUNCATED: &[u8] = &[5, 0x10, 0x01];

/// A name that no system has.
const NO_SYSTEM: &str = "no-such-system";

type Passed = Result<(), Not>;

/// Runs all checks in order.
pub(super) async fn run(subject: &Subject, tell: &mut (impl FnMut(Check) + ?Sized)) {
    macro_rules! check {
        ($name:literal, $future:expr) => {
            tell(Check {
                name: $name,
                outcome: match Box::pin($future).await {
                    Ok(()) => Outcome::Pass,
                    Err(Not::Passed(why)) => Outcome::Fail(why),
                    Err(Not::Asked(what)) => Outcome::Needs(what),
                },
            })
        };
    }
    check!("hello-light", hello(subject, Role::Light));
    check!("hello-prove", hello(subject, Role::Prove));
    check!("hello-repeated", hello_repeated(subject));
    check!("hello-from-newer-host", hello_newer(subject));
    check!("hello-without-role", hello_wrong(subject, |hello| hello.role = 0));
    check!(
        "hello-unknown-option",
        hello_wrong(subject, |hello| {
            hello.options.insert("no-such-option".into(), "1".into());
        })
    );
    check!("call-before-hello", before_hello(subject));
    check!("frame-in-pieces", in_pieces(subject));
    check!("frames-at-once", at_once(subject));
    check!("unknown-call", unknown_call(subject));
    check!("unknown-body-is-ignored", unknown_body(subject));
    check!("unknown-system", unknown_system(subject));
    check!("cancel-of-no-job", cancel_nothing(subject));
    check!("garbage", broken(subject, GARBAGE, false));
    check!("oversize-frame", broken(subject, OVERSIZE, false));
    check!("empty-frame", broken(subject, &[0], false));
    check!("truncated-frame", broken(subject, TRUNCATED, true));
    check!("eof-before-hello", eof(subject, false));
    check!("eof-after-hello", eof(subject, true));
    check!("setup", proving::setup(subject));
    check!("execute", proving::execute(subject));
    check!("prove-and-verify", proving::prove_and_verify(subject));
    check!("heartbeats-and-progress", proving::heartbeats(subject));
    check!("two-jobs-at-once", proving::two_jobs(subject));
    check!("cancel", proving::cancel(subject));
    check!("eof-while-proving", proving::eof(subject));
}

/// Starts a prover in whichever role it serves, the light one first.
async fn any_role(subject: &Subject) -> Result<(Session, Role), Not> {
    match Session::greeted(subject, Role::Light).await {
        Ok((session, _)) => Ok((session, Role::Light)),
        Err(Not::Asked(_)) => {
            let (session, _) = Session::greeted(subject, Role::Prove).await?;
            Ok((session, Role::Prove))
        }
        Err(other) => Err(other),
    }
}

async fn hello(subject: &Subject, role: Role) -> Passed {
    let (_session, reply) = Session::greeted(subject, role).await?;
    check_hello(&reply).map_err(|what| format!("it answered hello with {what}"))?;
    let known = ["prove", "execute", "setup", "verify", "cancel"];
    match reply.calls.iter().find(|call| !known.contains(&call.as_str())) {
        Some(call) => Err(format!("it announces {call:?}, which protocol 1 does not have").into()),
        None => Ok(()),
    }
}

async fn hello_repeated(subject: &Subject) -> Passed {
    let (mut session, role) = any_role(subject).await?;
    let message = session.hello_message(subject, role);
    let first = session.ask(0, Kind::Hello(message.clone()), PROMPT).await?;
    let second = session.ask(0, Kind::Hello(message), PROMPT).await?;
    match (first, second) {
        (Answer::Hello(first), Answer::Hello(second)) if first == second => Ok(()),
        _ => Err("a repeated hello is not answered as before".into()),
    }
}

async fn hello_newer(subject: &Subject) -> Passed {
    let (_, role) = any_role(subject).await?;
    let mut session = Session::start(subject)?;
    let mut message = session.hello_message(subject, role);
    message.protocol = 1_000;
    match session.ask(0, Kind::Hello(message), subject.hello_timeout).await? {
        Answer::Hello(reply) if reply.protocol == 1 => Ok(()),
        _ => Err("a host of protocol 1000 is not answered with the prover's own, 1".into()),
    }
}

async fn hello_wrong(subject: &Subject, spoil: impl FnOnce(&mut Hello)) -> Passed {
    let (_, role) = any_role(subject).await?;
    let mut session = Session::start(subject)?;
    let mut message = session.hello_message(subject, role);
    spoil(&mut message);
    let answer = session.ask(0, Kind::Hello(message), subject.hello_timeout).await?;
    expect_failure(&answer, Class::Input, "a wrong hello")
}

fn no_setup() -> Kind {
    Kind::Setup(Setup {
        system: NO_SYSTEM.into(),
        inputs: Vec::new(),
    })
}

async fn before_hello(subject: &Subject) -> Passed {
    let mut session = Session::start(subject)?;
    let answer = session.ask(1, no_setup(), PROMPT).await?;
    match answer {
        Answer::Failure(_) => Ok(()),
        _ => Err("a call before hello was done".into()),
    }
}

async fn in_pieces(subject: &Subject) -> Passed {
    let (_, role) = any_role(subject).await?;
    let mut session = Session::start(subject)?;
    let message = session.hello_message(subject, role);
    let (call_id, bytes) = session.encode(0, Some(Kind::Hello(message)));
    for byte in bytes {
        session.write(&[byte]).await?;
        tokio::task::yield_now().await;
    }
    match session.reply(call_id, subject.hello_timeout).await? {
        Answer::Hello(_) => Ok(()),
        _ => Err("a hello that comes byte by byte is not understood".into()),
    }
}

async fn at_once(subject: &Subject) -> Passed {
    let (mut session, role) = any_role(subject).await?;
    let message = session.hello_message(subject, role);
    let mut calls = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..10 {
        let (call_id, frame) = session.encode(0, Some(Kind::Hello(message.clone())));
        calls.push(call_id);
        bytes.extend(frame);
    }
    session.write(&bytes).await?;
    for call_id in calls {
        session.reply(call_id, PROMPT).await?;
    }
    Ok(())
}

async fn unknown_call(subject: &Subject) -> Passed {
    let (mut session, _) = any_role(subject).await?;
    // Its number was used by hello, which is answered: numbers need only differ among open calls.
    session.write(UNKNOWN_CALL).await?;
    let answer = session.reply(1, PROMPT).await?;
    expect_failure(&answer, Class::Unsupported, "an unknown call")
}

async fn unknown_body(subject: &Subject) -> Passed {
    let (mut session, role) = any_role(subject).await?;
    session.write(UNKNOWN_BODY).await?;
    let message = session.hello_message(subject, role);
    session.ask(0, Kind::Hello(message), PROMPT).await?;
    Ok(())
}

async fn unknown_system(subject: &Subject) -> Passed {
    let (mut session, _) = any_role(subject).await?;
    let answer = session.ask(1, no_setup(), PROMPT).await?;
    expect_failure(&answer, Class::Unsupported, "a call for an unknown system")
}

async fn cancel_nothing(subject: &Subject) -> Passed {
    let (mut session, _) = any_role(subject).await?;
    let call = Kind::Cancel(Cancel { job_id: 77 });
    match session.ask(0, call, PROMPT).await? {
        Answer::Cancel(_) | Answer::Failure(_) => Ok(()),
        _ => Err("a cancel is answered with something else".into()),
    }
}

async fn broken(subject: &Subject, bytes: &[u8], close: bool) -> Passed {
    let (mut session, _) = any_role(subject).await?;
    session.write(bytes).await?;
    if close {
        session.close();
    }
    let status = session.exit().await?;
    match status.code() {
        Some(0) => Err("it exits with status 0, as if all were well".into()),
        Some(_) => Ok(()),
        None => Err(format!("it does not exit in order: {status}").into()),
    }
}

async fn eof(subject: &Subject, greet: bool) -> Passed {
    let mut session = if greet {
        any_role(subject).await?.0
    } else {
        Session::start(subject)?
    };
    session.close();
    let status = session.exit().await?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("it ends with {status} when its stdin is closed").into())
    }
}
