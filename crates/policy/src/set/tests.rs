use querygate_record::{Engine, Principal};

use super::*;

fn load(files: &[(&str, &str)]) -> Result<PolicySet, Problems> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let databases = ["shop", "crm"].map(|name| DatabaseName { name: name.to_owned(), engine: Engine::Postgres });
    PolicySet::load(folder.path(), &databases, &Arc::default())
}

const SHOP: &str =
    "database = 'shop'\nconnect = ['agent']\n[role.agent]\nlimits = { rows = 10 }\n[role.dba]\nlimits = { rows = 5 }\n";

fn refused(files: &[(&str, &str)]) -> String {
    load(files).unwrap_err().to_string()
}

#[test]
fn the_project_s_own_policies_load() {
    let databases = [("shop", Engine::Postgres), ("support", Engine::Mariadb)];
    let databases = databases.map(|(name, engine)| DatabaseName { name: name.to_owned(), engine });
    let set = PolicySet::load(Path::new("../../policies"), &databases, &Arc::default()).unwrap();
    assert!(set.warnings().is_empty(), "{}", set.warnings());
    assert!(set.cases("shop").count() > 10 && set.cases("support").count() > 4);
}

#[test]
fn one_broken_file_and_nothing_is_loaded() {
    let problems = refused(&[("shop.toml", SHOP), ("crm.toml", "database = 'crm'\nconect = ['agent']\n")]);
    assert!(problems.contains("crm.toml:2:1: error: unknown key `conect`; did you mean `connect`?"), "{problems}");
}

#[test]
fn a_database_without_a_policy_opens_to_nobody() {
    let set = load(&[("shop.toml", SHOP)]).unwrap();
    assert!(set.database("crm").is_none());
    assert!(set.warnings().to_string().contains("no file is for database \"crm\": it opens to nobody"));
}

#[test]
fn two_files_for_one_database_are_an_error() {
    let problems = refused(&[("a.toml", SHOP), ("b.toml", SHOP)]);
    assert!(problems.contains("a.toml is for database \"shop\" too"), "{problems}");
}

#[test]
fn a_missing_folder_says_what_to_do() {
    let problems = PolicySet::load(Path::new("/nonexistent/policies"), &[], &Arc::default()).unwrap_err().to_string();
    assert!(problems.starts_with("/nonexistent/policies: error: the policies folder can't be read"), "{problems}");
    assert!(problems.contains("set `policies` in the configuration"), "{problems}");
}

#[test]
fn the_version_follows_every_change_of_a_policy_and_no_other() {
    let version = |files: &[(&str, &str)]| load(files).unwrap().version().to_owned();
    let one = version(&[("shop.toml", SHOP)]);
    assert_eq!(one, version(&[("shop.toml", SHOP)]));
    assert_ne!(one, version(&[("shop.toml", &format!("{SHOP}# a comment\n"))]));
    assert_ne!(one, version(&[("shop.toml", SHOP), ("crm.toml", "database = 'crm'\nconnect = ['a']\n")]));
    assert_eq!(one, version(&[("shop.toml", SHOP), (".shop.toml.swp.toml", "broken"), ("notes.txt", "broken")]));
}

#[test]
fn connect_names_who_may_open_a_database() {
    let with = |roles: &[&str]| Principal::local("x", roles.iter().map(|r| (*r).to_owned()));
    let set = load(&[("shop.toml", SHOP), ("crm.toml", "database = 'crm'\nconnect = ['*']\n")]).unwrap();
    assert!(set.database("shop").unwrap().may_connect(&with(&["other", "agent"])));
    assert!(!set.database("shop").unwrap().may_connect(&with(&["other"])));
    assert!(set.database("crm").unwrap().may_connect(&with(&[])));
    let set = load(&[("shop.toml", "database = 'shop'\n")]).unwrap();
    assert!(!set.database("shop").unwrap().may_connect(&with(&["agent"])));
}

#[test]
fn the_smallest_limit_of_all_roles_counts() {
    let with = |roles: &[&str]| Principal::local("x", roles.iter().map(|r| (*r).to_owned()));
    let set = load(&[("shop.toml", SHOP)]).unwrap();
    let rows = |roles: &[&str]| set.database("shop").unwrap().limits(&with(roles)).rows;
    assert_eq!((rows(&["agent"]), rows(&["agent", "dba"]), rows(&["other"])), (Some(10), Some(5), None));
}

#[test]
fn tests_belong_to_the_policy_beside_them() {
    let case = "[[case]]\nas = 'role:agent'\nsql = 'SELECT 1'\nexpect = 'allow'\n";
    let set = load(&[("shop.toml", SHOP), ("shop.test.toml", case)]).unwrap();
    assert_eq!((set.cases("shop").count(), set.cases("crm").count()), (1, 0));
    let problems = refused(&[("shop.toml", SHOP), ("other.test.toml", case)]);
    assert!(problems.contains("no policy file stands beside these tests"), "{problems}");
}
