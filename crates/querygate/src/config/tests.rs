use std::{fs, os::unix::fs::PermissionsExt as _};

use querygate_identity::Credential;
use secrecy::ExposeSecret as _;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "SHOP_PASSWORD" => "server secret",
        "REPORTING_SECRET" => "agent secret",
        "QG_CUSTOMERS_KEY" => KEY,
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> Result<Config, Problems> {
    Config::read(Source::new("querygate.toml", text), Path::new("querygate.toml"), &environment)
}

/// A good file with one part replaced.
fn with(part: &str, other: &str) -> String {
    assert!(SAMPLE.contains(part), "{part}");
    SAMPLE.replace(part, other)
}

fn refused(text: &str) -> String {
    read(text)
        .expect_err("refused")
        .iter()
        .map(|p| format!("{}; {}\n", p.message, p.remedy.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn the_sample_is_a_valid_configuration() {
    let config = read(SAMPLE).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!(config.listen.postgres.unwrap().port(), 6432);
    let shop = config.database("shop").unwrap();
    assert_eq!(shop.addresses[0].to_string(), "127.0.0.1:5432");
    assert_eq!(shop.password.as_ref().unwrap().expose_secret(), "server secret");
    assert_eq!(shop.limits.bytes, Some(1 << 30));
    assert!(matches!(&config.accounts[0].credential, Credential::Secret(s) if s.expose_secret() == "agent secret"));
    assert_eq!(config.keys[0].value.expose_secret(), b"0123456789abcdef0123456789abcdef");
}

#[test]
fn settings_that_the_sample_says_may_be_left_out_have_the_value_that_it_shows() {
    let least = "data_dir = 'data'\n[listen]\npostgres = '127.0.0.1:6432'\n\
                 [[database]]\nname = 'shop'\nengine = 'postgres'\naddress = '127.0.0.1:5432'\nuser = 'gateway_svc'\ntls = 'off'\n";
    let (least, sample) = (read(least).unwrap(), read(SAMPLE).unwrap());
    assert_eq!(least.policies, sample.policies);
    assert_eq!(Listen { metrics: sample.listen.metrics, ..least.listen }, sample.listen);
    assert_eq!(least.log.durability, sample.log.durability);
    let (a, b) = (&least.databases[0], &sample.databases[0]);
    assert_eq!((a.limits.connections, a.limits.statement), (b.limits.connections, b.limits.statement));
    assert_eq!((&a.database, a.observe, a.catalog_refresh), (&b.database, b.observe, b.catalog_refresh));
    let times = |d: &Database| (d.connect_timeout, d.keepalive, d.connection_wait);
    assert_eq!((times(a), a.servers, a.connections_per_account), (times(b), None, None));
}

#[test]
fn an_unknown_key_is_an_error_with_its_place_and_the_nearest_known_one() {
    let text = with("durability     =", "durabilty =");
    let problems = read(&text).unwrap_err().to_string();
    assert_eq!(problems, "querygate.toml:20:1: error: unknown key `log.durabilty`; did you mean `log.durability`?");
}

#[test]
fn a_secret_in_the_file_itself_is_refused_and_not_repeated() {
    let text = with("{ env = \"SHOP_PASSWORD\" }", "\"hunter2\"");
    let problems = refused(&text);
    assert_eq!(
        problems,
        "`database.password` stands in the file in clear; write { env = \"NAME\" } or { file = \"path\" }\n"
    );
}

#[test]
fn no_secret_shows_in_debug_output() {
    let shown = format!("{:?}", read(SAMPLE).unwrap());
    for secret in ["server secret", "agent secret", KEY, "0123456789abcdef"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn plaintext_beyond_this_machine_needs_its_dangerous_name() {
    let off = with("tls         = \"self-signed\"", "tls = \"off\"");
    read(&off).unwrap();
    let open = off.replace("127.0.0.1:6432", "0.0.0.0:6432");
    assert!(
        refused(&open).starts_with("passwords and data would cross the network unencrypted; set `listen.tls`"),
        "{}",
        refused(&open)
    );
    read(&open.replace("[listen]", "[listen]\ndanger_plaintext = true")).unwrap();

    let far = with("127.0.0.1:5432", "db.internal:5432");
    assert!(
        refused(&far).starts_with("the gateway's password and the data would cross the network unencrypted"),
        "{}",
        refused(&far)
    );
    read(&far.replace("mode            =", "danger_plaintext = true\nmode =")).unwrap();
}

#[test]
fn masks_are_given_up_only_in_observe_mode() {
    let text = with("mode            = \"enforce\"", "danger_unmasked = true\nmode = \"enforce\"");
    assert!(refused(&text).starts_with("`danger_unmasked` goes with `mode = \"observe\"` alone"), "{}", refused(&text));
    let observe = read(&text.replace("\"enforce\"", "\"observe\"")).unwrap();
    assert!(observe.databases[0].observe && observe.databases[0].danger_unmasked);
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let vault = refused(&with("{ env = \"SHOP_PASSWORD\" }", "{ vault = \"kv/shop\" }"));
    assert!(vault.starts_with("secrets from a vault are not built"), "{vault}");
    let console = refused(&with("[listen]", "[listen]\nconsole = \"127.0.0.1:8080\""));
    assert!(console.starts_with("the web console is not built"), "{console}");
    let oidc = refused(&format!("{SAMPLE}\n[oidc]\nissuer = 'https://idp.example.com'\n"));
    assert!(oidc.starts_with("log-in by OIDC tokens is not built"), "{oidc}");
}

#[test]
fn names_that_clash_are_refused() {
    let twice = format!(
        "{SAMPLE}\n[[account]]\nname = 'reporting-agent'\nroles = []\nsecret = {{ env = 'REPORTING_SECRET' }}\n"
    );
    assert_eq!(refused(&twice), "\"reporting-agent\" is there twice; give each a name of its own\n");
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("querygate.toml");
    fs::write(folder.path().join("shop.password"), "from a file\n").unwrap();
    fs::set_permissions(folder.path().join("shop.password"), fs::Permissions::from_mode(0o600)).unwrap();
    let verifier = "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=:\
                    AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    fs::write(folder.path().join("agent.scram"), verifier).unwrap();
    fs::set_permissions(folder.path().join("agent.scram"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = with("{ env = \"SHOP_PASSWORD\" }", "{ file = \"shop.password\" }");
    fs::write(&path, text.replace("{ env = \"REPORTING_SECRET\" }", "{ file = \"agent.scram\" }")).unwrap();
    let config = Config::load_with(&path, &environment).unwrap();
    assert_eq!(config.databases[0].password.as_ref().unwrap().expose_secret(), "from a file");
    assert!(matches!(config.accounts[0].credential, Credential::Verifier(_)));
    assert_eq!(config.data_dir, folder.path().join("data"));
    assert!(
        config.warnings.to_string().contains("agent.scram can be read by others than its owner"),
        "{}",
        config.warnings
    );
}

#[test]
fn a_missing_file_and_a_missing_variable_say_what_to_do() {
    let missing = Config::load_with(Path::new("/nonexistent/querygate.toml"), &environment).unwrap_err().to_string();
    assert!(missing.contains("can't be read") && missing.contains("check the path"), "{missing}");
    let unset = refused(&with("SHOP_PASSWORD", "SHOP_PASSWORT"));
    assert!(unset.starts_with("the environment variable SHOP_PASSWORT is not set, or empty; set it where"), "{unset}");
}

#[test]
fn a_bad_certificate_path_names_the_file() {
    let problems =
        refused(&with("tls         = \"self-signed\"", "tls = { certificate = \"no.crt\", key = \"no.key\" }"));
    assert!(problems.contains("./no.crt can't be read"), "{problems}");
}

#[test]
fn a_database_may_have_several_servers_and_logins_for_roles() {
    let several = with("\"127.0.0.1:5432\"", "[\"127.0.0.1:5432\", \"[::1]:5433\"]\nservers = \"any\"");
    let several =
        several.replace("[[account]] ", "[[database.login]]\nroles = [\"dba\"]\nuser = \"strong\"\n[[account]] ");
    let config = read(&several).unwrap();
    let shop = &config.databases[0];
    assert_eq!(shop.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:5432", "[::1]:5433"]);
    assert_eq!(shop.servers, Some(Servers::Any));
    assert_eq!((shop.logins[0].roles[0].as_str(), shop.logins[0].user.as_str()), ("dba", "strong"));
    for (bad, said) in [
        ("[]", "no address, or too many"),
        ("[\"127.0.0.1\"]", "\"127.0.0.1\" is not a host and a port"),
        ("[\"127.0.0.1:5432\", \"db.internal:5432\"]", "the gateway's password and the data would cross the network"),
    ] {
        let refused = refused(&with("\"127.0.0.1:5432\"", bad));
        assert!(refused.contains(said), "{refused}");
    }
    let nobody = refused(&several.replace("[\"dba\"]", "[]"));
    assert!(nobody.starts_with("a login for no role is never used; name the roles"), "{nobody}");
}

#[test]
fn certificates_for_a_server_must_fit_its_mode() {
    let of = |tls: &str| with("tls             = \"off\"", &format!("tls = {tls}"));
    let half = refused(&of("{ certificate = \"Cargo.toml\" }"));
    assert!(half.starts_with("`certificate` and `key` go together; give both"), "{half}");
    let off = refused(&of("{ mode = \"off\", authorities = \"Cargo.toml\" }"));
    assert!(off.starts_with("certificates mean nothing where TLS is off"), "{off}");
    let ignored = refused(&of("{ mode = \"require\", authorities = \"Cargo.toml\" }"));
    assert!(ignored.starts_with("`authorities` are not looked at in mode \"require\""), "{ignored}");
    let config = read(&of(
        "{ mode = \"verify-ca\", authorities = \"Cargo.toml\", certificate = \"Cargo.toml\", key = \"Cargo.toml\" }",
    ));
    let config = config.unwrap();
    assert!(matches!(&config.databases[0].tls, ServerTls::On { trust: Trust::VerifyCa, client: Some(_), .. }));
    let anybody = read(&of("\"verify-ca\"")).unwrap().warnings.to_string();
    assert!(anybody.contains("takes anybody who has some certificate"), "{anybody}");
}

#[test]
fn times_that_the_system_counts_in_seconds_are_seconds() {
    let short = refused(&with("keepalive       = \"60s\"", "keepalive = \"10ms\""));
    assert!(short.contains("`database.keepalive` is out of range; from 1s to 1d"), "{short}");
}
