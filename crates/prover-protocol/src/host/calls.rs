//! The calls that a host makes, as types: which reply belongs to which call.

use crate::{
    blob::check_outputs,
    proto::{
        Execute, ExecuteReply, Hello, HelloReply, NamedBlob, Prove, ProveReply, Setup, SetupReply, Verify, VerifyReply,
        call::Call, reply::Reply,
    },
};

/// A call with its reply. Implemented for [`Prove`], [`Execute`], [`Setup`] and [`Verify`].
pub trait HostCall: Send + 'static {
    /// What the prover answers when all is well.
    type Reply: Send + 'static;

    /// Wraps the call for its frame.
    fn into_call(self) -> Call;

    /// The directory in which outputs must lie; empty where a call has none.
    fn output_dir(&self) -> String {
        String::new()
    }

    /// Unwraps the reply, or returns `None` for another call's.
    fn unwrap_reply(reply: Reply) -> Option<Self::Reply>;

    /// The outputs of a reply.
    fn outputs(reply: &Self::Reply) -> &[NamedBlob] {
        let _ = reply;
        &[]
    }
}

macro_rules! host_call {
    ($call:ident => $reply:ident, $variant:ident $(, $outputs:ident)?) => {
        impl HostCall for $call {
            type Reply = $reply;

            fn into_call(self) -> Call {
                Call::$variant(self)
            }

            fn unwrap_reply(reply: Reply) -> Option<$reply> {
                match reply {
                    Reply::$variant(reply) => Some(reply),
                    _ => None,
                }
            }

            $(
                fn output_dir(&self) -> String {
                    self.output_dir.clone()
                }

                fn outputs(reply: &$reply) -> &[NamedBlob] {
                    &reply.$outputs
                }
            )?
        }
    };
}

host_call!(Hello => HelloReply, Hello);
host_call!(Prove => ProveReply, Prove, outputs);
host_call!(Execute => ExecuteReply, Execute, outputs);
host_call!(Setup => SetupReply, Setup);
host_call!(Verify => VerifyReply, Verify);

/// Unwraps and checks a reply; the error says how it breaks the protocol.
pub(super) fn accept<C: HostCall>(reply: Reply, output_dir: &str) -> Result<C::Reply, String> {
    let reply = C::unwrap_reply(reply).ok_or("the reply belongs to another kind of call")?;
    check_outputs(C::outputs(&reply), output_dir)?;
    Ok(reply)
}
