//! Every query of the dashboard and of the alerts, run by a real Prometheus that scrapes a real coordinator with the configuration
//! that is handed out.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use hierophant_testkit::{http_client, wait_until};
use serde_json::Value;

use crate::{
    dashboard::{alerts, queries},
    repository,
    work::Network,
};

/// The executable; `promtool` lies beside it.
const PROMETHEUS: &str = "HIEROPHANT_PROMETHEUS";
const PATIENCE: Duration = Duration::from_mins(1);
/// What Grafana puts in place of its variables, here with a scrape a second.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "10s"), ("$__range", "30s")];

struct Prometheus {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Scrapes the coordinator at `target` as the files say that are handed out, but every second.
    async fn start(program: &Path, folder: &Path, target: &str) -> Self {
        let config = repository("deploy/prometheus/prometheus.yml");
        let ours = config
            .replace("127.0.0.1:9010", target)
            .replace("interval: 15s", "interval: 1s");
        assert!(ours.contains(target) && ours.contains("scrape_interval: 1s"), "{ours}");
        std::fs::write(folder.join("prometheus.yml"), ours).unwrap();
        std::fs::write(folder.join("rules.yml"), repository("deploy/prometheus/rules.yml")).unwrap();
        let checked = Command::new(program.with_file_name("promtool"))
            .args(["check", "config", "prometheus.yml"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new(program)
            .arg(format!("--web.listen-address={address}"))
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--log.level=warn",
            ])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self {
            process,
            url: format!("http://{address}"),
            client: http_client(),
        };
        wait_until("a scrape", PATIENCE, async || match prometheus.ask("up == 1").await? {
            0 => Err("none yet".to_owned()),
            _ => Ok(()),
        })
        .await;
        prometheus
    }

    /// How many series a query has; `Err` says why it cannot be run.
    async fn ask(&self, query: &str) -> Result<usize, String> {
        let escaped = query.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "%{byte:02X}");
            escaped
        });
        let url = format!("{}/api/v1/query?query={escaped}", self.url);
        let answer = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let body = answer.bytes().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        if body["status"] != "success" {
            return Err(body.to_string());
        }
        Ok(body["data"]["result"].as_array().map_or(0, Vec::len))
    }
}

fn filled_in(query: &str) -> String {
    VARIABLES.iter().fold(query.to_owned(), |query, (variable, value)| {
        query.replace(variable, value)
    })
}

#[ignore = "needs Prometheus: `cargo xtask e2e metrics` installs it and runs this"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboard_has_an_answer() {
    let program = std::env::var_os(PROMETHEUS).map(PathBuf::from);
    let program = program.unwrap_or_else(|| panic!("{PROMETHEUS} must name the executable"));
    let mut network = Network::start().await;
    let folder = tempfile::tempdir().unwrap();
    let target = network.cluster.http_url().replace("http://", "");
    let prometheus = Prometheus::start(&program, folder.path(), &target).await;
    network.cluster.wait_for_workers(2, PATIENCE).await;

    for alert in alerts() {
        prometheus
            .ask(&alert)
            .await
            .unwrap_or_else(|error| panic!("{alert}: {error}"));
    }
    let mut unanswered = queries();
    let end = std::time::Instant::now() + PATIENCE;
    while !unanswered.is_empty() && std::time::Instant::now() < end {
        network.work().await;
        let mut still = Vec::new();
        for (title, query) in unanswered {
            let series = prometheus.ask(&filled_in(&query)).await;
            if series.unwrap_or_else(|error| panic!("{title}: {query}: {error}")) == 0 {
                still.push((title, query));
            }
        }
        unanswered = still;
    }
    assert!(unanswered.is_empty(), "without an answer: {unanswered:#?}");
    drop(prometheus);
    network.cluster.finish(PATIENCE).await;
}
