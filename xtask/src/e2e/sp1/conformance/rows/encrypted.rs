//! Row 1: plain and encrypted URLs, with and without a slash at the end.
//!
//! The SDK takes the system's authorities for gRPC and the public web's for uploads, so that with an authority of one's own
//! uploads go over plain HTTP: here through a proxy that speaks TLS with the coordinator.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use hierophant_testkit::{Cluster, Setup};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use crate::{
    e2e::{
        client::Client,
        sp1::conformance::stock::{self, Stock},
    },
    env::Env,
};

const ASK: [&str; 5] = ["--mode", "core", "--network", "auction", "--submit-only"];

/// The plain half.
pub(in super::super) async fn plain(stock: &Stock) -> Result<String> {
    let url = stock.cluster.grpc_url();
    for url in [url.clone(), format!("{url}/")] {
        let events = stock
            .recorded(&url, None)
            .with(&ASK)
            .run()
            .await
            .with_context(|| url.clone())?;
        stock::event(&events, "requested")?;
    }
    Ok("the SDK over http, with and without a slash".to_owned())
}

/// The encrypted half: a coordinator with a certificate of an authority of our own.
pub(in super::super) async fn encrypted(env: &Env) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let authority = write_certificates(folder.path())?;
    let (address, target, proxy) = plain_proxy(&authority).await?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let setup = stock::with_light(env, Setup::default())
        .coordinator("public_http_url", format!("http://{address}"))
        .coordinator("tls.certificate", path("chain.pem"))
        .coordinator("tls.key", path("key.pem"));
    let cluster = Cluster::start(setup).await;
    target.send_replace(Some(cluster.http_proxy().address()));
    let secure = cluster.grpc_url().replace("http://", "https://");
    let elf = env.root().join("guests/sp1/elf/fibonacci.elf");
    for url in [secure.clone(), format!("{secure}/")] {
        let client = Client::of_sp1(&stock::client_program(env), &url, &elf)
            .with(&["--stdin-u32", "1"])
            .with(&ASK);
        let client = client.variable("SSL_CERT_FILE", &path("authority.pem"));
        let events = client.run().await.with_context(|| url.clone())?;
        stock::event(&events, "requested")?;
    }
    let trusting = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_der(&authority)?])
        .build()?;
    let pages = cluster.http_url().replace("http://", "https://");
    let status = trusting.get(format!("{pages}/livez")).send().await?.status();
    ensure!(status.is_success(), "the HTTP port answers {status} over TLS");
    proxy.abort();
    cluster.finish(std::time::Duration::from_mins(1)).await;
    Ok("over https with an authority in SSL_CERT_FILE, both forms, uploads over plain http through a proxy; HTTP port over TLS".to_owned())
}

/// Writes the authority, and the certificate and key of 127.0.0.1; gives the authority's.
fn write_certificates(folder: &Path) -> Result<CertificateDer<'static>> {
    let mut parameters = rcgen::CertificateParams::new(Vec::new())?;
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate()?;
    let authority = parameters.self_signed(&key)?;
    let issuer = rcgen::Issuer::new(parameters, key);
    let own = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&own, &issuer)?;
    std::fs::write(folder.join("authority.pem"), authority.pem())?;
    std::fs::write(folder.join("chain.pem"), certificate.pem())?;
    std::fs::write(folder.join("key.pem"), own.serialize_pem())?;
    Ok(authority.der().clone())
}

type Target = watch::Sender<Option<SocketAddr>>;

/// A port that takes plain connections and leads them to `target` over TLS.
async fn plain_proxy(authority: &CertificateDer<'static>) -> Result<(SocketAddr, Target, JoinHandle<()>)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (target, seen) = watch::channel(None::<SocketAddr>);
    let proxy = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (connector, target) = (connector.clone(), *seen.borrow());
            tokio::spawn(async move {
                let Some(target) = target else { return };
                let Ok(server) = TcpStream::connect(target).await else {
                    return;
                };
                let name = ServerName::from(target.ip());
                let Ok(mut server) = connector.connect(name, server).await else {
                    return;
                };
                // Either side may end the connection as it likes.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Ok((address, target, proxy))
}
