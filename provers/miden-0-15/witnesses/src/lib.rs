//! Witnesses of Miden 0.15 on a mock chain: wallets that consume notes paid to them.
//!
//! Used by the test client and the prover's tests; never part of a prover.

use std::pin::Pin;

use anyhow::Context as _;
use miden_protocol::{
    Word,
    account::{AccountId, auth::AuthScheme},
    asset::FungibleAsset,
    batch::{OrderedBatches, ProposedBatch},
    block::{BlockHeader, BlockInputs, ProposedBlock},
    crypto::rand::RandomCoin,
    note::{NoteId, NoteType},
    testing::account_id::ACCOUNT_ID_SENDER,
    transaction::{ExecutedTransaction, ProvenTransaction, TransactionInputs},
    utils::serde::Serializable as _,
};
use miden_testing::{Auth, MockChain};
use miden_tx::LocalTransactionProver;

/// A future whose code is compiled here, once, and not in every crate that waits for it.
pub type Boxed<T> = Pin<Box<dyn Future<Output = anyhow::Result<T>>>>;

/// How a wallet signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wallet {
    /// ECDSA over secp256k1 with Keccak: about 10,000 cycles.
    Ecdsa,
    /// Falcon-512 with Poseidon2: about 78,000 cycles.
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

/// The parts of a block's witness.
#[derive(Debug)]
pub struct Block {
    /// The block's batches.
    pub batches: OrderedBatches,
    /// The header that the block would have.
    pub header: BlockHeader,
    /// What the batches are held against.
    pub inputs: BlockInputs,
    /// The same as the published client 0.15.2 sends it.
    pub proposed: ProposedBlock,
}

impl Block {
    /// The layout that upstream's worker reads.
    pub fn worker_layout(&self) -> Vec<u8> {
        let mut bytes = self.batches.to_bytes();
        self.header.write_into(&mut bytes);
        self.inputs.write_into(&mut bytes);
        bytes
    }

    /// The layout that the published client sends.
    pub fn client_layout(&self) -> Vec<u8> {
        self.proposed.to_bytes()
    }
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
            let context = self.chain.build_tx_context(*account, notes, &[])?.build()?;
            executed.push(
                Box::pin(context.execute())
                    .await
                    .context("the transaction does not execute")?,
            );
        }
        Ok(executed)
    }
}

/// Makes the inputs of a transaction.
///
/// # Errors
///
/// When the recipe makes no transaction: with more notes than one may have.
pub fn transaction(recipe: Recipe) -> Boxed<TransactionInputs> {
    Box::pin(async move {
        let mut executed = Funded::new(recipe, 1)?.execute().await?;
        Ok(executed.pop().context("one wallet, one transaction")?.into())
    })
}

/// Proves a transaction on this machine.
///
/// # Errors
///
/// When it does not execute.
pub fn prove(inputs: TransactionInputs) -> Boxed<ProvenTransaction> {
    Box::pin(async move { Ok(LocalTransactionProver::default().prove(inputs).await?) })
}

/// Makes the inputs of a transaction that the wallet has not signed: they decode, and do not execute.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub fn unsigned_transaction(recipe: Recipe) -> anyhow::Result<TransactionInputs> {
    let funded = Funded::new(recipe, 1)?;
    let (account, notes) = &funded.wallets[0];
    let context = funded.chain.build_tx_context(*account, notes, &[])?.build()?;
    Ok(context.tx_inputs().clone())
}

/// Makes a batch of really proven transactions: takes seconds for each.
///
/// # Errors
///
/// When the recipe makes no transaction, or proving fails.
pub fn batch(recipe: Recipe, transactions: usize) -> Boxed<ProposedBatch> {
    Box::pin(async move {
        let funded = Funded::new(recipe, transactions)?;
        let mut proven = Vec::new();
        for executed in funded.execute().await? {
            proven.push(prove(executed.into()).await?);
        }
        funded.chain.propose_transaction_batch(proven)
    })
}

/// Makes a batch whose transactions have empty proofs, which nobody must accept.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub fn unproven_batch(recipe: Recipe, transactions: usize) -> Boxed<ProposedBatch> {
    Box::pin(async move { propose_unproven(&Funded::new(recipe, transactions)?).await })
}

/// Makes a block of one batch. A block of this line says nothing of proofs, so that none are made.
///
/// # Errors
///
/// When the recipe makes no transaction.
pub fn block(recipe: Recipe, transactions: usize) -> Boxed<Block> {
    Box::pin(async move {
        let funded = Funded::new(recipe, transactions)?;
        let batch = funded.chain.prove_transaction_batch(propose_unproven(&funded).await?)?;
        let proposed = funded.chain.propose_block([batch])?;
        let (header, _) = proposed.clone().into_header_and_body()?;
        Ok(Block {
            inputs: funded.chain.get_block_inputs(proposed.batches().as_slice())?,
            batches: proposed.batches().clone(),
            header,
            proposed,
        })
    })
}

async fn propose_unproven(funded: &Funded) -> anyhow::Result<ProposedBatch> {
    let executed = funded.execute().await?;
    let proven = executed
        .into_iter()
        .map(|executed| LocalTransactionProver::default().prove_dummy(executed))
        .collect::<Result<Vec<_>, _>>()?;
    funded.chain.propose_transaction_batch(proven)
}
