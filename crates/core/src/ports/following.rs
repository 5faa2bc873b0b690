//! Following a request: a wake-up for each change, from whoever knows of it.

use tokio::sync::watch;

/// Wakes whoever waits for a request whenever it may have changed. Wake-ups are hints: whoever is woken reads again.
#[derive(Debug)]
pub struct Following(watch::Receiver<()>);

impl Following {
    /// A following that the sender wakes. It is over when the sender is gone.
    pub fn by(sender: &watch::Sender<()>) -> Self {
        Self(sender.subscribe())
    }

    /// Returns when the request may have changed since this was called last, or since it was followed. Never, when there is
    /// nobody left who could tell.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
