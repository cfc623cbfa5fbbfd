//! `cargo xtask test`: every check, one after the other, as the continuous integration runs them.

use std::time::Instant;

use crate::{
    cache, environment,
    error::Error,
    fuzz, machine,
    prepare::{self, Prepared},
    run, tools,
};

/// One check.
struct Step {
    name: &'static str,
    /// Whether `--quick` runs it: seconds to a few minutes, without servers.
    quick: bool,
    run: fn(&Prepared) -> Result<(), Error>,
}

const STEPS: [Step; 9] = [
    Step { name: "format", quick: true, run: |on| cargo(on, &["fmt", "--all", "--check"]) },
    Step { name: "licences", quick: false, run: licences },
    Step {
        name: "clippy",
        quick: true,
        run: |on| cargo(on, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    },
    // One build of everything, so that the steps after it link the same dependencies and find the binary.
    Step { name: "build", quick: true, run: |on| cargo(on, &["build", "--workspace", "--all-targets", "--locked"]) },
    Step { name: "edges", quick: true, run: |on| cargo(on, &["test", "--workspace", "--locked", "--test", "edges"]) },
    Step { name: "unit", quick: true, run: unit },
    Step { name: "servers", quick: false, run: servers },
    Step {
        name: "two-worlds",
        quick: false,
        run: |on| cargo(on, &["test", "--workspace", "--locked", "--no-fail-fast", "--test", "two_worlds"]),
    },
    Step { name: "fuzz", quick: false, run: |on| fuzz::all(on, None, fuzz::DEFAULT_SECONDS) },
];

/// Runs the steps that the arguments choose.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let chosen = Choice::parse(arguments)?;
    if chosen.list {
        for step in &STEPS {
            println!("{}{}", step.name, if step.quick { "" } else { "  (not with --quick)" });
        }
        return Ok(());
    }
    let started = Instant::now();
    header("prepare");
    let mut prepared = prepare::for_tests()?;
    // Tests that repeat something at random moments do it less often in a quick run.
    prepared.environment.push(environment::pair("QUERYGATE_TEST", if chosen.quick { "quick" } else { "whole" }));
    footer("prepare", true, started);
    let mut failed: Vec<&str> = Vec::new();
    for step in STEPS.iter().filter(|step| chosen.includes(step)) {
        header(step.name);
        let began = Instant::now();
        let outcome = (step.run)(&prepared);
        if let Err(error) = &outcome {
            eprintln!("{error}");
            failed.push(step.name);
        }
        footer(step.name, outcome.is_ok(), began);
    }
    let seconds = started.elapsed().as_secs();
    println!("\nall steps took {} min {} s", seconds / 60, seconds % 60);
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(Error::Failed(format!("failed: {} (the first was {first})", failed.join(", ")))),
    }
}

/// What the command line chose.
#[derive(Debug, Default, Eq, PartialEq)]
struct Choice {
    only: Vec<String>,
    quick: bool,
    list: bool,
}

impl Choice {
    fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut choice = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--quick" => choice.quick = true,
                "--list" => choice.list = true,
                "--only" => {
                    let names =
                        rest.next().ok_or_else(|| Error::Usage("--only wants the name of a step".to_owned()))?;
                    choice.only.extend(names.split(',').map(str::to_owned));
                }
                other => {
                    return Err(Error::Usage(format!(
                        "test does not know `{other}`: --quick, --only STEP[,STEP], --list"
                    )));
                }
            }
        }
        match choice.only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
            Some(unknown) => {
                Err(Error::Usage(format!("there is no step `{unknown}`; `cargo xtask test --list` lists them")))
            }
            None => Ok(choice),
        }
    }

    fn includes(&self, step: &Step) -> bool {
        if self.only.is_empty() { step.quick || !self.quick } else { self.only.iter().any(|name| name == step.name) }
    }
}

fn header(name: &str) {
    println!("\n=== {name} ===");
}

fn footer(name: &str, passed: bool, began: Instant) {
    let outcome = if passed { "passed" } else { "FAILED" };
    println!("=== {name}: {outcome} in {} s ===", began.elapsed().as_secs());
}

fn cargo(prepared: &Prepared, arguments: &[&str]) -> Result<(), Error> {
    let shown = arguments.join(" ");
    if run::openly(prepared.cargo().args(arguments))?.success() {
        Ok(())
    } else {
        Err(Error::Failed(format!("cargo {shown} failed; its own output says why")))
    }
}

/// Everything beside the code that it tests: modules, crates' own tests, and the examples in the documentation.
fn unit(prepared: &Prepared) -> Result<(), Error> {
    cargo(prepared, &["test", "--workspace", "--locked", "--exclude", "querygate-tests", "--no-fail-fast"])
}

/// Everything that starts a real server, but for the two worlds, which are a step of their own.
fn servers(prepared: &Prepared) -> Result<(), Error> {
    let files = cache::entries(&environment::workspace().join("tests/tests"));
    // A test is a file, or a folder with a `main.rs`.
    let names = files.iter().filter_map(|path| match path.join("main.rs").exists() {
        true => Some(machine::file_name(path)),
        false => machine::file_name(path).strip_suffix(".rs"),
    });
    let mut command = vec!["test", "--workspace", "--locked", "--no-fail-fast"];
    command.extend(names.filter(|name| !["edges", "two_worlds"].contains(name)).flat_map(|name| ["--test", name]));
    cargo(prepared, &command)
}

fn licences(prepared: &Prepared) -> Result<(), Error> {
    let program = tools::cargo_deny(&prepared.cache)?;
    let mut command = prepared.tell(std::process::Command::new(program));
    command.current_dir(environment::workspace()).args([
        "--workspace",
        "--locked",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    if run::openly(&mut command)?.success() {
        Ok(())
    } else {
        Err(Error::Failed("cargo deny found something; deny.toml says what is allowed".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &[&str]) -> Result<Vec<&'static str>, Error> {
        let choice = Choice::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())?;
        Ok(STEPS.iter().filter(|step| choice.includes(step)).map(|step| step.name).collect())
    }

    #[test]
    fn without_arguments_every_step_runs() {
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn only_runs_what_it_names_and_refuses_a_name_that_no_step_has() {
        assert_eq!(chosen(&["--only", "unit,edges"]).unwrap(), ["edges", "unit"]);
        assert!(matches!(chosen(&["--only", "units"]), Err(Error::Usage(_))));
    }

    #[test]
    fn quick_leaves_out_what_needs_a_server() {
        let steps = chosen(&["--quick"]).unwrap();
        assert!(steps.contains(&"unit") && !steps.contains(&"servers"));
    }
}
