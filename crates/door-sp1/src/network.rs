//! `network.ProverNetwork`: one function per call, all of them elsewhere. Calls that are not named here are answered with
//! `Unimplemented` by tonic.

use hierophant_domain::TraceContext;
use hierophant_telemetry::{Kind as SpanKind, Span};
use tonic::{Request, Response, Status};

use crate::{
    details,
    door::Door,
    listing, market,
    observe::observed,
    programs,
    proto::{
        network::prover_network_server::ProverNetwork,
        types::{
            CancelRequestResponse, CreateProgramResponse, GetBalanceRequest, GetBalanceResponse,
            GetFilteredProofRequestsRequest, GetFilteredProofRequestsResponse, GetMarketPricePerPguRequest,
            GetMarketPricePerPguResponse, GetNonceRequest, GetNonceResponse, GetProgramRequest, GetProgramResponse,
            GetProofRequestDetailsRequest, GetProofRequestDetailsResponse, GetProofRequestParamsRequest,
            GetProofRequestParamsResponse, GetProofRequestStatusRequest, GetProofRequestStatusResponse,
            GetProversByUptimeRequest, GetProversByUptimeResponse, RequestProofResponse, SignedRequest,
        },
    },
    status, submit,
};

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ProverNetwork for Door {
    async fn get_nonce(&self, request: Request<GetNonceRequest>) -> Reply<GetNonceResponse> {
        observed("GetNonce", async { market::nonce(self, &request.get_ref().address) }).await
    }

    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Reply<GetBalanceResponse> {
        observed("GetBalance", async {
            market::balance(self, &request.get_ref().address)
        })
        .await
    }

    async fn get_program(&self, request: Request<GetProgramRequest>) -> Reply<GetProgramResponse> {
        observed("GetProgram", programs::get(self, request.into_inner())).await
    }

    async fn create_program(&self, request: Request<SignedRequest>) -> Reply<CreateProgramResponse> {
        observed("CreateProgram", programs::create(self, request.into_inner())).await
    }

    async fn get_proof_request_params(
        &self,
        request: Request<GetProofRequestParamsRequest>,
    ) -> Reply<GetProofRequestParamsResponse> {
        observed("GetProofRequestParams", async {
            market::params(self, request.get_ref().mode)
        })
        .await
    }

    async fn get_provers_by_uptime(&self, _: Request<GetProversByUptimeRequest>) -> Reply<GetProversByUptimeResponse> {
        observed("GetProversByUptime", async { Ok(market::provers()) }).await
    }

    async fn request_proof(&self, request: Request<SignedRequest>) -> Reply<RequestProofResponse> {
        let header = request.metadata().get("traceparent");
        let trace = header.and_then(|header| TraceContext::parse(header.to_str().ok()?).ok());
        let span = Span::begin("sp1.request_proof", SpanKind::Server, trace.as_ref());
        let answer = observed(
            "RequestProof",
            submit::request_proof(self, request.into_inner(), span.context()),
        )
        .await;
        if let Err(status) = &answer {
            span.failed(status.message());
        }
        answer
    }

    async fn get_proof_request_status(
        &self,
        request: Request<GetProofRequestStatusRequest>,
    ) -> Reply<GetProofRequestStatusResponse> {
        observed(
            "GetProofRequestStatus",
            status::get(self, &request.get_ref().request_id),
        )
        .await
    }

    async fn get_proof_request_details(
        &self,
        request: Request<GetProofRequestDetailsRequest>,
    ) -> Reply<GetProofRequestDetailsResponse> {
        observed(
            "GetProofRequestDetails",
            details::get(self, &request.get_ref().request_id),
        )
        .await
    }

    async fn get_filtered_proof_requests(
        &self,
        request: Request<GetFilteredProofRequestsRequest>,
    ) -> Reply<GetFilteredProofRequestsResponse> {
        observed("GetFilteredProofRequests", listing::list(self, request.into_inner())).await
    }

    async fn cancel_request(&self, request: Request<SignedRequest>) -> Reply<CancelRequestResponse> {
        observed("CancelRequest", submit::cancel(self, request.into_inner())).await
    }

    async fn get_market_price_per_pgu(
        &self,
        _: Request<GetMarketPricePerPguRequest>,
    ) -> Reply<GetMarketPricePerPguResponse> {
        observed("GetMarketPricePerPgu", async { Ok(market::price(self)) }).await
    }
}
