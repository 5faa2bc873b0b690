//! The code that one transaction may call: the libraries', shared by all transactions, and its accounts' own.

use std::{collections::BTreeMap, sync::Arc};

use miden_processor::MastForestStore;
use miden_protocol::{MastForest, Word, transaction::TransactionInputs};
use miden_tx::TransactionMastStore;

/// See the module's comment. An account's procedure goes before a library's of the same root, as in Miden's own store.
pub(crate) struct Code<'libraries> {
    libraries: &'libraries TransactionMastStore,
    accounts: BTreeMap<Word, Arc<MastForest>>,
}

impl<'libraries> Code<'libraries> {
    /// Gathers the code of the accounts of a transaction.
    pub(crate) fn new(libraries: &'libraries TransactionMastStore, inputs: &TransactionInputs) -> Self {
        let account = inputs.account().code();
        let mut accounts = BTreeMap::new();
        for code in [account].into_iter().chain(inputs.foreign_account_code()) {
            let forest = code.mast();
            accounts.extend(forest.local_procedure_digests().map(|root| (root, Arc::clone(&forest))));
        }
        Self { libraries, accounts }
    }
}

impl MastForestStore for Code<'_> {
    fn get(&self, root: &Word) -> Option<Arc<MastForest>> {
        self.accounts.get(root).cloned().or_else(|| self.libraries.get(root))
    }
}
