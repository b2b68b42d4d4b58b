//! A real round of `lab site` processes, each with a folder of images and a state of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation::api::{Consortium, NewConsortium, NewRound, Round};
use federation::site::RelayLink;
use he::aggregation::{self, Identity, Rules};

use super::relay::{LocalRelay, begin, found};
use crate::data::Split;

const PATIENCE: Duration = Duration::from_secs(1500);

/// Which model the sites use.
pub struct Model<'a> {
    /// Its id.
    pub id: &'a str,
    /// Folder of packs.
    pub zoo: &'a Path,
}

/// Writes each site's images to a folder, starts a process for each, and lets them play one round. Gives the finished round.
///
/// # Errors
/// Where a process fails or the round does not end.
pub async fn play(
    relay: &LocalRelay,
    new: &NewConsortium,
    round: &NewRound,
    train: &Split,
    dealt: &[usize],
    model: &Model<'_>,
) -> Result<Round> {
    let folder = tempfile::tempdir()?;
    let admin = relay.admin()?;
    let invitations = found(&admin, new).await?;
    for (site, invitation) in invitations.iter().enumerate() {
        let home = folder.path().join(format!("site-{site}"));
        lay_out(&home.join("images"), train, dealt, site)?;
        // A file, since other users of the machine can read command lines.
        std::fs::write(home.join("invitation"), invitation.as_bytes())?;
        let (state, invitation) = (home.join("state.json"), home.join("invitation"));
        let enrol = lab()?
            .args(["site", "enrol", "--relay", &relay.base()])
            .arg("--state")
            .arg(&state)
            .arg("--invitation")
            .arg(invitation)
            .status()?;
        ensure!(enrol.success(), "site {site} could not enrol");
    }
    let fingerprint = fingerprint(&admin.consortium(&new.id).await?)?;
    let mut sites = Vec::new();
    for site in 0..invitations.len() {
        let home = folder.path().join(format!("site-{site}"));
        let mut command = lab()?;
        command.args(["site", "take-part", "--rounds", "1", "--model", model.id, "--fingerprint", &fingerprint]);
        command.arg("--zoo").arg(model.zoo).arg("--state").arg(home.join("state.json")).arg("--images").arg(home.join("images"));
        sites.push(command.stdin(Stdio::null()).spawn().context("a site could not be started")?);
    }
    let number = begin(&admin, &new.id, round).await?.number;
    let ended = wait(&mut sites).await;
    for site in &mut sites {
        // It has ended already, unless another one failed.
        let _ = site.kill();
    }
    ended?;
    Ok(admin.round(&new.id, number).await?)
}

async fn wait(sites: &mut [Child]) -> Result<()> {
    let began = Instant::now();
    loop {
        let mut running = false;
        for site in sites.iter_mut() {
            match site.try_wait()? {
                Some(status) if !status.success() => bail!("a site failed: {status}"),
                Some(_) => {}
                None => running = true,
            }
        }
        if !running {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "the sites do not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn lab() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// One folder for each class, with the images of one site.
fn lay_out(folder: &Path, train: &Split, dealt: &[usize], site: usize) -> Result<()> {
    for (sample, _) in train.samples.iter().zip(dealt).filter(|(_, at)| **at == site) {
        let name: PathBuf = sample.file.replace('/', "_").into();
        let class = folder.join(&train.labels[sample.class]);
        std::fs::create_dir_all(&class)?;
        std::fs::write(class.join(name), &sample.bytes)?;
    }
    Ok(())
}

/// The fingerprint of a complete roster, computed from the identities and not taken from the relay.
fn fingerprint(view: &Consortium) -> Result<String> {
    let rules = Rules::new(view.rules.sites, view.rules.threshold, view.rules.collusion, view.rules.cohort)?;
    let identity = |site: &federation::api::Site| anyhow::Ok(Identity::from_bytes(&hex::decode(&site.identity)?)?);
    let identities = view.sites.iter().map(identity).collect::<Result<Vec<_>>>()?;
    Ok(aggregation::Consortium::derive(&view.id, rules, identities)?.fingerprint())
}
