//! One way to fail: code, cause, fix, and an exit code by kind. Everything below returns `anyhow`
//! errors; what is known about them is found by downcast, here and nowhere else.

use std::process::ExitCode;

use serde::Serialize;

use crate::api::ApiProblem;
use crate::args::Format;
use crate::output::{Output, OutputClosed};

/// A failure the command line itself explains.
#[derive(Debug)]
pub(crate) struct Explained {
    /// `CAT-nnnn`, when the failure is one of the catalogue's.
    pub(crate) code: Option<String>,
    /// What went wrong, a fragment without a full stop.
    pub(crate) headline: String,
    /// Why, when the headline does not say it.
    pub(crate) cause: Option<String>,
    /// What to do; a sentence.
    pub(crate) fix: String,
}

impl Explained {
    pub(crate) fn new(headline: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code: None, headline: headline.into(), cause: None, fix: fix.into() }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.headline)
    }
}

impl std::error::Error for Explained {}

/// What failed has been told already, by us or by a program run in our place: only the exit code is
/// left to say.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) u8);

impl std::fmt::Display for Ended {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "it ended with {}", self.0)
    }
}

impl std::error::Error for Ended {}

/// A failure of a command whose exit codes mean something of their own: 1 is taken there.
#[derive(Debug)]
pub(crate) struct Instead(pub(crate) u8, pub(crate) anyhow::Error);

impl std::fmt::Display for Instead {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.1.fmt(out)
    }
}

impl std::error::Error for Instead {}

/// What is printed of a failure, whatever it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    code: Option<String>,
    title: String,
    cause: Option<String>,
    fix: Option<String>,
    #[serde(rename = "exitCode")]
    exit: u8,
}

/// Exit codes as `catalyst --help` tells them; 2 is clap's own for bad usage.
const FAILED: u8 = 1;
const REFUSED: u8 = 3;
const AWAY: u8 = 4;
const MACHINE: u8 = 5;

/// Prints the failure as the last lines and gives the exit code. `follows` says that the command
/// promised an outcome, which nobody has seen when its reader went away.
pub(crate) fn report(error: &anyhow::Error, follows: bool, output: &Output) -> ExitCode {
    let (error, failed) = match error.downcast_ref() {
        Some(Instead(code, inner)) => (inner, *code),
        None => (error, FAILED),
    };
    if error.downcast_ref::<OutputClosed>().is_some() {
        return if follows { ExitCode::from(FAILED) } else { ExitCode::SUCCESS };
    }
    if let Some(Ended(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    let mut report = explain(error);
    if report.exit == FAILED {
        report.exit = failed;
    }
    print(&report, output);
    ExitCode::from(report.exit)
}

fn print(report: &Report, output: &Output) {
    let document = match output.format {
        Format::Table => None,
        // What was said before it stands on lines of its own.
        Format::Json => serde_json::to_string(report).ok(),
        Format::Yaml => serde_saphyr::to_string(report).ok().map(|text| format!("---\n{text}")),
    };
    if let Some(document) = document {
        return output.say(document.trim_end());
    }
    let code = report.code.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    output.failure(&format!("{code}{}", report.title));
    for (label, text) in [("cause", &report.cause), ("fix", &report.fix)] {
        if let Some(text) = text {
            output.note(label, text);
        }
    }
}

fn explain(error: &anyhow::Error) -> Report {
    if let Some(problem) = error.downcast_ref::<ApiProblem>() {
        let exit = if problem.status == 0 { AWAY } else { REFUSED };
        return Report {
            code: problem.code.clone(),
            title: problem.title.clone(),
            cause: problem.cause.clone(),
            fix: problem.fix.clone(),
            exit,
        };
    }
    if let Some(problem) = error.downcast_ref::<catalyst_sandbox::problem::Problem>() {
        return Report {
            code: Some(problem.code().to_string()),
            title: problem.title().to_owned(),
            cause: Some(problem.cause().to_owned()),
            fix: Some(problem.remedy().to_owned()),
            exit: MACHINE,
        };
    }
    if let Some(Explained { code, headline, cause, fix }) = error.downcast_ref::<Explained>() {
        let fix = (!fix.is_empty()).then(|| fix.clone());
        let (code, cause, title) = (code.clone(), cause.clone(), headline.clone());
        return Report { code, title, cause, fix, exit: FAILED };
    }
    let chain: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    let cause = (!chain.is_empty()).then(|| chain.join(": "));
    Report { code: None, title: error.to_string(), cause, fix: None, exit: FAILED }
}

/// Several failures of one command as one: every part is named, each with its own reason.
pub(crate) fn joined(doing: &str, failures: &[(String, anyhow::Error)], fix: &str) -> Explained {
    let names: Vec<_> = failures.iter().map(|(part, _)| part.as_str()).collect();
    let reports: Vec<_> = failures.iter().map(|(_, error)| explain(error)).collect();
    let reason = |report: &Report| match &report.cause {
        Some(cause) => format!("{}: {cause}", report.title),
        None => report.title.clone(),
    };
    let causes = names.iter().zip(&reports).map(|(name, one)| format!("{name}: {}", reason(one)));
    let same = reports.windows(2).all(|pair| pair[0].code == pair[1].code);
    let first = reports.first().filter(|_| same);
    Explained {
        code: first.and_then(|report| report.code.clone()),
        headline: format!("{doing}: {}", names.join(", ")),
        cause: Some(causes.collect::<Vec<_>>().join("; ")),
        fix: first.and_then(|report| report.fix.clone()).unwrap_or_else(|| fix.to_owned()),
    }
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
    fn a_pipe_that_broke_inside_the_work_is_a_failure_like_any_other() {
        let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let error = anyhow::Error::new(error).context("push the kit");
        assert!(error.downcast_ref::<OutputClosed>().is_none());
        assert_eq!(explain(&error).exit, FAILED);
    }

    #[test]
    fn several_failures_name_every_part_with_its_reason() {
        let busy = || catalyst_sandbox::problem::COMMAND.because("`nft` ended with 1").into();
        let failures = [("sov1".to_owned(), busy()), ("sov2".to_owned(), anyhow::anyhow!("odd"))];
        let all = joined("could not be ended", &failures, "again");
        assert_eq!(all.headline, "could not be ended: sov1, sov2");
        assert_eq!(all.cause.unwrap(), "sov1: a command failed: `nft` ended with 1; sov2: odd");
        assert_eq!((all.code, all.fix.as_str()), (None, "again"));
        let one = joined("could not be ended", &failures[..1], "again");
        assert_eq!(one.code.as_deref(), Some("CAT-3002"));
    }
}
