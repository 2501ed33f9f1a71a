//! The daemon's HTTP API. JSON in and out, sealed blobs and plaintexts as octets; every error is a [`Problem`] with the
//! stable code and the remedy. Everything needs the bearer token of `data_dir/api.token`, except `/v1/health`,
//! `/openapi.json`, the authorities' public keys, and what is signed by the identity of whoever asks: requests for
//! attribute keys, and transform keys. `data_dir/reader.token` is for those who open with keys of their own: it fetches
//! what is sealed, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, MatchedPath, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put as put_method};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::{info, warn};
use twinseal_ledger::{Clock, SystemClock};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};

use crate::Error;
use crate::answers::{
    Attestation, BoardStatus, Evidence, Health, LeaseReport, Method, PredictReport, PutReport, RecoverReport,
};
use crate::authority::request::MAX_REQUEST_BYTES;
use crate::authority::{Authority, Published, Report};
use crate::node::{Node, REFUSALS, Tokens};
use crate::record::parse_record_number;
use crate::recover::Recovered;
use crate::root::Kind;
use crate::statement::MAX_AGE_MS;
use crate::transform::MAX_UPLOAD_BYTES;
use crate::upload::{Upload, UploadKind};

/// What the routes share.
pub struct Shared {
    node: Arc<Node>,
    tokens: Tokens,
    max_body_bytes: usize,
    requests: AtomicU64,
    failures: AtomicU64,
    strangers: Mutex<Allowance>,
    /// Requests of strangers whose bodies may be in memory at a time.
    places: Semaphore,
}

/// How many requests of people without a token are worked on at a time.
const STRANGERS: usize = 16;
/// How long a stranger may take to send one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most pieces of a refused body that are let go by.
const MAX_FRAMES: usize = 1 << 14;

/// How many requests of people without a token are answered: a burst, and so many a second.
#[derive(Debug)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    const BURST: f64 = 64.0;
    const PER_SECOND: f64 = 16.0;

    fn take(&mut self, now: Instant) -> Result<(), Error> {
        let refilled = self.left + now.saturating_duration_since(self.at).as_secs_f64() * Self::PER_SECOND;
        (self.left, self.at) = (refilled.min(Self::BURST), now);
        if self.left < 1.0 {
            return Err(Error::TooManyRequests);
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Shared {
    fn throttle(&self) -> Result<(), Error> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
    }
}

/// The routes over `node`, for requests that carry one of `tokens`.
pub fn router(node: Arc<Node>, tokens: Tokens, max_body_bytes: usize) -> Router {
    let shared = Arc::new(Shared {
        node,
        tokens,
        max_body_bytes,
        requests: AtomicU64::new(0),
        failures: AtomicU64::new(0),
        strangers: Mutex::new(Allowance { left: Allowance::BURST, at: Instant::now() }),
        places: Semaphore::new(STRANGERS),
    });
    // Before a body is read: how often, how many at a time, how long and how large.
    let from_strangers = |route: MethodRouter<Arc<Shared>>, limit: usize| {
        route
            .layer(DefaultBodyLimit::max(limit))
            .layer(middleware::from_fn_with_state((shared.clone(), limit), stranger))
    };
    let sealed = Router::new()
        .route("/v1/records/{record}", get(blob))
        .route("/v1/records/{record}/evidence", get(evidence))
        .route("/v1/records/{record}/sections/{section}/body", get(body))
        .route("/v1/records/{record}/sections/{section}/transformed", get(transformed))
        .route_layer(middleware::from_fn_with_state(shared.clone(), authorize_reader));
    Router::new()
        .route("/v1/records", post(put))
        .route("/v1/recovered", post(recovered))
        .route("/v1/board", get(board))
        .route("/v1/board/attest", post(attest))
        .route("/v1/records/{record}/sections/{section}", get(section))
        .route("/v1/records/{record}/sections/{section}/rewrap", post(rewrap))
        .route("/v1/records/{record}/predict", get(predict))
        .route("/v1/leases", post(lease))
        .route("/v1/authorities", post(init_authority))
        .route("/v1/authorities/{name}", get(authority))
        .route("/v1/authorities/{name}/approvals", post(approve))
        .route("/v1/authorities/{name}/users/{user}", delete(revoke))
        .route("/v1/authorities/{name}/users/{user}/claims/{claim}", delete(withdraw))
        .route("/v1/authorities/{name}/rotate", post(rotate))
        .route("/v1/transform-keys/{id}", delete(delete_transform_key))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(shared.clone(), authorize))
        .merge(sealed)
        .route("/v1/health", get(health))
        .route("/v1/authorities", get(authorities))
        .route("/v1/authorities/{name}/requests", from_strangers(post(request_attributes), MAX_REQUEST_BYTES))
        .route("/v1/transform-keys/{id}", from_strangers(put_method(keep_transform_key), MAX_UPLOAD_BYTES))
        .route(
            "/v1/transform-keys/{id}/forget",
            from_strangers(post(forget_transform_key), MAX_REQUEST_BYTES),
        )
        .route("/openapi.json", get(openapi))
        .layer(middleware::from_fn_with_state(shared.clone(), count))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .with_state(shared)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "twinseald", description = "Seal, share, verify and predict digital-twin data."),
    security(("token" = [])),
    modifiers(&Bearer),
    paths(
        put,
        recovered,
        board,
        attest,
        blob,
        evidence,
        section,
        body,
        transformed,
        rewrap,
        predict,
        lease,
        authorities,
        init_authority,
        authority,
        request_attributes,
        approve,
        revoke,
        withdraw,
        rotate,
        keep_transform_key,
        forget_transform_key,
        delete_transform_key,
        health,
        metrics
    )
)]
struct ApiDoc;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some("data_dir/api.token; reader.token for what is sealed".into());
        api.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(http));
    }
}

/// The OpenAPI document as JSON.
pub fn openapi_json() -> String {
    ApiDoc::openapi().to_json().unwrap_or_default()
}

/// An error as the API gives it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable, e.g. `TSL-NOD-011`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Error::Unauthorized | Error::BadStatement => StatusCode::UNAUTHORIZED,
            Error::NotApproved { .. }
            | Error::UserRevoked { .. }
            | Error::UnknownUser
            | Error::OwnersOnly
            | Error::WrongUser
            | Error::TooManyTransformKeys { .. } => StatusCode::FORBIDDEN,
            Error::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Error::ObjectMissing { .. }
            | Error::NoSuchSection { .. }
            | Error::NoSuchRecord { .. }
            | Error::NoTransformKey { .. }
            | Error::UnknownAuthority { .. } => StatusCode::NOT_FOUND,
            Error::NoLease { .. } => StatusCode::PAYMENT_REQUIRED,
            // Refusals of the ledger: what was asked is understood and not allowed.
            Error::Ledger(e) if e.code().starts_with(REFUSALS) || e.code() == "TSL-LED-008" => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Error::ObjectTooLarge { .. } | Error::BodyTooLarge { .. } | Error::RequestTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Error::Store(_) => StatusCode::INSUFFICIENT_STORAGE,
            Error::Driver(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::BadRecordNumber { .. }
            | Error::BadSectionName
            | Error::BadUpload { .. }
            | Error::BadRecovery { .. }
            | Error::NotFresh { .. }
            | Error::BadClaim { .. }
            | Error::BadUserId { .. }
            | Error::NotOnRoll { .. }
            | Error::BadMailKey
            | Error::Abe(_)
            | Error::Twin(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::ObjectTampered { .. }
            | Error::LedgerMismatch { .. }
            | Error::BadSignature
            | Error::Replayed
            | Error::NoVault
            | Error::NeedsReinstating { .. }
            | Error::NeedsCeremony { .. }
            | Error::AuthorityExists { .. } => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem { code: self.code().into(), message: self.to_string() };
        let mut response = (status, Json(problem)).into_response();
        response.extensions_mut().insert(Refusal(self.code().into()));
        response
    }
}

/// The code of a refusal, for the log.
#[derive(Clone)]
struct Refusal(String);

/// The owner's requests.
async fn authorize(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if carries(&request, &shared.tokens.owner) {
        next.run(request).await
    } else if carries(&request, &shared.tokens.reader) {
        // A client that is still sending would miss the answer: what it sends is let go by, none of it kept.
        let mut sent = request.into_body().into_data_stream().take(MAX_FRAMES);
        let _ = tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = sent.next().await {} }).await;
        Error::OwnersOnly.into_response()
    } else {
        Error::Unauthorized.into_response()
    }
}

/// Requests for what is sealed.
async fn authorize_reader(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let ok = carries(&request, &shared.tokens.reader) || carries(&request, &shared.tokens.owner);
    if ok { next.run(request).await } else { Error::Unauthorized.into_response() }
}

fn carries(request: &Request, token: &str) -> bool {
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|g| constant_time::verify_slices_are_equal(g, token.as_bytes()).is_ok())
}

/// Requests of people without a token.
async fn stranger(
    State((shared, limit)): State<(Arc<Shared>, usize)>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(error) = shared.throttle() {
        return error.into_response();
    }
    let Ok(_place) = shared.places.try_acquire() else { return Error::TooManyRequests.into_response() };
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Err(_) => Error::BadRequest { status: 408, reason: "it came too slowly; send it again".into() }
            .into_response(),
        Ok(response) if response.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Error::RequestTooLarge { limit }.into_response()
        }
        Ok(response) => response,
    }
}

/// Counts requests, and logs refusals: which route and why, never what was sent.
async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    shared.failures.fetch_add(1, Ordering::Relaxed);
    let response = explain(response, shared.max_body_bytes).await;
    let code = response.extensions().get::<Refusal>().map_or("", |refusal| &refusal.0);
    let (status, path) = (response.status().as_u16(), path.as_deref().unwrap_or("unknown"));
    if response.status().is_server_error() {
        warn!(%method, path, status, code, "failed");
    } else {
        info!(%method, path, status, code, "refused");
    }
    response
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
    let mut response = error.into_response();
    *response.status_mut() = status;
    response
}

/// How an upload is to be read and who may open it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PutQuery {
    /// `dexcom`, `e4` or `file`; guessed from the content when absent.
    kind: Option<UploadKind>,
    /// Policy of the stream or file section; the node's default when absent.
    policy: Option<String>,
    /// Leave the node's recovery policy out: the record is then lost with the board.
    #[serde(default)]
    no_recovery: bool,
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
    Ok(Json(shared.node.put(upload, !query.no_recovery).await?))
}

/// Put a record of a lost node anew: what `twinseal recover` opened, postcard.
#[utoipa::path(post, path = "/v1/recovered", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = RecoverReport), (status = 402, body = Problem), (status = 422, body = Problem)))]
async fn recovered(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<RecoverReport>, Error> {
    Ok(Json(shared.node.recover(Recovered::from_bytes(&body)?).await?))
}

/// What is plugged in and whether it answers, what keys grow from, and whether records outlive it.
#[utoipa::path(get, path = "/v1/board", responses((status = 200, body = BoardStatus)))]
async fn board(State(shared): State<Arc<Shared>>) -> Json<BoardStatus> {
    Json(shared.node.board_status())
}

/// What the board is to answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// 64 hex digits, which whoever asks has drawn.
    pub challenge: String,
}

/// Have the board's vault answer a challenge.
#[utoipa::path(post, path = "/v1/board/attest", request_body = Challenge,
    responses((status = 200, body = Attestation), (status = 409, body = Problem), (status = 503, body = Problem)))]
async fn attest(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Challenge>,
) -> Result<Json<Attestation>, Error> {
    Ok(Json(shared.node.attest(&request.challenge)?))
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
    params(("record" = String, Path, description = "32 hex digits"), ("section" = String, Path, description = "e.g. personal; / as %2F")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
async fn section(
    State(shared): State<Arc<Shared>>,
    Path((record, name)): Path<(String, String)>,
) -> Result<Vec<u8>, Error> {
    let plaintext = shared.node.open_section(parse_record_number(&record)?, &name).await?;
    Ok(plaintext.to_vec())
}

/// One section's body, sealed: the object whose hash the blob names.
#[utoipa::path(get, path = "/v1/records/{record}/sections/{section}/body",
    params(("record" = String, Path, description = "32 hex digits"), ("section" = String, Path, description = "e.g. personal; / as %2F")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
async fn body(
    State(shared): State<Arc<Shared>>,
    Path((record, name)): Path<(String, String)>,
) -> Result<Vec<u8>, Error> {
    shared.node.body_of(parse_record_number(&record)?, &name).await
}

/// Which transform key to work with.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TransformQuery {
    /// 32 hex digits.
    key: String,
}

/// One section, sealed, with the pairings of its opening done under a transform key; postcard.
#[utoipa::path(get, path = "/v1/records/{record}/sections/{section}/transformed",
    params(("record" = String, Path, description = "32 hex digits"), ("section" = String, Path, description = "e.g. personal; / as %2F"), TransformQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
async fn transformed(
    State(shared): State<Arc<Shared>>,
    Path((record, name)): Path<(String, String)>,
    Query(query): Query<TransformQuery>,
) -> Result<Vec<u8>, Error> {
    shared.node.transformed(parse_record_number(&record)?, &name, &query.key).await?.to_bytes()
}

/// Who may read from now on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RewrapRequest {
    /// The new policy; the old one under the authorities' current keys when absent.
    pub policy: Option<String>,
    /// Leave the node's recovery policy out.
    #[serde(default)]
    pub no_recovery: bool,
}

/// Give a section another policy, without touching its body; the record's next version is registered.
#[utoipa::path(post, path = "/v1/records/{record}/sections/{section}/rewrap", request_body = RewrapRequest,
    params(("record" = String, Path, description = "32 hex digits"), ("section" = String, Path, description = "e.g. personal; / as %2F")),
    responses((status = 200, body = PutReport), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn rewrap(
    State(shared): State<Arc<Shared>>,
    Path((record, name)): Path<(String, String)>,
    Json(request): Json<RewrapRequest>,
) -> Result<Json<PutReport>, Error> {
    let record = parse_record_number(&record)?;
    Ok(Json(shared.node.rewrap(record, &name, request.policy.as_deref(), !request.no_recovery).await?))
}

/// How to fill gaps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
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

/// Public keys of this node's authorities, of every generation.
#[utoipa::path(get, path = "/v1/authorities", security(()), responses((status = 200, body = Vec<Published>)))]
async fn authorities(State(shared): State<Arc<Shared>>) -> Json<Vec<Published>> {
    Json(shared.node.authorities().iter().flat_map(Authority::published).collect())
}

/// A new authority.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRequest {
    /// Its name, as it stands behind the `@`.
    pub name: String,
    /// It certifies the epoch.
    #[serde(default)]
    pub clock: bool,
}

/// Make an authority.
#[utoipa::path(post, path = "/v1/authorities", request_body = AuthorityRequest,
    responses((status = 200, body = Report), (status = 409, body = Problem)))]
async fn init_authority(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<AuthorityRequest>,
) -> Result<Json<Report>, Error> {
    shared.node.init_authority(&request.name, request.clock).map(Json)
}

/// What the operator of an authority sees: generations, roll, what waits, what was issued.
#[utoipa::path(get, path = "/v1/authorities/{name}", params(("name" = String, Path, description = "of the authority")),
    responses((status = 200, body = Report), (status = 404, body = Problem)))]
async fn authority(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Report>, Error> {
    Ok(Json(shared.node.authorities().get(&name)?.report()))
}

/// Attribute keys, for a request signed by the identity that asks; sealed to its X-Wing key. No token is needed.
#[utoipa::path(post, path = "/v1/authorities/{name}/requests", security(()),
    params(("name" = String, Path, description = "of the authority")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 403, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)))]
async fn request_attributes(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Vec<u8>, Error> {
    shared.node.answer(&name, &body, MAX_AGE_MS)
}

/// Whom an authority vouches for, and for what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// 64 hex digits, as `twinseal identity` prints them.
    pub user: String,
    /// `name@authority` or `name=value@authority`, each.
    pub attributes: Vec<String>,
    /// Unix milliseconds; for good when absent.
    pub until_ms: Option<u64>,
    /// Take back a revocation of the user; what they had before it does not return.
    #[serde(default)]
    pub reinstate: bool,
}

/// Put a user's attributes on the roll.
#[utoipa::path(post, path = "/v1/authorities/{name}/approvals", request_body = Approval,
    params(("name" = String, Path, description = "of the authority")),
    responses((status = 200, body = Report), (status = 422, body = Problem)))]
async fn approve(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(approval): Json<Approval>,
) -> Result<Json<Report>, Error> {
    let mut authorities = shared.node.authorities();
    let authority = authorities.get_mut(&name)?;
    let Approval { user, attributes, until_ms, reinstate } = &approval;
    if *reinstate {
        authority.reinstate(user, attributes, *until_ms)?;
    } else {
        authority.approve(user, attributes, *until_ms)?;
    }
    info!(authority = name, user, claims = attributes.len(), reinstate, "approved");
    Ok(Json(authority.report()))
}

/// Take one attribute of a user from the roll.
#[utoipa::path(delete, path = "/v1/authorities/{name}/users/{user}/claims/{claim}",
    params(("name" = String, Path, description = "of the authority"), ("user" = String, Path, description = "64 hex digits"),
        ("claim" = String, Path, description = "as it was approved")),
    responses((status = 200, body = Report), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn withdraw(
    State(shared): State<Arc<Shared>>,
    Path((name, user, claim)): Path<(String, String, String)>,
) -> Result<Json<Report>, Error> {
    let mut authorities = shared.node.authorities();
    let authority = authorities.get_mut(&name)?;
    authority.withdraw(&user, &claim)?;
    info!(authority = name, user, claim, "withdrawn");
    Ok(Json(authority.report()))
}

/// Issue nothing more to a user, and do no more work with their transform keys.
#[utoipa::path(delete, path = "/v1/authorities/{name}/users/{user}",
    params(("name" = String, Path, description = "of the authority"), ("user" = String, Path, description = "64 hex digits")),
    responses((status = 200, body = Report), (status = 404, body = Problem)))]
async fn revoke(
    State(shared): State<Arc<Shared>>,
    Path((name, user)): Path<(String, String)>,
) -> Result<Json<Report>, Error> {
    shared.node.revoke(&name, &user)?;
    Ok(Json(shared.node.authorities().get(&name)?.report()))
}

/// Start a new generation of an authority's key.
#[utoipa::path(post, path = "/v1/authorities/{name}/rotate", params(("name" = String, Path, description = "of the authority")),
    responses((status = 200, body = Report), (status = 404, body = Problem)))]
async fn rotate(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Json<Report>, Error> {
    shared.node.rotate(&name).map(Json)
}

/// Leave a transform key, signed by the identity of its user; `id` is the start of its SHA-256.
#[utoipa::path(put, path = "/v1/transform-keys/{id}", security(()), params(("id" = String, Path, description = "32 hex digits")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200), (status = 403, body = Problem), (status = 429, body = Problem)))]
async fn keep_transform_key(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(), Error> {
    shared.node.keep_transform_key(&id, &body)
}

/// Delete a transform key, at the signed wish of its user.
#[utoipa::path(post, path = "/v1/transform-keys/{id}/forget", security(()), params(("id" = String, Path, description = "32 hex digits")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn forget_transform_key(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(), Error> {
    shared.node.transform_keys().forget(&id, &body, SystemClock.now_ms())
}

/// Delete a transform key, as the operator.
#[utoipa::path(delete, path = "/v1/transform-keys/{id}", params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200), (status = 404, body = Problem)))]
async fn delete_transform_key(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<(), Error> {
    shared.node.transform_keys().delete(&id)
}

/// Alive, and with what.
#[utoipa::path(get, path = "/v1/health", security(()), responses((status = 200, body = Health)))]
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
         twinseal_ledger_height {}\n\
         # HELP twinseal_keys_in_vault Keys grow in the silicon of a board (1) or from a file (0).\n\
         # TYPE twinseal_keys_in_vault gauge\n\
         twinseal_keys_in_vault {}\n\
         # HELP twinseal_recovery_policy Records are put under a recovery policy (1) or not (0).\n\
         # TYPE twinseal_recovery_policy gauge\n\
         twinseal_recovery_policy {}\n",
        health.height,
        u8::from(shared.node.engines().root() == Kind::Vault),
        u8::from(shared.node.recovery_policy().is_some()),
    ))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
