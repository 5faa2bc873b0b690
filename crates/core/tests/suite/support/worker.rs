//! A fake worker: joins, takes leases, beats, delivers, over either adapter.

use hierophant_core::ports::{AssignedTask, Assignment, Progress, WorkerBeat, Workers as _};
use hierophant_domain::{
    BlobRef, Capability, Failure, LeaseToken, Name, Resources, WorkerId,
    attempt::{Delivery, Fence},
    request::Record,
    time::Millis,
    worker::WorkerProfile,
};
use uuid::Uuid;

use super::{Adapter, Network, checker};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Worker<A> {
    pub(crate) profile: WorkerProfile,
    pub(crate) session: u64,
    /// Of the leases that it named when it joined: those that are its own.
    pub(crate) kept: Vec<LeaseToken>,
    adapter: A,
}

/// A worker of one slot without prefetching that proves all kinds of this suite; `n` is its id.
pub(crate) fn profile(n: u128) -> WorkerProfile {
    let capability = |kind| Capability {
        role: Name::literal("prove"),
        system: checker::system(),
        kind: Name::literal(kind),
        labels: [
            (Name::literal("toolchain"), Name::literal("v1")),
            (Name::literal("proof"), Name::literal("real")),
        ]
        .into(),
        needs: Resources {
            memory: 8 << 30,
            ..Resources::default()
        },
    };
    WorkerProfile {
        id: WorkerId(Uuid::from_u128(n)),
        name: format!("worker-{n}"),
        version: "1.0.0".to_owned(),
        address: "127.0.0.1".to_owned(),
        capabilities: ["core", "compressed"].map(capability).into(),
        capacity: Resources {
            memory: 64 << 30,
            ..Resources::default()
        },
        slots: 1,
        prefetch: 0,
        draining: false,
    }
}

impl<A: Adapter> Worker<A> {
    /// Joins as [`profile`] says.
    pub(crate) async fn join(network: &Network, n: u128) -> Self {
        Self::join_as(network, profile(n), Vec::new()).await
    }

    /// Joins as a given profile, naming leases that it holds.
    pub(crate) async fn join_as(network: &Network, profile: WorkerProfile, held: Vec<LeaseToken>) -> Self {
        let session = network
            .core()
            .register(profile.clone(), held)
            .await
            .expect("the worker is taken in");
        Self {
            profile,
            session: session.number,
            kept: session.leases,
            adapter: A::attach(session.assignments),
        }
    }

    /// Joins again, with what it holds.
    pub(crate) async fn rejoin(self, network: &Network, held: Vec<LeaseToken>) -> Self {
        Self::join_as(network, self.profile, held).await
    }

    pub(crate) fn id(&self) -> WorkerId {
        self.profile.id
    }

    /// What comes next; `None` when it has to go.
    pub(crate) async fn next(&mut self) -> Option<Assignment> {
        self.adapter.next().await
    }

    /// The next assignment, which must be a lease.
    pub(crate) async fn lease(&mut self) -> AssignedTask {
        match self.next().await {
            Some(Assignment::Lease(task)) => *task,
            other => panic!("a lease was to come, not {other:?}"),
        }
    }

    /// The next assignment, which must take this lease away; says why.
    pub(crate) async fn revoked(&mut self, token: LeaseToken) -> String {
        match self.next().await {
            Some(Assignment::Revoke(revoked, reason)) if revoked == token => reason,
            other => panic!("a revocation was to come, not {other:?}"),
        }
    }

    /// The next assignment, which must send it away for good; says why.
    pub(crate) async fn refused(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Assignment::Refuse(reason, _)) => return reason,
                Some(Assignment::Revoke(..)) => {}
                other => panic!("a refusal was to come, not {other:?}"),
            }
        }
    }

    /// Lets the time pass that it takes for a proof.
    pub(crate) async fn prove(&self, network: &Network, task: &AssignedTask) {
        self.adapter.prove(network, self.id(), task.token).await;
    }

    /// Renews a lease; says what the fence says.
    pub(crate) async fn beat(&self, network: &Network, token: LeaseToken, running: bool) -> Fence {
        let answers = network
            .core()
            .beat(self.id(), vec![WorkerBeat { token, running }])
            .await
            .expect("the store takes beats");
        assert_eq!(answers.len(), 1);
        answers[0].1
    }

    /// Beats without a lease.
    pub(crate) async fn say_alive(&self, network: &Network) {
        network
            .core()
            .beat(self.id(), Vec::new())
            .await
            .expect("the store takes beats");
    }

    /// Reports how far a lease is.
    pub(crate) fn report(&self, network: &Network, token: LeaseToken, overall_bp: u32) {
        let progress = Progress {
            phase: "proving".to_owned(),
            done: 1,
            total: 2,
            overall_bp,
        };
        network.core().progress(self.id(), token, progress);
    }

    /// Delivers a proof.
    pub(crate) async fn deliver(&self, network: &Network, token: LeaseToken, proof: Vec<u8>) -> Fence {
        self.deliver_blob(network, token, BlobRef::Inline(proof)).await
    }

    /// Delivers a proof that lies where `proof` says.
    pub(crate) async fn deliver_blob(&self, network: &Network, token: LeaseToken, proof: BlobRef) -> Fence {
        let record = Record {
            proving: Millis(7),
            ..Record::default()
        };
        let delivery = Delivery {
            outputs: vec![(Name::literal("proof"), proof)],
            record,
        };
        network
            .core()
            .deliver(self.id(), token, delivery)
            .await
            .expect("the store takes results")
    }

    /// Reports that it failed.
    pub(crate) async fn fail(&self, network: &Network, token: LeaseToken, failure: Failure) -> Fence {
        network
            .core()
            .fail(self.id(), token, failure)
            .await
            .expect("the store takes reports")
    }

    /// Its connection ends.
    pub(crate) async fn disconnect(&self, network: &Network, good_bye: bool) {
        network
            .core()
            .disconnected(self.id(), self.session, "the connection was reset".to_owned(), good_bye)
            .await;
    }
}
