//! One connection of the DevTools protocol: commands with their answers, and what the tab's network did meanwhile.
//!
//! By hand over a WebSocket, since five commands are all that is needed: the crates that drive browsers generate types for the
//! whole protocol, which takes a minute to build and refuses events of newer browsers. Must stay true: one command at a time, and
//! nothing is waited for without a bound.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// How long a command may take that proves nothing.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// How long the network's events may lag behind what the page has seen.
const EVENT_WITHIN: Duration = Duration::from_secs(10);
/// How many of the network's events are kept: the newest. A call of the page makes about ten.
const EVENTS_KEPT: usize = 1000;

pub(super) struct DevTools {
    socket: WebSocketStream<TcpStream>,
    commands: u64,
    events: VecDeque<Value>,
}

impl DevTools {
    pub(super) async fn connect(address: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let opening = client_async(format!("ws://{address}{path}"), stream);
        let (socket, _) = timeout(ANSWERS_WITHIN, opening).await??;
        Ok(Self {
            socket,
            commands: 0,
            events: VecDeque::new(),
        })
    }

    /// The browser's name and version.
    pub(super) async fn product(&mut self) -> Result<String> {
        let version = self.command("Browser.getVersion", json!({})).await?;
        Ok(version["product"].as_str().unwrap_or_default().to_owned())
    }

    /// Opens an empty tab; returns its id.
    pub(super) async fn new_tab(&mut self) -> Result<String> {
        let target = self
            .command("Target.createTarget", json!({ "url": "about:blank" }))
            .await?;
        let id = target["targetId"].as_str().context("a tab without an id")?;
        Ok(id.to_owned())
    }

    /// Keeps from now on what the tab's network does.
    pub(super) async fn watch_network(&mut self) -> Result<()> {
        self.command("Network.enable", json!({})).await.map(drop)
    }

    /// Opens a page and waits until it is loaded.
    pub(super) async fn open(&mut self, url: &str) -> Result<()> {
        self.command("Page.enable", json!({})).await?;
        let opened = self.command("Page.navigate", json!({ "url": url })).await?;
        ensure!(opened["errorText"].is_null(), "could not open {url}: {opened}");
        self.event("the page is loaded", |event| event["method"] == "Page.loadEventFired")
            .await
            .map(drop)
    }

    /// Calls a function of the page with arguments, and waits for what it promises.
    pub(super) async fn call(&mut self, function: &str, arguments: &[Value], within: Duration) -> Result<Value> {
        let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
        let parameters = json!({
            "expression": format!("{function}({})", arguments.join(", ")),
            "awaitPromise": true,
            "returnByValue": true,
        });
        let done = timeout(within, self.answer("Runtime.evaluate", parameters));
        let done = done
            .await
            .with_context(|| format!("{function} took longer than {within:?}"))??;
        if let Some(thrown) = done.get("exceptionDetails") {
            bail!("{function} failed in the page: {}", thrown["exception"]["description"]);
        }
        Ok(done["result"]["value"].clone())
    }

    /// The headers of the door's answer to the preflight for `url`, which must have been a good one.
    pub(super) async fn preflight(&mut self, url: &str) -> Result<Value> {
        let asked = self.event("a preflight", |event| is_preflight(event, url)).await?;
        let id = &asked["params"]["requestId"];
        let answered = self
            .event("the preflight's answer", |event| {
                event["method"] == "Network.responseReceived" && event["params"]["requestId"] == *id
            })
            .await?;
        let response = &answered["params"]["response"];
        ensure!(response["status"] == 200, "the preflight was refused: {response}");
        Ok(response["headers"].clone())
    }

    /// How many preflights for `url` the browser told of so far.
    pub(super) fn preflights(&self, url: &str) -> usize {
        self.events.iter().filter(|event| is_preflight(event, url)).count()
    }

    async fn command(&mut self, method: &str, parameters: Value) -> Result<Value> {
        let answer = timeout(ANSWERS_WITHIN, self.answer(method, parameters)).await;
        answer.with_context(|| format!("the browser does not answer {method}"))?
    }

    async fn answer(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.commands += 1;
        let id = self.commands;
        let command = json!({ "id": id, "method": method, "params": parameters });
        self.socket.send(Message::text(command.to_string())).await?;
        loop {
            let mut said = self.next().await?;
            match said.get("id") {
                Some(of) if *of == id => {
                    if let Some(error) = said.get("error") {
                        bail!("the browser refuses {method}: {error}");
                    }
                    return Ok(said["result"].take());
                }
                // Of a command that was given up.
                Some(_) => {}
                None => self.keep(said),
            }
        }
    }

    /// The first event of those kept or to come that is the one.
    async fn event(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        if let Some(event) = self.events.iter().find(|event| is_it(event)) {
            return Ok(event.clone());
        }
        let coming = async {
            loop {
                let said = self.next().await?;
                self.keep(said.clone());
                if is_it(&said) {
                    return Ok(said);
                }
            }
        };
        let found = timeout(EVENT_WITHIN, coming).await;
        found.with_context(|| format!("the browser told of no such event: {what}"))?
    }

    fn keep(&mut self, event: Value) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            let message = self.socket.next().await.context("the browser is gone")??;
            if let Message::Text(text) = message {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }
}

fn is_preflight(event: &Value, url: &str) -> bool {
    let sent = &event["params"];
    event["method"] == "Network.requestWillBeSent"
        && sent["initiator"]["type"] == "preflight"
        && sent["request"]["url"] == url
}
