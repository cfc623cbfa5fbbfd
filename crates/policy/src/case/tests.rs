use super::*;
use crate::testing::{bound, catalog};

const MASKED: &str = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nmask.email = 'email'\nclear_for = ['dba']\n";

fn run(case: &str) -> Vec<String> {
    let (cases, problems) = read(Source::new("shop.test.toml", format!("[[case]]\n{case}")), Some("shop"));
    assert!(problems.is_empty(), "{problems}");
    bound(MASKED).run(&cases, &catalog()).into_iter().flat_map(|o| o.failures).collect()
}

#[test]
fn a_case_passes_when_all_is_as_it_says() {
    let none: [String; 0] = [];
    assert_eq!(
        run(
            "as = 'role:agent'\nsql = 'SELECT ssn, email AS contact, id FROM customers'\nexpect = 'allow'\nmasked = ['contact', 'ssn']"
        ),
        none
    );
    assert_eq!(run("as = 'role:dba'\nsql = 'SELECT ssn FROM customers'\nexpect = 'allow'\nmasked = []"), none);
}

#[test]
fn a_case_that_fails_says_what_came_out() {
    let verdict = run("as = 'role:agent'\nsql = 'SELECT upper(ssn) FROM customers'\nexpect = 'allow'");
    assert_eq!(verdict.len(), 1);
    assert!(
        verdict[0]
            .starts_with("expected allow, got block (mask: public.customers.ssn: cannot be analysed on masked values"),
        "{verdict:?}"
    );
    let masked = run("as = 'role:agent'\nsql = 'SELECT ssn FROM customers'\nmasked = []");
    assert_eq!(masked, ["expected masked [], got [\"ssn\"]"]);
    let rule = run("as = 'role:agent'\nsql = 'SELECT 1'\nrule = 'x'");
    assert_eq!(rule, ["expected rule \"x\", got \"default: read\""]);
}

#[test]
fn the_strictest_statement_of_a_text_counts() {
    let none: [String; 0] = [];
    assert_eq!(
        run("as = 'role:agent'\nsql = 'SELECT 1; GRANT ALL ON customers TO PUBLIC; SELECT 2'\nexpect = 'block'"),
        none
    );
}

#[test]
fn broken_cases_say_what_is_wrong() {
    let (_, problems) = read(Source::new("shop.test.toml", "[[case]]\nas = 'agent'\nsql = 'SELECT 1'\n"), Some("shop"));
    let expected = "shop.test.toml:2:6: error: `case.as` names no role; write it like \"role:agent\"\n\
                    shop.test.toml:1:1: error: the case expects nothing; add `expect`, `rule` or `masked`";
    assert_eq!(problems.to_string(), expected);
}
