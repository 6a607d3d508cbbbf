//! `catalyst down`: everything `up` started, in the order that lets each end in peace.

use catalyst_sandbox::lifecycle::{Data, Record};

use super::Context;
use super::up::installation;

/// Take down what `up` started; volumes stay unless --purge.
///
/// Ends the mothership, every Sovereign of this machine and the outside world. Records, volumes and
/// images stay, so that `catalyst up` goes on where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove records, volumes and credentials too; the cache of tools stays.
    #[arg(long)]
    purge: bool,
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let installation = installation(context).await?;
    let say = |text: &str| context.output.say(text);
    // First, so that nothing is made again while it is taken away.
    installation.mothership_to_end()?.down().await?;
    say("ended the mothership");
    let data = if args.purge { Data::Purge } else { Data::Keep };
    for name in Record::names(&installation.roots.home) {
        installation.end(&name, data).await?;
        say(&format!("ended {name}"));
    }
    installation.outside_to_end()?.down().await?;
    say("ended the outside world");
    if args.purge {
        let others = installation.roots.home.purge()?;
        say("removed records, volumes and credentials");
        if !others.is_empty() {
            let home = installation.roots.home.root().display();
            say(&format!("left what is not ours in {home}: {}", others.join(", ")));
        }
    }
    Ok(())
}
