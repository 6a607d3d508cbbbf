//! Users and their keys: made once however often they are asked for, never rotated by accident.

use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AdminPort, Asked, Caller, Denied, Done, Query, denied, done, invalid, read, reply, unknown,
};
use crate::{
    book::{Added, KeyRules, KeySecret, NewUser, UserRow},
    clock::WallMillis,
    customer_key,
    reply::Reply,
};

/// What customers' keys are sealed as.
const CUSTOMER_KEY: &str = "customer key";

#[derive(Deserialize)]
struct SignUp {
    external_id: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    tenant_id: Option<String>,
    #[serde(default)]
    tier: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    rules: KeyRules,
}

impl AdminPort {
    pub(super) async fn users(&self, asked: Asked<'_>) -> Done {
        let Asked { caller, method, rest, query, request } = asked;
        match (&method, rest) {
            (&Method::POST, []) => self.sign_up(caller, request).await,
            (&Method::GET, []) => self.user(caller, query).await,
            (&Method::POST, [id, "keys", "rotate"]) => self.rotate(caller, id).await,
            (&Method::POST, [id, "disable"]) => self.disable(caller, id).await,
            _ => Err(unknown()),
        }
    }

    fn new_key(&self, rules: KeyRules) -> Result<(SecretString, KeySecret), Denied> {
        let text = customer_key::make();
        let digest = customer_key::digest(text.expose_secret());
        let reveals = self.gateway.settings().reveals_keys;
        let sealed = reveals.then(|| self.gateway.vault().seal(CUSTOMER_KEY, &text)).transpose();
        let sealed = sealed.map_err(|error| invalid(error.to_string()))?;
        Ok((text, KeySecret { digest, sealed, rules }))
    }

    async fn sign_up(&self, caller: Caller, request: Request<Incoming>) -> Done {
        let idempotency_key = idempotency_key(&request)?;
        let body: SignUp = read(request).await?;
        let tenant = body.tenant_id.filter(|tenant| !tenant.is_empty());
        let tenant = tenant.unwrap_or_else(|| body.external_id.clone());
        for (name, text) in [("external_id", &body.external_id), ("tenant_id", &tenant)] {
            if !(1..=128).contains(&text.len()) || text.chars().any(char::is_control) {
                return Err(invalid(format!("`{name}` has 1 to 128 bytes, none a control.")));
            }
        }
        body.rules.check().map_err(|error| invalid(error.to_string()))?;
        let user = NewUser {
            external_id: body.external_id,
            email: body.email,
            tenant,
            tier: body.tier,
            metadata: body.metadata.to_string(),
            idempotency_key,
            currency: self.gateway.settings().currency,
        };
        let (text, key) = self.new_key(body.rules)?;
        let now = self.gateway.clock().wall();
        let note = self.note(caller, "user.sign-up", user.external_id.clone());
        let added =
            self.change(note, move |book| book.registry()?.sign_up(&user, &key, now)).await?;
        match added {
            Added::Now(user) => Ok(shown(StatusCode::CREATED, &user, Some(&text))),
            Added::Before(user) => match self.reveal(&user) {
                Some(text) => Ok(shown(StatusCode::OK, &user, Some(&text))),
                None => Err(exists(&user)),
            },
            Added::Other(user) => Err(exists(&user)),
        }
    }

    async fn user(&self, caller: Caller, query: &Query) -> Done {
        let id = query.text("external_id").ok_or_else(|| invalid("Say which `external_id`."))?;
        let (id, target) = (id.to_owned(), id.to_owned());
        let find = move |book: &mut dyn crate::book::Book| book.registry()?.user(&id);
        let user = self.gateway.ledger().with_book(find).await?;
        let none = || denied(StatusCode::NOT_FOUND, "not_found", "There is no such user.");
        let user = user.ok_or_else(none)?;
        let text = self.reveal(&user);
        if text.is_some() {
            let note = self.note(caller, "user.reveal-key", target);
            let keep = move |book: &mut dyn crate::book::Book| book.registry()?.note(&note);
            self.gateway.ledger().with_book(keep).await?;
        }
        Ok(shown(StatusCode::OK, &user, text.as_ref()))
    }

    async fn rotate(&self, caller: Caller, id: &str) -> Done {
        let id = number(id)?;
        let (text, key) = self.new_key(KeyRules::default())?;
        let note = self.note(caller, "user.rotate-key", id.to_string());
        let user = self.change(note, move |book| book.registry()?.rotate_key(id, &key)).await?;
        Ok(shown(StatusCode::OK, &user, Some(&text)))
    }

    async fn disable(&self, caller: Caller, id: &str) -> Done {
        let id = number(id)?;
        let note = self.note(caller, "user.disable", id.to_string());
        self.change(note, move |book| book.registry()?.disable_user(id)).await?;
        Ok(done(&Value::Null))
    }

    /// The user's key, where keys can be shown again.
    fn reveal(&self, user: &UserRow) -> Option<SecretString> {
        let sealed = user.sealed.as_deref().filter(|_| self.gateway.settings().reveals_keys)?;
        self.gateway.vault().open(CUSTOMER_KEY, sealed).ok()
    }
}

fn idempotency_key(request: &Request<Incoming>) -> Result<String, Denied> {
    let Some(value) = request.headers().get("x-idempotency-key") else { return Ok(String::new()) };
    let text = value.to_str().ok().filter(|text| text.len() <= 255);
    let bad = || invalid("`X-Idempotency-Key` is ASCII of at most 255 bytes.");
    text.map(str::to_owned).ok_or_else(bad)
}

fn number(id: &str) -> Result<u64, Denied> {
    let none = || denied(StatusCode::NOT_FOUND, "not_found", "There is no such user.");
    id.parse().map_err(|_| none())
}

fn exists(user: &UserRow) -> Denied {
    let text = "There is a user of this external_id. Ask for them with GET ?external_id=, or make \
                a new key with POST /api/v1/admin/users/{id}/keys/rotate.";
    let more = json!({"user_id": user.id, "account_id": user.account});
    Denied { more, ..denied(StatusCode::CONFLICT, "user_exists", text) }
}

fn shown(status: StatusCode, user: &UserRow, key: Option<&SecretString>) -> Response<Reply> {
    reply(
        status,
        &json!({
            "success": true,
            "user_id": user.id,
            "account_id": user.account,
            "external_id": user.external_id,
            "api_key": key.map(|key| key.expose_secret()),
            "created_at": time(user.created_at),
            "disabled": user.disabled,
        }),
    )
}

/// A time as RFC 3339 writes it.
fn time(at: WallMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}
