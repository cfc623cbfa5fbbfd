//! What the demo says: headings, each command, and what came back.

use std::{
    cell::Cell,
    io::{IsTerminal, Write},
    time::Instant,
};

use super::process::Ran;
use crate::commands::Failure;

const BOLD: &str = "\x1b[1m";
const HEADING: &str = "\x1b[1;36m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Tells the story; in colour on a terminal.
#[derive(Debug)]
pub struct Narrator {
    colour: bool,
    step: Cell<u32>,
    begun: Instant,
}

impl Narrator {
    /// At the beginning.
    pub fn new() -> Narrator {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Narrator { colour, step: Cell::new(0), begun: Instant::now() }
    }

    /// A sentence.
    pub fn say(&self, words: &str) {
        self.line("", words);
    }

    /// The beginning of a step.
    pub fn heading(&self, words: &str) {
        self.step.set(self.step.get() + 1);
        self.line(HEADING, &format!("\n{}. {words}", self.step.get()));
    }

    /// A command as a user types it.
    pub fn command(&self, command: &str) {
        self.line(BOLD, &format!("$ {command}"));
    }

    /// What a command wrote.
    pub fn output(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line("", &format!("  {line}"));
        }
    }

    /// Both outputs of a command that has ended.
    pub fn ran(&self, ran: &Ran) {
        self.output(&ran.stdout);
        self.output(&ran.stderr);
    }

    /// A remark.
    pub fn remark(&self, words: &str) {
        self.line(FAINT, &format!("  # {words}"));
    }

    /// The step came out as it says, or the demo ends here.
    pub fn check(&self, holds: bool, what: &str) -> Result<(), Failure> {
        if holds {
            self.remark(&format!("{what}: yes"));
            return Ok(());
        }
        Err(Failure::No(format!("step {} of the demo came out otherwise: expected that {what}", self.step.get())))
    }

    /// The end of the walk.
    pub fn end(&self) {
        let seconds = self.begun.elapsed().as_secs_f32();
        self.line(HEADING, &format!("\nAll {} steps came out as they should, in {seconds:.1} s.", self.step.get()));
    }

    fn line(&self, style: &str, text: &str) {
        let mut out = std::io::stdout().lock();
        let written = match self.colour && !style.is_empty() {
            true => writeln!(out, "{style}{text}{PLAIN}"),
            false => writeln!(out, "{text}"),
        };
        // Whoever stopped reading still gets the exit code.
        let _ = written.and_then(|()| out.flush());
    }
}
