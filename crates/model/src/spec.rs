//! What is asked for when a Sovereign is created, and the rules it must meet.
//!
//! [`CreateRequest`] is the body as sent; [`CreateSpec`] is what remains once it was validated and
//! is kept in the record. The record's type has no field that could hold a secret.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Email, Fqdn, Problem, Provider, SovereignName, Trouble};

/// The body of a create request, exactly as it came.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CreateRequest {
    /// `sandbox`, `existing` or `hetzner`.
    pub provider: String,
    /// The short name; the domain's first label when absent.
    pub name: Option<String>,
    /// The organisation's name.
    pub org_name: String,
    /// The organisation's address for mail.
    pub org_email: String,
    /// The Sovereign's domain name.
    #[serde(rename = "sovereignFQDN")]
    pub sovereign_fqdn: String,
    /// `byo-manual` when absent.
    pub sovereign_domain_mode: Option<String>,
    /// Pool mode only.
    pub sovereign_pool_domain: Option<String>,
    /// Pool mode only.
    pub sovereign_subdomain: Option<String>,
    /// Hetzner only.
    pub hetzner_token: Option<SecretString>,
    /// Hetzner only.
    #[serde(rename = "hetznerProjectID")]
    pub hetzner_project_id: Option<String>,
    /// Where the machines stand; `local` for a sandbox.
    pub region: Option<String>,
    /// Hetzner only.
    pub control_plane_size: Option<String>,
    /// Hetzner only.
    pub worker_size: Option<String>,
    /// Hetzner only; 0 is the same as absent.
    pub worker_count: Option<u32>,
    /// Hetzner only; false is the same as absent.
    pub ha_enabled: Option<bool>,
    /// Hetzner only.
    pub regions: Vec<RegionRequest>,
    /// Hetzner only.
    pub ssh_public_key: Option<String>,
}

/// One region of a create request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegionRequest {
    /// Whose machines.
    pub provider: String,
    /// The provider's word for the region.
    pub cloud_region: String,
    /// The control plane's machine type.
    pub control_plane_size: String,
    /// The workers' machine type.
    pub worker_size: String,
    /// How many workers.
    pub worker_count: u32,
}

/// A request that met every rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateSpec {
    /// Where the machines come from.
    pub provider: Provider,
    /// The short name.
    pub name: SovereignName,
    /// The domain name.
    pub fqdn: Fqdn,
    /// The organisation's name.
    pub org_name: String,
    /// The organisation's address for mail.
    pub org_email: Email,
    /// Where the machines stand.
    pub region: String,
}

/// The longest free text of a request, in characters.
pub const MAX_TEXT_CHARS: usize = 254;

impl CreateRequest {
    /// Checks every rule and returns what is to be created.
    ///
    /// # Errors
    /// The first rule that is not met, as a trouble whose detail names the field.
    pub fn validate(&self) -> Result<CreateSpec, Trouble> {
        if self.provider.trim().is_empty() {
            return Err(missing("provider"));
        }
        let provider: Provider = self
            .provider
            .trim()
            .parse()
            .map_err(|e: crate::Malformed| Problem::PROVIDER_UNKNOWN.with(e.to_string()))?;
        if provider == Provider::Hetzner {
            self.require_hetzner_fields()?;
        }
        let fqdn_text = required("sovereignFQDN", &self.sovereign_fqdn)?;
        let org_name = required("orgName", &self.org_name)?.to_owned();
        let email_text = required("orgEmail", &self.org_email)?;
        let fqdn: Fqdn =
            fqdn_text.parse().map_err(|e: crate::Malformed| bad(&Problem::FQDN_MALFORMED, &e))?;
        let org_email: Email =
            email_text.parse().map_err(|e: crate::Malformed| bad(&Problem::EMAIL_MALFORMED, &e))?;
        if org_name.chars().any(char::is_control) {
            return Err(Problem::BODY_MALFORMED.with("`orgName` holds control characters"));
        }
        let name_text = given(self.name.as_deref()).unwrap_or_else(|| fqdn.first_label());
        let name: SovereignName =
            name_text.parse().map_err(|e: crate::Malformed| bad(&Problem::NAME_MALFORMED, &e))?;
        self.check_domain_mode()?;
        match provider {
            Provider::Sandbox => self.refuse_foreign_fields()?,
            Provider::Existing | Provider::Hetzner => {
                return Err(Problem::PROVIDER_NOT_BUILT.with(format!("provider `{provider}`")));
            }
        }
        let region = match given(self.region.as_deref()) {
            None | Some("local") => "local".to_owned(),
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                return Err(Problem::FIELD_NOT_APPLICABLE
                    .with(format!("`region` is `local` for a sandbox, not `{shown}`")));
            }
        };
        Ok(CreateSpec { provider, name, fqdn, org_name, org_email, region })
    }

    fn require_hetzner_fields(&self) -> Result<(), Trouble> {
        let token = self.hetzner_token.as_ref().map(|t| t.expose_secret().trim());
        if token.is_none_or(str::is_empty) {
            return Err(missing("hetznerToken"));
        }
        let needed = [
            ("hetznerProjectID", self.hetzner_project_id.as_deref()),
            ("sshPublicKey", self.ssh_public_key.as_deref()),
        ];
        for (field, value) in needed {
            given(value).ok_or_else(|| missing(field))?;
        }
        if self.regions.is_empty() {
            given(self.region.as_deref()).ok_or_else(|| missing("region"))?;
        }
        for r in &self.regions {
            required("regions[].provider", &r.provider)?;
            required("regions[].cloudRegion", &r.cloud_region)?;
            required("regions[].controlPlaneSize", &r.control_plane_size)?;
            if r.worker_count > 0 {
                required("regions[].workerSize", &r.worker_size)?;
            }
        }
        Ok(())
    }

    fn check_domain_mode(&self) -> Result<(), Trouble> {
        match given(self.sovereign_domain_mode.as_deref()) {
            None | Some("byo" | "byo-manual") => {}
            Some("pool") => return Err(Problem::DOMAIN_MODE_NOT_BUILT.with("mode `pool`")),
            Some("byo-api") => return Err(Problem::DOMAIN_MODE_NOT_BUILT.with("mode `byo-api`")),
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                return Err(Problem::DOMAIN_MODE_UNKNOWN.with(format!("mode `{shown}`")));
            }
        }
        let pool_only = [
            ("sovereignPoolDomain", &self.sovereign_pool_domain),
            ("sovereignSubdomain", &self.sovereign_subdomain),
        ];
        for (field, value) in pool_only {
            if given(value.as_deref()).is_some() {
                return Err(not_applicable(field, "belongs to the domain mode `pool`"));
            }
        }
        Ok(())
    }

    fn refuse_foreign_fields(&self) -> Result<(), Trouble> {
        let token_given =
            self.hetzner_token.as_ref().is_some_and(|t| !t.expose_secret().trim().is_empty());
        let present = [
            ("hetznerToken", token_given),
            ("hetznerProjectID", given(self.hetzner_project_id.as_deref()).is_some()),
            ("controlPlaneSize", given(self.control_plane_size.as_deref()).is_some()),
            ("workerSize", given(self.worker_size.as_deref()).is_some()),
            ("workerCount", self.worker_count.is_some_and(|n| n > 0)),
            ("haEnabled", self.ha_enabled == Some(true)),
            ("regions", !self.regions.is_empty()),
            ("sshPublicKey", given(self.ssh_public_key.as_deref()).is_some()),
        ];
        match present.into_iter().find(|(_, there)| *there) {
            Some((field, _)) => Err(not_applicable(field, "does not apply to a sandbox")),
            None => Ok(()),
        }
    }
}

fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|v| !v.is_empty())
}

fn required<'a>(field: &str, value: &'a str) -> Result<&'a str, Trouble> {
    let value = given(Some(value)).ok_or_else(|| missing(field))?;
    if value.chars().count() > MAX_TEXT_CHARS {
        return Err(Problem::FIELD_TOO_LONG.with(format!("`{field}`")));
    }
    Ok(value)
}

fn missing(field: &str) -> Trouble {
    Problem::FIELD_REQUIRED.with(format!("`{field}` is required"))
}

fn not_applicable(field: &str, why: &str) -> Trouble {
    Problem::FIELD_NOT_APPLICABLE.with(format!("`{field}` {why}"))
}

fn bad(problem: &'static Problem, e: &crate::Malformed) -> Trouble {
    problem.with(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &str, expected: Result<(), &'static Problem>) {
        let mut body = serde_json::json!({
            "provider": "sandbox", "orgName": "Example", "orgEmail": "ops@example.org",
            "sovereignFQDN": "sov1.example.org",
        });
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (k, v) in change.as_object().unwrap() {
            body[k] = v.clone();
        }
        let request: CreateRequest = serde_json::from_value(body).unwrap();
        let got = request.validate().map(|_| ()).map_err(|t| t.problem);
        assert_eq!(got, expected, "{change}");
    }

    #[test]
    fn each_rule_has_its_own_answer() {
        check("{}", Ok(()));
        check(r#"{"provider":""}"#, Err(&Problem::FIELD_REQUIRED));
        check(r#"{"provider":"aws"}"#, Err(&Problem::PROVIDER_UNKNOWN));
        check(r#"{"provider":"existing"}"#, Err(&Problem::PROVIDER_NOT_BUILT));
        check(r#"{"provider":"hetzner"}"#, Err(&Problem::FIELD_REQUIRED));
        check(
            r#"{"provider":"hetzner","hetznerToken":"t","hetznerProjectID":"p","region":"fsn1","sshPublicKey":"k"}"#,
            Err(&Problem::PROVIDER_NOT_BUILT),
        );
        check(r#"{"sovereignFQDN":" "}"#, Err(&Problem::FIELD_REQUIRED));
        check(r#"{"sovereignFQDN":"../x"}"#, Err(&Problem::FQDN_MALFORMED));
        check(r#"{"orgName":""}"#, Err(&Problem::FIELD_REQUIRED));
        check(r#"{"orgEmail":"nobody"}"#, Err(&Problem::EMAIL_MALFORMED));
        check(r#"{"name":"Not Good"}"#, Err(&Problem::NAME_MALFORMED));
        check(r#"{"sovereignDomainMode":"pool"}"#, Err(&Problem::DOMAIN_MODE_NOT_BUILT));
        check(r#"{"sovereignDomainMode":"what"}"#, Err(&Problem::DOMAIN_MODE_UNKNOWN));
        check(r#"{"hetznerToken":"x"}"#, Err(&Problem::FIELD_NOT_APPLICABLE));
        check(r#"{"hetznerToken":"","workerCount":0,"haEnabled":false}"#, Ok(()));
        check(r#"{"haEnabled":true}"#, Err(&Problem::FIELD_NOT_APPLICABLE));
        check(r#"{"region":"fsn1"}"#, Err(&Problem::FIELD_NOT_APPLICABLE));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let e = serde_json::from_str::<CreateRequest>(r#"{"sovereignFqdn":"x"}"#).unwrap_err();
        assert!(e.to_string().contains("unknown field"), "{e}");
    }

    #[test]
    fn the_name_defaults_to_the_first_label() {
        let request = CreateRequest {
            provider: "sandbox".into(),
            org_name: "E".into(),
            org_email: "a@b.c".into(),
            sovereign_fqdn: "sov7.example.org".into(),
            ..CreateRequest::default()
        };
        assert_eq!(request.validate().unwrap().name.as_str(), "sov7");
    }
}
