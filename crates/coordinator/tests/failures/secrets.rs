//! Known values go through everything that is secret or private, and are looked for in everything that is said of it.

use std::{fs, path::Path};

use hierophant_miden_api::{
    Generation, Kind,
    client::{CallContext, RemoteWorker},
};
use hierophant_testkit::{Binaries, Cluster};
use toml::{Table, Value};

use crate::support::{PATIENCE, client::Client, mock, operator, setup};

/// Announced as an input that is private to its owner.
const PRIVATE_STDIN: i32 = 7;
/// What may be said by nobody, and where it is put in.
const WORKER_TOKEN: &str = "canary-of-the-worker-token";
const WRONG_TOKEN: &str = "canary-of-a-wrong-worker-token";
const PROVER_SECRET: &str = "canary-of-the-prover-environment";
const PRIVATE_INPUT: &str = "canary-of-a-private-input";
const INPUT: &str = "canary-of-an-input";
const GUEST_LOG: &str = "canary-of-what-a-program-printed";
const WITNESS: &str = "canary-of-a-witness";
const BAD_WITNESS: &str = "canary-of-a-witness-that-is-refused";
/// Everything of ours at its most talkative.
const FILTER: &str = "info,hierophant=trace,contemplant=trace,prover_mock=trace";

fn worker_settings(token: &str) -> Vec<(&'static str, Value)> {
    let (key, mut provers) = mock::worker("");
    let mut env = Table::new();
    env.insert("API_KEY".to_owned(), PROVER_SECRET.into());
    if let Some(prover) = provers.as_array_mut().and_then(|provers| provers[0].as_table_mut()) {
        prover.insert("env".to_owned(), env.into());
        prover.insert("args".to_owned(), SYSTEMS.to_vec().into());
    }
    vec![(key, provers), ("token", token.into()), ("log.filter", FILTER.into())]
}

const SYSTEMS: [&str; 4] = [
    "--system",
    "sp1=v6.1.0:core,compressed",
    "--system",
    "miden-0.15=0.15:transaction",
];

/// Where the canaries may not be: name and content of every log, page and answer.
async fn everything_said(cluster: &mut Cluster, workers: usize, ids: &[&[u8]]) -> Vec<(String, String)> {
    let mut said = vec![("the coordinator's log".to_owned(), cluster.coordinator().log())];
    for number in 0..workers {
        said.push((format!("the log of worker {number}"), cluster.worker(number).log()));
    }
    let mut pages: Vec<String> = [
        "/",
        "/contemplants",
        "/dead-contemplants",
        "/proof-history",
        "/requests",
    ]
    .map(str::to_owned)
    .to_vec();
    pages.extend(["/metrics", "/readyz", "/api/v1/remote-provers", "/no-such-page"].map(str::to_owned));
    pages.extend(ids.iter().map(|id| operator::page(id)));
    for page in pages {
        let content = cluster.page(&page).await.unwrap();
        said.push((page, String::from_utf8_lossy(&content).into_owned()));
    }
    let folder = cluster.folder().join("coordinator");
    let mut show = tokio::process::Command::new(Binaries::built().find("hierophant"));
    let file = find_settings(&folder);
    show.env_clear();
    show.arg("--config").arg(file).args(["config", "show"]);
    let shown = show.output().await.unwrap();
    assert!(shown.status.success(), "{shown:?}");
    said.push((
        "config show".to_owned(),
        String::from_utf8_lossy(&shown.stdout).into_owned(),
    ));
    said
}

fn find_settings(folder: &Path) -> std::path::PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_secret_or_private_is_told_nowhere() {
    let mut setup = setup()
        .mock_prover(&SYSTEMS)
        .coordinator("worker_token", WORKER_TOKEN)
        .coordinator("log.filter", FILTER)
        .coordinator("miden.listeners", vec![Value::Table("port = 0".parse().unwrap())]);
    setup = setup.coordinator("workers.max_strikes", 1000);
    let mut cluster = Cluster::start(setup).await;
    cluster.add_worker(&worker_settings(WORKER_TOKEN)).await;
    // One that is not let in.
    cluster.add_worker(&worker_settings(WRONG_TOKEN)).await;

    let client = Client::new(&cluster, 1);
    let announced = client.create_artifact(PRIVATE_STDIN).await.unwrap();
    let url = announced.artifact_presigned_url.clone();
    let elf = client.program("").await;
    let wish = client.wish(&elf, &format!("mock:log={GUEST_LOG}; {INPUT}")).await;
    let id = client.ask(&wish).await;
    client.proven(&wish, &id).await;
    let proof_url = client.status(&id).await.unwrap().proof_uri.unwrap();

    let content = format!("mock:prove_ms=10; {PRIVATE_INPUT}");
    client.put_whole(&url, content.as_bytes()).await;
    let mut private = client.wish(&elf, &content).await;
    private.stdin_uri = announced.artifact_uri;
    let mut body = private.auction();
    body.stdin_private = true;
    let private_id = client.request_proof(&body).await.unwrap();
    client.proven(&private, &private_id).await;
    // A program at fault, of which much is told.
    let faulty = client
        .wish(&elf, &format!("mock:exit_code=1,log={GUEST_LOG}; {INPUT}"))
        .await;
    let faulty_id = client.ask(&faulty).await;
    let (_, _, trace) = client.unfulfilled(&faulty_id).await;

    let door = RemoteWorker::connect_lazy(&cluster.miden_address(), Generation::B).unwrap();
    let call = |witness: String| door.prove(Kind::Transaction, witness.into(), CallContext::default(), PATIENCE);
    call(format!("mock:; {WITNESS}")).await.unwrap();
    let refused = call(format!("mock:at=execute,fail=input; {BAD_WITNESS}"))
        .await
        .unwrap_err();

    let ids: [&[u8]; 3] = [&id, &private_id, &faulty_id];
    let mut said = everything_said(&mut cluster, 2, &ids).await;
    said.push(("a client's error".to_owned(), trace));
    said.push(("a Miden client's error".to_owned(), refused.to_string()));
    let token_of = |url: &str| url.rsplit_once("token=").unwrap().1.to_owned();
    let tokens = [token_of(&url), token_of(&proof_url)];
    let canaries = [
        WORKER_TOKEN,
        WRONG_TOKEN,
        PROVER_SECRET,
        PRIVATE_INPUT,
        INPUT,
        GUEST_LOG,
        WITNESS,
        BAD_WITNESS,
    ];
    for canary in canaries.into_iter().chain(tokens.iter().map(String::as_str)) {
        for (place, content) in &said {
            let line = content.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{canary} in {place}");
        }
    }
    // They were where they belong, or the search above would prove nothing.
    assert!(
        fs::read_to_string(find_settings(&cluster.folder().join("coordinator")))
            .unwrap()
            .contains(WORKER_TOKEN)
    );
    assert!(cluster.coordinator().log().contains("DEBUG"), "the log is talkative");
    cluster.finish(PATIENCE).await;
}
