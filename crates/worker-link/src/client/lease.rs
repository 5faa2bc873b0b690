//! A lease as the worker gets it: checked, with the names as names.

use hierophant_domain::{
    LeaseToken, Name, RequestId, TaskClass, TaskId, artifact::INLINE_MAX_BYTES, request::INPUTS_MAX,
};

use crate::{proto, tidy};

/// A task in this worker's hands.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Every word about this lease carries it.
    pub token: LeaseToken,
    /// For logs.
    pub task: TaskId,
    /// For logs.
    pub request: RequestId,
    /// What is to be done.
    pub class: TaskClass,
    /// All else, with names of inputs that are [`Name`]s and at most [`INPUTS_MAX`] and one of them. `inline_bytes` is at
    /// most [`INLINE_MAX_BYTES`].
    pub rest: proto::Lease,
}

impl Lease {
    /// Reads a message. The error has the token where it could be read, so that the lease can be handed back.
    pub(super) fn read(mut lease: proto::Lease) -> Result<Self, (Option<LeaseToken>, String)> {
        let token = LeaseToken::from_slice(&lease.token);
        let refuse = |why: String| (token, format!("the worker cannot read the lease: {why}"));
        let name = |text: &str| Name::new(text).map_err(|error| refuse(error.to_string()));
        let read = token.ok_or_else(|| refuse("its token has not 16 bytes".into()))?;
        let task = TaskId::from_slice(&lease.task_id).ok_or_else(|| refuse("its task id has not 16 bytes".into()))?;
        let request =
            RequestId::from_slice(&lease.request_id).ok_or_else(|| refuse("its request id has not 16 bytes".into()))?;
        let class = TaskClass {
            role: name(&lease.role)?,
            system: name(&lease.system)?,
            kind: name(&lease.kind)?,
            labels: lease
                .labels
                .iter()
                .map(|(key, value)| Ok((name(key)?, name(value)?)))
                .collect::<Result<_, _>>()?,
        };
        // The program is an input here.
        if lease.inputs.len() > INPUTS_MAX + 1 {
            return Err(refuse(format!("it has {} inputs", lease.inputs.len())));
        }
        for (index, input) in lease.inputs.iter().enumerate() {
            name(&input.name)?;
            if input.at.is_none() {
                return Err(refuse(format!("its input {} has no content", input.name)));
            }
            if lease.inputs[..index].iter().any(|other| other.name == input.name) {
                return Err(refuse(format!("its input {} is there twice", input.name)));
            }
        }
        lease.inline_bytes = lease.inline_bytes.min(INLINE_MAX_BYTES as u64);
        if lease.upload_url != tidy(&lease.upload_url) {
            return Err(refuse("its upload URL is too long or has control characters".into()));
        }
        Ok(Self {
            token: read,
            task,
            request,
            class,
            rest: lease,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> proto::Lease {
        proto::Lease {
            token: vec![1; 16],
            task_id: vec![2; 16],
            request_id: vec![3; 16],
            role: "prove".into(),
            system: "vm".into(),
            kind: "core".into(),
            inline_bytes: u64::MAX,
            inputs: vec![input("program")],
            ..Default::default()
        }
    }

    fn input(name: &str) -> proto::Input {
        proto::Input {
            name: name.into(),
            at: Some(proto::input::At::Inline(vec![1])),
            ..Default::default()
        }
    }

    fn refused(change: impl FnOnce(&mut proto::Lease)) -> (Option<LeaseToken>, String) {
        let mut lease = sound();
        change(&mut lease);
        Lease::read(lease).expect_err("must be refused")
    }

    #[test]
    fn sound_leases_are_read() {
        let lease = Lease::read(sound()).unwrap();
        assert_eq!(lease.class.to_string(), "prove/vm/core");
        assert_eq!(lease.rest.inline_bytes, INLINE_MAX_BYTES as u64);
    }

    #[test]
    fn malformed_leases_are_refused_with_their_token() {
        assert_eq!(refused(|l| l.token = vec![1; 15]).0, None);
        for (token, why) in [
            refused(|l| l.task_id.clear()),
            refused(|l| l.kind = "../x".into()),
            refused(|l| l.inputs.push(input("../../etc/passwd"))),
            refused(|l| l.inputs.push(input("program"))),
            refused(|l| l.inputs[0].at = None),
            refused(|l| l.upload_url = "http://h/\r\nx".into()),
            refused(|l| l.inputs = (0..INPUTS_MAX + 2).map(|n| input(&format!("i{n}"))).collect()),
        ] {
            assert!(token.is_some(), "{why}");
        }
    }
}
