//! The daemon's HTTP API. JSON in and out, sealed blobs and plaintexts as octets; every error is a [`Problem`] with the
//! stable code and the remedy. Everything but `/v1/health` and `/openapi.json` needs the bearer token of
//! `data_dir/api.token`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::constant_time;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};
use zeroize::Zeroizing;

use crate::Error;
use crate::answers::{Evidence, Health, LeaseReport, Method, PredictReport, PutReport};
use crate::node::{Node, REFUSALS};
use crate::record::parse_record_number;
use crate::upload::{Upload, UploadKind};

/// What the routes share.
pub struct Shared {
    node: Arc<Node>,
    token: Zeroizing<String>,
    max_body_bytes: usize,
    requests: AtomicU64,
    failures: AtomicU64,
}

/// The routes over `node`, for requests that carry `token`.
pub fn router(node: Arc<Node>, token: Zeroizing<String>, max_body_bytes: usize) -> Router {
    let shared = Arc::new(Shared {
        node,
        token,
        max_body_bytes,
        requests: AtomicU64::new(0),
        failures: AtomicU64::new(0),
    });
    Router::new()
        .route("/v1/records", post(put))
        .route("/v1/records/{record}", get(blob))
        .route("/v1/records/{record}/evidence", get(evidence))
        .route("/v1/records/{record}/sections/{*section}", get(section))
        .route("/v1/records/{record}/predict", get(predict))
        .route("/v1/leases", post(lease))
        .route("/v1/readers", post(reader))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(shared.clone(), authorize))
        .route("/v1/health", get(health))
        .route("/openapi.json", get(openapi))
        .layer(middleware::from_fn_with_state(shared.clone(), count))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .with_state(shared)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "twinseald", description = "Seal, share, verify and predict digital-twin data."),
    paths(put, blob, evidence, section, predict, lease, reader, health, metrics)
)]
struct ApiDoc;

/// The OpenAPI document as JSON.
pub fn openapi_json() -> String {
    ApiDoc::openapi().to_json().unwrap_or_default()
}

/// An error as the API gives it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable, e.g. `TSL-NOD-011`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Error::Unauthorized => StatusCode::UNAUTHORIZED,
            Error::ObjectMissing { .. } | Error::NoSuchSection { .. } | Error::NoSuchRecord { .. } => {
                StatusCode::NOT_FOUND
            }
            Error::NoLease { .. } => StatusCode::PAYMENT_REQUIRED,
            // Refusals of the ledger: what was asked is understood and not allowed.
            Error::Ledger(e) if e.code().starts_with(REFUSALS) || e.code() == "TSL-LED-008" => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Error::ObjectTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Store(_) => StatusCode::INSUFFICIENT_STORAGE,
            Error::Driver(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::BadRecordNumber { .. }
            | Error::BadSectionName
            | Error::BadUpload { .. }
            | Error::UnknownAuthority { .. }
            | Error::Abe(_)
            | Error::Twin(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::ObjectTampered { .. } | Error::LedgerMismatch { .. } | Error::BadSignature => {
                StatusCode::CONFLICT
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem { code: self.code().into(), message: self.to_string() };
        (status, Json(problem)).into_response()
    }
}

async fn authorize(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    let expected = shared.token.as_bytes();
    let ok = given.is_some_and(|g| constant_time::verify_slices_are_equal(g, expected).is_ok());
    if ok { next.run(request).await } else { Error::Unauthorized.into_response() }
}

async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    shared.failures.fetch_add(1, Ordering::Relaxed);
    explain(response, shared.max_body_bytes).await
}

/// What the framework refused by itself (routes, methods, queries, bodies) becomes a [`Problem`] too.
async fn explain(response: Response, limit: usize) -> Response {
    let json =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes() == b"application/json");
    if json {
        return response;
    }
    let status = response.status();
    let reason = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    let reason = match String::from_utf8_lossy(&reason).trim() {
        "" => status.canonical_reason().unwrap_or("unknown").to_owned(),
        reason => reason.to_owned(),
    };
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge { limit },
        _ => Error::BadRequest { status: status.as_u16(), reason },
    };
    let problem = Problem { code: error.code().into(), message: error.to_string() };
    (status, Json(problem)).into_response()
}

/// How an upload is to be read and who may open it.
#[derive(Debug, Deserialize, IntoParams)]
struct PutQuery {
    /// `dexcom`, `e4` or `file`; guessed from the content when absent.
    kind: Option<UploadKind>,
    /// Policy of the stream or file section; the node's default when absent.
    policy: Option<String>,
}

/// Seal, store and register a record.
#[utoipa::path(post, path = "/v1/records", params(PutQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = PutReport), (status = 402, body = Problem), (status = 422, body = Problem)))]
async fn put(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<PutQuery>,
    body: Bytes,
) -> Result<Json<PutReport>, Error> {
    let upload = Upload::parse(&body, query.kind, query.policy.as_deref())?;
    Ok(Json(shared.node.put(upload).await?))
}

/// The sealed blob, checked against its hash on the ledger.
#[utoipa::path(get, path = "/v1/records/{record}", params(("record" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
async fn blob(State(shared): State<Arc<Shared>>, Path(record): Path<String>) -> Result<Vec<u8>, Error> {
    shared.node.blob(parse_record_number(&record)?).await
}

/// What the ledger says about a record, with the inclusion proof.
#[utoipa::path(get, path = "/v1/records/{record}/evidence", params(("record" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = Evidence), (status = 404, body = Problem)))]
async fn evidence(
    State(shared): State<Arc<Shared>>,
    Path(record): Path<String>,
) -> Result<Json<Evidence>, Error> {
    Ok(Json(shared.node.evidence(parse_record_number(&record)?)?))
}

/// One section in the clear, opened by the owner's own key.
#[utoipa::path(get, path = "/v1/records/{record}/sections/{section}",
    params(("record" = String, Path, description = "32 hex digits"), ("section" = String, Path, description = "e.g. personal")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
async fn section(
    State(shared): State<Arc<Shared>>,
    Path((record, name)): Path<(String, String)>,
) -> Result<Vec<u8>, Error> {
    let plaintext = shared.node.open_section(parse_record_number(&record)?, &name).await?;
    Ok(plaintext.to_vec())
}

/// How to fill gaps.
#[derive(Debug, Deserialize, IntoParams)]
struct PredictQuery {
    /// `pchip` or `lsh`.
    #[serde(default)]
    method: Method,
}

/// The gaps of a record's stream, filled beside the data.
#[utoipa::path(get, path = "/v1/records/{record}/predict", params(("record" = String, Path, description = "32 hex digits"), PredictQuery),
    responses((status = 200, body = PredictReport), (status = 404, body = Problem)))]
async fn predict(
    State(shared): State<Arc<Shared>>,
    Path(record): Path<String>,
    Query(query): Query<PredictQuery>,
) -> Result<Json<PredictReport>, Error> {
    Ok(Json(shared.node.predict(parse_record_number(&record)?, query.method).await?))
}

/// What to rent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LeaseRequest {
    /// Room for blobs.
    pub size_bytes: u64,
    /// From the block that records it.
    pub duration_ms: u64,
}

/// Pay a storage lease on the ledger.
#[utoipa::path(post, path = "/v1/leases", request_body = LeaseRequest,
    responses((status = 200, body = LeaseReport), (status = 422, body = Problem)))]
async fn lease(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<LeaseRequest>,
) -> Result<Json<LeaseReport>, Error> {
    Ok(Json(shared.node.pay_lease(request.size_bytes, request.duration_ms).await?))
}

/// Who is to read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReaderRequest {
    /// The reader's unique name; keys of two readers do not combine.
    pub uid: String,
    /// `name@authority`, each.
    pub attributes: Vec<String>,
}

/// Attribute keys for a reader from this node's authorities. The answer is secret.
#[utoipa::path(post, path = "/v1/readers", request_body = ReaderRequest,
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 422, body = Problem)))]
async fn reader(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<ReaderRequest>,
) -> Result<Vec<u8>, Error> {
    let keys = shared.node.issue(&request.uid, &request.attributes)?;
    Ok(keys.to_vec())
}

/// Alive, and with what.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
async fn health(State(shared): State<Arc<Shared>>) -> Result<Json<Health>, Error> {
    Ok(Json(shared.node.health()?))
}

/// Counters in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
async fn metrics(State(shared): State<Arc<Shared>>) -> Result<String, Error> {
    let health = shared.node.health()?;
    let requests = shared.requests.load(Ordering::Relaxed);
    let failures = shared.failures.load(Ordering::Relaxed);
    Ok(format!(
        "# HELP twinseal_requests_total API requests received.\n\
         # TYPE twinseal_requests_total counter\n\
         twinseal_requests_total {requests}\n\
         # HELP twinseal_request_failures_total API requests answered with an error.\n\
         # TYPE twinseal_request_failures_total counter\n\
         twinseal_request_failures_total {failures}\n\
         # HELP twinseal_ledger_height Height of the newest block.\n\
         # TYPE twinseal_ledger_height gauge\n\
         twinseal_ledger_height {}\n",
        health.height
    ))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
