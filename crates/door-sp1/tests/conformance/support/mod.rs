//! A core that fits in a test, messages as published clients encode them, and a client that sends them.

pub(crate) mod client;
pub(crate) mod fake;
pub(crate) mod wire;

use std::sync::Arc;

use hierophant_core::ports::Clients;
use hierophant_door_sp1::{DoorSettings, services};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use client::Client;
use fake::FakeClients;

/// A door over a fake core, and a client of it with the key 0x01 repeated.
pub(crate) struct Rig {
    pub(crate) core: Arc<FakeClients>,
    pub(crate) client: Client,
    pub(crate) settings: DoorSettings,
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let modes = ["core", "compressed"].map(hierophant_domain::Name::literal).to_vec();
        Self::with(DoorSettings {
            modes,
            address: [0x0a; 20],
            ..DoorSettings::default()
        })
        .await
    }

    pub(crate) async fn with(settings: DoorSettings) -> Self {
        let core = Arc::new(FakeClients::default());
        let clients: Arc<dyn Clients> = Arc::<FakeClients>::clone(&core);
        let services = services(clients, settings.clone()).await.expect("opens");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("has an address"));
        let router = Server::builder()
            .add_service(services.network)
            .add_service(services.artifacts);
        let server = tokio::spawn(async move {
            router
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .expect("serves");
        });
        let client = Client::connect(&url, 1).await;
        Self {
            core,
            client,
            settings,
            url,
            server,
        }
    }

    /// Another account's client.
    pub(crate) async fn other(&self, key: u8) -> Client {
        Client::connect(&self.url, key).await
    }

    /// The same door, with another account's client.
    pub(crate) async fn signing_with(mut self, key: u8) -> Self {
        self.client = self.other(key).await;
        self
    }

    /// Uploads something of a type and gives its URI.
    pub(crate) async fn upload(&self, artifact_type: i32) -> String {
        let created = self.client.create_artifact(artifact_type).await.expect("announced");
        self.core.complete(&created.artifact_uri, [0x55; 32]);
        created.artifact_uri
    }

    /// Registers a program whose executable has the hash given.
    pub(crate) async fn register(&self, vk_hash: [u8; 32]) {
        let created = self.client.create_artifact(wire::PROGRAM).await.expect("announced");
        self.core.complete(&created.artifact_uri, vk_hash);
        self.client
            .create_program(&vk_hash, &[7; 104], &created.artifact_uri)
            .await
            .expect("registered");
    }

    /// Everything up to a request in the base schema; the program is registered.
    pub(crate) async fn base_body(&self) -> wire::BaseBody {
        self.register([0xab; 32]).await;
        wire::BaseBody {
            stdin_uri: self.upload(wire::STDIN).await,
            ..wire::base_body(self.core.seconds())
        }
    }

    /// The same in the auction schema.
    pub(crate) async fn auction_body(&self) -> wire::AuctionBody {
        self.register([0xab; 32]).await;
        wire::AuctionBody {
            stdin_uri: self.upload(wire::STDIN).await,
            domain: self.settings.domain.to_vec(),
            ..wire::auction_body(self.core.seconds())
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.server.abort();
    }
}
