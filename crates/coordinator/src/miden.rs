//! The Miden door in the coordinator: one door, and a port for each listener that the settings name.
//!
//! Invariant: every port is bound before any is served, so that one that is taken stops the start.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use futures::future::join_all;
use hierophant_config::settings::hierophant::Settings;
use hierophant_core::Core;
use hierophant_door_miden::{Attached, Door};
use hierophant_miden_api::{HealthHandle, Line, WorkerStatus, server};
use hierophant_remote_provers::RemoteProvers;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{doors, servers};

/// A port of the door.
pub(crate) struct Port {
    listener: TcpListener,
    router: Router,
    health: HealthHandle,
}

/// Opens the door and binds its ports; none without a listener in the settings.
pub(crate) async fn open(
    settings: &Settings,
    core: &Core,
    remote: RemoteProvers,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Port>> {
    if settings.miden.listeners.is_empty() {
        return Ok(Vec::new());
    }
    let mut bound = Vec::with_capacity(settings.miden.listeners.len());
    for listener in &settings.miden.listeners {
        let (address, served) = doors::miden_listener(settings, listener)?;
        bound.push((servers::bind(address, "the Miden door").await?, served));
    }
    let core = Arc::new(core.clone());
    let attached: Arc<dyn Attached> = Arc::new(Remote(remote));
    let door = Door::open(core.clone(), core, Some(attached), doors::miden(settings), stop.clone()).await?;
    let door = Arc::new(door);
    let opened = bound.into_iter().map(|(listener, served)| {
        let server = server(door.clone(), served).context("miden.listeners")?;
        Ok(Port {
            listener,
            health: server.health(),
            router: server.into_router(),
        })
    });
    opened.collect()
}

/// Where the ports really are.
pub(crate) fn addresses(ports: &[Port]) -> anyhow::Result<Vec<SocketAddr>> {
    ports.iter().map(|port| Ok(port.listener.local_addr()?)).collect()
}

/// Serves all ports until `stop`, then lets open calls end.
pub(crate) async fn serve(ports: Vec<Port>, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    let each = ports.into_iter().map(|port| {
        let (tls, stop) = (tls.clone(), stop.clone());
        async move {
            port.health.serving(true);
            let not_any_more = async {
                stop.cancelled().await;
                port.health.serving(false);
            };
            tokio::join!(
                servers::serve(port.listener, port.router, tls, stop.clone()),
                not_any_more
            );
        }
    });
    join_all(each).await;
}

/// The attached provers, as the door lists them.
#[derive(Debug)]
struct Remote(RemoteProvers);

#[async_trait]
impl Attached for Remote {
    async fn workers(&self, line: Line) -> Vec<WorkerStatus> {
        let listed = self.0.list().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the remote provers cannot be listed now");
            Vec::new()
        });
        let of_line = listed.into_iter().filter(|view| view.line == line);
        let shown = of_line.map(|view| WorkerStatus {
            name: view.name,
            version: view.version,
            health: view.health,
        });
        shown.collect()
    }
}
