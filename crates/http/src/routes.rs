//! The route table: every path this server answers, who may ask, how much may be sent, what
//! answers it and what the OpenAPI document says of it.
//!
//! The router, the document and the authorisation test are made from [`TABLE`] and from nothing
//! else, so that a route cannot exist without an authority or without a description. Files of the
//! console are the one thing served beside it (`console.rs`).

mod auth;
mod deployments;
mod health;
mod meta;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::app::App;
use crate::guard;
use crate::operation::{Answer, Content, Kind, Operation, Parameter, Place, Shape};
use crate::wire;
use catalyst_model::Tier;

/// One row of the table.
pub(crate) struct Route {
    pub(crate) method: Verb,
    /// As axum and OpenAPI both write it.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) body: Body,
    handler: fn(MethodFilter) -> MethodRouter<App>,
    pub(crate) operation: Operation,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, for the reason given.
    Public(&'static str),
    /// A session or token of this tier or a higher one.
    Tier(Tier),
}

/// What may be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Nothing; what is sent is not read.
    None,
    /// One JSON value of the shape.
    Json { limit_bytes: usize, shape: Shape },
    /// Bytes.
    Raw { limit_bytes: usize, media: &'static str },
}

/// Large enough for every request with room to spare, small enough to read without thought.
const JSON_LIMIT_BYTES: usize = 64 * 1024;
/// The form of a login link holds one token.
const FORM_LIMIT_BYTES: usize = 1024;
/// A kubeconfig with embedded certificates has some ten KiB.
const KUBECONFIG_LIMIT_BYTES: usize = 1024 * 1024;

const ID: Parameter = Parameter {
    name: "id",
    place: Place::Path,
    kind: Kind::DeploymentId,
    description: "The deployment's id.",
};
const PHASE: Parameter = Parameter {
    name: "phase",
    place: Place::Path,
    kind: Kind::Text,
    description: "The part: `infrastructure`, `kubeconfig`, `flux` or `kit`.",
};
const TOKEN_ID: Parameter = Parameter {
    name: "id",
    place: Place::Path,
    kind: Kind::TokenId,
    description: "The token's public id.",
};
const AFTER: Parameter = Parameter {
    name: "after",
    place: Place::Query,
    kind: Kind::Seq,
    description: "Only what came after this `seq`; 0 when left out.",
};
const LAST_EVENT_ID: Parameter = Parameter {
    name: "Last-Event-ID",
    place: Place::Header,
    kind: Kind::Seq,
    description: "What a reconnecting reader saw last; takes precedence over `after`.",
};
const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: Place::Header,
    kind: Kind::Text,
    description: "The client's own name for the request, 1 to 255 visible ASCII characters: sent \
                  again with the same key and body it is answered as the first time and does \
                  nothing; with another body it is refused.",
};
const LOGIN_TOKEN: Parameter = Parameter {
    name: "token",
    place: Place::Query,
    kind: Kind::Text,
    description: "The one-time token of the login link.",
};

const fn json<T: utoipa::ToSchema>(status: u16, description: &'static str) -> Answer {
    Answer { status, description, content: Content::Json(Shape::of::<T>()) }
}

const fn text(status: u16, description: &'static str, media: &'static str) -> Answer {
    Answer { status, description, content: Content::Text(media) }
}

const fn nothing(status: u16, description: &'static str) -> Answer {
    Answer { status, description, content: Content::Nothing }
}

const fn json_body<T: utoipa::ToSchema>() -> Body {
    Body::Json { limit_bytes: JSON_LIMIT_BYTES, shape: Shape::of::<T>() }
}

/// Every route, in the order people read them.
pub(crate) const TABLE: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/healthz",
        access: Access::Public("whoever restarts the process must be able to ask"),
        body: Body::None,
        handler: |method| on(method, health::healthz),
        operation: Operation {
            id: "healthz",
            tag: "health",
            summary: "The process is up; says nothing of anything else.",
            parameters: &[],
            answers: &[text(200, "`ok`", "text/plain")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Get,
        path: "/readyz",
        access: Access::Public("whoever sends traffic here must be able to ask"),
        body: Body::None,
        handler: |method| on(method, health::readyz),
        operation: Operation {
            id: "readyz",
            tag: "health",
            summary: "The records are open and what provisioning needs is there.",
            parameters: &[],
            answers: &[text(200, "`ok`", "text/plain"), text(503, "What is missing", "text/plain")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Get,
        path: "/auth/login",
        access: Access::Public("it is the way in; nothing is used up by looking"),
        body: Body::None,
        handler: |method| on(method, auth::link),
        operation: Operation {
            id: "openLoginLink",
            tag: "auth",
            summary: "The page of a one-time login link, which sends its token back at once.",
            parameters: &[LOGIN_TOKEN],
            answers: &[
                text(200, "The page", "text/html"),
                nothing(303, "To the console's sign-in page: the link is none"),
            ],
            problems: &[],
        },
    },
    Route {
        method: Verb::Post,
        path: "/auth/login",
        access: Access::Public("it is the way in; the token works once"),
        body: Body::Raw {
            limit_bytes: FORM_LIMIT_BYTES,
            media: "application/x-www-form-urlencoded",
        },
        handler: |method| on(method, auth::follow),
        operation: Operation {
            id: "followLoginLink",
            tag: "auth",
            summary: "Turns a one-time login link into a session cookie and goes to the console.",
            parameters: &[],
            answers: &[nothing(303, "To the console: signed in, or its sign-in page")],
            problems: &[403, 415],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/auth/login",
        access: Access::Public("it is the way in; the token works once"),
        body: json_body::<wire::Login>(),
        handler: |method| on(method, auth::login),
        operation: Operation {
            id: "login",
            tag: "auth",
            summary: "Turns a one-time token into a session's cookie or a bearer token.",
            parameters: &[],
            answers: &[json::<wire::Session>(200, "Signed in")],
            problems: &[401],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/auth/session",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, auth::session),
        operation: Operation {
            id: "getSession",
            tag: "auth",
            summary: "Who the caller is.",
            parameters: &[],
            answers: &[json::<wire::Session>(200, "The caller")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/auth/logout",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, auth::logout),
        operation: Operation {
            id: "logout",
            tag: "auth",
            summary: "Ends what the caller came with: the session or the bearer token.",
            parameters: &[],
            answers: &[nothing(204, "Signed out")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/auth/links",
        access: Access::Tier(Tier::Admin),
        body: json_body::<wire::LinkRequest>(),
        handler: |method| on(method, auth::create_link),
        operation: Operation {
            id: "createLoginLink",
            tag: "auth",
            summary: "Makes a one-time login link, good for an hour.",
            parameters: &[],
            answers: &[json::<wire::Link>(201, "The link")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/auth/tokens",
        access: Access::Tier(Tier::Admin),
        body: json_body::<wire::TokenRequest>(),
        handler: |method| on(method, auth::create_token),
        operation: Operation {
            id: "createToken",
            tag: "auth",
            summary: "Makes a bearer token, shown this once; not of a higher tier than the caller's.",
            parameters: &[],
            answers: &[json::<wire::Token>(201, "The token")],
            problems: &[422],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/auth/tokens",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, auth::list_tokens),
        operation: Operation {
            id: "listTokens",
            tag: "auth",
            summary: "The bearer tokens that are good now: one's own and, from `admin` on, all.",
            parameters: &[],
            answers: &[json::<wire::Tokens>(200, "The tokens, without their text")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Delete,
        path: "/api/v1/auth/tokens/{id}",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, auth::revoke_token),
        operation: Operation {
            id: "revokeToken",
            tag: "auth",
            summary: "Revokes a bearer token: one's own and, from `admin` on, any.",
            parameters: &[TOKEN_ID],
            answers: &[nothing(204, "Revoked; what it holds open ends")],
            problems: &[404],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/version",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, meta::version),
        operation: Operation {
            id: "getVersion",
            tag: "meta",
            summary: "What runs.",
            parameters: &[],
            answers: &[json::<wire::Version>(200, "The version")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/openapi.json",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, meta::openapi),
        operation: Operation {
            id: "getOpenapi",
            tag: "meta",
            summary: "This document.",
            parameters: &[],
            answers: &[text(200, "OpenAPI 3.1", "application/json")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/deployments",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, deployments::list),
        operation: Operation {
            id: "listDeployments",
            tag: "deployments",
            summary: "All deployments, the newest first.",
            parameters: &[],
            answers: &[json::<wire::Deployments>(200, "All deployments")],
            problems: &[],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/deployments",
        access: Access::Tier(Tier::Operator),
        body: json_body::<wire::CreateDeployment>(),
        handler: |method| on(method, deployments::create),
        operation: Operation {
            id: "createDeployment",
            tag: "deployments",
            summary: "Records a deployment and starts provisioning it.",
            parameters: &[IDEMPOTENCY_KEY],
            answers: &[json::<wire::Created>(201, "Recorded; provisioning begins")],
            problems: &[409, 422, 501, 503],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/deployments/{id}",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, deployments::get),
        operation: Operation {
            id: "getDeployment",
            tag: "deployments",
            summary: "Where one deployment stands.",
            parameters: &[ID],
            answers: &[json::<wire::State>(200, "Its state")],
            problems: &[404],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/deployments/{id}/events",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, deployments::events),
        operation: Operation {
            id: "listEvents",
            tag: "deployments",
            summary: "The events after `after`, with the state they lead to.",
            parameters: &[ID, AFTER],
            answers: &[json::<wire::History>(200, "Events and state")],
            problems: &[400, 404],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/deployments/{id}/logs",
        access: Access::Tier(Tier::Viewer),
        body: Body::None,
        handler: |method| on(method, deployments::logs),
        operation: Operation {
            id: "streamEvents",
            tag: "deployments",
            summary: "The events after `after`, then each new one as it comes, without a gap and \
                      also after ready; `event: done` with the state ends it once no more can come.",
            parameters: &[ID, AFTER, LAST_EVENT_ID],
            answers: &[Answer {
                status: 200,
                description: "Server-sent events; each `id` is the event's `seq`",
                content: Content::Events(Shape::of::<wire::Event>()),
            }],
            problems: &[400, 404, 503],
        },
    },
    Route {
        method: Verb::Post,
        path: "/api/v1/deployments/{id}/phases/{phase}/retry",
        access: Access::Tier(Tier::Operator),
        body: Body::None,
        handler: |method| on(method, deployments::retry),
        operation: Operation {
            id: "retryPhase",
            tag: "deployments",
            summary: "Tries a part again that failed or ran out of time: the infrastructure is made \
                      from the state it left, any other part is waited for anew.",
            parameters: &[ID, PHASE],
            answers: &[json::<wire::Retried>(202, "Under way")],
            problems: &[404, 409, 503],
        },
    },
    Route {
        method: Verb::Get,
        path: "/api/v1/deployments/{id}/kubeconfig",
        access: Access::Tier(Tier::Admin),
        body: Body::None,
        handler: |method| on(method, deployments::get_kubeconfig),
        operation: Operation {
            id: "getKubeconfig",
            tag: "deployments",
            summary: "The Sovereign's kubeconfig: all power over its cluster.",
            parameters: &[ID],
            answers: &[text(200, "The kubeconfig", "application/yaml")],
            problems: &[404, 409],
        },
    },
    Route {
        method: Verb::Put,
        path: "/api/v1/deployments/{id}/kubeconfig",
        access: Access::Public("the node has no session; its own one-time bearer is checked"),
        body: Body::Raw { limit_bytes: KUBECONFIG_LIMIT_BYTES, media: "application/yaml" },
        handler: |method| on(method, deployments::put_kubeconfig),
        operation: Operation {
            id: "putKubeconfig",
            tag: "deployments",
            summary: "A new node hands in its kubeconfig, once, with the bearer it was born with.",
            parameters: &[ID],
            answers: &[nothing(204, "Kept")],
            problems: &[401, 403, 404, 422, 503],
        },
    },
];

/// The whole API, without fallbacks and outer layers.
pub(crate) fn router(app: &App) -> Router<App> {
    collect(app, TABLE.iter(), "")
}

/// The kubeconfig PUT alone, also below `/sovereign`, where the public address puts it.
pub(crate) fn postback_router(app: &App) -> Router<App> {
    let rows = || TABLE.iter().filter(|route| route.method == Verb::Put);
    collect(app, rows(), "").merge(collect(app, rows(), "/sovereign"))
}

fn collect(app: &App, rows: impl Iterator<Item = &'static Route>, prefix: &str) -> Router<App> {
    rows.fold(Router::new(), |router, route| {
        let handler = guard::around(app, route, (route.handler)(route.method.filter()));
        router.route(&format!("{prefix}{}", route.path), handler)
    })
}

impl Verb {
    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}
