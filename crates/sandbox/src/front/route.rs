//! Decides, from method, host and path alone, who answers a request. Pure; no I/O.

use http::{Method, StatusCode};

use super::names;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Gitea.
    Git,
    /// The registry anybody may pull from.
    PublicRegistry,
    /// The registry that asks for credentials.
    PrivateRegistry,
    /// catalystd, for one kubeconfig.
    Postback,
}

impl Target {
    /// How many bytes a request to it may carry.
    pub fn request_limit_bytes(self) -> u64 {
        match self {
            // What a client wants and has: one line of 50 bytes per reference.
            Self::Git => 16 << 20,
            // catalystd has a limit of its own below this, and says so better.
            Self::Postback => 4 << 20,
            Self::PublicRegistry | Self::PrivateRegistry => 0,
        }
    }
}

/// Why nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A name this front does not answer for.
    UnknownHost,
    /// The name is ours, the path is not.
    UnknownPath,
    /// The path is ours, the method would change something.
    Method,
    /// The path tries to be another than it looks.
    Disguised,
}

impl Refusal {
    /// What the client is told.
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Disguised => StatusCode::BAD_REQUEST,
        }
    }
}

/// Routes a request. `host` is the Host header; a port in it must be 443.
///
/// # Errors
/// A [`Refusal`] when nobody may answer.
pub fn route(
    method: &Method,
    host: &str,
    path: &str,
    query: Option<&str>,
) -> Result<Target, Refusal> {
    let host = host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    if !names::all().contains(&host.as_str()) {
        return Err(Refusal::UnknownHost);
    }
    if is_disguised(path) {
        return Err(Refusal::Disguised);
    }
    match host.as_str() {
        names::GIT => git(method, path, query),
        names::CONSOLE => console(method, path),
        _ => registry(method, &host, path),
    }
}

/// No path of ours needs an escape, a dot segment or an empty one; each could mean another path to
/// the one behind.
fn is_disguised(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    let mut odd = !path.starts_with('/') || path.contains(['%', '\\', ';']);
    while let Some(segment) = segments.next() {
        odd |= matches!(segment, "." | "..") || (segment.is_empty() && segments.peek().is_some());
    }
    odd
}

/// The two requests of a fetch over smart HTTP; a push has others.
fn git(method: &Method, path: &str, query: Option<&str>) -> Result<Target, Refusal> {
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let (wanted, target) = match segments.as_slice() {
        [_owner, _name, "info", "refs"] if query == Some("service=git-upload-pack") => {
            (Method::GET, Target::Git)
        }
        [_owner, _name, "git-upload-pack"] => (Method::POST, Target::Git),
        _ => return Err(Refusal::UnknownPath),
    };
    if *method == wanted { Ok(target) } else { Err(Refusal::Method) }
}

fn registry(method: &Method, host: &str, path: &str) -> Result<Target, Refusal> {
    let Some(rest) = path.strip_prefix("/v2/").or_else(|| (path == "/v2").then_some("")) else {
        return Err(Refusal::UnknownPath);
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::Method);
    }
    // Asking for `/v2/` is how a client learns that `ghcr.io` wants credentials.
    let private = host == names::GHCR && (rest.is_empty() || rest.starts_with("openova-io/"));
    Ok(if private { Target::PrivateRegistry } else { Target::PublicRegistry })
}

fn console(method: &Method, path: &str) -> Result<Target, Refusal> {
    let id = path
        .strip_prefix("/sovereign/api/v1/deployments/")
        .and_then(|rest| rest.strip_suffix("/kubeconfig"))
        .ok_or(Refusal::UnknownPath)?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    // Whether the path exists is nobody's business who does not PUT.
    if id.len() == 16 && id.bytes().all(hex) && *method == Method::PUT {
        Ok(Target::Postback)
    } else {
        Err(Refusal::UnknownPath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, want: Result<Target, Refusal>) {
        let (method, url) = request.split_once(' ').unwrap();
        let (host, path) = url.split_at(url.find('/').unwrap());
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(route(&method, host, path, query), want, "{request}");
    }

    #[test]
    fn a_clone_passes_and_a_push_does_not() {
        let repository = "github.com/openova-io/openova.git";
        check(&format!("GET {repository}/info/refs?service=git-upload-pack"), Ok(Target::Git));
        check(&format!("POST {repository}/git-upload-pack"), Ok(Target::Git));
        let unknown = Err(Refusal::UnknownPath);
        check(&format!("GET {repository}/info/refs?service=git-receive-pack"), unknown);
        check(&format!("POST {repository}/git-receive-pack"), unknown);
        check("GET github.com/api/v1/user", unknown);
        check("GET github.com/", unknown);
        check("GET github.com/user/login", unknown);
    }

    #[test]
    fn only_openova_io_of_ghcr_and_its_greeting_are_private() {
        check("GET ghcr.io/v2/", Ok(Target::PrivateRegistry));
        check("GET ghcr.io/v2/openova-io/catalyst-api/manifests/1", Ok(Target::PrivateRegistry));
        check("HEAD ghcr.io/v2/fluxcd/helm-controller/manifests/1", Ok(Target::PublicRegistry));
        check("GET ghcr.io/v2/openova-iox/a/manifests/1", Ok(Target::PublicRegistry));
        check("GET registry-1.docker.io/v2/openova-io/a/manifests/1", Ok(Target::PublicRegistry));
        check("GET registry.k8s.io:443/v2/", Ok(Target::PublicRegistry));
        check("GET GHCR.io/v2/", Ok(Target::PrivateRegistry));
    }

    #[test]
    fn nothing_is_pushed_or_deleted_through_a_front() {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            check(
                &format!("{method} ghcr.io/v2/openova-io/a/blobs/uploads/"),
                Err(Refusal::Method),
            );
            check(&format!("{method} quay.io/v2/a/b/manifests/1"), Err(Refusal::Method));
        }
    }

    #[test]
    fn of_the_mothership_only_the_kubeconfig_put_is_seen() {
        let put = "/sovereign/api/v1/deployments/0123456789abcdef/kubeconfig";
        check(&format!("PUT console.openova.io{put}"), Ok(Target::Postback));
        let unknown = Err(Refusal::UnknownPath);
        check(&format!("GET console.openova.io{put}"), unknown);
        check("PUT console.openova.io/sovereign/api/v1/deployments/1/kubeconfig", unknown);
        check("GET console.openova.io/", unknown);
        check("GET console.openova.io/api/v1/deployments", unknown);
        check("POST console.openova.io/sovereign/api/v1/deployments", unknown);
    }

    #[test]
    fn unknown_names_and_other_ports_are_refused() {
        for host in ["example.org", "10.210.0.1", "localhost", "xghcr.io", "ghcr.io.", "ghcr.io:80"]
        {
            check(&format!("GET {host}/v2/"), Err(Refusal::UnknownHost));
        }
    }

    #[test]
    fn disguised_paths_are_refused() {
        for path in ["/v2/a/../openova-io/b", "/v2/%6fpenova-io/b", "/v2//openova-io/b", "/./v2/"] {
            check(&format!("GET ghcr.io{path}"), Err(Refusal::Disguised));
        }
    }
}
