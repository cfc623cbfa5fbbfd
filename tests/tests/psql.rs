//! The real psql through the gateway: what a person types works, and shows what the policy lets it show.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::fs;

use querygate_testkit::{Error, Target};

mod shop;

use shop::Shop;

fn script(name: &str) -> String {
    fs::read_to_string(shop::folder().join(name)).unwrap()
}

/// Everything that psql writes, errors in their place.
fn session(target: &Target, script: &str) -> Result<(String, String), Error> {
    let ran = target.psql(&["--no-align", "--set", "VERBOSITY=sqlstate"], script)?;
    Ok((ran.stdout, ran.stderr))
}

#[test]
fn what_psql_describes_is_described_to_everybody() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let text = script("describe.psql");
    let (direct, errors) = session(&shop.direct(), &text)?;
    assert!(direct.lines().count() > 100 && !errors.contains("ERROR"), "{errors}");
    for target in [shop.dba(), shop.agent()] {
        assert_eq!(session(&target, &text)?, (direct.clone(), errors.clone()), "{}", target.user);
    }
    Ok(())
}

/// Row values that the policy masks, as an agent sees them.
fn masked(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_inclusive(['\n', '|', ' ']) {
        let end = word.trim_end_matches(['\n', '|', ' ']);
        let shown = if end.ends_with("@example.com") {
            "u***@e***.com".to_owned()
        } else if let Some(last) = end.strip_prefix("900-12-") {
            format!("*******{last}")
        } else {
            end.to_owned()
        };
        words.push(shown + word.get(end.len()..).unwrap());
    }
    words.concat()
}

#[test]
fn a_session_of_variables_transactions_cursors_and_pipelines_is_the_same_but_for_masked_values() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let text = script("session.psql");
    let (direct, errors) = session(&shop.direct(), &text)?;
    assert!(errors.contains("22012") && errors.contains("23505"), "{errors}");
    assert_eq!(session(&shop.dba(), &text)?, (direct.clone(), errors.clone()));
    let (shown, told) = session(&shop.agent(), &text)?;
    assert_eq!(shown, masked(&direct));
    assert_eq!(told, errors);
    assert!(!shown.contains("@example.com") && shown.contains("*******3004"), "{shown}");
    Ok(())
}

#[test]
fn files_are_copied_both_ways_and_masked_on_the_way_out() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let folder = shop.gateway.folder();
    let (file, out) = (folder.join("in.csv"), folder.join("out.csv"));
    let lines: String = (0..20_000).map(|i| format!("{},\"line, {i} of \"\"many\"\"\"\n", 100_000 + i)).collect();
    fs::write(&file, lines).unwrap();
    let agent = shop.agent();
    let copied = agent.psql(&["-c", &format!("\\copy items from '{}' csv", file.display())], "")?.ok()?;
    assert_eq!(copied.stdout, "COPY 20000\n");
    assert_eq!(
        shop.truth("SELECT count(*), max(label) FROM items WHERE id >= 100000"),
        "20000|line, 9999 of \"many\"\n"
    );
    agent
        .psql(&["-c", &format!("\\copy people (id, email, born, tags) to '{}' csv header", out.display())], "")?
        .ok()?;
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("id,email,born,tags\n1,u***@e***.com,1984-01-01,{}\n"), "{text}");
    assert_eq!(text.lines().count(), 22);
    agent.psql(&["-c", &format!("\\copy (select id, ssn from people) to '{}'", out.display())], "")?.ok()?;
    assert!(fs::read_to_string(&out).unwrap().starts_with("1\t*******3001\n"));
    shop.truth("DELETE FROM items WHERE id >= 100000");
    Ok(())
}

#[test]
fn a_script_in_one_transaction_ends_whole_or_not_at_all() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let stop = ["-1", "--set", "ON_ERROR_STOP=1", "--quiet"];
    let count = || shop.truth("SELECT count(*) FROM items WHERE id BETWEEN 60 AND 69");
    for (last, code) in [("SELECT 1 / 0;", Some(3)), ("DELETE FROM items;", Some(3)), ("SELECT 1;", Some(0))] {
        let ran = shop.agent().psql(&stop, &format!("INSERT INTO items VALUES (60, 'whole');\n{last}\n"))?;
        assert_eq!(
            (ran.code, count().trim()),
            (code, if code == Some(0) { "1" } else { "0" }),
            "{last} {}",
            ran.stderr
        );
    }
    // A refusal is told with what would pass, and psql shows it.
    let refused = shop.agent().psql(&["-c", "DELETE FROM items"], "")?;
    for words in ["blocked by policy: changes every row", "agents change nothing as a whole", "HINT:"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    shop.agent().psql(&["-c", "DELETE FROM items WHERE id = 60"], "")?.ok()?;
    assert_eq!(count(), "0\n");
    Ok(())
}

#[test]
fn what_a_session_defines_is_known_to_all_sessions_at_once() -> Result<(), Error> {
    let shop = Shop::shared()?;
    for round in 0..8 {
        let table = format!("other.fresh_{round}");
        let key = format!("ALTER TABLE {table} ADD PRIMARY KEY (id);\n");
        let key = if round % 2 == 0 { key } else { format!("BEGIN;\n{key}COMMIT;\n") };
        let define =
            format!("CREATE TABLE {table} (id int, x int);\nINSERT INTO {table} VALUES (1, 1), (2, 2);\n{key}");
        shop.dba().psql(&["--quiet", "--set", "ON_ERROR_STOP=1"], &define)?.ok()?;
        // Only the new key makes this bounded, and so allowed.
        let done = shop.agent().psql(&["-c", &format!("UPDATE {table} SET x = 3 WHERE id = 1")], "")?.ok()?;
        assert_eq!(done.stdout, "UPDATE 1\n", "round {round}");
    }
    Ok(())
}
