//! The program's configuration: where a value comes from, and what is said of a wrong one.

use std::process::{Command, Output};

use sha2::Digest;

use crate::common::Place;

fn relay(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-server"));
    command.current_dir(place.path()).env_clear();
    command
}

fn text(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// The configuration in force.
fn printed(command: &mut Command) -> toml::Table {
    let output = command.arg("--print-config").output().unwrap();
    let (out, err) = text(&output);
    assert!(output.status.success(), "{err}");
    out.parse().unwrap()
}

/// What is said of a configuration that cannot be used.
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = text(&output);
    assert!(!output.status.success(), "{out}");
    err
}

#[test]
fn flags_go_before_environment_environment_before_file_file_before_defaults() {
    let place = Place::new();
    let file = place.path().join("relay.toml");
    std::fs::write(&file, "listen = '127.0.0.1:1'\ndata_dir = 'from-file'\n[budget]\nqueries = 1\nwindow_s = 11\n").unwrap();
    let config = printed(
        relay(&place)
            .args(["--config", "relay.toml", "--listen", "127.0.0.1:3"])
            .env("VEILSIGHT_RELAY_LISTEN", "127.0.0.1:2")
            .env("VEILSIGHT_RELAY_BUDGET__QUERIES", "2"),
    );
    assert_eq!(config["listen"].as_str(), Some("127.0.0.1:3"));
    assert_eq!(config["budget"]["queries"].as_integer(), Some(2));
    assert_eq!(config["budget"]["window_s"].as_integer(), Some(11));
    assert_eq!(config["data_dir"].as_str(), Some("from-file"));
    assert_eq!(config["models_dir"].as_str(), Some("models/zoo"));
}

#[test]
fn the_printed_configuration_reads_as_a_file() {
    let place = Place::new();
    let first = printed(relay(&place).args(["--www", "www", "--allow-origin", "https://a.example"]));
    std::fs::write(place.path().join("again.toml"), first.to_string()).unwrap();
    assert_eq!(printed(relay(&place).args(["--config", "again.toml"])), first);
}

#[test]
fn the_example_file_holds_the_defaults() {
    let place = Place::new();
    std::fs::write(place.path().join("example.toml"), include_str!("../../relay-server.example.toml")).unwrap();
    assert_eq!(printed(relay(&place).args(["--config", "example.toml"])), printed(&mut relay(&place)));
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_to_do() {
    let place = Place::new();
    let with_file = |text: &str| {
        std::fs::write(place.path().join("wrong.toml"), text).unwrap();
        refused(relay(&place).args(["--config", "wrong.toml"]))
    };
    for (text, words) in [
        ("[limits]\nin_fligth = 3", vec!["wrong.toml", "limits.in_fligth", "unknown", "in_flight"]),
        ("lissten = 3", vec!["wrong.toml", "`lissten`", "unknown", "listen"]),
        ("listen = 'here'", vec!["wrong.toml", "`listen`"]),
        ("[budget]\nqueries = 0", vec!["budget.queries", "at least 1"]),
        ("trusted_proxies = ['everyone']", vec!["`everyone`", "10.0.0.0/8"]),
        ("[cors]\nallow_origins = ['*']", vec!["cors.allow_origins", "`*`", "https://hospital.example"]),
        ("[cors]\nallow_origins = ['https://a.example/']", vec!["https://a.example/", "no slash"]),
        ("listen = '127.0.0.1:9'\nadmin_listen = '127.0.0.1:9'", vec!["admin_listen", "another port"]),
        ("www_dir = 'nowhere'", vec!["www_dir", "build the page"]),
        ("www_dir = '.'\nmodels_dir = 'zoo'", vec!["models_dir", "public folder"]),
        ("[log]\nfilter = 'a=b=c'", vec!["log.filter", "relay_server=debug"]),
    ] {
        let said = with_file(text);
        assert!(words.iter().all(|word| said.contains(word)), "{text:?} gives {said}");
    }
    let said = refused(relay(&place).env("VEILSIGHT_RELAY_LISTTEN", "x"));
    assert!(said.contains("Environment") && said.contains("unknown"), "{said}");
    let said = refused(relay(&place).args(["--config", "absent.toml"]));
    assert!(said.contains("absent.toml") && said.contains("--config"), "{said}");
}

#[test]
fn an_administrators_token_is_made_with_the_hash_that_lets_it_in() {
    let place = Place::new();
    let output = relay(&place).arg("--make-admin-token").output().unwrap();
    let said = text(&output).0;
    let word = |prefix: &str| said.split_whitespace().find(|word| word.starts_with(prefix)).unwrap().to_owned();
    let hash = hex::encode(sha2::Sha256::digest(word("vsa_")));
    assert!(said.contains(&format!("admin_token_sha256 = \"{hash}\"")), "{said}");
    assert_ne!(text(&relay(&place).arg("--make-admin-token").output().unwrap()).0, said);
    let config = printed(relay(&place).env("VEILSIGHT_RELAY_FEDERATION__ADMIN_TOKEN_SHA256", &hash));
    assert_eq!(config["federation"]["admin_token_sha256"].as_str(), Some(hash.as_str()));
    // Who puts the token itself there is told so, without a word of it in the message.
    let said = refused(relay(&place).env("VEILSIGHT_RELAY_FEDERATION__ADMIN_TOKEN_SHA256", "vsa_0123456789"));
    assert!(said.contains("--make-admin-token") && !said.contains("0123456789"), "{said}");
}

#[test]
fn the_databases_password_is_never_printed() {
    let place = Place::new();
    let url = "postgres://relay:hunter2@127.0.0.1:1/veilsight";
    let config = printed(relay(&place).env("VEILSIGHT_RELAY_DATABASE_URL", url));
    assert_eq!(config["database_url"].as_str(), Some("postgres://relay:***@127.0.0.1:1/veilsight"));
    let said = refused(relay(&place).args(["--models", "zoo", "--check-config"]).env("VEILSIGHT_RELAY_DATABASE_URL", url));
    assert!(said.contains("database_url") && !said.contains("hunter2"), "{said}");
    let said = refused(relay(&place).env("VEILSIGHT_RELAY_DATABASE_URL", "mysql://relay:hunter2@db/v"));
    assert!(said.contains("database_url") && said.contains("PostgreSQL") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_port_in_use_is_said_with_the_way_out() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(relay(&place).args(["--models", "zoo", "--listen", &address]));
    assert!(said.contains(&address) && said.contains("already in use") && said.contains("--listen"), "{said}");
}

#[test]
fn a_check_loads_the_models_and_says_what_there_is() {
    let place = Place::new();
    let output = relay(&place).args(["--models", "zoo", "--www", "www", "--check-config"]).output().unwrap();
    assert!(output.status.success());
    assert!(text(&output).0.contains("models: tiny"));
    std::fs::write(place.path().join("zoo/tiny/head.safetensors"), "damaged").unwrap();
    let said = refused(relay(&place).args(["--models", "zoo", "--check-config"]));
    assert!(said.contains("zoo/tiny"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_program_says_where_it_listens_and_stops_at_sigterm() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let place = Place::new();
    let mut command = relay(&place);
    command.args(["--models", "zoo", "--www", "www", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Listening on http://127.0.0.1:"), "{line}");
    let address: std::net::SocketAddr = line.trim().trim_start_matches("Listening on http://").parse().unwrap();
    std::net::TcpStream::connect(address).unwrap();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success() && child.wait().unwrap().success());
}
