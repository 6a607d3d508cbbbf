//! Who did what, from where, and how it ended: a line of the log with target `audit` for every request
//! that changes something or takes a kubeconfig out, also for one that was refused. No line holds a
//! secret, a body or a query.

use axum::extract::Request;
use axum::response::Response;
use catalyst_control::Who;
use catalyst_model::ProblemCode;

use crate::auth::Peer;
use crate::routes::{Route, Verb};

/// What a request made: its public id, put beside the response for the line.
#[derive(Debug, Clone)]
pub(crate) struct Made(pub(crate) String);

/// The code of the problem a response is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(pub(crate) ProblemCode);

/// One line, as far as the request tells it.
pub(crate) struct Entry {
    action: &'static str,
    path: String,
    peer: Option<Peer>,
}

impl Route {
    /// Whether requests of this row are audited.
    pub(crate) fn is_audited(&self) -> bool {
        self.method != Verb::Get || self.operation.id == "getKubeconfig"
    }
}

impl Entry {
    pub(crate) fn of(route: &Route, request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>().copied();
        Self { action: route.operation.id, path: request.uri().path().to_owned(), peer }
    }

    /// Writes the line. `who` is nobody where the request was refused for want of a session or token,
    /// and where a route has a proof of its own.
    pub(crate) fn write(self, who: Option<&Who>, response: &Response) {
        let Self { action, path, peer } = self;
        let subject = who.map_or("-", |who| who.subject.as_str());
        let proof = who.map_or_else(|| "-".to_owned(), |who| who.proof.to_string());
        let from = peer.map_or_else(|| "-".to_owned(), |Peer(address)| address.to_string());
        let made = response.extensions().get::<Made>().map_or("-", |Made(id)| id.as_str());
        let code = response.extensions().get::<Refused>().map(|Refused(code)| code.to_string());
        let (code, status) = (code.as_deref().unwrap_or("-"), response.status().as_u16());
        tracing::info!(
            target: "audit",
            who = subject, proof, from, action, path, made, status, code, "asked"
        );
    }
}
