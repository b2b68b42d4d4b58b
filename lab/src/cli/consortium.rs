//! `lab consortium`: what a consortium's administrator does.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use federation::api::{Consortium, HeadKind, Invitation, NewConsortium, NewInvitation, NewRound, Purpose, Role, Round};
use zeroize::Zeroizing;

use crate::federate::link::HttpLink;

/// Found a consortium, invite, begin rounds, and see how they stand.
#[derive(Args)]
pub struct ConsortiumArgs {
    /// The relay's address.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    relay: String,
    /// File with the administrator's token (`relay-server --make-admin-token` makes one).
    #[arg(long)]
    token_file: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Found a consortium and print an invitation for each site: each opens once, give it to its site only.
    Found {
        /// Its id: lower-case letters, digits and dashes.
        id: String,
        /// Its name for people.
        #[arg(long, default_value = "")]
        title: String,
        /// The model pack whose head is learnt.
        #[arg(long)]
        model: String,
        /// Ids of the classes, in the order of the pack's card.
        #[arg(long, value_delimiter = ',', required = true)]
        classes: Vec<String>,
        /// Names of the sites, 3 to 63.
        #[arg(long, value_delimiter = ',', required = true)]
        sites: Vec<String>,
        /// Members whose answers open a sum; recommended if left out.
        #[arg(long)]
        threshold: Option<u16>,
        /// Members that may collude; recommended if left out.
        #[arg(long)]
        collusion: Option<u16>,
        /// Fewest contributions in an opened sum; recommended if left out.
        #[arg(long)]
        cohort: Option<u16>,
        /// Largest norm of a quantised CLS token.
        #[arg(long, default_value_t = 2000)]
        clip_norm: u32,
    },
    /// Invite somebody who reads rounds, results and the audit log.
    Viewer {
        /// The consortium.
        id: String,
        /// The viewer's name.
        name: String,
    },
    /// Begin a round that learns a head.
    Round {
        /// The consortium.
        id: String,
        /// Seconds for contributing.
        #[arg(long, default_value_t = 3600)]
        contribute_s: u32,
        /// Seconds for confirming.
        #[arg(long, default_value_t = 600)]
        confirm_s: u32,
        /// Seconds for answering.
        #[arg(long, default_value_t = 600)]
        open_s: u32,
    },
    /// Stop waiting for contributions: the set is what has come.
    Close {
        /// The consortium.
        id: String,
        /// The round.
        number: u64,
    },
    /// Print a consortium and its rounds as JSON.
    Show {
        /// The consortium.
        id: String,
    },
}

impl ConsortiumArgs {
    /// Calls the relay and prints what it says.
    ///
    /// # Errors
    /// Where the token cannot be read, or the relay does not answer or refuses.
    pub fn run(self) -> Result<()> {
        let link = HttpLink::new(&self.relay, read_token(&self.token_file)?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.command.run(&link))
    }
}

impl Command {
    async fn run(self, link: &HttpLink) -> Result<()> {
        match self {
            Self::Found { id, title, model, classes, sites, threshold, collusion, cohort, clip_norm } => {
                let title = if title.is_empty() { id.clone() } else { title };
                let count = u16::try_from(sites.len()).context("a consortium has at most 63 sites")?;
                let new = NewConsortium { id, title, model, classes, sites: count, threshold, collusion, cohort, clip_norm };
                let founded: Consortium = link.post("admin", "/v1/consortia", &new).await?;
                for name in sites {
                    invite(link, &founded.id, name, Role::Site).await?;
                }
                Ok(())
            }
            Self::Viewer { id, name } => invite(link, &id, name, Role::Viewer).await,
            Self::Round { id, contribute_s, confirm_s, open_s } => {
                let publish = Some(HeadKind::Lda);
                let new = NewRound {
                    purpose: Purpose::Statistics,
                    length: None,
                    parameters: None,
                    contribute_s,
                    confirm_s,
                    open_s,
                    publish,
                };
                let begun: Round = link.post("admin", &format!("/v1/consortia/{id}/rounds"), &new).await?;
                print(&begun)
            }
            Self::Close { id, number } => {
                let closed: Round = link.post("admin", &format!("/v1/consortia/{id}/rounds/{number}/close"), &()).await?;
                print(&closed)
            }
            Self::Show { id } => {
                print(&link.get::<Consortium>("admin", &format!("/v1/consortia/{id}")).await?)?;
                print(&link.rounds(&id).await?)
            }
        }
    }
}

async fn invite(link: &HttpLink, id: &str, name: String, role: Role) -> Result<()> {
    let new = NewInvitation { name, role };
    let made: Invitation = link.post("admin", &format!("/v1/consortia/{id}/invitations"), &new).await?;
    println!("{}: {}", new.name, made.invitation);
    Ok(())
}

fn print(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn read_token(path: &Path) -> Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
