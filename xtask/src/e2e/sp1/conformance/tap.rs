//! A gRPC proxy between the stock SDK and the network, which writes down every call and can damage or lose one.
//!
//! HTTP/2 without TLS. Every call goes over an upstream connection of its own, so that a coordinator that was started
//! again is found again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::raw::Ledger;

/// Bytes before a message: a flag for compression and the length.
const PREFIX_BYTES: usize = 5;

/// One call that went through.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The method, such as `/network.ProverNetwork/GetNonce`.
    pub(super) method: String,
    pub(super) message: Bytes,
    /// `None`: it was lost, or the network refused.
    pub(super) reply: Option<Bytes>,
}

/// What to do to the next call of a method.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harm {
    /// The network answers, and the client gets no reply.
    LoseReply,
    /// One bit of the message's end is flipped on its way there.
    Tamper,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Vec<Call>,
    harm: Option<(String, Harm)>,
}

#[derive(Debug)]
pub(super) struct Tap {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    acceptor: JoinHandle<()>,
}

impl Tap {
    pub(super) async fn start(target: SocketAddr, ledger: &Ledger) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Mutex<Shared>>::default();
        let (for_connections, ledger) = (Arc::clone(&shared), ledger.clone());
        let acceptor = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, ledger) = (Arc::clone(&for_connections), ledger.clone());
                let service = service_fn(move |request| forward(request, target, Arc::clone(&shared), ledger.clone()));
                tokio::spawn(async move {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // A client that goes away is no concern of ours.
                    let _ = server.serve_connection(TokioIo::new(client), service).await;
                });
            }
        });
        Ok(Self {
            address,
            shared,
            acceptor,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Harms the next call of a method.
    pub(super) fn harm(&self, method: &str, harm: Harm) {
        self.shared.lock().expect("no holder panics").harm = Some((method.to_owned(), harm));
    }

    /// The calls of a method so far.
    pub(super) fn calls(&self, method: &str) -> Vec<Call> {
        let shared = self.shared.lock().expect("no holder panics");
        shared
            .calls
            .iter()
            .filter(|call| call.method.ends_with(method))
            .cloned()
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

type Reply = Response<http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>>;

/// An error resets the call's stream, which clients see as a broken connection.
async fn forward(
    request: Request<Incoming>,
    target: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    ledger: Ledger,
) -> Result<Reply> {
    let (mut head, body) = request.into_parts();
    let method = head.uri.path().to_owned();
    let message = body.collect().await?.to_bytes();
    let harm = take_harm(&shared, &method);
    let mut sent = message.to_vec();
    if let (Some(Harm::Tamper), Some(last)) = (harm, sent.last_mut()) {
        *last ^= 1;
    }
    head.headers.remove(http::header::HOST);
    head.uri = format!("http://{target}{method}").parse()?;
    let upstream = TokioIo::new(TcpStream::connect(target).await?);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), upstream).await?;
    let connection = tokio::spawn(connection);
    let answered = sender
        .send_request(Request::from_parts(head, Full::new(Bytes::from(sent))))
        .await?;
    let (head, body) = answered.into_parts();
    let collected = body.collect().await?;
    connection.abort();
    let trailers = collected.trailers().cloned();
    let body = collected.to_bytes();
    let lost = matches!(harm, Some(Harm::LoseReply));
    let reply = (body.len() > PREFIX_BYTES).then(|| body.slice(PREFIX_BYTES..));
    if let Some(reply) = &reply {
        ledger.write(&method, reply);
    }
    let call = Call {
        method,
        message: message.slice(PREFIX_BYTES.min(message.len())..),
        reply,
    };
    shared.lock().expect("no holder panics").calls.push(call);
    anyhow::ensure!(!lost, "the reply is to be lost");
    let trailers = async move { trailers.map(Ok) };
    let body = Full::new(body).with_trailers(trailers).boxed();
    Ok(Response::from_parts(head, body))
}

fn take_harm(shared: &Mutex<Shared>, method: &str) -> Option<Harm> {
    let mut shared = shared.lock().expect("no holder panics");
    let meant = shared
        .harm
        .as_ref()
        .is_some_and(|(harmed, _)| method.ends_with(harmed.as_str()));
    if meant {
        shared.harm.take().map(|(_, harm)| harm)
    } else {
        None
    }
}

/// The id in a reply to RequestProof.
pub(super) fn request_id(call: &Call) -> Result<Vec<u8>> {
    use prost::Message as _;
    let reply = call.reply.clone().context("the call has no reply")?;
    let reply = super::wire::SignedReply::decode(reply)?;
    Ok(reply.body.context("a body")?.value)
}
