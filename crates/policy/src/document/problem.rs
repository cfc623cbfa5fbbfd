use std::{fmt, ops::Range, sync::Arc};

use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind, Source as Lines};

use super::Source;

/// How many problems are kept of one load; a file that has more is better read after the first are put right.
pub const MAX_PROBLEMS: usize = 100;

/// Whether a problem stops the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is loaded; an operator should look at it.
    Warning,
    /// It is not loaded.
    Error,
}

/// One thing that is wrong in a file, where, and how to put it right.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Whether it stops the load.
    pub severity: Severity,
    /// The file.
    pub source: Arc<Source>,
    /// The bytes that it is about; none where it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// How to put it right.
    pub remedy: Option<String>,
}

impl Problem {
    /// Line and column, both from 1, the column in characters; none for a problem of the whole file.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|span| self.source.place(span.start))
    }
}

/// `policies/shop.toml:3:1: error: unknown key ...; remedy`: one line, for logs and for tools.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.name())?;
        if let Some((line, column)) = self.place() {
            write!(f, ":{line}:{column}")?;
        }
        let kind = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, ": {kind}: {}", self.message)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

/// Everything found wrong, in the order in which it was found.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    dropped: usize,
}

impl Problems {
    /// Adds one; beyond [`MAX_PROBLEMS`] they are only counted.
    pub fn push(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Problems) {
        self.dropped += other.dropped;
        other.list.into_iter().for_each(|p| self.push(p));
    }

    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Whether nothing is wrong at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them stops the load.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error)
    }

    /// The problems with the lines that they are about, for a human at a terminal (`colour`) or a file.
    pub fn render(&self, colour: bool) -> String {
        let mut out = self.list.iter().map(|p| render(p, colour)).collect::<Vec<_>>().join("\n");
        if self.dropped > 0 {
            out.push_str(&format!("\nand {} more\n", self.dropped));
        }
        out
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.dropped > 0 {
            write!(f, "\nand {} more", self.dropped)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn render(problem: &Problem, colour: bool) -> String {
    let Some(span) = problem.span.clone() else { return format!("{problem}\n") };
    let (kind, tint) = match problem.severity {
        Severity::Warning => (ReportKind::Warning, Color::Yellow),
        Severity::Error => (ReportKind::Error, Color::Red),
    };
    let config = Config::default().with_color(colour).with_char_set(CharSet::Ascii).with_index_type(IndexType::Byte);
    let place = (problem.source.name(), span);
    let mut report = Report::build(kind, place.clone())
        .with_config(config)
        .with_message(&problem.message)
        .with_label(Label::new(place).with_message("here").with_color(tint));
    if let Some(remedy) = &problem.remedy {
        report = report.with_help(remedy);
    }
    let mut bytes = Vec::new();
    let lines = (problem.source.name(), Lines::from(problem.source.text()));
    match report.finish().write(lines, &mut bytes) {
        Ok(()) => String::from_utf8_lossy(&bytes).lines().map(|l| l.trim_end().to_owned() + "\n").collect(),
        Err(_) => format!("{problem}\n"),
    }
}
