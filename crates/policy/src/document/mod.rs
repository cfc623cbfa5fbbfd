//! Reading TOML so that every complaint names the file, the line, the column, what is wrong and what would be right.
//!
//! A [`Reader`] holds one file. Its [`Table`]s hand out values by key and remember which keys were asked for, so that [`Table::finish`] can name
//! the rest as unknown, with the nearest known one. All problems of a file are collected; reading goes on after each.
//!
//! ```
//! use std::sync::Arc;
//! use querygate_policy::document::{Reader, Source};
//! let source = Arc::new(Source::new("gate.toml", "nmae = 'shop'\n"));
//! let reader = Reader::new(source);
//! reader.read(|mut table| {
//!     let name = table.string("name");
//!     table.finish();
//!     name
//! });
//! assert_eq!(reader.problems().to_string(), "gate.toml:1:1: error: unknown key `nmae`; did you mean `name`?");
//! ```

mod nearest;
mod problem;
mod table;
pub mod units;
mod value;

use std::{cell::RefCell, fs, io::Read as _, ops::Range, path::Path, sync::Arc};

use toml::de::DeTable;

pub use nearest::nearest;
pub use problem::{MAX_PROBLEMS, Problem, Problems, Severity};
pub use table::Table;
pub use value::{Located, Value};

/// The longest file that is read, in bytes. Policies of thousands of tables stay far below it.
pub const MAX_FILE_BYTES: usize = 4 << 20;

/// A file: the name that messages use, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// A text that is already there.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Reads a file of at most [`MAX_FILE_BYTES`].
    pub fn open(path: &Path) -> Result<Source, Problem> {
        let name = path.display().to_string();
        let complain = |message: String, remedy: &str| Problem {
            severity: Severity::Error,
            source: Arc::new(Source::new(name.clone(), "")),
            span: None,
            message,
            remedy: Some(remedy.to_owned()),
        };
        let mut bytes = Vec::new();
        let limit = MAX_FILE_BYTES as u64 + 1;
        fs::File::open(path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|e| complain(format!("can't be read: {e}"), "check the path and its permissions"))?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(complain(
                format!("longer than {MAX_FILE_BYTES} bytes"),
                "split it, or check that it is the right file",
            ));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source { name: name.clone(), text }),
            Err(e) => Err(complain(
                format!("not UTF-8: byte {} can't be read", e.utf8_error().valid_up_to()),
                "save the file as UTF-8",
            )),
        }
    }

    /// The name that messages use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn place(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (line, column)
    }
}

/// One file while it is read, with what was found wrong so far.
#[derive(Debug)]
pub struct Reader {
    source: Arc<Source>,
    problems: RefCell<Problems>,
}

impl Reader {
    /// A reader of a file.
    pub fn new(source: Arc<Source>) -> Reader {
        Reader { source, problems: RefCell::default() }
    }

    /// Parses the file and hands its top table to `read`. Where the syntax is broken, what could be parsed is read all the same.
    pub fn read<T>(&self, read: impl FnOnce(Table<'_>) -> T) -> T {
        let (document, errors) = DeTable::parse_recoverable(self.source.text());
        for error in errors {
            self.report(Severity::Error, error.span(), error.message().trim().to_owned(), None);
        }
        read(Table::new(self, document.get_ref(), String::new(), 0..0))
    }

    /// The file.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Adds a problem.
    pub fn report(&self, severity: Severity, span: Option<Range<usize>>, message: String, remedy: Option<String>) {
        let source = Arc::clone(&self.source);
        self.problems.borrow_mut().push(Problem { severity, source, span, message, remedy });
    }

    /// What was found wrong so far; the reader starts afresh.
    pub fn problems(&self) -> Problems {
        self.problems.take()
    }
}

#[cfg(test)]
mod tests;
