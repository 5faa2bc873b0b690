//! `docs/operators-api.md` is what is answered: its examples are compared with the answers, and it names every metric.
//!
//! An example is a JSON block after a line `<!-- example: PATH -->`. To write them again after a change, run the test
//! with `UPDATE_MANUAL=1` and read the difference.

use std::path::Path;

use crate::{
    fake::{Fake, small_network},
    get, pages,
};

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operators-api.md");

/// What the manual marks its examples with.
const MARK: &str = "<!-- example: ";

fn manual() -> String {
    std::fs::read_to_string(Path::new(MANUAL)).expect("the manual is there")
}

/// The manual with every example as it is answered now, and how many there are.
async fn rewritten(text: &str) -> (String, usize) {
    let well = pages(small_network(), false);
    let ill = pages(
        Fake {
            obstacles: vec!["the disk has less than 1 GiB free".to_owned()],
            ..Fake::default()
        },
        true,
    );
    let (mut out, mut rest, mut examples) = (String::new(), text, 0);
    while let Some((before, after)) = rest.split_once(MARK) {
        let (path, after) = after
            .split_once(" -->\n\n```json\n")
            .expect("a JSON block follows the mark");
        let (_, after) = after.split_once("\n```\n").expect("the block ends");
        let body = match path.strip_prefix("in mock mode, not ready: ") {
            Some(path) => get(&ill, path).await.1,
            None => get(&well, path).await.1,
        };
        let json = serde_json::to_string_pretty(&body).expect("JSON");
        out = format!("{out}{before}{MARK}{path} -->\n\n```json\n{json}\n```\n");
        (rest, examples) = (after, examples + 1);
    }
    (out + rest, examples)
}

#[tokio::test]
async fn its_examples_are_the_answers() {
    let text = manual();
    let (now, examples) = rewritten(&text).await;
    assert!(examples >= 8, "the manual has {examples} examples");
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        std::fs::write(MANUAL, &now).expect("the manual can be written");
    } else {
        assert!(
            now == text,
            "the manual is old; UPDATE_MANUAL=1 writes its examples again"
        );
    }
}

#[test]
fn it_names_every_metric_with_its_help() {
    let text = manual();
    for metric in hierophant_dashboard::metrics::ALL {
        let row = format!("| `{}` | {} |", metric.name, metric.help);
        assert!(text.contains(&row), "no row {row}");
    }
}
