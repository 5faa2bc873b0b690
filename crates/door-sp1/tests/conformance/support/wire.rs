//! Messages as published clients encode and decode them, written from the contract and not from this crate's protos.

use prost::Message;

pub(crate) const PROGRAM: i32 = 1;
pub(crate) const STDIN: i32 = 2;
pub(crate) const PRIVATE_STDIN: i32 = 7;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateArtifactRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) signature: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub(crate) artifact_type: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateArtifactResponse {
    #[prost(string, tag = "1")]
    pub(crate) artifact_uri: String,
    #[prost(string, tag = "2")]
    pub(crate) artifact_presigned_url: String,
}

/// An envelope whose body is a message, as clients have it; here already encoded, which is the same on the wire.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Envelope {
    #[prost(int32, tag = "1")]
    pub(crate) format: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) body: Option<Vec<u8>>,
}

/// Requests whose only field is bytes: `GetNonce`, `GetBalance`, `GetProgram`, status, details.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneBytes {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) value: Vec<u8>,
}

/// Messages whose only field is a number: `GetNonceResponse`, `GetProofRequestParamsRequest`, `GetProversByUptimeRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneNumber {
    #[prost(uint64, tag = "1")]
    pub(crate) value: u64,
}

/// `GetBalanceResponse`, and the first field of `GetMarketPricePerPguResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneText {
    #[prost(string, tag = "1")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MarketPrice {
    #[prost(string, tag = "1")]
    pub(crate) price: String,
    #[prost(int64, tag = "2")]
    pub(crate) as_of: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Addresses {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) provers: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub(crate) struct Program {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) vk_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) vk: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) program_uri: String,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) owner: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pub(crate) created_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetProgramResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) program: Option<Program>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateProgramBody {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) vk_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) vk: Vec<u8>,
    #[prost(string, tag = "4")]
    pub(crate) program_uri: String,
}

/// `RequestProofResponse`; of `CreateProgramResponse` and `CancelRequestResponse` the body is empty.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignedReply {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) tx_hash: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) body: Option<OneBytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Params {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) domain: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) auctioneer: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) executor: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) verifier: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) max_price_per_pgu: String,
    #[prost(string, tag = "6")]
    pub(crate) base_fee: String,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) treasury: Vec<u8>,
    #[prost(uint64, tag = "8")]
    pub(crate) tick_size: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BaseBody {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) vk_hash: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
    #[prost(int32, tag = "4")]
    pub(crate) mode: i32,
    #[prost(int32, tag = "5")]
    pub(crate) strategy: i32,
    #[prost(string, tag = "6")]
    pub(crate) stdin_uri: String,
    #[prost(uint64, tag = "7")]
    pub(crate) deadline: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) cycle_limit: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) gas_limit: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) min_auction_period: u64,
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(crate) whitelist: Vec<Vec<u8>>,
    #[prost(bool, tag = "12")]
    pub(crate) stdin_private: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuctionBody {
    #[prost(uint64, tag = "1")]
    pub(crate) nonce: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) vk_hash: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
    #[prost(int32, tag = "4")]
    pub(crate) mode: i32,
    #[prost(int32, tag = "5")]
    pub(crate) strategy: i32,
    #[prost(string, tag = "6")]
    pub(crate) stdin_uri: String,
    #[prost(uint64, tag = "7")]
    pub(crate) deadline: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) cycle_limit: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) gas_limit: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) min_auction_period: u64,
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(crate) whitelist: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "12")]
    pub(crate) domain: Vec<u8>,
    #[prost(bytes = "vec", tag = "13")]
    pub(crate) auctioneer: Vec<u8>,
    #[prost(bytes = "vec", tag = "14")]
    pub(crate) executor: Vec<u8>,
    #[prost(bytes = "vec", tag = "15")]
    pub(crate) verifier: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "16")]
    pub(crate) public_values_hash: Option<Vec<u8>>,
    #[prost(string, tag = "17")]
    pub(crate) base_fee: String,
    #[prost(string, tag = "18")]
    pub(crate) max_price_per_pgu: String,
    #[prost(int32, tag = "19")]
    pub(crate) variant: i32,
    #[prost(bytes = "vec", tag = "20")]
    pub(crate) treasury: Vec<u8>,
    #[prost(bool, tag = "21")]
    pub(crate) stdin_private: bool,
}

/// As the SDK's Reserved mode sends it, for a program and an upload to be filled in.
pub(crate) fn base_body(now: u64) -> BaseBody {
    BaseBody {
        nonce: 7,
        vk_hash: vec![0xab; 32],
        version: "sp1-v6.1.0".to_owned(),
        mode: 2,
        strategy: 1,
        deadline: now + 14_400,
        cycle_limit: 100_000_000,
        gas_limit: 1_000_000_000,
        ..BaseBody::default()
    }
}

/// As the SDK's Mainnet mode sends it after a simulation.
pub(crate) fn auction_body(now: u64) -> AuctionBody {
    AuctionBody {
        nonce: 7,
        vk_hash: vec![0xab; 32],
        version: "sp1-v6.1.0".to_owned(),
        mode: 2,
        strategy: 3,
        deadline: now + 300,
        cycle_limit: 123_456,
        gas_limit: 234_567,
        auctioneer: vec![0x0a; 20],
        executor: vec![0x0a; 20],
        verifier: vec![0x0a; 20],
        treasury: vec![0x0a; 20],
        public_values_hash: Some(vec![0xee; 32]),
        base_fee: "0".to_owned(),
        max_price_per_pgu: "1".to_owned(),
        ..AuctionBody::default()
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatusResponse {
    #[prost(int32, tag = "1")]
    pub(crate) fulfillment_status: i32,
    #[prost(int32, tag = "2")]
    pub(crate) execution_status: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) request_tx_hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) deadline: u64,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) fulfill_tx_hash: Option<Vec<u8>>,
    #[prost(string, optional, tag = "6")]
    pub(crate) proof_uri: Option<String>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(crate) public_values_hash: Option<Vec<u8>>,
    #[prost(string, optional, tag = "8")]
    pub(crate) proof_public_uri: Option<String>,
}

/// `ProofRequest` up to what both schemas agree on, and what the auction schema has beyond field 35. A field of the wrong
/// type makes decoding fail.
macro_rules! proof_request {
    ($name:ident { $($beyond:tt)* }) => {
        #[derive(Clone, PartialEq, Message)]
        pub(crate) struct $name {
            #[prost(bytes = "vec", tag = "1")]
            pub(crate) request_id: Vec<u8>,
            #[prost(bytes = "vec", tag = "2")]
            pub(crate) vk_hash: Vec<u8>,
            #[prost(string, tag = "3")]
            pub(crate) version: String,
            #[prost(int32, tag = "4")]
            pub(crate) mode: i32,
            #[prost(int32, tag = "5")]
            pub(crate) strategy: i32,
            #[prost(string, tag = "6")]
            pub(crate) program_uri: String,
            #[prost(string, tag = "7")]
            pub(crate) stdin_uri: String,
            #[prost(uint64, tag = "8")]
            pub(crate) deadline: u64,
            #[prost(uint64, tag = "9")]
            pub(crate) cycle_limit: u64,
            #[prost(uint64, optional, tag = "10")]
            pub(crate) gas_price: Option<u64>,
            #[prost(int32, tag = "11")]
            pub(crate) fulfillment_status: i32,
            #[prost(int32, tag = "12")]
            pub(crate) execution_status: i32,
            #[prost(bytes = "vec", tag = "13")]
            pub(crate) requester: Vec<u8>,
            #[prost(bytes = "vec", optional, tag = "14")]
            pub(crate) fulfiller: Option<Vec<u8>>,
            #[prost(string, optional, tag = "15")]
            pub(crate) program_name: Option<String>,
            #[prost(string, optional, tag = "16")]
            pub(crate) requester_name: Option<String>,
            #[prost(string, optional, tag = "17")]
            pub(crate) fulfiller_name: Option<String>,
            #[prost(uint64, tag = "18")]
            pub(crate) created_at: u64,
            #[prost(uint64, tag = "19")]
            pub(crate) updated_at: u64,
            #[prost(uint64, optional, tag = "20")]
            pub(crate) fulfilled_at: Option<u64>,
            #[prost(bytes = "vec", tag = "21")]
            pub(crate) tx_hash: Vec<u8>,
            #[prost(uint64, optional, tag = "22")]
            pub(crate) cycles: Option<u64>,
            #[prost(bytes = "vec", optional, tag = "23")]
            pub(crate) public_values_hash: Option<Vec<u8>>,
            #[prost(string, optional, tag = "24")]
            pub(crate) deduction_amount: Option<String>,
            #[prost(string, optional, tag = "25")]
            pub(crate) refund_amount: Option<String>,
            #[prost(uint64, tag = "26")]
            pub(crate) gas_limit: u64,
            #[prost(uint64, optional, tag = "27")]
            pub(crate) gas_used: Option<u64>,
            #[prost(int32, tag = "28")]
            pub(crate) execute_fail_cause: i32,
            #[prost(int32, tag = "29")]
            pub(crate) settlement_status: i32,
            #[prost(string, tag = "30")]
            pub(crate) program_public_uri: String,
            #[prost(string, tag = "31")]
            pub(crate) stdin_public_uri: String,
            #[prost(uint64, tag = "32")]
            pub(crate) min_auction_period: u64,
            #[prost(bytes = "vec", repeated, tag = "33")]
            pub(crate) whitelist: Vec<Vec<u8>>,
            $($beyond)*
        }
    };
}

proof_request!(BaseProofRequest {
    #[prost(int32, tag = "34")]
    pub(crate) error: i32,
    #[prost(bool, tag = "35")]
    pub(crate) stdin_private: bool,
});

proof_request!(AuctionProofRequest {
    #[prost(string, optional, tag = "34")]
    pub(crate) base_fee: Option<String>,
    #[prost(string, optional, tag = "35")]
    pub(crate) max_price_per_pgu: Option<String>,
    #[prost(int32, tag = "36")]
    pub(crate) error: i32,
    #[prost(bool, tag = "37")]
    pub(crate) is_canceled: bool,
    #[prost(bool, tag = "38")]
    pub(crate) stdin_private: bool,
    #[prost(bytes = "vec", optional, tag = "39")]
    pub(crate) error_trace: Option<Vec<u8>>,
    #[prost(string, optional, tag = "40")]
    pub(crate) floor_price_per_pgu: Option<String>,
});

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BaseDetails {
    #[prost(message, optional, tag = "1")]
    pub(crate) request: Option<BaseProofRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuctionDetails {
    #[prost(message, optional, tag = "1")]
    pub(crate) request: Option<AuctionProofRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Listing {
    #[prost(message, repeated, tag = "1")]
    pub(crate) requests: Vec<AuctionProofRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Filter {
    #[prost(string, optional, tag = "1")]
    pub(crate) version: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) fulfillment_status: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) execution_status: Option<i32>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) minimum_deadline: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) vk_hash: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(crate) requester: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(crate) fulfiller: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) from: Option<u64>,
    #[prost(uint64, optional, tag = "9")]
    pub(crate) to: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    pub(crate) limit: Option<u32>,
    #[prost(uint32, optional, tag = "11")]
    pub(crate) page: Option<u32>,
    #[prost(int32, optional, tag = "12")]
    pub(crate) mode: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "13")]
    pub(crate) not_bid_by: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "14")]
    pub(crate) execute_fail_cause: Option<i32>,
    #[prost(int32, optional, tag = "15")]
    pub(crate) settlement_status: Option<i32>,
    #[prost(int32, optional, tag = "16")]
    pub(crate) error: Option<i32>,
    #[prost(bool, optional, tag = "17")]
    pub(crate) field_17: Option<bool>,
}
