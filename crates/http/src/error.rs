//! The one conversion from what went wrong to what a client is told: status, problem, headers.

use std::fmt;

use axum::response::{IntoResponse, Response};
use catalyst_control::Error;
use catalyst_model::{Problem, ProblemClass, Trouble};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::audit::Refused;
use crate::wire;

/// A failed request.
#[derive(Debug)]
pub(crate) struct Refusal(Trouble);

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self(trouble)
    }
}

impl From<&'static Problem> for Refusal {
    fn from(problem: &'static Problem) -> Self {
        Self(problem.plain())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(trouble) => Self(trouble),
            Error::Broken { trouble, source } => {
                tracing::error!(%trouble, error = %Chain(source.as_ref()), "an operation broke");
                Self(trouble)
            }
        }
    }
}

/// An error with all that it came from.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(trouble) = self;
        let status = status(trouble.problem.class);
        let body = wire::Problem::new(status, &trouble);
        let Ok(body) = serde_json::to_vec(&body) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let media = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, media, body).into_response();
        response.extensions_mut().insert(Refused(trouble.problem.code));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"catalyst\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Returns the status of a class of problems.
pub(crate) const fn status(class: ProblemClass) -> StatusCode {
    match class {
        ProblemClass::Invalid => StatusCode::BAD_REQUEST,
        ProblemClass::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ProblemClass::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ProblemClass::Unauthenticated => StatusCode::UNAUTHORIZED,
        ProblemClass::Forbidden => StatusCode::FORBIDDEN,
        ProblemClass::NotFound => StatusCode::NOT_FOUND,
        ProblemClass::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ProblemClass::Conflict => StatusCode::CONFLICT,
        ProblemClass::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        ProblemClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemClass::Failed | ProblemClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The member `type`: the address of the problem's page, which never changes.
pub(crate) fn type_of(problem: &Problem) -> String {
    let code = problem.code;
    format!("https://github.com/openova-io/openova/blob/main/docs/errors/{code}.md")
}

impl wire::Problem {
    fn new(status: StatusCode, trouble: &Trouble) -> Self {
        let problem = trouble.problem;
        Self {
            kind: type_of(problem),
            title: problem.title.to_owned(),
            status: status.as_u16(),
            detail: trouble.detail.clone().unwrap_or_else(|| problem.cause.to_owned()),
            code: problem.code.to_string(),
            cause: problem.cause.to_owned(),
            fix: problem.fix.to_owned(),
            error: problem.slug.to_owned(),
        }
    }
}
