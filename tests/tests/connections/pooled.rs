//! A pooler that stands before the server from some moment on: no statement of a session goes through one that hands server processes around.

use querygate_testkit::{
    Error,
    gateway::{Gateway, Setup},
    pooler::Pooler,
    postgres::{ADMIN, ADMIN_PASSWORD, Server},
    proxy::Proxy,
    wire::{RawClient, startup},
};

use crate::stage::{POLICY, accounts, address, code, eventually, rows, secret, words};

const TRANSACTION: &str = "pool_mode = transaction\nignore_startup_parameters = search_path,extra_float_digits";
const SESSION: &str = "pool_mode = session\nignore_startup_parameters = search_path,extra_float_digits";
/// Looks at the catalog by itself so seldom that sessions alone find what has changed.
const SELDOM: &str = "catalog_refresh = \"1h\"";
const OFTEN: &str = "catalog_refresh = \"100ms\"";
const TABLES: &str =
    "CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL); INSERT INTO orders VALUES (1, 'open');";

/// A server, and a way to it that can be led elsewhere.
struct Place {
    server: Server,
    way: Proxy,
}

impl Place {
    fn open() -> Result<Place, Error> {
        let server = Server::start()?;
        server.script("postgres", "CREATE DATABASE shop")?;
        server.script("shop", TABLES)?;
        let way = Proxy::to(address(server.port()))?;
        Ok(Place { server, way })
    }

    fn gateway(&self, lines: &str) -> Result<Gateway, Error> {
        before(self.way.address().port(), lines)
    }

    /// From now on new connections go to a pooler before the same server.
    fn put_pooler(&self, lines: &str) -> Result<Pooler, Error> {
        let pooler = Pooler::before(&self.server, lines)?;
        self.way.redirect(address(pooler.port()));
        Ok(pooler)
    }
}

fn before(port: u16, lines: &str) -> Result<Gateway, Error> {
    let setup: Setup = Gateway::setup().policy("shop", POLICY);
    accounts(setup.database("shop", address(port), "shop", ADMIN, ADMIN_PASSWORD).tables(lines)).start()
}

fn log_in(gateway: &Gateway) -> Result<RawClient, Error> {
    RawClient::login(&gateway.login("dba", &secret("dba"), "shop"))
}

/// The error that a log-in ends with.
fn refused(gateway: &Gateway) -> Result<(String, String), Error> {
    let mut client = RawClient::connect(gateway.address())?;
    client.send(&startup(&[("user", "dba"), ("database", "shop")]))?;
    client.scram(&secret("dba"))?;
    let said = client.read_to_end()?;
    Ok((code(&said), words(&said)))
}

fn is_refused_for_the_pooler(gateway: &Gateway) -> Result<(), Error> {
    let (code, words) = refused(gateway)?;
    assert_eq!(code, "0A000", "{words}");
    assert!(words.contains("a pooler in transaction mode"), "{words}");
    Ok(())
}

#[test]
fn a_pooler_that_takes_the_servers_place_gets_no_session_from_the_first_one_on() -> Result<(), Error> {
    let mut first = Server::start()?;
    let place = Place::open()?;
    first.script("postgres", "CREATE DATABASE shop")?;
    first.script("shop", TABLES)?;
    let gateway = before(first.port(), SELDOM)?;
    let mut open = log_in(&gateway)?;
    assert_eq!(rows(&open.query("SELECT status FROM orders")?), "open");

    first.stop()?;
    assert!(code(&open.read_to_end()?).starts_with("57P"));
    let _pooler = Pooler::start(first.port(), &place.server, TRANSACTION)?;
    for _ in 0..3 {
        is_refused_for_the_pooler(&gateway)?;
    }
    assert_eq!(place.server.psql("shop", &["-Atc", "SELECT status FROM orders"], "")?.ok()?.stdout, "open\n");
    Ok(())
}

#[test]
fn sessions_are_refused_even_while_the_gateways_own_connection_still_leads_to_the_server_itself() -> Result<(), Error> {
    let place = Place::open()?;
    let gateway = place.gateway(SELDOM)?;
    let mut open = log_in(&gateway)?;
    assert_eq!(rows(&open.query("SELECT 1")?), "1");
    let _pooler = place.put_pooler(TRANSACTION)?;
    is_refused_for_the_pooler(&gateway)?;
    // What reaches the server itself goes on.
    assert_eq!(rows(&open.query("SELECT status FROM orders")?), "open");
    place.way.redirect(address(place.server.port()));
    assert_eq!(rows(&log_in(&gateway)?.query("SELECT 2")?), "2");
    Ok(())
}

#[test]
fn a_pooler_that_keeps_sessions_whole_is_used_and_what_others_left_in_it_is_discarded() -> Result<(), Error> {
    let place = Place::open()?;
    let gateway = place.gateway(SELDOM)?;
    let pooler = place.put_pooler(&format!("{SESSION}\nserver_reset_query ="))?;
    let left = "SET datestyle = 'German'; CREATE TEMP TABLE left_over (id int); PREPARE left_over AS SELECT 1; SELECT pg_backend_pid();";
    let process = pooler.admin("shop").psql(&["-Atqc", left], "")?.ok()?.stdout;

    let mut client = RawClient::connect(gateway.address())?;
    let own =
        [("user", "dba"), ("database", "shop"), ("TimeZone", "Asia/Kolkata"), ("application_name", "it's \\ mine")];
    client.send(&startup(&own))?;
    client.scram(&secret("dba"))?;
    client.read_until(b'Z')?;
    let asked = "SELECT pg_backend_pid(), current_setting('datestyle'), to_regclass('left_over') IS NULL, \
                 (SELECT count(*) FROM pg_prepared_statements), current_setting('timezone'), current_setting('application_name')";
    let held = "ISO, MDY t 0 Asia/Kolkata dba/it's \\ mine";
    assert_eq!(rows(&client.query(asked)?), format!("{} {held}", process.trim()));
    assert_eq!(code(&client.query("BEGIN; UPDATE orders SET status = 'paid' WHERE id = 1")?), "");
    assert_eq!(rows(&client.query("SELECT status FROM orders")?), "paid");
    assert_eq!(code(&client.query("COMMIT")?), "");
    // What the gateway did there by itself is in the log.
    let log = gateway.command(&["log", "export"], "")?.ok()?.stdout;
    for own in ["ask for the number", "compare two connections", "discard what a pooler"] {
        assert!(log.lines().any(|line| line.contains(own) && line.contains("\"gateway\"")), "{own}");
    }
    Ok(())
}

#[test]
fn sessions_that_begin_at_once_do_not_keep_the_pool_from_each_other() -> Result<(), Error> {
    let place = Place::open()?;
    let _pooler = place.put_pooler(&format!("{SESSION}\ndefault_pool_size = 4"))?;
    let gateway = place.gateway(SELDOM)?;
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..12)
            .map(|number| {
                let gateway = &gateway;
                scope.spawn(move || {
                    let answer = log_in(gateway)?.query(&format!("SELECT {number}"))?;
                    assert_eq!(rows(&answer), number.to_string());
                    Ok::<_, Error>(())
                })
            })
            .collect();
        sessions.into_iter().try_for_each(|session| session.join().unwrap())
    })
}

#[test]
fn sessions_end_when_their_pooler_is_told_to_share_them() -> Result<(), Error> {
    let place = Place::open()?;
    let pooler = place.put_pooler(SESSION)?;
    let gateway = place.gateway(OFTEN)?;
    ends_when_shared(&gateway, pooler)
}

#[test]
fn sessions_end_so_too_where_the_pooler_came_after_the_gateway() -> Result<(), Error> {
    let place = Place::open()?;
    let gateway = place.gateway(OFTEN)?;
    assert_eq!(rows(&log_in(&gateway)?.query("SELECT 1")?), "1");
    ends_when_shared(&gateway, place.put_pooler(SESSION)?)
}

fn ends_when_shared(gateway: &Gateway, mut pooler: Pooler) -> Result<(), Error> {
    let mut open = log_in(gateway)?;
    assert_eq!(rows(&open.query("SELECT status FROM orders")?), "open");
    pooler.reload(TRANSACTION)?;
    let said = open.read_to_end()?;
    assert_eq!(code(&said), "57P01", "{said:?}");
    assert!(words(&said).contains("a pooler in transaction mode"), "{said:?}");
    is_refused_for_the_pooler(gateway)?;
    pooler.reload(SESSION)?;
    eventually("sessions again", || log_in(gateway).is_ok_and(|mut client| client.query("SELECT 1").is_ok()));
    Ok(())
}
