//! A real PostgreSQL for a test: its own cluster in a temporary folder, on a socket there, run by an unprivileged account.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
}

/// Where the programs are: on the path, or where Debian puts them.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// An account that PostgreSQL agrees to run as; nothing where this process is not root.
fn unprivileged() -> Option<(u32, u32)> {
    let own = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    if own.trim() != "0" {
        return None;
    }
    ["postgres", "nobody"].into_iter().find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
}

impl Postgres {
    /// Nothing, and a line that says so, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let (Some(initdb), Some(postgres)) = (program("initdb"), program("postgres")) else {
            println!("skipped: PostgreSQL is missing: apt-get install postgresql");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("vs-pg-").tempdir_in("/tmp").unwrap();
        let account = unprivileged();
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let command = |program: &PathBuf| {
            // Where there is `setpriv`, the server ends with this test even if the test is killed.
            let mut command = match self::program("setpriv") {
                Some(setpriv) => Command::new(setpriv),
                None => Command::new(program),
            };
            if command.get_program() != program.as_os_str() {
                command.arg("--pdeathsig=INT").arg(program);
            }
            command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.path().join("data");
        let mut make = command(&initdb);
        make.arg("-D").arg(&data).args(["-A", "trust", "-U", "relay", "-E", "UTF8", "--locale=C", "--no-sync"]);
        assert!(make.status().unwrap().success(), "initdb fails");
        let mut start = command(&postgres);
        start.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-h", "", "-c", "max_connections=20"]);
        let server = start.spawn().unwrap();
        let postgres = Self { server, folder };
        postgres.wait();
        Some(postgres)
    }

    fn wait(&self) {
        let socket = self.folder.path().join(".s.PGSQL.5432");
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL does not start");
    }

    /// The URL of its database, with a password that the log must not show.
    pub fn url(&self) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://relay:hunter2@{host}/postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown, which ends its children too.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}
