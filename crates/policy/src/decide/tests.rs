use std::time::Duration;

use querygate_record::{Effect, Principal, Subject, TransactionChange, Verdict};
use querygate_sql::statement::{self, Compared, EffectOn, Origin, Statement, Write};

use crate::{Bound, Mode, RefusalKind, testing::*};

const MASKED: &str = "[table.\"public.customers\"]\nunlisted = 'clear'\nmask.ssn = 'redact'\nmask.email = 'email'\nclear_for = ['dba']\n";

fn verdict_of(bound: &Bound, statement: &Statement) -> (Verdict, String) {
    let decision = decide(bound, statement, &["agent"]);
    (decision.verdict, decision.rule.to_string())
}

fn rule(name: &str, matches: &str, action: &str) -> String {
    format!("[[rule]]\nname = '{name}'\nmatch = {{ {matches} }}\naction = '{action}'\n")
}

// ---- effects and rules ----

#[test]
fn every_effect_has_its_built_in_default() {
    use Effect::*;
    let bound = bound("reviewers = ['dba']");
    for effect in Effect::ALL {
        let expected = match effect {
            Read | Insert | Session | Update | Delete => Verdict::Allow,
            Truncate | Alter | Drop | Maintain | Call | Define | DefineCode => Verdict::Approve,
            _ => Verdict::Block,
        };
        let found = verdict_of(&bound, &statement(&[on(*effect, "public.t")]));
        assert_eq!(found, (expected, format!("default: {effect}")));
    }
    for effect in [Update, Delete] {
        assert_eq!(verdict_of(&bound, &statement(&[unbounded(effect, "public.t")])).0, Verdict::Approve);
    }
}

#[test]
fn the_first_rule_that_fits_an_effect_counts() {
    let lines = rule("first", "effects = ['drop'], tables = ['finance.*']", "block")
        + &rule("second", "effects = ['drop']", "allow");
    let bound = bound(&lines);
    assert_eq!(
        verdict_of(&bound, &statement(&[on(Effect::Drop, "finance.invoices")])),
        (Verdict::Block, "first".to_owned())
    );
    assert_eq!(verdict_of(&bound, &statement(&[on(Effect::Drop, "public.t")])), (Verdict::Allow, "second".to_owned()));
}

#[test]
fn the_strictest_verdict_over_all_effects_of_a_statement_counts() {
    let bound = bound(&rule("no inserts", "effects = ['insert']", "block"));
    let both = statement(&[on(Effect::Read, "public.a"), on(Effect::Insert, "public.b"), on(Effect::Read, "public.c")]);
    assert_eq!(verdict_of(&bound, &both), (Verdict::Block, "no inserts".to_owned()));
}

#[test]
fn a_rule_applies_to_its_roles_and_without_roles_to_everybody() {
    let lines =
        "[[rule]]\nname = 'agents'\nroles = ['agent', 'bot']\nmatch = { effects = ['insert'] }\naction = 'block'\n";
    let insert = statement(&[on(Effect::Insert, "public.t")]);
    let for_some = bound(lines);
    assert_eq!(decide(&for_some, &insert, &["agent"]).verdict, Verdict::Block);
    assert_eq!(decide(&for_some, &insert, &["dba", "bot"]).verdict, Verdict::Block);
    assert_eq!(decide(&for_some, &insert, &["dba"]).verdict, Verdict::Allow);
    let for_all = bound(&lines.replace("roles = ['agent', 'bot']\n", ""));
    assert_eq!(decide(&for_all, &insert, &["dba"]).verdict, Verdict::Block);
}

#[test]
fn an_empty_match_is_every_effect_but_unanalysed() {
    let bound = bound(&rule("all", "", "allow"));
    assert_eq!(verdict_of(&bound, &statement(&[on(Effect::Server, "")])), (Verdict::Allow, "all".to_owned()));
    assert_eq!(
        verdict_of(&bound, &statement(&[on(Effect::Unanalysed, "")])),
        (Verdict::Block, "default: unanalysed".to_owned())
    );
}

#[test]
fn a_query_of_no_table_is_a_read() {
    assert_eq!(verdict_of(&bound(&rule("none", "", "block")), &statement(&[])), (Verdict::Block, "none".to_owned()));
}

#[test]
fn bounded_tells_changes_by_key_from_others() {
    let bound = bound(&rule("bulk", "effects = ['delete', 'update'], bounded = false", "block"));
    assert_eq!(verdict_of(&bound, &statement(&[unbounded(Effect::Delete, "public.t")])).0, Verdict::Block);
    assert_eq!(verdict_of(&bound, &statement(&[on(Effect::Delete, "public.t")])).0, Verdict::Allow);
}

/// A deletion of a table whose condition compares these columns, one of them a key or not.
fn compares(table: &str, columns: &[&str], key: bool) -> Statement {
    let columns = columns.iter().map(|c| (*c).into()).collect();
    let compared = Some(Compared { table: table.into(), columns });
    let on = EffectOn { bounded: key, compared, ..on(Effect::Delete, table) };
    Statement { tag: "DELETE", ..statement(&[on]) }
}

#[test]
fn a_table_s_own_bounds_replace_its_keys() {
    let bound = bound("reviewers = ['dba']\n[table.\"public.customers\"]\nbounded_by = ['country', 'segment']\n");
    let verdict = |columns: &[&str], key| verdict_of(&bound, &compares("public.customers", columns, key)).0;
    assert_eq!(verdict(&["segment", "full_name", "country"], false), Verdict::Allow);
    assert_eq!(verdict(&["country"], false), Verdict::Approve);
    assert_eq!(verdict(&["id"], true), Verdict::Approve, "a key does not bound it any more");
    // Other tables, and rows that no condition names, are as ever.
    assert_eq!(verdict_of(&bound, &compares("public.orders", &["id"], true)).0, Verdict::Allow);
    assert_eq!(verdict_of(&bound, &compares("public.orders", &["country", "segment"], false)).0, Verdict::Approve);
    assert_eq!(verdict_of(&bound, &statement(&[on(Effect::Update, "public.customers")])).0, Verdict::Allow);
    assert_eq!(verdict_of(&bound, &statement(&[unbounded(Effect::Update, "public.customers")])).0, Verdict::Approve);
    let refusal = decide(&bound, &compares("public.customers", &["id"], true), &["agent"]).refusal.unwrap();
    assert_eq!(refusal.message, "blocked by policy: DELETE is not bounded by country and segment on public.customers");
    assert!(refusal.hint.starts_with("compare country and segment by = or IN with constants"), "{}", refusal.hint);
}

#[test]
fn bounds_hold_for_the_tables_under_a_table_unless_they_have_their_own() {
    let parent = "[table.\"public.contractors\"]\nbounded_by = ['name']\n";
    let judge = |lines: &str, columns: &[&str]| {
        verdict_of(&bound(&format!("reviewers = ['dba']\n{lines}")), &compares("public.contractors_eu", columns, true))
            .0
    };
    assert_eq!(judge("", &["id"]), Verdict::Allow);
    assert_eq!(judge(parent, &["id"]), Verdict::Approve);
    assert_eq!(judge(parent, &["name"]), Verdict::Allow);
    let own = format!("{parent}[table.\"public.contractors_eu\"]\nbounded_by = ['id']\n");
    assert_eq!(judge(&own, &["id"]), Verdict::Allow);
}

#[test]
fn bounds_by_a_column_that_is_not_there_bound_nothing() {
    let bound = bound("reviewers = ['dba']\n[table.\"public.customers\"]\nbounded_by = ['contry']\n");
    let problems = bound.problems().to_string();
    assert!(
        problems.contains("`bounded_by` names column \"contry\", which public.customers does not have"),
        "{problems}"
    );
    assert!(problems.contains("did you mean \"country\"?"), "{problems}");
    assert_eq!(verdict_of(&bound, &compares("public.customers", &["id", "country"], true)).0, Verdict::Approve);
}

#[test]
fn dropping_a_schema_counts_as_dropping_each_of_its_tables() {
    let bound_to =
        |glob: &str, action: &str| bound(&rule("r", &format!("effects = ['drop'], tables = ['{glob}']"), action));
    let drop = Statement { tag: "DROP SCHEMA", ..statement(&[on(Effect::Drop, "public.finance")]) };
    assert_eq!(verdict_of(&bound_to("finance.*", "block"), &drop).0, Verdict::Block);
    assert_eq!(verdict_of(&bound_to("finance.invoices", "block"), &drop).0, Verdict::Block);
    assert_eq!(verdict_of(&bound_to("finance.*", "allow"), &drop).0, Verdict::Allow);
    assert_ne!(verdict_of(&bound_to("finance.tmp_*", "allow"), &drop).0, Verdict::Allow);
    assert_ne!(verdict_of(&bound_to("public.*", "allow"), &drop).0, Verdict::Allow);
}

#[test]
fn rules_on_columns_judge_each_column_by_itself() {
    let lines = rule("notes are free", "effects = ['update'], columns = ['notes']", "allow")
        + &rule("no other column", "effects = ['update'], tables = ['public.customers']", "block");
    let bound = bound(&lines);
    let notes = update("public.customers", "notes");
    assert_eq!(verdict_of(&bound, &notes), (Verdict::Allow, "notes are free".to_owned()));
    let also = Write { column: column("public.customers", "country"), constant: true, position: None };
    let both = Statement { writes: notes.writes.iter().cloned().chain([also]).collect(), ..notes };
    assert_eq!(verdict_of(&bound, &both), (Verdict::Block, "no other column".to_owned()));
}

#[test]
fn rules_on_columns_take_full_names_and_reads() {
    let bound = bound(&rule("pay", "effects = ['read'], columns = ['public.employees.salary']", "block"));
    assert_eq!(verdict_of(&bound, &select("public.employees", &["name", "salary"])).0, Verdict::Block);
    assert_eq!(verdict_of(&bound, &select("public.employees", &["name"])).0, Verdict::Allow);
}

#[test]
fn rules_on_functions_are_about_calls_alone() {
    let lines = rule("no sleep", "functions = ['pg_catalog.pg_sleep*']", "block")
        + &rule("refund", "functions = ['public.refund']", "allow");
    let bound = bound(&lines);
    let sleep = Statement { functions: vec!["pg_catalog.pg_sleep".to_owned()], ..statement(&[on(Effect::Read, "")]) };
    assert_eq!(verdict_of(&bound, &sleep), (Verdict::Block, "no sleep".to_owned()));
    let delete = Statement {
        functions: vec!["public.refund".to_owned()],
        ..statement(&[unbounded(Effect::Delete, "public.t")])
    };
    assert_ne!(verdict_of(&bound, &delete).0, Verdict::Allow, "an allowed function opens nothing else");
    let count = Statement { functions: vec!["pg_catalog.count".to_owned()], ..statement(&[on(Effect::Read, "")]) };
    assert_eq!(verdict_of(&bound, &count).0, Verdict::Allow);
}

#[test]
fn a_rule_on_calls_is_not_about_known_functions() {
    let bound = bound(&rule("no unknown code", "effects = ['call']", "block"));
    let count = Statement { functions: vec!["pg_catalog.count".to_owned()], ..statement(&[on(Effect::Read, "")]) };
    assert_eq!(verdict_of(&bound, &count).0, Verdict::Allow);
    assert_eq!(verdict_of(&bound, &call("public.cust_ssn")).0, Verdict::Block);
}

#[test]
fn a_trusted_function_is_called_like_a_known_one_and_counted() {
    let bound = bound(&format!("[functions]\ntrust = ['public.order_total', 'report.*']\n{MASKED}"));
    let decision = decide(&bound, &call("public.order_total"), &["agent"]);
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(decision.trusted, ["public.order_total".into()]);
    assert!(!decision.durable);
    assert_eq!(decide(&bound, &call("report.monthly"), &["agent"]).verdict, Verdict::Allow);
    assert_eq!(decide(&bound, &call("public.cust_ssn"), &["agent"]).verdict, Verdict::Block);
}

#[test]
fn what_belongs_to_the_server_is_never_trusted() {
    let bound = bound(&format!("[functions]\ntrust = ['*']\n{MASKED}"));
    for object in ["pg_catalog.query_to_xml", "pg_catalog.pg_stats", "information_schema.x"] {
        let decision = decide(&bound, &call(object), &["agent"]);
        assert_eq!(decision.verdict, Verdict::Block, "{object}");
        assert!(!decision.refusal.unwrap().hint.contains("trust"), "{object}");
    }
}

// ---- approval ----

#[test]
fn an_approval_names_its_reviewers_and_times() {
    let bound = bound("reviewers = ['dba']\nexpires = '5m'\nhold_in_transaction = '10s'");
    let decision = decide(&bound, &statement(&[on(Effect::Drop, "public.t")]), &["agent"]);
    assert_eq!((decision.verdict, decision.expires), (Verdict::Approve, Duration::from_secs(300)));
    assert_eq!(
        (decision.reviewers.as_slice(), decision.hold_in_transaction),
        (&["dba".to_owned()][..], Some(Duration::from_secs(10)))
    );
    assert!(decision.durable);
    assert_eq!(decision.refusal.unwrap().hint, "have it approved by one of: dba");
}

#[test]
fn a_rules_own_times_go_before_the_files() {
    let lines = format!(
        "{}reviewers = ['dba']\nexpires = '2h'\nhold_in_transaction = '5s'\n",
        rule("r", "effects = ['drop']", "approve")
    );
    let decision = decide(&bound(&lines), &statement(&[on(Effect::Drop, "public.t")]), &["agent"]);
    assert_eq!(
        (decision.expires, decision.hold_in_transaction),
        (Duration::from_secs(7200), Some(Duration::from_secs(5)))
    );
}

#[test]
fn an_approval_that_nobody_may_give_is_a_block() {
    let decision = decide(&bound(""), &statement(&[on(Effect::Drop, "public.t")]), &["agent"]);
    assert_eq!(decision.verdict, Verdict::Block);
    assert!(decision.reason.ends_with("it needs approval, which nobody may give"), "{}", decision.reason);
}

#[test]
fn who_approves_a_statement_may_approve_every_part_of_it() {
    let approve = |name: &str, table: &str, reviewers: &str| {
        format!(
            "{}reviewers = {reviewers}\nexpires = '{}m'\n",
            rule(name, &format!("tables = ['{table}']"), "approve"),
            name.len()
        )
    };
    let lines = approve("a", "public.a", "['dba', 'boss']")
        + &approve("bb", "public.b", "['boss', 'lead']")
        + &approve("ccc", "public.c", "['lead']");
    let bound = bound(&lines);
    let two = decide(&bound, &statement(&[on(Effect::Insert, "public.b"), on(Effect::Insert, "public.a")]), &["agent"]);
    assert_eq!(
        (two.verdict, two.reviewers, two.expires),
        (Verdict::Approve, vec!["boss".to_owned()], Duration::from_secs(60))
    );
    let apart =
        decide(&bound, &statement(&[on(Effect::Insert, "public.a"), on(Effect::Insert, "public.c")]), &["agent"]);
    assert_eq!(apart.verdict, Verdict::Block);
}

#[test]
fn on_behalf_of_someone_both_are_judged_and_all_masks_count() {
    let bound = bound(&format!(
        "{MASKED}[[rule]]\nname = 'dba drops'\nroles = ['dba']\nmatch = {{ effects = ['drop'] }}\naction = 'allow'\n"
    ));
    let mut dba = with_roles(&["dba"]);
    let drop = statement(&[on(Effect::Drop, "public.t")]);
    assert_eq!(bound.decide(&drop, &dba, &bound.view(&dba)).verdict, Verdict::Allow);
    assert!(!bound.view(&dba).is_masked());
    dba.on_behalf_of.push(Subject { issuer: Principal::LOCAL.to_owned(), subject: "ann".to_owned() });
    assert_ne!(bound.decide(&drop, &dba, &bound.view(&dba)).verdict, Verdict::Allow);
    assert!(bound.view(&dba).is_masked());
}

// ---- observe ----

#[test]
fn observe_mode_logs_the_verdict_and_lets_pass() {
    let observe = Mode { observe: true, danger_unmasked: false };
    let bound = policy(MASKED).bind(&catalog(), observe, None);
    let decision = decide(&bound, &statement(&[on(Effect::Server, "")]), &["agent"]);
    assert_eq!((decision.verdict, decision.observed, &*decision.rule), (Verdict::Allow, true, "default: server"));
    assert!(decision.refusal.is_some());
}

#[test]
fn observe_mode_masks_all_the_same() {
    let observe = Mode { observe: true, danger_unmasked: false };
    let bound = policy(MASKED).bind(&catalog(), observe, None);
    assert_eq!(decide(&bound, &filter("public.customers", "ssn"), &["agent"]).verdict, Verdict::Block);
    assert_eq!(decide(&bound, &select("public.customers", &["ssn"]), &["agent"]).masks.fields.len(), 1);
    let mut blocked = filter("public.customers", "ssn");
    blocked.effects.push(on(Effect::Server, ""));
    assert_eq!(
        decide(&bound, &blocked, &["agent"]).verdict,
        Verdict::Block,
        "what would be blocked anyway does not pass unmasked"
    );
    let unmasked = policy(MASKED).bind(&catalog(), Mode { danger_unmasked: true, ..observe }, None);
    assert_eq!(decide(&unmasked, &filter("public.customers", "ssn"), &["agent"]).verdict, Verdict::Allow);
    assert!(decide(&unmasked, &select("public.customers", &["ssn"]), &["agent"]).masks.fields.is_empty());
}

// ---- masks ----

#[test]
fn a_plain_masked_column_is_allowed_with_its_mask() {
    let decision = decide(&bound(MASKED), &select("public.customers", &["id", "ssn"]), &["agent"]);
    assert_eq!(decision.verdict, Verdict::Allow);
    let plan = &decision.masks;
    assert!(plan.fields[0].is_none() && plan.canonical_errors);
    assert_eq!(&*plan.fields[1].as_ref().unwrap().name, "public.customers.ssn");
    assert!(plan.masked_columns.contains(table("public.customers"), column("public.customers", "ssn").attribute));
}

#[test]
fn who_sees_in_clear_has_no_masks() {
    let decision = decide(&bound(MASKED), &select("public.customers", &["id", "ssn"]), &["dba"]);
    assert!(
        decision.masks.fields.is_empty()
            && !decision.masks.canonical_errors
            && decision.masks.masked_columns.is_empty()
    );
    assert_eq!(decide(&bound(MASKED), &filter("public.customers", "ssn"), &["dba"]).verdict, Verdict::Allow);
}

#[test]
fn any_other_use_of_a_masked_column_is_refused_with_what_would_pass() {
    let decision = decide(&bound(MASKED), &filter("public.customers", "ssn"), &["agent"]);
    let refusal = decision.refusal.unwrap();
    assert_eq!((decision.verdict, &*decision.rule), (Verdict::Block, "mask: public.customers.ssn"));
    assert_eq!(refusal.kind, RefusalKind::NotAnalysable);
    assert_eq!(refusal.message, "cannot be analysed on masked values: column customers.ssn in WHERE");
    assert_eq!(refusal.detail, "column public.customers.ssn is masked from you; it is used in WHERE, at character 33");
    assert_eq!(refusal.hint, "select customers.ssn as a plain result column, or leave it out of WHERE");
    assert_eq!(decide(&bound(MASKED), &filter("public.customers", "country"), &["agent"]).verdict, Verdict::Allow);
}

#[test]
fn opaque_constructs_are_refused_to_masked_roles_alone() {
    let lines = format!("{MASKED}{}", rule("calls", "effects = ['call']", "allow"));
    let decision = decide(&bound(&lines), &call("public.cust_ssn"), &["agent"]);
    assert_eq!((decision.verdict, &*decision.rule), (Verdict::Block, "masked: function public.cust_ssn"));
    assert_eq!(decision.refusal.unwrap().message, "cannot be analysed: function public.cust_ssn");
    assert_eq!(decide(&bound(&lines), &call("public.cust_ssn"), &["dba"]).verdict, Verdict::Allow);
}

fn not_understood() -> Statement {
    let why = statement::Refusal {
        kind: statement::RefusalKind::Unparsed,
        construct: "XMLTABLE".into(),
        position: Some(querygate_record::Position(15)),
        hint: "".into(),
    };
    Statement { unanalysed: Some(why), ..statement(&[on(Effect::Unanalysed, "")]) }
}

#[test]
fn what_is_not_understood_is_refused_by_name_unless_a_rule_opens_it_to_an_unmasked_role() {
    let closed = decide(&bound(""), &not_understood(), &["agent"]);
    let refusal = closed.refusal.unwrap();
    assert_eq!((closed.verdict, refusal.kind), (Verdict::Block, RefusalKind::NotAnalysable));
    assert_eq!((refusal.message.as_str(), refusal.position.unwrap().0), ("cannot be analysed: XMLTABLE", 15));

    let open = "[[rule]]\nname = 'open'\nroles = ['dba']\nmatch = { effects = ['unanalysed'] }\naction = 'allow'\n";
    let bound = bound(&format!("{open}{MASKED}"));
    assert_eq!(decide(&bound, &not_understood(), &["dba"]).verdict, Verdict::Allow);
    assert_eq!(decide(&bound, &not_understood(), &["dba", "agent"]).verdict, Verdict::Allow);
    assert_eq!(decide(&bound, &not_understood(), &["agent"]).verdict, Verdict::Block);
}

#[test]
fn names_that_do_not_exist_keep_their_own_kind_of_error() {
    let why = statement::Refusal {
        kind: statement::RefusalKind::UnknownTable,
        construct: "relation \"nix\"".into(),
        position: None,
        hint: "".into(),
    };
    let statement = Statement { unanalysed: Some(why), ..statement(&[on(Effect::Unanalysed, "")]) };
    let refusal = decide(&bound(MASKED), &statement, &["agent"]).refusal.unwrap();
    assert_eq!(
        (refusal.kind, refusal.message.as_str()),
        (RefusalKind::UnknownTable, "relation \"nix\" does not exist")
    );
}

#[test]
fn a_masked_column_is_written_only_where_the_policy_allows_it() {
    let refused = decide(&bound(MASKED), &update("public.customers", "ssn"), &["agent"]);
    assert_eq!((refused.verdict, &*refused.rule), (Verdict::Block, "write: public.customers.ssn"));
    let refusal = refused.refusal.unwrap();
    assert_eq!(refusal.message, "blocked by policy: column customers.ssn is masked from you and may not be written");
    let allowed = bound(&MASKED.replace("mask.ssn", "write.ssn = 'allow'\nmask.ssn"));
    assert_eq!(decide(&allowed, &update("public.customers", "ssn"), &["agent"]).verdict, Verdict::Allow);
    let kept = bound(&MASKED.replace("mask.ssn", "write.ssn = 'keep'\nmask.ssn"));
    let kept = decide(&kept, &update("public.customers", "ssn"), &["agent"]);
    assert!(kept.refusal.unwrap().detail.contains("\"keep\", which this version refuses"));
    assert_eq!(decide(&bound(MASKED), &update("public.customers", "ssn"), &["dba"]).verdict, Verdict::Allow);
}

#[test]
fn a_mask_that_hides_whether_there_was_a_row_is_refused_on_the_nullable_side() {
    let mut outer = select("public.customers", &["ssn"]);
    let nullable =
        |column: &str| Origin::Column { column: self::column("public.customers", column), nullable_side: true };
    outer.outputs.as_mut().unwrap()[0].origin = nullable("ssn");
    let refused = decide(&bound(MASKED), &outer, &["agent"]);
    assert!(refused.refusal.unwrap().message.ends_with("column customers.ssn on the nullable side of an outer join"));
    outer.outputs.as_mut().unwrap()[0].origin = nullable("email");
    assert_eq!(decide(&bound(MASKED), &outer, &["agent"]).verdict, Verdict::Allow, "email keeps NULL");
}

#[test]
fn temporary_relations_may_not_take_the_name_of_a_masked_table() {
    let make = |name: &str| Statement { temporary: vec![name.to_owned()], ..statement(&[on(Effect::Session, "")]) };
    assert_eq!(decide(&bound(MASKED), &make("customers"), &["agent"]).verdict, Verdict::Block);
    assert_eq!(decide(&bound(MASKED), &make("scratch"), &["agent"]).verdict, Verdict::Allow);
    assert_eq!(decide(&bound(MASKED), &make("customers"), &["dba"]).verdict, Verdict::Allow);
}

#[test]
fn errors_are_canonical_where_a_masked_table_is_touched() {
    let bound = bound(MASKED);
    assert!(decide(&bound, &select("public.customers", &["id"]), &["agent"]).masks.canonical_errors);
    assert!(!decide(&bound, &select("public.products", &["id"]), &["agent"]).masks.canonical_errors);
}

// ---- words ----

#[test]
fn a_block_says_reason_rule_effect_and_what_would_pass() {
    let lines = format!(
        "{}reason = 'changes every row'\n",
        rule("bulk changes need a reviewer", "effects = ['delete'], bounded = false", "block")
    );
    let refusal =
        decide(&bound(&lines), &statement(&[unbounded(Effect::Delete, "public.orders")]), &["agent"]).refusal.unwrap();
    assert_eq!(refusal.kind, RefusalKind::Blocked);
    assert_eq!(refusal.message, "blocked by policy: changes every row");
    assert_eq!(refusal.detail, "rule \"bulk changes need a reviewer\"; effect `delete` on public.orders, not bounded");
    assert!(refusal.hint.starts_with("compare every column of a unique key"), "{}", refusal.hint);
}

// ---- durability ----

#[test]
fn the_log_is_synced_before_what_cannot_be_undone() {
    let bound = bound(&format!(
        "reviewers = ['dba']\n{MASKED}{}",
        rule("free", "effects = ['define', 'file', 'truncate']", "allow")
    ));
    let durable = |effect| decide(&bound, &statement(&[on(effect, "public.t")]), &["dba"]).durable;
    assert!(durable(Effect::Define) && durable(Effect::File) && durable(Effect::Truncate));
    assert!(!durable(Effect::Read) && !durable(Effect::Session) && !durable(Effect::Insert));
    let commit = Statement { transaction: TransactionChange::Commit, ..statement(&[on(Effect::Session, "")]) };
    assert!(decide(&bound, &commit, &["agent"]).durable);
    assert!(decide(&bound, &statement(&[on(Effect::Insert, "public.t")]), &["agent"]).changes);
    assert!(!decide(&bound, &statement(&[on(Effect::Read, "public.t")]), &["agent"]).changes);
}

#[test]
fn the_log_is_synced_before_a_clear_read_of_what_is_masked_from_others() {
    let bound = bound(MASKED);
    assert!(decide(&bound, &select("public.customers", &["ssn"]), &["dba"]).durable);
    assert!(decide(&bound, &filter("public.customers", "ssn"), &["dba"]).durable);
    assert!(!decide(&bound, &select("public.customers", &["id"]), &["dba"]).durable);
    assert!(!decide(&bound, &select("public.customers", &["ssn"]), &["agent"]).durable);
}
