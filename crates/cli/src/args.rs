//! What a person types. The doc comments here are the help texts.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Build, watch and keep Sovereigns: complete private clouds that their owners run alone.
#[derive(Debug, Parser)]
#[command(
    name = "catalyst",
    version,
    max_term_width = 100,
    after_help = "Start here:\n  catalyst doctor                      what this machine lacks, line by line\n  catalyst up                          a mothership and a ready Sovereign on this machine\n  catalyst sovereign watch sov1        follow one, live\n  catalyst sovereign kubeconfig sov1   then: kubectl --kubeconfig=<file> get pods -A"
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
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// The catalyst-api to talk to [default: the one of this machine, http://127.0.0.1:7080 unless
    /// `catalyst up` was given another port].
    #[arg(long, global = true, env = "CATALYST_API", value_name = "URL")]
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

/// Output formats; `table` is a live tree on a terminal where a command follows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people.
    Table,
    /// One JSON document (one object a line where a command follows something).
    Json,
    /// One YAML document.
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring up a mothership and a ready Sovereign on this machine; run again to resume.
    Up(commands::up::Args),
    /// Take down what `up` started; volumes stay unless --purge.
    Down(commands::down::Args),
    /// Say what this machine lacks for a local Sovereign, line by line with the remedy.
    Doctor(commands::doctor::Args),
    /// Sign in with a one-time link and keep a token for later commands.
    Login(commands::login::Args),
    /// Forget the kept token and revoke it.
    Logout,
    /// Create, list, show and follow Sovereigns.
    #[command(subcommand, visible_alias = "sov")]
    Sovereign(commands::sovereign::Command),
    /// Real Sovereigns on this machine, and the world they see.
    #[command(subcommand)]
    Sandbox(commands::sandbox::Command),
    /// Make bearer tokens for programs.
    #[command(subcommand)]
    Token(commands::token::Command),
    /// Print a completion script for your shell.
    Completions(commands::completions::Args),
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
}
