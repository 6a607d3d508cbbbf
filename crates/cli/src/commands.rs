//! One file per verb. A command gets its own arguments and a [`Context`], prints through it and
//! returns an error for `problem` to explain.

pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod kit;
pub(crate) mod kubectl;
pub(crate) mod login;
pub(crate) mod sandbox;
pub(crate) mod sovereign;
pub(crate) mod token;
pub(crate) mod up;

use std::path::PathBuf;

use anyhow::Context as _;
use catalyst_sandbox::installation::Settings;
use catalyst_sandbox::mothership::local_token;
use catalyst_sandbox::paths::{Roots, RootsInput, find_checkout};

use crate::api::Client;
use crate::args::{Args, Command, Global};
use crate::output::Output;
use crate::session::Sessions;

/// Where programs are when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every command works with.
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
    pub(crate) roots: Roots,
    pub(crate) sessions: Sessions,
    /// Where programs that are run find others.
    pub(crate) path: String,
}

impl Context<'_> {
    /// The server to talk to: the one given, else this machine's own.
    pub(crate) fn api(&self) -> anyhow::Result<String> {
        match &self.global.api {
            Some(api) => Ok(api.clone()),
            None => self.own_api(),
        }
    }

    fn own_api(&self) -> anyhow::Result<String> {
        let port = Settings::recorded(&self.roots.home)?.api_port;
        Ok(format!("http://127.0.0.1:{port}"))
    }

    /// A client with the token kept for this server; for this machine's own with the token that its
    /// mothership wrote for its tools, when nobody signed in.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let api = self.api()?;
        let own = || (self.own_api().ok()? == api).then(|| local_token(&self.roots.home).ok())?;
        let token = self.sessions.token(&api)?.or_else(own);
        Client::new(&api, token)
    }

    /// The source tree: the one given, else the nearest above the working folder.
    pub(crate) fn checkout(&self) -> anyhow::Result<PathBuf> {
        let here = std::env::current_dir().context("find the working folder")?;
        Ok(find_checkout(self.global.source.as_deref(), &here)?)
    }
}

/// Runs the command.
pub(crate) fn run(args: Args, output: &Output) -> anyhow::Result<()> {
    let Args { global, command } = args;
    if let Command::Completions(args) = command {
        return completions::run(&args, output);
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    // These run as parts of a Sovereign or in the background, in an environment built from empty.
    let command = match command {
        Command::Sandbox(sandbox::Command::Daemon(command)) => {
            return sandbox::daemon::run(command);
        }
        Command::Sandbox(sandbox::Command::Inner(inner)) => return inner.run_alone(),
        other => other,
    };
    let roots = roots(&global)?;
    let sessions = Sessions::new(roots.home.credentials());
    let path = std::env::var_os("PATH").map(|path| path.to_string_lossy().into_owned());
    let path = path.unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let context = Context { global: &global, output, roots, sessions, path };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(dispatch(command, &context))
}

async fn dispatch(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up::run(args, context).await,
        Command::Down(args) => down::run(args, context).await,
        Command::Doctor(_) => doctor::run(context).await,
        Command::Login(args) => login::login(args, context).await,
        Command::Logout(_) => login::logout(context).await,
        Command::Kubectl(args) => kubectl::run(args, context).await,
        Command::Why(args) => sovereign::why::run(args, context).await,
        Command::Sovereign(command) => sovereign::run(command, context).await,
        Command::Sandbox(command) => sandbox::run(command, context).await,
        Command::Kit(command) => kit::run(command, context).await,
        Command::Token(command) => token::run(command, context).await,
        Command::Completions(args) => completions::run(&args, context.output),
    }
}

fn roots(global: &Global) -> anyhow::Result<Roots> {
    let folder =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(Into::into);
    let user_home = folder("HOME").context("HOME is not set")?;
    // Background processes have another working folder, and names made of a folder must be the same
    // however it is written.
    let whole = |folder: Option<&PathBuf>| {
        let folder = folder.map(std::path::absolute).transpose();
        let folder = folder.context("find the working folder")?;
        anyhow::Ok(folder.map(|folder| folder.canonicalize().unwrap_or(folder)))
    };
    Ok(Roots::resolve(RootsInput {
        cache: whole(global.cache.as_ref())?,
        home: whole(global.home.as_ref())?,
        run: folder("CATALYST_RUN"),
        xdg_cache: folder("XDG_CACHE_HOME"),
        xdg_state: folder("XDG_STATE_HOME"),
        user_home,
    }))
}
