//! One way to fail: code, cause, fix, and an exit code by kind. Everything below returns `anyhow`
//! errors; what is known about them is found by downcast, here and nowhere else.

use std::process::ExitCode;

use crate::api::ApiProblem;
use crate::output::Output;

/// A failure the command line itself explains.
#[derive(Debug)]
pub(crate) struct Explained {
    /// What went wrong, a fragment without a full stop.
    pub(crate) headline: String,
    /// What to do; a sentence.
    pub(crate) fix: String,
}

impl Explained {
    pub(crate) fn new(headline: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { headline: headline.into(), fix: fix.into() }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.headline)
    }
}

impl std::error::Error for Explained {}

/// What is printed of a failure, whatever it was.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    code: Option<String>,
    headline: String,
    cause: Option<String>,
    fix: Option<String>,
    exit: u8,
}

/// Exit codes: 1 the thing asked for failed, 2 bad usage (clap), 3 the server refused, 4 the server
/// is away, 5 this machine lacks something.
const FAILED: u8 = 1;
const REFUSED: u8 = 3;
const AWAY: u8 = 4;
const MACHINE: u8 = 5;

/// Prints the failure as the last lines and gives the exit code.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let report = explain(error);
    let code = report.code.map(|code| format!("{code} ")).unwrap_or_default();
    output.failure(&format!("{code}{}", report.headline));
    if let Some(cause) = report.cause {
        output.note("cause", &cause);
    }
    if let Some(fix) = report.fix {
        output.note("fix", &fix);
    }
    ExitCode::from(report.exit)
}

fn explain(error: &anyhow::Error) -> Report {
    if let Some(problem) = error.downcast_ref::<ApiProblem>() {
        let exit = if problem.status == 0 { AWAY } else { REFUSED };
        return Report {
            code: problem.code.clone(),
            headline: problem.title.clone(),
            cause: problem.cause.clone(),
            fix: problem.fix.clone(),
            exit,
        };
    }
    if let Some(problem) = error.downcast_ref::<catalyst_sandbox::problem::Problem>() {
        return Report {
            code: Some(problem.code().to_string()),
            headline: problem.title().to_owned(),
            cause: Some(problem.cause().to_owned()),
            fix: Some(problem.remedy().to_owned()),
            exit: MACHINE,
        };
    }
    if let Some(explained) = error.downcast_ref::<Explained>() {
        let fix = (!explained.fix.is_empty()).then(|| explained.fix.clone());
        let headline = explained.headline.clone();
        return Report { code: None, headline, cause: None, fix, exit: FAILED };
    }
    let chain: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    let cause = (!chain.is_empty()).then(|| chain.join(": "));
    Report { code: None, headline: error.to_string(), cause, fix: None, exit: FAILED }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_server_keeps_its_code_cause_and_fix() {
        let problem = ApiProblem {
            status: 409,
            code: Some("CAT-1201".to_owned()),
            title: "this domain is taken".to_owned(),
            cause: Some("`a.test` belongs to sov1".to_owned()),
            fix: Some("choose another".to_owned()),
        };
        let report = explain(&anyhow::Error::new(problem).context("create"));
        assert_eq!(report.code.as_deref(), Some("CAT-1201"));
        assert_eq!(report.fix.as_deref(), Some("choose another"));
        assert_eq!(report.exit, REFUSED);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::new(error)));
    }
}
