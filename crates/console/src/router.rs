use std::{future::Future, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::time::timeout;

use crate::api::{ApiError, Call, Kind, MAX_REQUEST_BYTES};

/// How long the body of a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Adds a call whose answer `handle` gives, within the call's time limit.
pub(crate) fn answer<C, S, H, F>(router: Router, services: &S, handle: H) -> Router
where
    C: Call,
    S: Clone + Send + Sync + 'static,
    H: Fn(S, C) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<C::Answer, ApiError>> + Send,
{
    let services = services.clone();
    let handler = move |request: axum::extract::Request| async move {
        let call = read::<C>(request).await?;
        let answer = timeout(C::TIME_LIMIT, handle(services, call)).await.map_err(|_| too_slow::<C>())??;
        Ok::<_, ApiError>(Json(answer))
    };
    router.route(C::PATH, post(handler))
}

/// Ends a router: what it doesn't know is refused in the same form as everything else.
pub(crate) fn finish(router: Router) -> Router {
    let unknown =
        || async { ApiError::new(Kind::NotFound, "there is no such call", "compare the versions of both sides") };
    let wrong = || async {
        let refusal = ApiError::new(Kind::Input, "calls are sent by POST", "send the call's JSON by POST");
        let mut response: Response = refusal.into_response();
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response
    };
    router.fallback(unknown).method_not_allowed_fallback(wrong).layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
}

/// Reads a call out of a request's body.
pub(crate) async fn read<C: serde::de::DeserializeOwned>(request: axum::extract::Request) -> Result<C, ApiError> {
    use axum::extract::FromRequest;
    let body = timeout(BODY_TIME, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| ApiError::new(Kind::Input, "the request did not come in time", "send it again"))?;
    let body = body.map_err(|rejection: BytesRejection| {
        let limit = format!("a request may have {MAX_REQUEST_BYTES} bytes");
        ApiError::new(Kind::Input, rejection.body_text(), limit)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        ApiError::new(Kind::Input, format!("the request can't be read: {error}"), "compare the versions of both sides")
    })
}

fn too_slow<C: Call>() -> ApiError {
    let seconds = C::TIME_LIMIT.as_secs();
    ApiError::new(
        Kind::Unavailable,
        format!("it took longer than {seconds} s"),
        "look at the gateway's log, then try again",
    )
}
