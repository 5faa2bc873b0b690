//! Where pages of listings end: following `next` gives every row once and in order, whatever the limit.

use axum::Router;
use hierophant_core::ports::WorkerView;
use hierophant_domain::{Request, RequestState, Timestamp};
use serde_json::Value;

use crate::{
    fake::{Fake, NOW, fulfilled, proof, request, uuid, worker},
    get_ok, pages,
};

/// Follows `next` from `first` to the end; the ids of all rows, and how long each page was.
async fn follow(pages: &Router, first: &str, list: &str, id: &str) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut next) = (Vec::new(), Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let body = get_ok(pages, &path).await;
        let rows = body[list].as_array().expect("a list");
        ids.extend(rows.iter().map(|row| row[id].as_str().expect("an id").to_owned()));
        sizes.push(rows.len());
        next = body["next"].as_str().map(str::to_owned);
        assert!(sizes.len() < 1000, "{first} has no end");
    }
    (ids, sizes)
}

fn ids(numbers: impl Iterator<Item = u128>) -> Vec<String> {
    numbers.map(|n| uuid(n).to_string()).collect()
}

/// Requests 0 to `count` - 1, the first being the latest; `together` each were accepted and fulfilled in one
/// millisecond.
fn requests(count: u128, together: u128) -> Vec<Request> {
    let at = |n: u128| Timestamp(NOW.0 - 1000 - i64::try_from(n / together).expect("few"));
    (0..count)
        .map(|n| Request {
            accepted_at: at(n),
            ended_at: Some(at(n)),
            ..fulfilled(n)
        })
        .collect()
}

#[tokio::test]
async fn listings_by_time_give_every_row_once() {
    for (count, together, limit) in [
        (0, 1, 1),
        (1, 1, 1),
        (7, 1, 3),
        (9, 9, 2),
        (10, 4, 3),
        (12, 5, 5),
        (250, 7, 100),
        (120, 60, 50),
    ] {
        let rows = requests(count, together);
        let fake = Fake {
            history: rows.iter().cloned().map(proof).collect(),
            requests: rows,
            ..Fake::default()
        };
        let pages = pages(fake, false);
        for (path, list, id) in [
            ("/requests", "requests", "id"),
            ("/proof-history", "proofs", "request_id"),
        ] {
            let (seen, _) = follow(&pages, &format!("{path}?limit={limit}"), list, id).await;
            assert_eq!(
                seen,
                ids(0..count),
                "{path}: {count} rows, {together} together, pages of {limit}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_holds_50_rows_where_nothing_is_said_and_100_at_most() {
    let pages = pages(
        Fake {
            requests: requests(101, 1),
            ..Fake::default()
        },
        false,
    );
    assert_eq!(follow(&pages, "/requests", "requests", "id").await.1, [50, 50, 1]);
    assert_eq!(
        follow(&pages, "/requests?limit=100", "requests", "id").await.1,
        [100, 1]
    );
    assert_eq!(
        follow(&pages, "/requests?limit=1&state=fulfilled", "requests", "id")
            .await
            .1
            .len(),
        102
    );
}

#[tokio::test]
async fn a_cursor_stays_where_it_is_when_rows_come_in_at_the_top() {
    let old = requests(6, 2);
    let before = pages(
        Fake {
            requests: old.clone(),
            ..Fake::default()
        },
        false,
    );
    let first = get_ok(&before, "/requests?limit=3").await;
    let new = Request {
        accepted_at: NOW,
        ..request(99)
    };
    let after = pages(
        Fake {
            requests: std::iter::once(new).chain(old).collect(),
            ..Fake::default()
        },
        false,
    );
    let (rest, _) = follow(&after, first["next"].as_str().expect("more"), "requests", "id").await;
    assert_eq!(rest, ids(3..6));
}

#[tokio::test]
async fn next_keeps_the_filters() {
    let rows: Vec<Request> = (0..4)
        .map(|n| Request {
            state: if n % 2 == 0 {
                RequestState::Open
            } else {
                RequestState::Failed
            },
            ..request(n)
        })
        .collect();
    let pages = pages(
        Fake {
            requests: rows,
            ..Fake::default()
        },
        false,
    );
    let first = get_ok(&pages, "/requests?state=open,expired&door=demo&kind=core&limit=1").await;
    let next = first["next"].as_str().expect("more");
    assert_eq!(
        next,
        format!(
            "/requests?state=open,expired&door=demo&kind=core&limit=1&cursor={}-1",
            first_ms()
        )
    );
    assert_eq!(get_ok(&pages, next).await["requests"][0]["id"], uuid(2).to_string());
    assert_eq!(
        get_ok(&pages, "/requests?door=other").await["requests"],
        Value::Array(Vec::new())
    );
}

fn first_ms() -> i64 {
    request(0).accepted_at.0
}

#[tokio::test]
async fn workers_are_paged_by_their_number() {
    let here = (0..3)
        .map(|n| WorkerView {
            row: worker(n),
            working_on: Vec::new(),
        })
        .collect();
    let pages = pages(
        Fake {
            here,
            ..Fake::default()
        },
        false,
    );
    let (seen, sizes) = follow(&pages, "/contemplants?limit=2", "workers", "id").await;
    assert_eq!((seen, sizes), (ids(300..303), vec![2, 1]));
    assert!(get_ok(&pages, "/contemplants?cursor=1000000000").await["next"].is_null());
}
