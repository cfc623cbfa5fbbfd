//! The catalog as one session's open transaction sees it, from its first definition to its end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use querygate_policy::Mode;
use querygate_session::Question;
use querygate_sql::catalog::Catalog;

use crate::world::{Identity, World};

/// Tells the worlds of transactions apart: what is judged in one is remembered for no other.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Longest time that the server may take for an answer, as its setting `statement_timeout` has it.
const ANSWER_WAIT_MAX: &str = "30s";

/// Keeps the client's own values of what the question pins. Custom settings can't be read by clients.
const KEEP: &str = "SELECT pg_catalog.current_setting('transaction_isolation'), \
    pg_catalog.set_config('querygate.search_path', pg_catalog.current_setting('search_path'), true), \
    pg_catalog.set_config('querygate.statement_timeout', pg_catalog.current_setting('statement_timeout'), true), \
    pg_catalog.set_config('querygate.quote_all', pg_catalog.current_setting('quote_all_identifiers'), true)";

/// Gives them back.
const GIVE_BACK: &str = "SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('querygate.search_path'), true), \
    pg_catalog.set_config('statement_timeout', pg_catalog.current_setting('querygate.statement_timeout'), true), \
    pg_catalog.set_config('quote_all_identifiers', pg_catalog.current_setting('querygate.quote_all'), true)";

/// The statements of a question, in order. Neither a path with operators of the client's own nor its time limit decides the answer.
pub fn statements(question: Question) -> [String; Question::STATEMENTS] {
    let pin = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true), \
         pg_catalog.set_config('statement_timeout', '{ANSWER_WAIT_MAX}', true), \
         pg_catalog.set_config('quote_all_identifiers', 'off', true)"
    );
    let asked = match question {
        Question::Fingerprint => querygate_sql::catalog::POSTGRES_FINGERPRINT,
        Question::Catalog => querygate_sql::catalog::POSTGRES_SNAPSHOT,
    };
    [KEEP.to_owned(), pin, asked.to_owned(), GIVE_BACK.to_owned()]
}

/// What is known of the catalog inside the transaction.
#[derive(Debug, Default)]
pub struct Inside {
    look: Look,
    /// The catalog as last read in this transaction.
    world: Option<Arc<World>>,
    /// The fingerprint that goes with what is read next.
    fingerprint: String,
    /// The world of everybody at the time of the last look.
    beside: Identity,
    /// The same before the transaction took its snapshot; none: no statement has been judged since.
    begun: Option<Identity>,
    /// The transaction's statements all see one snapshot; the server looks names up in the present all the same.
    repeatable: bool,
    failed: bool,
}

#[derive(Debug, Default)]
enum Look {
    /// Nothing was defined: what everybody sees holds.
    #[default]
    Shared,
    /// Something may have been defined.
    Changed,
    /// Something has been.
    Differs,
    /// The answer, until it is taken.
    Document(String),
    /// The answer is being read.
    Reading,
    /// `world` holds.
    Known,
    /// It can't be known.
    Unreadable,
}

/// Whose catalog decides.
#[derive(Debug)]
pub enum Holds {
    /// Everybody's.
    Shared,
    /// The transaction's own.
    Own(Arc<World>),
    /// Not known yet.
    Unknown,
    /// Nobody's.
    Unreadable,
}

impl Inside {
    /// Notes that a statement succeeded that may have defined something, or taken definitions back.
    pub fn changed(&mut self) {
        self.look = Look::Changed;
    }

    /// Notes that a transaction begins, or that none is open; with everybody's world, if that is up to date.
    pub fn settled(&mut self, shared: Option<Identity>) {
        *self = Inside { begun: shared, ..Inside::default() };
    }

    /// A statement is judged, and not sent yet.
    pub fn begins(&mut self, shared: Identity) {
        self.begun.get_or_insert(shared);
    }

    /// What to ask now.
    pub fn question(&mut self, shared: Identity, failed: bool) -> Option<Question> {
        self.failed = failed;
        if failed {
            return None;
        }
        // What others have defined since shows in the transaction too.
        if matches!(self.look, Look::Known | Look::Unreadable) && self.beside != shared {
            self.look = Look::Changed;
        }
        match self.look {
            Look::Changed => Some(Question::Fingerprint),
            Look::Differs => Some(Question::Catalog),
            _ => None,
        }
    }

    /// Takes a row of the answer.
    pub fn answered(&mut self, question: Question, row: &[Option<&[u8]>], shared: &World) -> bool {
        let Some(text) = row.first().copied().flatten().and_then(|b| std::str::from_utf8(b).ok()) else { return false };
        // The first row tells the isolation level, the one that has a single column answers.
        if row.len() > 1 {
            self.repeatable = !matches!(text, "read committed" | "read uncommitted");
            return true;
        }
        match question {
            Question::Fingerprint => self.compare(text, shared),
            Question::Catalog => self.look = Look::Document(text.to_owned()),
        }
        true
    }

    fn compare(&mut self, fingerprint: &str, shared: &World) {
        let own = self.world.as_ref();
        let same_policy = own.is_some_and(|w| w.bound.policy().version() == shared.bound.policy().version());
        let beside = shared.version;
        self.look = if fingerprint == shared.fingerprint {
            self.world = None;
            Look::Shared
        } else if self.repeatable && self.begun != Some(beside) {
            // Its snapshot is older than what the server would look up.
            Look::Unreadable
        } else if same_policy && own.is_some_and(|w| w.fingerprint == fingerprint) {
            Look::Known
        } else {
            fingerprint.clone_into(&mut self.fingerprint);
            Look::Differs
        };
        self.beside = beside;
    }

    /// The answer that waits to be read, as a job for a thread of its own. `shared` gives the policy, and the masks of what is renamed.
    pub fn job(&mut self, shared: &Arc<World>, mode: Mode) -> Option<Job> {
        let Look::Document(document) = &mut self.look else { return None };
        let document = std::mem::take(document);
        self.look = Look::Reading;
        self.beside = shared.version;
        let earlier = self.world.clone().unwrap_or_else(|| shared.clone());
        let fingerprint = std::mem::take(&mut self.fingerprint);
        Some(Job { document, fingerprint, earlier, shared: shared.clone(), mode })
    }

    /// The job is done; none: the answer can't be understood.
    pub fn read(&mut self, world: Option<Arc<World>>) {
        // The transaction may have ended meanwhile.
        if matches!(self.look, Look::Reading) {
            self.look = if world.is_some() { Look::Known } else { Look::Unreadable };
            self.world = world.or(self.world.take());
        }
    }

    /// Whose catalog decides now.
    pub fn holds(&self, shared: Identity) -> Holds {
        match (&self.look, &self.world) {
            (Look::Shared, _) => Holds::Shared,
            // Nothing runs there: what was known last is good enough to say no.
            (_, Some(world)) if self.failed => Holds::Own(world.clone()),
            (_, None) if self.failed => Holds::Shared,
            (Look::Known, Some(world)) if self.beside == shared => Holds::Own(world.clone()),
            (Look::Unreadable, _) if self.beside == shared => Holds::Unreadable,
            _ => Holds::Unknown,
        }
    }
}

/// A catalog that is to be read, and the policy bound to it.
#[derive(Debug)]
pub struct Job {
    document: String,
    fingerprint: String,
    earlier: Arc<World>,
    shared: Arc<World>,
    mode: Mode,
}

impl Job {
    /// Reads it; takes as long as it takes.
    pub fn run(self) -> Option<Arc<World>> {
        let catalog = match Catalog::from_json(self.document.as_bytes()) {
            Ok(catalog) => Arc::new(catalog),
            Err(error) => {
                tracing::warn!(%error, "the catalog of an open transaction can't be read");
                return None;
            }
        };
        let bound = self.shared.bound.policy().bind(&catalog, self.mode, Some(&self.earlier.bound));
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(World::of_transaction(bound, self.mode, self.fingerprint, serial)))
    }
}

/// Whether a text does nothing but begin, mark or end a transaction: no definition bears on it, and it must pass whatever is known.
pub fn is_control(text: &str) -> bool {
    const LONGEST: usize = 200;
    const FIRST: [&str; 7] = ["begin", "commit", "end", "release", "rollback", "savepoint", "start"];
    let text = text.trim().trim_end_matches(';').trim_end();
    let mut words = text.split_whitespace();
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b',' | b'"' | b'\t' | b'\n' | b'\r');
    text.len() <= LONGEST
        && text.bytes().all(plain)
        && words.next().is_some_and(|word| FIRST.iter().any(|first| word.eq_ignore_ascii_case(first)))
        && !words.next().is_some_and(|word| word.eq_ignore_ascii_case("prepared"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_control_is_told_from_everything_else() {
        for text in
            ["COMMIT", " rollback ;", "ROLLBACK TO SAVEPOINT \"a b\"", "begin isolation level serializable, read only;"]
        {
            assert!(is_control(text), "{text}");
        }
        for text in
            ["COMMIT; SELECT 1", "commit prepared 'x'", "SELECT 1", "", "rollback/**/", "begin(", "release\u{a0}x"]
        {
            assert!(!is_control(text), "{text}");
        }
    }
}
