use super::*;
use crate::testing::read;

fn problems(lines: &str) -> String {
    let (_, problems) = read(&format!("database = 'shop'\nconnect = ['agent']\nreviewers = ['dba']\n{lines}"));
    problems.to_string()
}

fn file(lines: &str) -> PolicyFile {
    let (file, problems) = read(&format!("database = 'shop'\nconnect = ['agent']\nreviewers = ['dba']\n{lines}"));
    assert!(problems.is_empty(), "{problems}");
    file.unwrap()
}

#[test]
fn the_sample_policy_is_read_without_complaint() {
    let (file, problems) = read(include_str!("../../../../policies/shop.toml"));
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(file.unwrap().rules.len(), 4);
}

#[test]
fn a_misspelt_key_is_named_with_the_right_one() {
    assert_eq!(
        problems("revievers = ['dba']"),
        "shop.toml:4:1: error: unknown key `revievers`; did you mean `reviewers`?"
    );
    assert_eq!(
        problems("[table.\"public.customers\"]\nmaks.email = 'email'"),
        "shop.toml:5:1: error: unknown key `table.\"public.customers\".maks`; did you mean `table.\"public.customers\".mask`?"
    );
}

#[test]
fn a_file_must_say_for_which_database_it_is() {
    let (file, problems) = read("connect = ['agent']");
    assert!(file.is_none());
    assert_eq!(problems.to_string(), "shop.toml: error: `database` is missing; add `database = \"shop\"`");
    let (_, problems) = read("database = 'shpo'\nconnect = ['agent']\nreviewers = ['dba']");
    let expected = "shop.toml:1:12: error: no database of the configuration is named \"shpo\"; did you mean \"shop\"?";
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn a_file_without_connect_opens_to_nobody_and_says_so() {
    let (file, problems) = read("database = 'shop'");
    assert!(file.unwrap().connect.is_empty());
    assert!(problems.to_string().contains("without `connect` the database opens to nobody"), "{problems}");
}

#[test]
fn effects_are_a_closed_list() {
    let rule = "[[rule]]\nname = 'r'\nmatch = { effects = ['delte'] }\naction = 'block'";
    assert_eq!(problems(rule), "shop.toml:6:22: error: unknown effect \"delte\"; did you mean \"delete\"?");
}

#[test]
fn actions_are_a_closed_list() {
    let rule = "[[rule]]\nname = 'r'\nmatch = {}\naction = 'deny'";
    assert_eq!(
        problems(rule),
        "shop.toml:7:10: error: `rule.action` can't be \"deny\"; one of: \"allow\", \"block\", \"approve\""
    );
}

#[test]
fn rules_inherit_reviewers_and_times_from_the_file() {
    let lines = "expires = '5m'\nhold_in_transaction = '30s'\n\
                 [[rule]]\nname = 'a'\nmatch = { effects = ['drop'] }\naction = 'approve'\n\
                 [[rule]]\nname = 'b'\nmatch = {}\naction = 'approve'\nreviewers = ['boss']\nexpires = '1h'";
    let file = file(lines);
    assert_eq!(
        (file.rules[0].reviewers.as_slice(), file.rules[0].expires),
        (&["dba".to_owned()][..], Duration::from_secs(300))
    );
    assert_eq!(file.rules[0].hold_in_transaction, Some(Duration::from_secs(30)));
    assert_eq!(
        (file.rules[1].reviewers.as_slice(), file.rules[1].expires),
        (&["boss".to_owned()][..], Duration::from_secs(3600))
    );
}

#[test]
fn an_approval_that_nobody_may_give_is_pointed_out() {
    let found = problems("[[rule]]\nname = 'a'\nmatch = { effects = ['drop'] }\naction = 'approve'\nreviewers = []");
    assert!(found.contains("rule \"a\" asks for approval, but nobody may give it: it blocks"), "{found}");
}

#[test]
fn a_file_without_reviewers_is_pointed_out() {
    let (_, problems) = read("database = 'shop'\nconnect = ['agent']");
    assert!(
        problems.to_string().contains("without `reviewers` what would wait for approval by default is blocked"),
        "{problems}"
    );
}

#[test]
fn two_rules_of_one_name_are_an_error() {
    let rule = "[[rule]]\nname = 'a'\nmatch = {}\naction = 'block'\n";
    assert!(problems(&format!("{rule}{rule}")).contains("error: two rules are named \"a\""));
}

#[test]
fn a_rule_for_nobody_is_an_error() {
    let found = problems("[[rule]]\nname = 'a'\nroles = []\nmatch = {}\naction = 'block'\n");
    assert!(found.contains("`roles = []` is a rule for nobody"), "{found}");
}

#[test]
fn unanalysed_statements_may_not_be_allowed_to_masked_roles() {
    let mask = "[table.\"public.customers\"]\nmask.ssn = 'redact'\nclear_for = ['dba']\n";
    let rule = |roles: &str| {
        format!("{mask}[[rule]]\nname = 'open'\n{roles}match = {{ effects = ['unanalysed'] }}\naction = 'allow'\n")
    };
    let expected = "rule \"open\" allows `unanalysed` to a role from which columns are masked";
    assert!(problems(&rule("roles = ['agent']\n")).contains(expected));
    assert!(problems(&rule("")).contains(expected));
    assert_eq!(problems(&rule("roles = ['dba']\n")), "");
}

#[test]
fn unanalysed_statements_are_never_approved() {
    let found = problems("[[rule]]\nname = 'a'\nmatch = { effects = ['unanalysed'] }\naction = 'approve'");
    assert!(found.contains("rule \"a\" asks for approval of what nobody could understand"), "{found}");
}

#[test]
fn every_masker_reads_as_written() {
    let lines = "[table.\"public.t\"]\nmask.a = 'redact'\nmask.b = 'null'\nmask.c = 'email'\nmask.d = 'year'\nmask.e = 'month'\n\
                 mask.f = { fixed = 'x' }\nmask.g = { keep_first = 2 }\nmask.h = { keep_last = 4 }\nmask.i = { round = 100 }\n\
                 mask.j = { mask = 'email', nulls = 'hide' }\nmask.k = { hash = 'k' }\nmask.l = { fpe = 'k' }\nmask.m = 'scan'";
    let file = file(lines);
    let names: Vec<_> = file.tables[0].masks.iter().map(|m| m.masker.name()).collect();
    assert_eq!(
        names,
        [
            "redact",
            "null",
            "email",
            "year",
            "month",
            "fixed",
            "keep_first",
            "keep_last",
            "round",
            "email",
            "hash",
            "fpe",
            "scan"
        ]
    );
    assert_eq!(file.tables[0].masks[9].nulls, querygate_mask::NullRule::Hide);
}

#[test]
fn maskers_that_do_not_exist_say_what_to_write() {
    let mask = |value: &str| problems(&format!("[table.\"public.t\"]\nmask.a = {value}"));
    assert!(mask("'emial'").ends_with("unknown masker \"emial\"; did you mean `email`?"), "{}", mask("'emial'"));
    assert!(mask("'keep_last'").ends_with("masker `keep_last` needs an argument; write it like { keep_last = 4 }"));
    assert!(mask("'hash'").ends_with("masker `hash` needs an argument; write it like { hash = \"key-name\" }"));
    let unknown = "masker `fpe` names the key \"kk\", which is not configured; did you mean \"k\"?";
    assert!(mask("{ fpe = 'kk' }").ends_with(unknown), "{}", mask("{ fpe = 'kk' }"));
    assert!(mask("{ keep_last = 0 }").contains("out of range"));
    assert!(mask("{ keep_last = 4, round = 10 }").contains("must name one masker"));
}

#[test]
fn a_table_is_named_with_its_schema() {
    let found = problems("[table.customers]\nmask.ssn = 'redact'");
    assert!(
        found.ends_with("\"customers\" is not a table's full name; write it as [table.\"public.customers\"]"),
        "{found}"
    );
    let found = problems("[table.\"public.*\"]\nmask.ssn = 'redact'");
    assert!(found.contains("is not the name of one table"), "{found}");
    let quoted = file("[table.'public.\"odd.name\"']\nmask.ssn = 'redact'");
    assert_eq!((quoted.tables[0].schema.as_str(), quoted.tables[0].name.as_str()), ("public", "odd.name"));
}

#[test]
fn a_column_is_clear_or_masked_not_both() {
    let found = problems("[table.\"public.customers\"]\nclear = ['ssn']\nmask.ssn = 'redact'");
    assert!(found.contains("names column \"ssn\" more than once"), "{found}");
}

#[test]
fn functions_are_matched_by_call_alone() {
    let found =
        problems("[[rule]]\nname = 'a'\nmatch = { effects = ['read'], functions = ['public.f'] }\naction = 'block'");
    assert!(found.contains("functions are matched by the effect `call` alone"), "{found}");
}

#[test]
fn tables_of_a_rule_name_their_schema() {
    let found = problems("[[rule]]\nname = 'a'\nmatch = { tables = ['customers'] }\naction = 'block'");
    assert!(found.ends_with("\"customers\" names no schema; write \"public.customers\" or \"*.customers\""), "{found}");
}

#[test]
fn limits_of_roles_are_read() {
    let file = file("[role.agent]\nlimits = { rows = 10, bytes = '1MiB', statement_timeout = '5s' }");
    let limits = &file.roles[0].1;
    assert_eq!(
        (limits.rows, limits.bytes, limits.statement_timeout),
        (Some(10), Some(1 << 20), Some(Duration::from_secs(5)))
    );
}

#[test]
fn what_belongs_to_the_server_cannot_be_trusted() {
    let found = problems("[functions]\ntrust = ['pg_catalog.query_to_xml']");
    assert!(found.contains("\"pg_catalog.query_to_xml\" belongs to the server: it is never trusted"), "{found}");
}

#[test]
fn what_is_not_built_is_refused_or_pointed_out() {
    let section = |line: &str| problems(&format!("[table.\"public.t\"]\nmask.a = 'redact'\n{line}"));
    assert!(section("bounded_by = []").contains("names no column"));
    assert!(
        section("write.a = 'keep'").contains("warning: `keep` is not built in this version: such writes are refused")
    );
    assert!(
        section("copy_masked = 'allow'")
            .contains("warning: copying masked values to other tables is not built in this version")
    );
}
