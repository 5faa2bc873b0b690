//! What each page answers.

use axum::http::StatusCode;

use crate::{
    ask,
    fake::{self, Fake, request, small_network, uuid},
    get, get_ok, pages,
};

#[tokio::test]
async fn every_page_is_as_it_was() {
    let pages = pages(small_network(), false);
    insta::assert_json_snapshot!("contemplants", get_ok(&pages, "/contemplants").await);
    insta::assert_json_snapshot!("dead_contemplants", get_ok(&pages, "/dead-contemplants").await);
    insta::assert_json_snapshot!("proof_history", get_ok(&pages, "/proof-history").await);
    insta::assert_json_snapshot!("requests", get_ok(&pages, "/requests").await);
    insta::assert_json_snapshot!("request_open", get_ok(&pages, &format!("/requests/{}", uuid(3))).await);
    insta::assert_json_snapshot!(
        "request_fulfilled",
        get_ok(&pages, &format!("/requests/{}", uuid(2))).await
    );
    insta::assert_json_snapshot!(
        "request_private",
        get_ok(&pages, &format!("/requests/{}", uuid(4))).await
    );
}

#[tokio::test]
async fn an_empty_network_has_empty_pages() {
    let pages = pages(Fake::default(), false);
    for (path, list) in [
        ("/contemplants", "workers"),
        ("/dead-contemplants", "workers"),
        ("/proof-history", "proofs"),
        ("/requests", "requests"),
    ] {
        let body = get_ok(&pages, path).await;
        assert_eq!(body, serde_json::json!({ list: [], "next": null }), "{path}");
    }
}

/// Whatever a client could have written is looked for in everything that is said of its private requests.
#[tokio::test]
async fn private_requests_show_ids_states_and_times_alone() {
    let private = fake::failed_in_private(7);
    let fake = Fake {
        here: vec![fake::busy(fake::worker(0), private.clone())],
        history: vec![fake::proof(private.clone())],
        attempts: vec![hierophant_domain::Attempt {
            reason: Some("secret words".to_owned()),
            ..fake::attempt(1, &private, hierophant_domain::AttemptState::Failed)
        }],
        requests: vec![private],
        ..Fake::default()
    };
    let pages = pages(fake, false);
    for path in ["/proof-history", "/requests", &format!("/requests/{}", uuid(7))] {
        let (_, body) = get(&pages, path).await;
        let text = body.to_string();
        for word in [
            "secret",
            "mock",
            "core",
            "v1",
            "1111",
            "abab",
            "busy",
            "18446744073709551615",
            "program",
            "cycles\":\"",
        ] {
            assert!(!text.contains(word), "{path} says {word}: {text}");
        }
        assert!(text.contains(&uuid(7).to_string()), "{path}: {text}");
    }
    let workers = get_ok(&pages, "/contemplants").await;
    let work = &workers["workers"][0]["working_on"][0];
    assert_eq!(work["request_id"], uuid(7).to_string());
    for hidden in ["system", "kind", "progress"] {
        assert!(work[hidden].is_null(), "{hidden}: {work}");
    }
}

#[tokio::test]
async fn no_page_shows_tokens_or_inputs() {
    let pages = pages(small_network(), false);
    for path in ["/contemplants", "/requests", &format!("/requests/{}", uuid(3))] {
        let (_, _, body) = ask(&pages, "GET", path).await;
        for secret in ["secret", "token", &uuid(401).to_string(), "idempotency", "door_data"] {
            assert!(!body.contains(secret), "{path} says {secret}: {body}");
        }
    }
}

#[tokio::test]
async fn mock_mode_is_said_everywhere() {
    let fake = Fake {
        obstacles: vec!["the disk is full".to_owned()],
        ..small_network()
    };
    let pages = pages(fake, true);
    for path in [
        "/contemplants",
        "/proof-history",
        "/requests",
        "/livez",
        "/readyz",
        "/nothing",
        "/requests?limit=0",
    ] {
        let (_, _, body) = ask(&pages, "GET", path).await;
        assert!(body.starts_with("{\"mock_mode\":true,"), "{path}: {body}");
    }
    let (_, _, home) = ask(&pages, "GET", "/").await;
    assert!(home.contains("MOCK MODE"), "{home}");
}

#[tokio::test]
async fn health_says_what_is_in_the_way() {
    let well = pages(Fake::default(), false);
    assert_eq!(get_ok(&well, "/livez").await, serde_json::json!({ "live": true }));
    assert_eq!(
        get_ok(&well, "/readyz").await,
        serde_json::json!({ "ready": true, "obstacles": [] })
    );
    assert_eq!(get_ok(&well, "/health").await, serde_json::json!(true));

    let ill = pages(
        Fake {
            obstacles: vec!["the disk is full".to_owned()],
            ..Fake::default()
        },
        false,
    );
    let (status, body) = get(&ill, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body,
        serde_json::json!({ "ready": false, "obstacles": ["the disk is full"] })
    );
    assert_eq!(get_ok(&ill, "/livez").await, serde_json::json!({ "live": true }));
}

#[tokio::test]
async fn the_first_page_lists_the_others() {
    let pages = pages(Fake::default(), false);
    let (status, kind, body) = ask(&pages, "GET", "/").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    insta::assert_snapshot!("home", body);
    for path in [
        "/contemplants",
        "/dead-contemplants",
        "/proof-history",
        "/requests",
        "/livez",
        "/readyz",
        "/health",
        "/metrics",
    ] {
        assert!(body.contains(&format!("href=\"{path}\"")), "{path}");
        assert_eq!(ask(&pages, "GET", path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn errors_have_one_form() {
    let pages = pages(
        Fake {
            requests: vec![request(1)],
            ..Fake::default()
        },
        false,
    );
    let mut errors = Vec::new();
    for (method, path) in [
        ("GET", "/nothing/here"),
        ("POST", "/requests"),
        ("GET", "/requests/7"),
        ("GET", &format!("/requests/{}", uuid(2))),
        ("GET", "/requests?state=opened"),
        ("GET", "/requests?state="),
        ("GET", "/requests?state=open,open,open,open,open,open"),
        ("GET", "/requests?kind=CORE"),
        ("GET", "/requests?limit=0"),
        ("GET", "/requests?limit=101"),
        ("GET", "/requests?limit=1&limit=2"),
        ("GET", "/requests?cursor=12"),
        ("GET", "/contemplants?cursor=-1"),
        ("GET", "/contemplants?cursor=1000000001"),
        ("GET", "/contemplants?page=2"),
        ("GET", "/proof-history?state=open"),
    ] {
        let (status, kind, body) = ask(&pages, method, path).await;
        assert_eq!(kind, "application/json", "{path}");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        errors.push(format!(
            "{method} {path}: {} {} {}",
            status.as_u16(),
            body["code"],
            body["message"]
        ));
    }
    insta::assert_snapshot!("errors", errors.join("\n"));
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_that_says_so() {
    for path in [
        "/contemplants",
        "/proof-history",
        "/requests",
        &format!("/requests/{}", uuid(1)),
    ] {
        let pages = pages(
            Fake {
                broken: Some(fake::unavailable()),
                ..Fake::default()
            },
            false,
        );
        let (status, body) = get(&pages, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(body["code"], "unavailable", "{path}");
        assert_eq!(body["message"], "the database is locked; try again", "{path}");
    }
}
