//! What a person types. The doc comments here are the help texts.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args as ClapArgs, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Build, watch and keep Sovereigns: complete private clouds that their owners run alone.
#[derive(Debug, Parser)]
#[command(
    name = "catalyst",
    version,
    max_term_width = 100,
    after_help = "\
Start here:
  catalyst doctor                       what this machine lacks, line by line
  catalyst up                           a mothership and a ready Sovereign on this machine
  catalyst sovereign watch sov1         follow one, live
  catalyst kubectl sov1 get pods -A     look inside
  catalyst down                         end it all; volumes stay

Exit codes:
  0  what was asked for is done
  1  it was tried and failed; `watch`, `create` and `up`: the Sovereign is not ready;
     `kit`: something was found
  2  the command line cannot be understood; `kit`: something cannot be read or rendered
  3  catalyst-api refused the request
  4  catalyst-api is away
  5  this machine lacks something, or holds something back
  With -o json a failure is the last line on standard error, with -o yaml the last document:
  {code, title, cause, fix, exitCode}."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags every command takes.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How to print: for people, or for programs.
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table)]
    pub(crate) output: Form,
    /// The catalyst-api to talk to [default: the one of this machine, http://127.0.0.1:7080 unless
    /// `catalyst up` was given another port].
    #[arg(long, global = true, env = "CATALYST_API", value_name = "URL", value_parser = api)]
    pub(crate) api: Option<String>,
    /// Plain text without colours; also when NO_COLOR is set or the output is no terminal.
    #[arg(long, global = true, env = "NO_COLOR", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value_t = false, hide_env_values = true)]
    pub(crate) no_color: bool,
    /// Where records, volumes and credentials are kept [default: ~/.local/state/catalyst].
    #[arg(long, global = true, env = "CATALYST_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Where tools and images are kept, which can be made again [default: ~/.cache/catalyst].
    #[arg(long, global = true, env = "CATALYST_CACHE", value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// The source tree with `sandbox/tools` [default: found upwards from here].
    #[arg(long, global = true, env = "CATALYST_SOURCE", value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
}

/// What may be asked for; `table` is a live tree on a terminal where a command follows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Text for people.
    #[value(alias = "human")]
    Table,
    /// One JSON document (one object a line where a command follows something).
    Json,
    /// One YAML document.
    Yaml,
    /// SARIF 2.1.0 for code hosts (`kit lint` alone).
    Sarif,
    /// Annotations of GitHub's runners (`kit lint` alone).
    Github,
}

/// How everything but findings is written, failures included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Aligned columns for people.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Form {
    /// What comes nearest where only the ordinary formats exist.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Table | Self::Github => Format::Table,
            Self::Json | Self::Sarif => Format::Json,
            Self::Yaml => Format::Yaml,
        }
    }

    /// Whether only findings can be written so.
    fn is_for_findings(self) -> bool {
        matches!(self, Self::Sarif | Self::Github)
    }
}

impl Args {
    /// The command line, understood as a whole: clap ends the program with 2 where it is not.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if let Err(error) = args.check() {
            error.exit();
        }
        args
    }

    fn check(&self) -> Result<(), clap::Error> {
        if self.global.output.is_for_findings() && !self.command.writes_findings() {
            let words =
                "`sarif` and `github` are for findings: only `catalyst kit lint` writes them";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, words));
        }
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::Args),
    Down(commands::down::Args),
    Doctor(commands::doctor::Args),
    Login(commands::login::Args),
    Logout(commands::login::LogoutArgs),
    #[command(subcommand, visible_alias = "sov")]
    Sovereign(commands::sovereign::Command),
    #[command(subcommand)]
    Sandbox(commands::sandbox::Command),
    #[command(subcommand)]
    Kit(commands::kit::Command),
    Why(commands::sovereign::why::Args),
    Kubectl(commands::kubectl::Args),
    #[command(subcommand)]
    Token(commands::token::Command),
    Completions(commands::completions::Args),
}

/// An address that can be asked: http or https with a host, and no slash at its end.
fn api(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("give an address such as http://127.0.0.1:7080".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

impl Command {
    /// Whether its exit code tells how something ended that goes on by itself.
    pub(crate) fn follows(&self) -> bool {
        match self {
            Self::Up(_) => true,
            Self::Sovereign(command) => command.follows(),
            _ => false,
        }
    }

    /// Whether its answer is findings.
    fn writes_findings(&self) -> bool {
        matches!(self, Self::Kit(command) if command.writes_findings())
    }
}

#[cfg(test)]
mod tests;
