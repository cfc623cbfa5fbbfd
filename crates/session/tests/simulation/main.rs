//! A seeded simulation: random clients, interleavings and ends, against a model of the server. Each run is compared with what the same
//! client sees of a server that refuses by itself. `QUERYGATE_INTERLEAVINGS` sets how many, `QUERYGATE_SEED` runs one and shows it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test can't go on without fails it"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

mod judge;
mod script;
mod server;
mod world;

use script::{ENDING, Random};
use server::{Message, Server};
use world::World;

const INTERLEAVINGS: u64 = 20_000;

/// How a seed ends: the trace, or what went wrong with it.
fn interleaving(seed: u64, script: &[Message]) -> Result<(), (String, Vec<String>)> {
    let mut random = Random(seed);
    let masked = random.one_in(2);
    let cancels = random.one_in(10);
    let stop = random.one_in(5).then(|| random.below(60) as usize);
    let rows_max = random.one_in(4).then_some(1);
    let mut world = World::new(script.to_vec(), masked, rows_max);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        world.run(&mut random, stop, cancels);
        rows_max.iter().for_each(|most| world.is_capped(*most));
        if stop.is_none() && !cancels && rows_max.is_none() {
            same_as_alone(script, &world);
        }
    }));
    ran.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        (words.unwrap_or_default(), std::mem::take(&mut world.trace))
    })
}

/// The client sees what it would see of a server that refuses by itself, and the same changes are kept.
fn same_as_alone(script: &[Message], world: &World) {
    let mut alone = Server::gated();
    for message in script {
        alone.take(message);
    }
    assert_eq!(world.got, alone.out, "the client sees another protocol (left: through the gateway)");
    assert_eq!(world.server.committed, alone.committed, "other changes are kept");
}

/// The shortest script with this seed that still fails: messages are left out one by one.
fn smallest(seed: u64, mut script: Vec<Message>) -> Vec<Message> {
    let mut at = 0;
    while at + ENDING < script.len() {
        let mut shorter = script.clone();
        shorter.remove(at);
        let fails = (0..40).find(|turn| interleaving(seed.wrapping_add(turn << 40), &shorter).is_err());
        if fails.is_some() { script = shorter } else { at += 1 }
    }
    script
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_interleaving_keeps_the_promises() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let count = number("QUERYGATE_INTERLEAVINGS").unwrap_or(INTERLEAVINGS);
    let seeds = number("QUERYGATE_SEED").map_or(0..count, |seed| seed..seed + 1);
    let failed = seeds.into_iter().find_map(|seed| {
        let script = script::script(&mut Random(seed ^ 0x5eed));
        interleaving(seed, &script).err().map(|_| (seed, script))
    });
    let shown = failed.map(|(seed, script)| {
        let script = smallest(seed, script);
        let (words, trace) =
            (0..40).find_map(|turn| interleaving(seed.wrapping_add(turn << 40), &script).err()).unwrap_or_default();
        format!("seed {seed}: {words}\nscript: {script:#?}\n{}", trace.join("\n"))
    });
    std::panic::set_hook(hook);
    if let Some(shown) = shown {
        panic!("{shown}");
    }
}

/// Runs one script in many interleavings.
fn holds(script: &[Message]) {
    for seed in 0..500 {
        if let Err((words, trace)) = interleaving(seed, script) {
            panic!("seed {seed}: {words}\n{}", trace.join("\n"));
        }
    }
}

fn query(text: &str) -> Message {
    Message::Query(text.to_owned())
}

/// Parse and Bind of the unnamed statement and portal.
fn bound(text: &str) -> [Message; 2] {
    let parse = Message::Parse { name: String::new(), text: text.to_owned() };
    [parse, Message::Bind { portal: String::new(), statement: String::new() }]
}

fn execute() -> Message {
    Message::Execute { portal: String::new(), max: 0 }
}

#[test]
fn a_name_that_an_earlier_batch_failed_to_take_never_runs_under_the_new_plan() {
    let mut script = bound("1 secret 2").to_vec();
    script.extend([execute(), Message::Sync, query("2 begin")]);
    script.extend(bound("3 fail"));
    script.extend([execute(), Message::Parse { name: String::new(), text: "4 read 1".to_owned() }, Message::Sync]);
    script.extend([Message::Bind { portal: String::new(), statement: String::new() }, execute(), Message::Sync]);
    holds(&script);
}

#[test]
fn a_name_that_a_pipeline_takes_away_is_gone_for_what_follows_whoever_is_quicker() {
    let parse = |name: &str, text: &str| Message::Parse { name: name.to_owned(), text: text.to_owned() };
    let mut script = vec![query("1 prepare q1 read 3"), parse("s", "2 deallocate q1")];
    script.push(Message::Bind { portal: String::new(), statement: "s".to_owned() });
    script.extend([execute(), parse("", "3 execute q1"), Message::Sync]);
    holds(&script);
}

#[test]
fn a_portal_whose_close_an_error_skipped_is_still_there_for_the_next_batch() {
    let bind = |statement: &str| Message::Bind { portal: "c".to_owned(), statement: statement.to_owned() };
    let mut script = vec![query("1 begin")];
    script.extend(bound("2 read 2"));
    script.extend([Message::Parse { name: "s".to_owned(), text: "3 fail".to_owned() }, bind("s")]);
    script.extend([Message::Execute { portal: "c".to_owned(), max: 1 }]);
    script.extend([Message::Close { portal: true, name: "c".to_owned() }, Message::Sync, bind(""), Message::Sync]);
    holds(&script);
}

#[test]
fn a_refusal_in_a_pipeline_keeps_nothing_of_it() {
    let mut script = bound("1 write 1").to_vec();
    script.push(execute());
    script.extend(bound("2! write 2"));
    script.extend([execute(), Message::Sync, query("3 read 1")]);
    holds(&script);
}

#[test]
fn a_refusal_after_a_commit_in_the_pipeline_takes_back_only_what_followed() {
    let mut script = Vec::new();
    for text in ["1 begin", "2 write 1", "3 commit", "4 write 2", "5! write 3"] {
        script.extend(bound(text));
        script.push(execute());
    }
    script.extend([Message::Sync, query("6 read 1")]);
    holds(&script);
}

#[test]
fn a_refusal_leaves_an_explicit_transaction_open() {
    holds(&[query("1 begin"), query("2 write 1"), query("3! write 2"), query("4 write 3"), query("5 commit")]);
}

#[test]
fn each_bound_statement_ends_once_however_far_ahead_the_next_is_sent() {
    let mut script = Vec::new();
    for text in ["1 read 1", "2 write 1", "3 secret 2", "4 read 0"] {
        script.extend(bound(text));
        script.extend([execute(), Message::Close { portal: true, name: String::new() }, Message::Sync]);
    }
    holds(&script);
}

#[test]
fn copy_data_may_come_with_the_statement_and_a_sync_before_it_is_ignored() {
    let mut script = bound("1 copyin").to_vec();
    script.extend([execute(), Message::Sync, Message::CopyData, Message::CopyDone, Message::Sync]);
    script.extend([query("2 copyin;write 1"), Message::CopyData, Message::CopyFail, query("3 read 1")]);
    holds(&script);
}

#[test]
fn a_statement_in_the_midst_of_a_copy_fails_it_and_waits_for_nothing() {
    holds(&[query("1 copyin"), Message::CopyData, query("2 write 1"), query("3 read 1")]);
}

#[test]
fn what_follows_a_setting_is_judged_under_it_and_after_its_rollback_under_the_old_one() {
    let mut script = bound("1 set 3").to_vec();
    script.push(execute());
    script.extend(bound("2! read 1"));
    script.push(Message::Sync);
    script.extend(bound("3 secret 1"));
    script.extend([
        execute(),
        Message::Sync,
        query("4 begin"),
        query("5 set 2"),
        query("6 rollback"),
        query("7 read 1"),
    ]);
    holds(&script);
}

#[test]
fn what_needs_approval_waits_runs_or_is_refused_and_inside_a_transaction_is_refused() {
    holds(&[
        query("3? write 1"),
        query("4? write 2"),
        query("5? write 3"),
        query("6 begin"),
        query("9? write 4"),
        query("10 commit"),
    ]);
}

#[test]
fn execute_by_name_runs_under_the_plan_of_what_stands_behind_the_name() {
    let mut script = vec![query("1 prepare q0 read 1")];
    script.extend(bound("2 execute q0"));
    script.extend([Message::Parse { name: "s".to_owned(), text: "4 deallocate q0".to_owned() }]);
    script.extend([Message::Bind { portal: "c".to_owned(), statement: "s".to_owned() }]);
    script.extend([Message::Execute { portal: "c".to_owned(), max: 0 }]);
    script.extend([Message::Parse { name: "t".to_owned(), text: "5 prepare q0 secret 1".to_owned() }]);
    script.extend([Message::Bind { portal: "d".to_owned(), statement: "t".to_owned() }]);
    script.extend([
        Message::Execute { portal: "d".to_owned(), max: 0 },
        execute(),
        Message::Sync,
        query("6 execute q0"),
    ]);
    holds(&script);
}
