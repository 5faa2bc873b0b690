//! Waiting for conditions.

use std::time::Duration;

use hierophant_testkit::{TimedOut, try_wait_until, wait_until};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn it_looks_until_the_condition_holds() {
    let mut looks = 0;
    let third = wait_until("the third look", LONG, async || {
        looks += 1;
        if looks == 3 {
            Ok(looks)
        } else {
            Err(format!("look {looks}"))
        }
    });
    assert_eq!(third.await, 3);
}

#[tokio::test]
async fn it_looks_at_least_once() {
    assert_eq!(try_wait_until("now", Duration::ZERO, async || Ok(7)).await, Ok(7));
}

#[tokio::test]
async fn it_says_what_was_seen_last() {
    let mut looks = 0;
    let error = try_wait_until::<()>("a miracle", SHORT, async || {
        looks += 1;
        Err(format!("look {looks}"))
    });
    let error = error.await.expect_err("it never holds");
    assert_eq!(
        error,
        TimedOut {
            what: "a miracle".to_owned(),
            bound: SHORT,
            last_seen: format!("look {looks}")
        }
    );
    assert!(looks > 1);
    assert_eq!(
        error.to_string(),
        format!("a miracle did not come about within 50ms; seen last: look {looks}")
    );
}

#[tokio::test]
async fn a_look_that_hangs_is_given_up() {
    let error = try_wait_until::<()>("an end", SHORT, async || std::future::pending().await).await;
    assert_eq!(
        error.expect_err("it hangs").last_seen,
        "nothing: the first look did not end"
    );
}
