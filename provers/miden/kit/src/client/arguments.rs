//! The command line, the same for the client of every line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::Kind;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Reads the command line of the client `name`.
pub fn parse(name: &'static str, version: &'static str, about: &'static str) -> Command {
    let command = Arguments::command().name(name).version(version).about(about);
    let matches = command.get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments.command,
        Err(error) => error.exit(),
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a witness on a mock chain.
    Witness(WitnessArguments),
    /// Has a witness proved with the published client, and verifies the answer.
    Prove(ProveArguments),
    /// Sends bytes as they are.
    Raw(RawArguments),
    /// Asks for the status of worker and proxy, and for health.
    Status(StatusArguments),
    /// Proves on this machine.
    Local(LocalArguments),
    /// Verifies a proof in a file.
    Verify(VerifyArguments),
    /// Makes a false proof out of a true one.
    Forge(ForgeArguments),
}

/// A kind of proof, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// One transaction.
    Transaction,
    /// Several proven transactions.
    Batch,
    /// Several proven batches.
    Block,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Transaction => Self::Transaction,
            KindName::Batch => Self::Batch,
            KindName::Block => Self::Block,
        }
    }
}

/// How a wallet signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wallet {
    /// Cheap to prove.
    Ecdsa,
    /// Several times as many cycles.
    Falcon,
}

/// How a block's inputs are laid out, in a line that has two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// As the published client sends them.
    Client,
    /// As upstream's worker reads them.
    Worker,
}

/// What a false proof is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Forge {
    /// One bit of it differs, in the middle.
    Flip,
    /// A true proof beside outputs that it does not prove.
    OtherOutputs,
}

/// A witness to make.
#[derive(Debug, Args)]
pub struct WitnessArguments {
    /// What is to be proved with it.
    #[arg(long, value_enum, default_value = "transaction")]
    pub kind: KindName,
    /// The file to write.
    #[arg(long)]
    pub out: PathBuf,
    /// How the wallets sign.
    #[arg(long, value_enum, default_value = "ecdsa")]
    pub wallet: Wallet,
    /// Notes that each transaction consumes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub notes: u16,
    /// Transactions of a batch or block.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub transactions: u16,
    /// Other seeds make other accounts and notes.
    #[arg(long, default_value_t = 0)]
    pub seed: u32,
    /// How a block's inputs are laid out.
    #[arg(long, value_enum, default_value = "client")]
    pub layout: Layout,
    /// Makes one that decodes and cannot be proved: a transaction that nobody signed, a batch with bad proofs.
    #[arg(long)]
    pub unprovable: bool,
}

/// A proof to ask for.
#[derive(Debug, Args)]
pub struct ProveArguments {
    /// The prover's address: `http://host:port`.
    #[arg(long)]
    pub url: String,
    /// What the witness is of.
    #[arg(long, value_enum, default_value = "transaction")]
    pub kind: KindName,
    /// The file with the witness.
    #[arg(long)]
    pub witness: PathBuf,
    /// Seconds until the answer must be there.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// How often to ask, one after the other on one connection.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Where the last answer is kept.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Bytes to send.
#[derive(Debug, Args)]
pub struct RawArguments {
    /// The prover's address: `http://host:port`.
    #[arg(long)]
    pub url: String,
    /// The number that says the kind: 0 transaction, 1 batch, 2 block, or any other.
    #[arg(long)]
    pub kind: i32,
    /// The file with the bytes.
    #[arg(long)]
    pub payload: PathBuf,
    /// Seconds until the answer must be there.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Where the answer is kept.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Whom to ask for its status.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// The prover's address: `http://host:port`.
    #[arg(long)]
    pub url: String,
}

/// A proof to make here.
#[derive(Debug, Args)]
pub struct LocalArguments {
    /// What the witness is of.
    #[arg(long, value_enum, default_value = "transaction")]
    pub kind: KindName,
    /// The file with the witness.
    #[arg(long)]
    pub witness: PathBuf,
    /// The file to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// A proof to verify.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// What the witness is of.
    #[arg(long, value_enum, default_value = "transaction")]
    pub kind: KindName,
    /// The file with the witness.
    #[arg(long)]
    pub witness: PathBuf,
    /// The file with the proof.
    #[arg(long)]
    pub proof: PathBuf,
}

/// A false proof to make.
#[derive(Debug, Args)]
pub struct ForgeArguments {
    /// What is to be wrong with it.
    #[arg(long, value_enum)]
    pub kind_of: Forge,
    /// The file with the true proof, of a transaction.
    #[arg(long)]
    pub proof: PathBuf,
    /// The file to write.
    #[arg(long)]
    pub out: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_together() {
        Arguments::command().debug_assert();
    }
}
