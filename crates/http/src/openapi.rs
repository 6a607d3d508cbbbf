//! The OpenAPI 3.1 document, made from the route table and from nothing else.

use utoipa::openapi::path::{HttpMethod, PathItem, Paths};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Schema,
};

use crate::auth::SESSION_COOKIE;
use crate::operation::Shape;
use crate::routes::{TABLE, Verb};
use crate::wire;

/// Returns the document of the routes this crate serves.
pub fn openapi() -> OpenApi {
    document(SESSION_COOKIE)
}

/// Returns the document of a server whose session cookie has the name `cookie`.
pub(crate) fn document(cookie: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    Shape::of::<wire::Problem>().collect(&mut schemas);
    for route in TABLE {
        let item = PathItem::new(route.method.in_document(), route.describe());
        let known = paths.paths.entry(route.path.to_owned());
        known.and_modify(|entry| entry.merge_operations(item.clone())).or_insert(item);
        route.collect_schemas(&mut schemas);
    }
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("catalyst-api")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Provisions Sovereigns and says, at any moment, where each stands."))
        .license(Some(license))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("session", session(cookie))
        .security_scheme("token", token())
        .build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn session(cookie: &str) -> SecurityScheme {
    let text = "The cookie of a login; a request that changes something must also name its origin.";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(cookie, text)))
}

fn token() -> SecurityScheme {
    let text = "A token of `POST /api/v1/auth/tokens`.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
    SecurityScheme::Http(scheme.build())
}

impl Verb {
    const fn in_document(self) -> HttpMethod {
        match self {
            Self::Get => HttpMethod::Get,
            Self::Post => HttpMethod::Post,
            Self::Put => HttpMethod::Put,
            Self::Delete => HttpMethod::Delete,
        }
    }
}
