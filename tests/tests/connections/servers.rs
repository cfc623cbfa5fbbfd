//! The way to the server: whose certificate is taken, which one is shown, and whom the gateway logs in as.

use querygate_testkit::{
    Error,
    gateway::{Gateway, Setup},
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    wire::RawClient,
};

use crate::{
    stage::{POLICY, accounts, eventually, rows, secret},
    trust::{Authority, Identity},
};

/// A server that takes encrypted connections alone, with these lines of its own access file.
pub fn encrypted(identity: &Identity, authority: &str, access: &str) -> Result<Server, Error> {
    Server::setup()
        .setting("ssl", "on")
        .setting("ssl_ca_file", "authority.crt")
        .file("server.crt", &identity.certificate)
        .file("server.key", &identity.key)
        .file("authority.crt", authority)
        .access("hostnossl all all 127.0.0.1/32 reject")
        .access(access)
        .start()
}

/// A gateway before a server, with these lines in its table of the database.
pub fn before(port: u16, user: &str, lines: &str) -> Setup {
    let table = format!(
        "[[database]]\nname = \"shop\"\nengine = \"postgres\"\naddress = \"127.0.0.1:{port}\"\ndatabase = \"postgres\"\nuser = \"{user}\"\n{lines}\n"
    );
    let setup = Gateway::setup().tables(&table).environment("SERVER_PASSWORD", ADMIN_PASSWORD);
    setup.policy("shop", POLICY)
}

/// What the server answers through the gateway, which must be able to reach it.
fn ask(gateway: &Gateway, account: &str, sql: &str) -> Result<String, Error> {
    let mut client = RawClient::login(&gateway.login(account, &secret(account), "shop"))?;
    Ok(rows(&client.query(sql)?))
}

/// What `check` says of a gateway's database that can't be reached.
pub fn check(setup: Setup) -> Result<String, Error> {
    let checked = accounts(setup).prepare()?.command(&["check"], "")?;
    assert_ne!(checked.code, Some(0), "{checked:?}");
    Ok(checked.stdout + &checked.stderr)
}

#[test]
fn verify_ca_takes_a_certificate_of_its_authority_whatever_its_name_and_no_other() -> Result<(), Error> {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = encrypted(&authority.sign("elsewhere.example.com"), &authority.certificate, "")?;
    let tls = |mode: &str| {
        format!(
            "password = {{ env = \"SERVER_PASSWORD\" }}\ntls = {{ mode = \"{mode}\", authorities = \"authority.crt\" }}"
        )
    };
    let gateway = |mode: &str, authority: &Authority| {
        before(server.port(), ADMIN, &tls(mode)).file("authority.crt", &authority.certificate)
    };
    let accepted = accounts(gateway("verify-ca", &authority)).start()?;
    assert_eq!(ask(&accepted, "dba", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")?, "t");
    let named = check(gateway("verify-full", &authority))?;
    assert!(named.contains("no TLS with the database server") && named.contains("127.0.0.1"), "{named}");
    let strange = check(gateway("verify-ca", &stranger))?;
    assert!(strange.contains("invalid peer certificate"), "{strange}");
    Ok(())
}

#[test]
fn the_gateway_shows_its_own_certificate_to_a_server_that_wants_one() -> Result<(), Error> {
    let authority = Authority::new();
    let access = "hostssl all certified 127.0.0.1/32 cert";
    let server = encrypted(&authority.sign("127.0.0.1"), &authority.certificate, access)?;
    let encrypted = server.login(ADMIN, ADMIN_PASSWORD, "postgres");
    let made = crate::trust::psql(&encrypted, "sslmode=require", "CREATE ROLE certified LOGIN");
    made.ok()?;
    let own = authority.sign("certified");
    let lines = "tls = { authorities = \"authority.crt\", certificate = \"own.crt\", key = \"own.key\" }";
    let setup = before(server.port(), "certified", lines).file("authority.crt", &authority.certificate);
    let setup = setup.file("own.crt", &own.certificate).file("own.key", &own.key);
    let gateway = accounts(setup).start()?;
    assert_eq!(ask(&gateway, "dba", "SELECT current_user")?, "certified");
    let without = before(server.port(), "certified", "tls = { authorities = \"authority.crt\" }");
    let said = check(without.file("authority.crt", &authority.certificate))?;
    assert!(said.contains("28000") && said.contains("certificate"), "{said}");
    Ok(())
}

#[test]
fn sessions_of_a_role_have_a_login_of_their_own_on_the_server() -> Result<(), Error> {
    let server = Server::start()?;
    server.script(
        "postgres",
        "CREATE ROLE weak LOGIN PASSWORD 'weakpw'; CREATE ROLE strong LOGIN PASSWORD 'strongpw'; CREATE DATABASE shop;",
    )?;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], server.port()));
    let setup = Gateway::setup().database("shop", address, "shop", "weak", "weakpw").policy("shop", POLICY);
    let setup = setup
        .tables(
            "[[database.login]]\nroles = [\"nobody\", \"dba\"]\nuser = \"strong\"\npassword = { env = \"STRONG_PASSWORD\" }",
        )
        .environment("STRONG_PASSWORD", "strongpw");
    let gateway = accounts(setup).start()?;
    let ask = |account: &str| ask(&gateway, account, "SELECT current_user, session_user");
    assert_eq!((ask("dba")?.as_str(), ask("agent")?.as_str()), ("strong strong", "weak weak"));
    // Which login is no client's business.
    let mut client = RawClient::connect(gateway.address())?;
    client.send(&querygate_testkit::wire::startup(&[("user", "dba"), ("database", "shop")]))?;
    client.scram(&secret("dba"))?;
    let said = client.read_until(b'Z')?;
    assert!(said.iter().all(|frame| !String::from_utf8_lossy(&frame.body).contains("strong")), "{said:?}");
    // Its password is wrong from now on: said in the gateway's log, and to the client without a name.
    server.script("postgres", "ALTER ROLE strong PASSWORD 'other'")?;
    let Err(Error::Unexpected(refused)) = RawClient::login(&gateway.login("dba", &secret("dba"), "shop")) else {
        let mut client = RawClient::connect(gateway.address())?;
        client.send(&querygate_testkit::wire::startup(&[("user", "dba"), ("database", "shop")]))?;
        client.scram(&secret("dba"))?;
        let said = client.read_to_end()?;
        let words = said[0].field(b'M').unwrap();
        assert!(words.contains("refused the gateway's connection (28P01)"), "{words}");
        return Ok(());
    };
    panic!("{refused}");
}

#[test]
fn a_server_is_tried_again_when_it_comes_back_and_keeps_the_newest_protocol() -> Result<(), Error> {
    let mut server = Server::start()?;
    let setup = before(server.port(), ADMIN, "password = { env = \"SERVER_PASSWORD\" }\ntls = \"off\"");
    let gateway = accounts(setup).start()?;
    server.stop()?;
    assert!(ask(&gateway, "dba", "SELECT 7").is_err());
    server.resume()?;
    eventually("the server", || ask(&gateway, "dba", "SELECT 7").is_ok_and(|rows| rows == "7"));
    Ok(())
}
