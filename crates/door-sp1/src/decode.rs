//! The body of `RequestProof` in either schema, brought into one shape.
//!
//! Both schemas come to the same call, and field 12 is a number in one and bytes in the other. Field 13 tells them apart:
//! auction clients always fill it, base clients do not have it. The strategy does not: clients send any in either.

use alloy_primitives::U256;
use bytes::Bytes;
use hierophant_domain::Digest;
use tonic::Status;

use crate::{
    account::ADDRESS_BYTES,
    door::decoded,
    ids::HASH_BYTES,
    programs,
    proto::types::{AuctionRequestProofBody, BaseRequestProofBody, SchemaProbe},
};

/// Most provers that a request may name. They are kept and given back, so they are bounded.
pub(crate) const WHITELIST_MAX: usize = 256;
/// Longest version text and URI, in bytes; ours are far shorter.
pub(crate) const TEXT_MAX_BYTES: usize = 256;
/// Digits of the largest number of 256 bits.
const PRICE_MAX_DIGITS: usize = 78;
/// The only transaction that this call carries.
const REQUEST_VARIANT: i32 = 0;

/// A request for a proof, as signed; each field has been checked for shape alone.
#[derive(Debug)]
pub(crate) struct ProofWish {
    pub(crate) vk_hash: [u8; HASH_BYTES],
    pub(crate) version: String,
    pub(crate) mode: i32,
    pub(crate) strategy: i32,
    pub(crate) stdin_uri: String,
    /// Unix seconds.
    pub(crate) deadline: u64,
    pub(crate) cycle_limit: u64,
    pub(crate) gas_limit: u64,
    pub(crate) min_auction_period: u64,
    pub(crate) whitelist: Vec<Bytes>,
    pub(crate) stdin_private: bool,
    /// Only of the auction schema.
    pub(crate) auction: Option<Auction>,
}

/// What only the auction schema has.
#[derive(Debug)]
pub(crate) struct Auction {
    pub(crate) domain: Bytes,
    pub(crate) public_values_hash: Option<Digest>,
    pub(crate) base_fee: String,
    pub(crate) max_price_per_pgu: String,
}

/// Reads a body. Every refusal is for good: the same bytes will never be better.
pub(crate) fn proof_wish(body: Bytes) -> Result<ProofWish, Status> {
    let probe: SchemaProbe = decoded(body.clone())?;
    let wish = if probe.auctioneer.is_some() {
        auction(decoded(body)?)?
    } else {
        base(decoded(body)?)?
    };
    if wish.version.len() > TEXT_MAX_BYTES || wish.stdin_uri.len() > TEXT_MAX_BYTES {
        return Err(Status::invalid_argument(format!(
            "a version or stdin_uri has at most {TEXT_MAX_BYTES} bytes"
        )));
    }
    if wish.whitelist.len() > WHITELIST_MAX {
        return Err(Status::invalid_argument(format!(
            "a whitelist names at most {WHITELIST_MAX} provers"
        )));
    }
    if wish.whitelist.iter().any(|prover| prover.len() != ADDRESS_BYTES) {
        return Err(Status::invalid_argument("each address of a whitelist has 20 bytes"));
    }
    Ok(wish)
}

fn base(body: BaseRequestProofBody) -> Result<ProofWish, Status> {
    Ok(ProofWish {
        vk_hash: hash(&body.vk_hash)?,
        version: body.version,
        mode: body.mode,
        strategy: body.strategy,
        stdin_uri: body.stdin_uri,
        deadline: body.deadline,
        cycle_limit: body.cycle_limit,
        gas_limit: body.gas_limit,
        min_auction_period: body.min_auction_period,
        whitelist: body.whitelist,
        stdin_private: body.stdin_private,
        auction: None,
    })
}

fn auction(body: AuctionRequestProofBody) -> Result<ProofWish, Status> {
    let parties = [&body.auctioneer, &body.executor, &body.verifier, &body.treasury];
    if parties.iter().any(|party| party.len() != ADDRESS_BYTES) {
        return Err(Status::invalid_argument(
            "auctioneer, executor, verifier and treasury have 20 bytes each",
        ));
    }
    if body.variant != REQUEST_VARIANT {
        return Err(Status::invalid_argument(format!(
            "variant {} is no request for a proof; it must be 0",
            body.variant
        )));
    }
    let public_values_hash = match body.public_values_hash {
        None => None,
        Some(bytes) => Some(
            Digest::from_slice(&bytes)
                .ok_or_else(|| Status::invalid_argument("public_values_hash has 32 bytes, or is absent"))?,
        ),
    };
    price("base_fee", &body.base_fee)?;
    price("max_price_per_pgu", &body.max_price_per_pgu)?;
    Ok(ProofWish {
        vk_hash: hash(&body.vk_hash)?,
        version: body.version,
        mode: body.mode,
        strategy: body.strategy,
        stdin_uri: body.stdin_uri,
        deadline: body.deadline,
        cycle_limit: body.cycle_limit,
        gas_limit: body.gas_limit,
        min_auction_period: body.min_auction_period,
        whitelist: body.whitelist,
        stdin_private: body.stdin_private,
        auction: Some(Auction {
            domain: body.domain,
            public_values_hash,
            base_fee: body.base_fee,
            max_price_per_pgu: body.max_price_per_pgu,
        }),
    })
}

fn hash(bytes: &[u8]) -> Result<[u8; HASH_BYTES], Status> {
    programs::vk_hash(bytes)?;
    Ok(bytes.try_into().expect("the length was checked"))
}

fn price(field: &str, text: &str) -> Result<(), Status> {
    let digits = !text.is_empty() && text.len() <= PRICE_MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && U256::from_str_radix(text, 10).is_ok() {
        Ok(())
    } else {
        Err(Status::invalid_argument(format!(
            "{field} must be a decimal number of at most 256 bits"
        )))
    }
}

#[cfg(test)]
mod tests;
