//! What the OpenAPI document says of one route: plain data, written beside the route in the table.

use std::borrow::Cow;

use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Ref, SchemaFormat, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::routes::{Access, Body, Route};
use crate::wire;

/// One route's part of the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// Unique; generated clients name their functions by it.
    pub(crate) id: &'static str,
    /// The noun it is listed under.
    pub(crate) tag: &'static str,
    /// One line.
    pub(crate) summary: &'static str,
    /// What the path, the query and the headers carry.
    pub(crate) parameters: &'static [Parameter],
    /// What it answers when all is well.
    pub(crate) answers: &'static [Answer],
    /// The statuses its problems have, beside those that its access and body imply.
    pub(crate) problems: &'static [u16],
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
}

/// Where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A deployment's id.
    DeploymentId,
    /// A bearer token's public id.
    TokenId,
    /// A place in a log.
    Seq,
    /// Any text.
    Text,
}

/// One good answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: Content,
}

/// What an answer carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Json(Shape),
    /// Bytes of a media type.
    Text(&'static str),
    /// A stream of server-sent events whose `data` has the shape.
    Events(Shape),
}

/// A wire type, as the document needs it.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    name: fn() -> Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
    nested: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// The shape of `T`.
    pub(crate) const fn of<T: ToSchema>() -> Self {
        Self { name: T::name, schema: <T as PartialSchema>::schema, nested: T::schemas }
    }

    /// Adds the shape and all it refers to.
    pub(crate) fn collect(self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(((self.name)().into_owned(), (self.schema)()));
        (self.nested)(schemas);
    }

    fn reference(self) -> Ref {
        Ref::from_schema_name((self.name)())
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shape").field(&(self.name)()).finish()
    }
}

impl Route {
    /// The wire types the route speaks, each with all it refers to.
    pub(crate) fn collect_schemas(&self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        if let Body::Json { shape, .. } = self.body {
            shape.collect(schemas);
        }
        for answer in self.operation.answers {
            if let Content::Json(shape) | Content::Events(shape) = answer.content {
                shape.collect(schemas);
            }
        }
    }

    /// The route's entry in the document.
    pub(crate) fn describe(&self) -> utoipa::openapi::path::Operation {
        let operation = &self.operation;
        let mut builder = OperationBuilder::new()
            .operation_id(Some(operation.id))
            .tag(operation.tag)
            .summary(Some(operation.summary))
            .description(Some(self.access.describe()));
        for parameter in operation.parameters {
            builder = builder.parameter(parameter.describe());
        }
        builder = builder.request_body(self.body.describe());
        for answer in operation.answers {
            builder = builder.response(answer.status.to_string(), answer.describe());
        }
        for status in self.problem_statuses() {
            builder = builder.response(status.to_string(), problem(status));
        }
        for security in self.access.securities() {
            builder = builder.security(security);
        }
        builder.build()
    }

    /// The problems the handler names, and those that the access and the body imply.
    fn problem_statuses(&self) -> Vec<u16> {
        let mut statuses = self.operation.problems.to_vec();
        if matches!(self.access, Access::Tier(_)) {
            statuses.extend([401, 403]);
        }
        if matches!(self.body, Body::Json { .. }) {
            statuses.extend([400, 413, 415]);
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

impl Access {
    fn describe(self) -> String {
        match self {
            Self::Public(reason) => format!("Public: {reason}."),
            Self::Tier(tier) => format!("Needs the tier `{tier}` or a higher one."),
        }
    }

    fn securities(self) -> Vec<SecurityRequirement> {
        let scheme = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
        match self {
            Self::Public(_) => vec![SecurityRequirement::default()],
            Self::Tier(_) => vec![scheme("session"), scheme("token")],
        }
    }
}

impl Body {
    fn describe(self) -> Option<RequestBody> {
        let (media, schema) = match self {
            Self::None => return None,
            Self::Json { shape, .. } => ("application/json", RefOr::Ref(shape.reference())),
            Self::Raw { media, .. } => (media, text()),
        };
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new().content(media, content);
        Some(body.required(Some(Required::True)).build())
    }
}

impl Parameter {
    fn describe(&self) -> utoipa::openapi::path::Parameter {
        let (place, required) = match self.place {
            Place::Path => (ParameterIn::Path, Required::True),
            Place::Query => (ParameterIn::Query, Required::False),
            Place::Header => (ParameterIn::Header, Required::False),
        };
        let schema = match self.kind {
            Kind::Text => ObjectBuilder::new().schema_type(Type::String),
            Kind::DeploymentId | Kind::TokenId => {
                ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-f]{16}$"))
            }
            Kind::Seq => ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .minimum(Some(0)),
        };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(place)
            .required(required)
            .description(Some(self.description))
            .schema(Some(schema))
            .build()
    }
}

impl Answer {
    fn describe(&self) -> utoipa::openapi::Response {
        let response = ResponseBuilder::new().description(self.description);
        let (media, schema) = match self.content {
            Content::Nothing => return response.build(),
            Content::Json(shape) => ("application/json", RefOr::Ref(shape.reference())),
            Content::Text(media) => (media, text()),
            Content::Events(shape) => ("text/event-stream", RefOr::Ref(shape.reference())),
        };
        response.content(media, ContentBuilder::new().schema(Some(schema)).build()).build()
    }
}

/// What a problem of the status looks like.
fn problem(status: u16) -> utoipa::openapi::Response {
    let title = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    let schema = Ref::from_schema_name(<wire::Problem as ToSchema>::name());
    ResponseBuilder::new()
        .description(title.unwrap_or("Problem"))
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

fn text() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}
