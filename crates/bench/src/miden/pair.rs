//! Real proofs in pairs: upstream's worker called directly, our door with a worker that dials in, our listening worker. The same
//! witnesses, one call at a time, alternating; every proof is verified by the client's own code, off the clock.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use hierophant_miden_api::client::{CallContext, RemoteWorker};
use toml::Table;

use super::{
    listening::Listening,
    network::{self, CALL_WITHIN, KIND, Network, PATIENCE},
    recorded::Programs,
};
use crate::{
    Options,
    figure::{Target, figure, heading, percentile, say},
    machine::Machine,
};

/// Measured rounds, after one that is not.
const ROUNDS: usize = 9;

/// One that proves, and the times of its calls.
struct Side {
    name: &'static str,
    caller: RemoteWorker,
    times: Vec<Duration>,
}

impl Side {
    fn new(name: &'static str, address: &str) -> Result<Self> {
        Ok(Self {
            name,
            caller: network::caller(address)?,
            times: Vec::new(),
        })
    }
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Miden: real proofs of an ECDSA wallet's transaction, ours against upstream's worker 0.15.2");
    Machine::measure().await?;
    let Some(programs) = Programs::find(options) else {
        return Ok(());
    };
    let pool = programs.pool(options, u32::try_from(ROUNDS + 1)?).await?;
    let folder = tempfile::tempdir()?;
    let light = network::light(&programs.prover)?;
    let network = Network::start(folder.path(), options, light, Table::new()).await?;
    let mut worker = network.worker(folder.path(), &programs.prover)?;
    let listening = Listening::ours(folder.path(), &programs.prover).await?;
    network.workers(1).await?;
    let upstream = match upstream(options) {
        Some(program) => Some(Listening::upstream(folder.path(), &program).await?),
        None => None,
    };
    let mut sides = Vec::new();
    if let Some(upstream) = &upstream {
        sides.push(Side::new("upstream's worker, called directly", &upstream.address)?);
    }
    sides.push(Side::new("our listening worker, called directly", &listening.address)?);
    sides.push(Side::new("our door, with a worker that dials in", &network.door)?);
    for (round, recorded) in pool.iter().enumerate() {
        // Another one begins each time.
        let places = sides.len();
        for place in 0..places {
            let side = &mut sides[(place + round) % places];
            let (begun, context) = (Instant::now(), CallContext::default());
            let proof = side.caller.prove(KIND, recorded.witness.clone(), context, CALL_WITHIN);
            let proof = proof.await?;
            let took = begun.elapsed();
            programs.verify(folder.path(), &recorded.witness, &proof).await?;
            if round > 0 {
                side.times.push(took);
            }
        }
    }
    print(sides);
    worker.terminate(PATIENCE).await;
    network.finish().await;
    Ok(())
}

fn upstream(options: &Options) -> Option<PathBuf> {
    let found = options.miden_upstream.clone().filter(|program| program.is_file());
    if found.is_none() {
        say(
            "   without upstream's worker: it is not installed (`cargo xtask e2e miden` does) or --miden-upstream is not given",
        );
    }
    found
}

/// Medians, and what part each is of the first one's.
fn print(sides: Vec<Side>) {
    let mut first = None;
    say(&format!(
        "   {ROUNDS} rounds, alternating; each proof verified by the client's own code"
    ));
    for mut side in sides {
        side.times.sort();
        let median = percentile(&side.times, 0.5);
        figure(&format!("{}, median", side.name), median, "ms", Target::None);
        let first = *first.get_or_insert(median);
        say(&format!(
            "      fastest {:.0} ms, slowest {:.0} ms; {:.3} × the first's median",
            percentile(&side.times, 0.0),
            percentile(&side.times, 1.0),
            median / first
        ));
    }
}
