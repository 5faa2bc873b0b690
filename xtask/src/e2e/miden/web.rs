//! `cargo xtask e2e miden-web`: a page in headless Chromium, of another origin than the door, has a witness proved by gRPC-Web.
//!
//! Must stay true: what is checked of an answer is what the page could read of it, and the proof that it hands back is verified
//! by the line's client. Not here: the browser (`browser`), its DevTools (`devtools`), the page and what it is asked (`page`).

mod browser;
mod devtools;
mod page;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::{
    browser::Browser,
    devtools::DevTools,
    page::{Answer, Page},
};
use super::{line::Line, network::Network, witness::Wish};
use crate::{e2e::scenario::Report, env::Env, stage::Tally};

pub(in crate::e2e) use self::browser::unavailable as no_browser;

/// Its generation carries payloads as bytes, so that a page needs no library to write and read its messages.
const LINE: Line = Line::V0_15;
/// gRPC's INVALID_ARGUMENT.
const INVALID_ARGUMENT: u64 = 3;

pub(in crate::e2e) fn run(env: &Env) -> Result<()> {
    super::closing_line(all(env)?)
}

/// Every scenario.
pub(in crate::e2e) fn all(env: &Env) -> Result<Tally> {
    let chromium = browser::ensure()?;
    super::build(env, LINE)?;
    super::tally(async |report| {
        let mut network = Network::start(env, LINE, 1).await?;
        let browser = Browser::start(&chromium, network.cluster.folder()).await?;
        let mut tab = Tab::open(&browser, network.door).await?;
        tab.scenarios(&mut network, report).await;
        drop((tab, browser));
        network.finish().await;
        Ok(())
    })
}

/// The page, open in the browser, and the door that it calls.
struct Tab {
    page: Page,
    tools: DevTools,
    door: String,
}

impl Tab {
    async fn open(browser: &Browser, door: SocketAddr) -> Result<Self> {
        let page = Page::serve().await?;
        let mut tools = browser.tab().await?;
        println!("{}, page of {}, door at {door}", tools.product().await?, page.origin());
        tools.watch_network().await?;
        tools.open(&page.origin()).await?;
        let door = format!("http://{door}");
        Ok(Self { page, tools, door })
    }

    async fn scenarios(&mut self, network: &mut Network, report: &mut Report) {
        report.run("statuses, read by a page", self.statuses()).await;
        report.run("a proof, asked for by a page", self.proof(network)).await;
        report.run("garbage: the page reads why", self.garbage()).await;
        report
            .run("the door is there for the next proof", self.proof(network))
            .await;
        report.run("the browser asked first, once", self.preflight()).await;
    }

    async fn statuses(&mut self) -> Result<String> {
        let said = page::statuses(&mut self.tools, &self.door).await?;
        let version = said["worker"]["version"].as_str().context("no version")?;
        ensure!(
            version.starts_with(&format!("{}.0+hierophant", LINE.as_str())),
            "the version: {said}"
        );
        let workers = said["proxy"]["workers"].as_array().context("no list of workers")?;
        let healthy = |worker: &&Value| worker["health"] == page::HEALTHY;
        ensure!(
            workers.len() == 1 && workers.iter().filter(healthy).count() == 1,
            "one healthy worker was to be listed: {said}"
        );
        Ok(said.to_string())
    }

    async fn proof(&mut self, network: &mut Network) -> Result<String> {
        let witness = network.witness(Wish::Quick).await?;
        let payload = std::fs::read(&witness)?;
        let answer = page::prove(&mut self.tools, &self.door, &payload).await?;
        ensure!(answer.is_ok_in_trailers(), "the page was refused: {}", answer.said());
        let Answer { proof, seconds, .. } = answer;
        let file = network.cluster.folder().join("of-the-page.proof");
        std::fs::write(&file, &proof)?;
        let [witness, file] = [witness, file].map(|path| path.to_string_lossy().into_owned());
        let arguments = [
            "verify",
            "--kind",
            "transaction",
            "--proof",
            &file,
            "--witness",
            &witness,
        ];
        let events = network.client(&arguments).run().await?;
        let verified = events.iter().find(|event| event["event"] == "verified");
        let id = verified.with_context(|| format!("not verified: {events:?}"))?["id"].clone();
        Ok(format!("{} bytes after {seconds:.1} s, verified as {id}", proof.len()))
    }

    /// The refusal comes in headers, without a body: only headers that the door exposes are there for the page.
    async fn garbage(&mut self) -> Result<String> {
        let answer = page::prove(&mut self.tools, &self.door, &[0xa5; 4096]).await?;
        let (status, message) = answer.refusal_in_headers().context("no status in the headers")?;
        ensure!(status == INVALID_ARGUMENT && !message.is_empty(), answer.said());
        Ok(format!("grpc-status {status} in the headers: {message}"))
    }

    /// Before it let the page call `Prove`, the browser asked the door; it kept the answer for the calls that followed.
    async fn preflight(&mut self) -> Result<String> {
        let url = format!("{}{}", self.door, page::PROVE);
        let headers = self.tools.preflight(&url).await?;
        let origin = self.page.origin();
        let allowed = headers["access-control-allow-origin"].as_str();
        ensure!(allowed == Some(&origin), "the preflight allowed {allowed:?}: {headers}");
        let preflights = self.tools.preflights(&url);
        ensure!(preflights == 1, "one preflight was to be enough, not {preflights}");
        Ok(format!("one preflight, which allowed {origin}"))
    }
}
