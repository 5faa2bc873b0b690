//! A TCP proxy on loopback that a test can cut: what an unplugged cable, a silent firewall and a lost reply look like.
//!
//! It forwards bytes as they are. For lost replies it looks into what the server sends, so far as to tell a reply from
//! the rest: plain HTTP/1.1 and HTTP/2, not TLS.

mod replies;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use replies::Replies;

/// Most connections at a time; what comes beyond is closed at once.
pub const CONNECTIONS_MAX: usize = 1024;
/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 16 * 1024;

/// The proxy. Its address holds as long as it lives; dropping it ends all connections.
#[derive(Debug)]
pub struct CutableProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    /// Whether bytes stay where they are.
    held: watch::Sender<bool>,
    /// Replies still to be lost.
    to_lose: AtomicU64,
    /// Replies lost so far.
    lost: AtomicU64,
}

/// Where new connections go, and what ends the present ones.
#[derive(Debug)]
struct Line {
    target: Option<SocketAddr>,
    cut: bool,
    era: CancellationToken,
}

/// Why a connection ended early.
struct ReplyLost;

impl CutableProxy {
    /// Opens a port on loopback that leads to `target`; without one, connections are closed at once.
    ///
    /// # Panics
    /// When there is no port left.
    pub async fn start(target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            line: Mutex::new(Line {
                target,
                cut: false,
                era: CancellationToken::new(),
            }),
            held: watch::Sender::new(false),
            to_lose: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            acceptor,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads new connections elsewhere, or nowhere. Present ones go on.
    pub fn retarget(&self, target: Option<SocketAddr>) {
        self.shared.line().target = target;
    }

    /// Ends all connections, and closes new ones at once, until [`mend`](Self::mend).
    pub fn cut(&self) {
        let mut line = self.shared.line();
        line.cut = true;
        line.era.cancel();
    }

    /// Keeps all connections, old and new, and forwards nothing until [`mend`](Self::mend): nobody is told.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Ends [`cut`](Self::cut) and [`hold`](Self::hold). Bytes that were held go on.
    pub fn mend(&self) {
        self.shared.held.send_replace(false);
        let mut line = self.shared.line();
        if line.cut {
            line.cut = false;
            line.era = CancellationToken::new();
        }
    }

    /// Swallows the next reply that the server sends on any connection and ends that connection: the server has done
    /// what it was asked, and the client does not know. In HTTP/2 a reply is the next frame with headers or data, so
    /// that in an open stream it is the next message. May be called again for more.
    pub fn lose_next_reply(&self) {
        self.shared.to_lose.fetch_add(1, Ordering::SeqCst);
    }

    /// How many replies were lost so far.
    pub fn replies_lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for CutableProxy {
    fn drop(&mut self) {
        self.shared.line().era.cancel();
        self.acceptor.abort();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("no holder of the line panics")
    }

    /// Whether the reply that begins now is one to lose.
    fn take_loss(&self) -> bool {
        let taken = self
            .to_lose
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        self.lost.fetch_add(u64::from(taken), Ordering::SeqCst);
        taken
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // An error here is a client that is gone already.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (target, era) = {
            let line = shared.line();
            (line.target.filter(|_| !line.cut), line.era.clone())
        };
        let (Some(target), Ok(place)) = (target, Arc::clone(&places).try_acquire_owned()) else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Dropping the connection at any point is what a cut is.
            era.run_until_cancelled(connection(client, target, &shared)).await;
            drop(place);
        });
    }
}

/// Forwards both ways until both ends are done, either fails, or a reply is lost.
async fn connection(client: TcpStream, target: SocketAddr, shared: &Shared) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // A test measures what programs do, not how long small segments are kept back.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut replies = Replies::default();
    let up = pump(from_client, to_server, shared.held.subscribe(), |bytes| (bytes, Ok(())));
    let down = pump(from_server, to_client, shared.held.subscribe(), |bytes| {
        match replies.first_lost(bytes, || shared.take_loss()) {
            None => (bytes, Ok(())),
            Some(at) => (&bytes[..at], Err(ReplyLost)),
        }
    });
    let _: Result<_, Broken> = tokio::try_join!(up, down);
}

/// Why a direction ended other than by its end.
enum Broken {
    Io,
    ReplyLost,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Forwards what `pass` lets through, until the end or until it says that there is no more.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut held: watch::Receiver<bool>,
    mut pass: impl FnMut(&[u8]) -> (&[u8], Result<(), ReplyLost>),
) -> Result<(), Broken> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        // The sender lives as long as the connection's borrow of it.
        let _ = held.wait_for(|held| !held).await;
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        let (passed, rest) = pass(&buffer[..read]);
        to.write_all(passed).await?;
        rest.map_err(|ReplyLost| Broken::ReplyLost)?;
    }
}
