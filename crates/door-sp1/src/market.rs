//! Answers for a market that this network does not have: it charges nothing, every worker may prove everything.
//!
//! The figures are bound by what clients do with them: addresses of 20 bytes and prices that parse, or they panic; a price
//! whose billionfold fits 64 bits, or their debug builds do.

use bytes::Bytes;
use tonic::Status;

use crate::{
    account,
    door::Door,
    proto::types::{
        GetBalanceResponse, GetMarketPricePerPguResponse, GetNonceResponse, GetProofRequestParamsResponse,
        GetProversByUptimeResponse,
    },
    settings::kind_of,
};

/// The price of a unit of gas. Not 0: some programs take a price of nothing for a market without offers.
const PRICE_PER_PGU: &str = "1";
/// The price of a request.
const BASE_FEE: &str = "0";

/// The next nonce of an account.
pub(crate) fn nonce(door: &Door, address: &[u8]) -> Result<GetNonceResponse, Status> {
    account::address(address).ok_or_else(bad_address)?;
    Ok(GetNonceResponse {
        nonce: door.next_nonce(),
    })
}

/// What an account has: the same for all.
pub(crate) fn balance(door: &Door, address: &[u8]) -> Result<GetBalanceResponse, Status> {
    account::address(address).ok_or_else(bad_address)?;
    Ok(GetBalanceResponse {
        amount: door.settings.balance.to_string(),
    })
}

/// What auction clients put into their requests.
pub(crate) fn params(door: &Door, mode: i32) -> Result<GetProofRequestParamsResponse, Status> {
    if kind_of(mode).is_none() {
        return Err(Status::invalid_argument(format!(
            "proof mode {mode} is unknown; there are 1 (core), 2 (compressed), 3 (plonk) and 4 (groth16)"
        )));
    }
    let party = Bytes::copy_from_slice(&door.settings.address);
    Ok(GetProofRequestParamsResponse {
        domain: Bytes::copy_from_slice(&door.settings.domain),
        auctioneer: party.clone(),
        executor: party.clone(),
        verifier: party.clone(),
        max_price_per_pgu: PRICE_PER_PGU.to_owned(),
        base_fee: BASE_FEE.to_owned(),
        treasury: party,
        tick_size: 0,
    })
}

/// Nobody by name: an empty list to choose from means anybody, and for the call after a failure it keeps clients from
/// silently sending the whole request a second time.
pub(crate) fn provers() -> GetProversByUptimeResponse {
    GetProversByUptimeResponse { provers: Vec::new() }
}

/// The price now.
pub(crate) fn price(door: &Door) -> GetMarketPricePerPguResponse {
    let as_of = i64::try_from(door.clients.now().unix_seconds()).unwrap_or(i64::MAX);
    GetMarketPricePerPguResponse {
        price: PRICE_PER_PGU.to_owned(),
        as_of,
    }
}

fn bad_address() -> Status {
    Status::invalid_argument("an address has 20 bytes")
}
