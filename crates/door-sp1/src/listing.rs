//! Listings. What the store can filter by, it does; the rest is filtered here, over a bounded number of rows.
//!
//! Listings are not signed, as in the network that clients know: they show no URL, and no input.

use std::sync::Arc;

use hierophant_domain::{Kind, Name, Request, RequestState, Timestamp, failure::MESSAGE_MAX_BYTES};
use hierophant_store::{PAGE_MAX, RequestFilter};
use tonic::Status;

use crate::{
    account::{self, ADDRESS_BYTES},
    decode::{TEXT_MAX_BYTES, WHITELIST_MAX},
    details,
    door::Door,
    programs,
    proto::types::{
        ExecuteFailureCause, ExecutionStatus, FulfillmentStatus, GetFilteredProofRequestsRequest,
        GetFilteredProofRequestsResponse, ProofRequest, ProofRequestError,
    },
    refusal,
    settings::kind_of,
    status::{self, DEADLINE_MARGIN},
    submit::VERSION_PREFIX,
};

/// Requests of a page when the client does not say.
const LIMIT_DEFAULT: u32 = 10;
/// Most requests of a page.
const LIMIT_MAX: u32 = 100;
/// Most rows that one listing passes over or looks at; deeper ones have to be narrowed.
const ROWS_MAX: usize = 10_000;

/// What clients take in one reply, in bytes.
const REPLY_MAX_BYTES: usize = 4 << 20;
/// Everything of a shown request that is not counted below, in bytes: hashes, numbers, tags.
const FIXED_MAX_BYTES: usize = 1024;
const SHOWN_MAX_BYTES: usize =
    FIXED_MAX_BYTES + WHITELIST_MAX * (ADDRESS_BYTES + 4) + 3 * (TEXT_MAX_BYTES + 4) + MESSAGE_MAX_BYTES + 4;
const _: () = assert!(
    LIMIT_MAX as usize * SHOWN_MAX_BYTES < REPLY_MAX_BYTES,
    "a full page must fit clients' limit"
);
const _: () = assert!(LIMIT_MAX as usize <= PAGE_MAX, "a page must be one page of the store");

/// Lists what matches, newest first.
pub(crate) async fn list(
    door: &Door,
    asked: GetFilteredProofRequestsRequest,
) -> Result<GetFilteredProofRequestsResponse, Status> {
    let page = Page::of(&asked)?;
    let rest = Rest::of(&asked)?;
    let Some(filter) = store_filter(door, &asked)? else {
        return Ok(GetFilteredProofRequestsResponse { requests: Vec::new() });
    };
    let found = if rest.is_any() {
        one_page(door, filter, page).await?
    } else {
        scan(door, filter, page, &rest).await?
    };
    let requests: Result<Vec<ProofRequest>, Status> =
        found.iter().map(|request| details::shown(door, request)).collect();
    Ok(GetFilteredProofRequestsResponse { requests: requests? })
}

/// Which part of what matches is wanted.
#[derive(Clone, Copy, Debug)]
struct Page {
    skip: usize,
    take: usize,
}

impl Page {
    fn of(asked: &GetFilteredProofRequestsRequest) -> Result<Self, Status> {
        let (limit, page) = (asked.limit.unwrap_or(LIMIT_DEFAULT), asked.page.unwrap_or(1));
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Status::invalid_argument(format!(
                "limit {limit} is not from 1 to {LIMIT_MAX}; ask for more pages"
            )));
        }
        if page == 0 {
            return Err(Status::invalid_argument("pages are counted from 1"));
        }
        let take = limit as usize;
        let skip = (page as usize - 1).saturating_mul(take);
        if skip.saturating_add(take) > ROWS_MAX {
            Err(too_deep())
        } else {
            Ok(Self { skip, take })
        }
    }
}

/// What the store does not filter by.
#[derive(Debug)]
struct Rest {
    execution: Option<ExecutionStatus>,
    cause: Option<ExecuteFailureCause>,
    error: Option<ProofRequestError>,
}

impl Rest {
    fn of(asked: &GetFilteredProofRequestsRequest) -> Result<Self, Status> {
        if asked.is_timed_out_or_canceled.is_some() || asked.use_mainnet_or_is_timed_out.is_some() {
            return Err(Status::invalid_argument(
                "fields 17 and 18 mean different things in the two schemas of this call and are not served; filter by \
                 fulfillment_status and read is_canceled",
            ));
        }
        Ok(Self {
            execution: known(asked.execution_status, "execution_status", ExecutionStatus::try_from)?,
            cause: known(
                asked.execute_fail_cause,
                "execute_fail_cause",
                ExecuteFailureCause::try_from,
            )?,
            error: known(asked.error, "error", ProofRequestError::try_from)?,
        })
    }

    fn is_any(&self) -> bool {
        self.execution.is_none() && self.cause.is_none() && self.error.is_none()
    }

    fn matches(&self, request: &Request) -> bool {
        let failure = request.failure.as_ref();
        self.execution
            .is_none_or(|wanted| status::execution(request.state, &request.execution, failure) == wanted)
            && self.cause.is_none_or(|wanted| status::fail_cause(failure) == wanted)
            && self.error.is_none_or(|wanted| status::error(failure) == wanted)
    }
}

/// An enum's value; 0 is as good as absent.
fn known<E, X>(value: Option<i32>, field: &str, read: impl Fn(i32) -> Result<E, X>) -> Result<Option<E>, Status> {
    match value {
        None | Some(0) => Ok(None),
        Some(number) => match read(number) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Status::invalid_argument(format!(
                "{field} {number} is unknown; leave it away to list all"
            ))),
        },
    }
}

/// The store's part; `None` when nothing can match.
fn store_filter(door: &Door, asked: &GetFilteredProofRequestsRequest) -> Result<Option<RequestFilter>, Status> {
    let Some(states) = states(known(
        asked.fulfillment_status,
        "fulfillment_status",
        FulfillmentStatus::try_from,
    )?) else {
        return Ok(None);
    };
    let kind = match asked.mode {
        None | Some(0) => None,
        Some(mode) => Some(kind(mode)?),
    };
    if let Some(hash) = &asked.vk_hash {
        programs::vk_hash(hash)?;
    }
    let requester = match &asked.requester {
        None => None,
        Some(bytes) => {
            let account =
                account::address(bytes).ok_or_else(|| Status::invalid_argument("a requester has 20 bytes"))?;
            Some(door.requester(account))
        }
    };
    let toolchain = match asked
        .version
        .as_deref()
        .map(|version| version.strip_prefix(VERSION_PREFIX).map(Name::new))
    {
        None => None,
        Some(Some(Ok(name))) => Some(name),
        Some(None | Some(Err(_))) => return Ok(None),
    };
    // Workers have no account and requests are not settled on a chain: nothing is anybody's, and nothing is settled.
    if asked.fulfiller.is_some() || asked.settlement_status.is_some_and(|status| status != 0) {
        return Ok(None);
    }
    let shown_from = asked.minimum_deadline.map(Timestamp::from_unix_seconds);
    Ok(Some(RequestFilter {
        door: Some(door.name.clone()),
        requester,
        states,
        program: asked.vk_hash.as_ref().map(|hash| hash.to_vec()),
        kind,
        toolchain,
        accepted_from: asked.from.map(Timestamp::from_unix_seconds),
        accepted_to: asked.to.map(Timestamp::from_unix_seconds),
        deadline_from: shown_from.map(|shown| Timestamp(shown.0.saturating_sub(DEADLINE_MARGIN.0))),
        offset: 0,
        limit: PAGE_MAX,
    }))
}

fn kind(mode: i32) -> Result<Kind, Status> {
    kind_of(mode).ok_or_else(|| Status::invalid_argument(format!("mode {mode} is unknown; leave it away to list all")))
}

/// The states behind a status; none named: any. `None` for a status that no request here ever has.
fn states(wanted: Option<FulfillmentStatus>) -> Option<Vec<RequestState>> {
    match wanted {
        None | Some(FulfillmentStatus::UnspecifiedFulfillmentStatus) => Some(Vec::new()),
        Some(FulfillmentStatus::Assigned) => Some(vec![RequestState::Open]),
        Some(FulfillmentStatus::Fulfilled) => Some(vec![RequestState::Fulfilled]),
        Some(FulfillmentStatus::Unfulfillable) => Some(vec![
            RequestState::Failed,
            RequestState::Cancelled,
            RequestState::Expired,
        ]),
        Some(FulfillmentStatus::Requested | FulfillmentStatus::Reverted | FulfillmentStatus::Expired) => None,
    }
}

async fn one_page(door: &Door, filter: RequestFilter, page: Page) -> Result<Vec<Arc<Request>>, Status> {
    let filter = RequestFilter {
        offset: page.skip,
        limit: page.take,
        ..filter
    };
    door.clients.list(filter).await.map_err(refusal::of_core)
}

/// Looks at row after row. Refuses rather than leaving something out unsaid.
async fn scan(door: &Door, filter: RequestFilter, page: Page, rest: &Rest) -> Result<Vec<Arc<Request>>, Status> {
    let (mut skip, mut found) = (page.skip, Vec::new());
    for offset in (0..ROWS_MAX).step_by(PAGE_MAX) {
        let rows = door
            .clients
            .list(RequestFilter {
                offset,
                ..filter.clone()
            })
            .await
            .map_err(refusal::of_core)?;
        let last = rows.len() < PAGE_MAX;
        for row in rows.into_iter().filter(|row| rest.matches(row)) {
            if skip > 0 {
                skip -= 1;
            } else if found.len() < page.take {
                found.push(row);
            }
        }
        if last || found.len() == page.take {
            return Ok(found);
        }
    }
    Err(too_deep())
}

fn too_deep() -> Status {
    Status::invalid_argument(format!(
        "the listing would go over more than {ROWS_MAX} requests; narrow it with requester, vk_hash, from, to or fulfillment_status"
    ))
}
