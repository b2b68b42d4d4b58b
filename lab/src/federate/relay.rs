//! A relay in this process, and what its administrator does.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use federation::api::{Consortium, Invitation, NewConsortium, NewInvitation, NewRound, Role, Round};
use relay_server::{Config, Relay};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::link::HttpLink;

/// A relay on threads of its own, with a database that is thrown away.
pub struct LocalRelay {
    runtime: Runtime,
    address: SocketAddr,
    admin: Zeroizing<String>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), relay_server::RelayError>>,
    // The database's folder lives as long as the relay.
    _data: tempfile::TempDir,
}

impl LocalRelay {
    /// Starts a relay that serves the packs in `zoo`.
    ///
    /// # Errors
    /// Where a pack cannot be used or the system gives no port.
    pub fn start(zoo: &Path) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let data = tempfile::tempdir()?;
        let mut config = Config { data_dir: data.path().to_owned(), models_dir: zoo.to_owned(), ..Config::default() };
        config.budget.enabled = false;
        config.limits.posts_per_minute = u32::MAX;
        config.limits.post_burst = u32::MAX;
        let admin = Zeroizing::new(format!("vsa_{}", hex::encode(rand::random::<[u8; 32]>())));
        config.federation.admin_token_sha256 = Some(hex::encode(Sha256::digest(admin.as_bytes())));
        let (stop, stopped) = oneshot::channel();
        let (address, serving) = runtime.block_on(async {
            let relay = Relay::open(config).await?;
            let listener = Relay::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            let address = listener.local_addr()?;
            let shutdown = async { stopped.await.unwrap_or(()) };
            anyhow::Ok((address, tokio::spawn(relay.serve(listener, shutdown))))
        })?;
        Ok(Self { runtime, address, admin, stop, serving, _data: data })
    }

    /// Its address, `http://…`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The administrator's link.
    ///
    /// # Errors
    /// Where the system gives no HTTP client.
    pub fn admin(&self) -> Result<HttpLink> {
        Ok(HttpLink::new(&self.base(), self.admin.clone())?)
    }

    /// Stops it.
    ///
    /// # Errors
    /// Where it ended badly.
    pub fn stop(self) -> Result<()> {
        // The relay has gone already where nobody listens.
        let _ = self.stop.send(());
        Ok(self.runtime.block_on(self.serving)??)
    }
}

/// Founds a consortium and invites its sites.
///
/// # Errors
/// Where the relay refuses.
pub async fn found(admin: &HttpLink, new: &NewConsortium) -> Result<Vec<Zeroizing<String>>> {
    let _: Consortium = admin.post("admin", "/v1/consortia", new).await.context("the consortium could not be founded")?;
    let mut invitations = Vec::new();
    for site in 0..new.sites {
        let wanted = NewInvitation { name: format!("site {site}"), role: Role::Site };
        let made: Invitation = admin.post("admin", &format!("/v1/consortia/{}/invitations", new.id), &wanted).await?;
        invitations.push(Zeroizing::new(made.invitation));
    }
    Ok(invitations)
}

/// Begins a round.
///
/// # Errors
/// Where the relay refuses.
pub async fn begin(admin: &HttpLink, consortium: &str, new: &NewRound) -> Result<Round> {
    admin.post("admin", &format!("/v1/consortia/{consortium}/rounds"), new).await.context("the round could not be begun")
}
