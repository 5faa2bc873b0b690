//! Witnesses of Miden 0.18 on a mock chain: wallets that consume notes paid to them.
//!
//! Used by the test client and the prover's tests; never part of a prover.

use std::sync::Arc;

use anyhow::Context as _;
use miden_protocol::{
    Word,
    account::{AccountId, auth::AuthScheme},
    asset::FungibleAsset,
    batch::ProposedBatch,
    block::{BlockInputs, ProposedBlock},
    crypto::rand::RandomCoin,
    note::{NoteId, NoteType},
    testing::account_id::ACCOUNT_ID_SENDER,
    transaction::{ExecutedTransaction, ProvenTransaction, TransactionInputs},
};
use miden_testing::{Auth, MockChain};
use miden_tx::LocalTransactionProver;
use miden_wire_0_18::SECURITY_LEVEL;

/// How a wallet signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wallet {
    /// ECDSA over secp256k1 with Keccak: few cycles, because the signature is left to a precompile.
    Ecdsa,
    /// Falcon-512 with Poseidon2: checked in the virtual machine.
    Falcon,
}

/// What a witness is made from. Other seeds make other accounts and notes.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// How the wallets sign.
    pub wallet: Wallet,
    /// How many notes each transaction consumes; at least 1.
    pub notes: usize,
    /// Chooses accounts and notes.
    pub seed: u32,
}

/// A chain with wallets that have notes to consume.
struct Funded {
    chain: MockChain,
    wallets: Vec<(AccountId, Vec<NoteId>)>,
}

impl Funded {
    fn new(recipe: Recipe, wallets: usize) -> anyhow::Result<Self> {
        let auth_scheme = match recipe.wallet {
            Wallet::Ecdsa => AuthScheme::EcdsaK256Keccak,
            Wallet::Falcon => AuthScheme::Falcon512Poseidon2,
        };
        let sender = AccountId::try_from(ACCOUNT_ID_SENDER)?;
        let mut builder = MockChain::builder();
        *builder.rng_mut() = RandomCoin::new(Word::from([recipe.seed, 0, 0, 1]));
        let wallets = (0..wallets)
            .map(|_| {
                let account = builder.add_existing_wallet(Auth::BasicAuth { auth_scheme })?.id();
                let assets = [FungibleAsset::mock(100 + u64::from(recipe.seed))];
                let notes = (0..recipe.notes)
                    .map(|_| Ok(builder.add_p2id_note(sender, account, &assets, NoteType::Private)?.id()))
                    .collect::<anyhow::Result<_>>()?;
                Ok((account, notes))
            })
            .collect::<anyhow::Result<_>>()?;
        let mut chain = builder.build()?;
        chain.prove_next_block()?;
        Ok(Self { chain, wallets })
    }

    async fn execute(&self) -> anyhow::Result<Vec<ExecutedTransaction>> {
        let mut executed = Vec::new();
        for (account, notes) in &self.wallets {
            let transaction = self.chain.build_transaction(*account);
            let transaction = transaction.authenticated_input_notes(notes.iter().copied()).build()?;
            executed.push(
                Box::pin(transaction.execute())
                    .await
                    .context("the transaction does not execute")?,
            );
        }
        Ok(executed)
    }

    async fn propose_unproven(&self) -> anyhow::Result<ProposedBatch> {
        let prover = LocalTransactionProver::default();
        let executed = self.execute().await?.into_iter();
        let unproven = executed.map(|executed| prover.prove_dummy(executed));
        self.chain
            .propose_transaction_batch(unproven.collect::<Result<Vec<_>, _>>()?)
    }
}

/// Makes the inputs of a transaction, signed.
///
/// # Errors
///
/// When the recipe makes no transaction: with more notes than one may have.
pub async fn transaction(recipe: Recipe) -> anyhow::Result<TransactionInputs> {
    let mut executed = Funded::new(recipe, 1)?.execute().await?;
    Ok(executed.pop().context("one wallet, one transaction")?.into())
}

/// Makes the inputs of a transaction that nobody signed, and that does not execute for that.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub fn unsigned_transaction(recipe: Recipe) -> anyhow::Result<TransactionInputs> {
    let funded = Funded::new(recipe, 1)?;
    let (account, notes) = funded.wallets.first().context("one wallet")?;
    let account = funded.chain.committed_account(*account)?;
    funded.chain.get_transaction_inputs(account, notes, &[])
}

/// Makes a batch of really proven transactions: takes seconds for each.
///
/// # Errors
///
/// When the recipe makes no transaction, or proving fails.
pub async fn batch(recipe: Recipe, transactions: usize) -> anyhow::Result<ProposedBatch> {
    let funded = Funded::new(recipe, transactions)?;
    let prover = LocalTransactionProver::default();
    let executed = funded.execute().await?.into_iter();
    let proven: Vec<_> = executed
        .map(|executed| Ok(Arc::new(prover.prove(executed)?)))
        .collect::<anyhow::Result<_>>()?;
    let blocks = proven
        .iter()
        .map(|transaction: &Arc<ProvenTransaction>| transaction.ref_block_num());
    let (header, chain, notes) = funded.chain.get_batch_inputs(blocks, std::iter::empty())?;
    Ok(ProposedBatch::new(proven, header, chain, notes, SECURITY_LEVEL)?)
}

/// Makes a batch whose transactions have empty proofs, which nobody must accept.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub async fn unproven_batch(recipe: Recipe, transactions: usize) -> anyhow::Result<ProposedBatch> {
    Funded::new(recipe, transactions)?.propose_unproven().await
}

/// Makes a block of one batch, and the chain before it. Who proves a block of this line does not look at the proofs in it,
/// so that none are made.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub async fn block(recipe: Recipe, transactions: usize) -> anyhow::Result<(ProposedBlock, BlockInputs)> {
    let funded = Funded::new(recipe, transactions)?;
    let batch = funded.propose_unproven().await?;
    let batch = funded.chain.prove_transaction_batch(batch)?;
    let inputs = funded.chain.get_block_inputs([&batch])?;
    Ok((funded.chain.propose_block([batch])?, inputs))
}
