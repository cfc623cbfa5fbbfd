use std::fmt;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use querygate_approvals::DecideError;
use serde::{Deserialize, Serialize};

/// Why a call was refused. As JSON: `{"error": "...", "remedy": "..."}`, with the kind as the HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Who erred.
    #[serde(skip, default = "internal")]
    pub kind: Kind,
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub remedy: String,
}

fn internal() -> Kind {
    Kind::Internal
}

/// Who erred, each an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The caller's input makes no sense: 400.
    Input,
    /// The account or its secret is wrong: 401.
    Identity,
    /// That account may not do it: 403.
    Forbidden,
    /// What it is about doesn't exist: 404.
    NotFound,
    /// What it is about is in a state that doesn't allow it: 409.
    Conflict,
    /// Too many attempts or requests: 429.
    TooMany,
    /// The gateway erred: 500.
    Internal,
    /// The gateway can't do it at this moment: 503.
    Unavailable,
}

impl Kind {
    const STATUS: [(Kind, StatusCode); 8] = [
        (Kind::Input, StatusCode::BAD_REQUEST),
        (Kind::Identity, StatusCode::UNAUTHORIZED),
        (Kind::Forbidden, StatusCode::FORBIDDEN),
        (Kind::NotFound, StatusCode::NOT_FOUND),
        (Kind::Conflict, StatusCode::CONFLICT),
        (Kind::TooMany, StatusCode::TOO_MANY_REQUESTS),
        (Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR),
        (Kind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    ];

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        let known = Kind::STATUS.iter().find(|(kind, _)| *kind == self);
        known.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
    }

    /// The kind that an HTTP status stands for.
    pub fn of_status(status: StatusCode) -> Kind {
        let known = Kind::STATUS.iter().find(|(_, known)| *known == status);
        known.map_or(Kind::Internal, |(kind, _)| *kind)
    }
}

impl ApiError {
    /// A refusal.
    pub fn new(kind: Kind, error: impl fmt::Display, remedy: impl Into<String>) -> ApiError {
        ApiError { kind, error: error.to_string(), remedy: remedy.into() }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.kind.status(), Json(self)).into_response()
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> ApiError {
        let kind = match &error {
            DecideError::Unknown { .. } => Kind::NotFound,
            DecideError::Ended { .. }
            | DecideError::Deciding { .. }
            | DecideError::Expired { .. }
            | DecideError::AskerGone { .. } => Kind::Conflict,
            DecideError::NotReviewer { .. } | DecideError::Involved { .. } => Kind::Forbidden,
            DecideError::NoReason | DecideError::LongReason { .. } => Kind::Input,
            DecideError::Store(_) => Kind::Unavailable,
            _ => Kind::Internal,
        };
        ApiError::new(kind, &error, error.remedy())
    }
}

impl From<querygate_identity::Error> for ApiError {
    fn from(error: querygate_identity::Error) -> ApiError {
        use querygate_identity::Error;
        let kind = match &error {
            Error::Unknown { .. } => Kind::NotFound,
            Error::Exists { .. } | Error::Configured { .. } | Error::Twice { .. } => Kind::Conflict,
            Error::Name { .. } | Error::Secret { .. } => Kind::Input,
            Error::TooMany { .. } => Kind::TooMany,
            Error::Busy { .. } => Kind::Unavailable,
            _ => Kind::Internal,
        };
        ApiError::new(kind, &error, error.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_http_status_and_back() {
        for (kind, status) in Kind::STATUS {
            assert_eq!(kind.status(), status);
            assert_eq!(Kind::of_status(status), kind);
        }
        assert_eq!(Kind::of_status(StatusCode::IM_A_TEAPOT), Kind::Internal);
    }

    #[test]
    fn a_refusal_is_an_object_of_error_and_remedy() {
        let json = serde_json::to_value(ApiError::new(Kind::NotFound, "no such thing", "look again")).unwrap();
        assert_eq!(json, serde_json::json!({ "error": "no such thing", "remedy": "look again" }));
    }
}
