//! A client of one of the contracts, run as a process: its events, its end.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A client to be run.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Client {
    pub(crate) fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// A client of the SP1 network there, with a program.
    pub(crate) fn of_sp1(program: &Path, rpc: &str, elf: &Path) -> Self {
        Self::new(program).with(&["--rpc", rpc, "--elf", &elf.to_string_lossy()])
    }

    /// More arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// One more variable of its environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Result<Conversation> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", self.program.display()))?;
        let stdout = child.stdout.take().context("its standard output is piped")?;
        Ok(Conversation {
            child,
            lines: BufReader::new(stdout).lines(),
            seen: Vec::new(),
        })
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) async fn run(&self) -> Result<Vec<Value>> {
        self.start()?.succeed().await
    }
}

/// A client that runs.
#[derive(Debug)]
pub(crate) struct Conversation {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Conversation {
    /// Waits for an event.
    pub(crate) async fn wait_for(&mut self, event: &str) -> Result<Value> {
        while let Some(line) = self.lines.next_line().await? {
            let said: Value = serde_json::from_str(&line).with_context(|| format!("the client printed {line:?}"))?;
            println!("   client: {line:.200}");
            self.seen.push(said.clone());
            if said["event"] == event {
                return Ok(said);
            }
        }
        bail!("the client ended without {event:?}; it said {:?}", self.seen.last())
    }

    /// Waits for its good end and returns all events.
    pub(crate) async fn succeed(mut self) -> Result<Vec<Value>> {
        let status = self.end().await?;
        if !status.success() {
            bail!("the client failed: {:?}", self.seen.last());
        }
        Ok(self.seen)
    }

    /// Waits for its end with an error and returns what it said.
    pub(crate) async fn fail(mut self) -> Result<String> {
        let status = self.end().await?;
        match self.seen.last() {
            Some(last) if !status.success() && last["event"] == "error" => {
                Ok(last["message"].as_str().unwrap_or_default().to_owned())
            }
            other => bail!("the client was to fail, and ended with {status}: {other:?}"),
        }
    }

    /// Waits for its end with a refusal by the other side and returns that event.
    pub(crate) async fn refused(mut self) -> Result<Value> {
        let status = self.end().await?;
        match self.seen.pop() {
            Some(last) if !status.success() && last["event"] == "refused" => Ok(last),
            other => bail!("the client was to be refused, and ended with {status}: {other:?}"),
        }
    }

    async fn end(&mut self) -> Result<std::process::ExitStatus> {
        while let Some(line) = self.lines.next_line().await? {
            println!("   client: {line:.200}");
            self.seen.push(serde_json::from_str(&line)?);
        }
        Ok(self.child.wait().await?)
    }
}
