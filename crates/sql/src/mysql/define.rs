//! Statements that define, alter and administer, told apart by their first words: what they are about is enough to judge them.

use querygate_record::{Effect, TransactionChange};

use super::{
    created,
    reading::{Outcome, Reading, other_database, unsupported},
};
use crate::{
    postgres::lexer::{Kind, Token},
    statement::Refusal,
};

/// Words between a statement's kind and the name that it is about.
const NOISE: &[&str] = &[
    "if",
    "not",
    "exists",
    "or",
    "replace",
    "table",
    "view",
    "index",
    "unique",
    "fulltext",
    "spatial",
    "temporary",
    "online",
    "offline",
    "ignore",
    "no_write_to_binlog",
    "local",
    "tables",
    "database",
    "schema",
    "function",
    "procedure",
    "trigger",
    "event",
    "sequence",
    "aggregate",
    "nowait",
];

impl Reading<'_> {
    /// Reads a statement that is none of those with a grammar of their own here.
    pub fn define(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let words: Vec<String> = tokens.iter().take(8).map(|t| t.value.to_ascii_lowercase()).collect();
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let kind = |kinds: &[&'static str]| -> Option<&'static str> {
            kinds.iter().copied().find(|kind| words.iter().skip(1).take(6).any(|w| w == kind))
        };
        match word(0) {
            "create" => self.create(tokens, &words),
            "drop" => match kind(&["user", "role", "temporary", "table", "view", "index", "database", "schema"]) {
                Some("user" | "role") => self.privilege("DROP USER"),
                Some("temporary") => self.session("DROP TEMPORARY TABLE"),
                Some("table" | "view") => self.about(tokens, 1, Effect::Drop, "DROP TABLE"),
                Some("index") => self.index(tokens, Effect::Alter, "DROP INDEX"),
                _ => self.plain(Effect::Drop, "DROP"),
            },
            "truncate" => self.about(tokens, 1, Effect::Truncate, "TRUNCATE"),
            "alter" => match kind(&["user", "role", "table", "instance", "server"]) {
                Some("user" | "role") => self.privilege("ALTER USER"),
                Some("table") => self.whole(tokens, 1, Effect::Alter, "ALTER TABLE"),
                Some("instance" | "server") => self.plain(Effect::Server, "ALTER INSTANCE"),
                _ => self.plain(Effect::Alter, "ALTER"),
            },
            "rename" if word(1) == "user" => self.privilege("RENAME USER"),
            "rename" => self.renamed(tokens),
            "grant" | "revoke" => self.privilege("GRANT"),
            "analyze" | "optimize" | "check" | "repair" | "checksum"
                if matches!(word(1), "table" | "tables" | "local" | "no_write_to_binlog") =>
            {
                self.whole(tokens, 1, Effect::Maintain, "MAINTENANCE")
            }
            "lock" => self.plain(Effect::Maintain, "LOCK TABLES"),
            // What it gives back is the session's own.
            "unlock" => self.session("UNLOCK TABLES"),
            "load" => self.plain(Effect::File, "LOAD"),
            "flush" | "shutdown" | "restart" | "reset" | "purge" | "change" | "start" | "stop" | "install"
            | "uninstall" | "clone" | "cache" | "binlog" | "import" => self.plain(Effect::Server, "ADMINISTRATION"),
            _ => {
                let construct = format!("the statement {}", word(0).to_uppercase());
                Err(unsupported(&construct, "use SELECT, INSERT, UPDATE, DELETE or a statement that defines"))
            }
        }
    }

    fn create(&mut self, tokens: &[Token<'_>], words: &[String]) -> Result<Outcome, Refusal> {
        let has = |word: &str| words.iter().skip(1).any(|w| w == word);
        // What comes first decides: names may be words too.
        let kinds = [
            "user",
            "role",
            "function",
            "procedure",
            "trigger",
            "event",
            "server",
            "view",
            "temporary",
            "table",
            "index",
            "database",
            "schema",
            "sequence",
            "package",
        ];
        let kind = words.iter().skip(1).find(|w| kinds.contains(&w.as_str())).map_or("", String::as_str);
        match kind {
            "user" | "role" => self.privilege("CREATE USER"),
            "function" | "procedure" | "trigger" | "event" | "package" => {
                self.opaque("code that is defined", "");
                self.plain(Effect::DefineCode, "CREATE FUNCTION")
            }
            "server" => self.plain(Effect::Outbound, "CREATE SERVER"),
            "view" => {
                self.opaque("a view that is defined", "");
                self.plain(Effect::Define, "CREATE VIEW")
            }
            "temporary" => self.temporary_table(tokens),
            "table" => {
                match created::filled(tokens) {
                    Some((_, query)) => self.consumed(query, "CREATE TABLE AS")?,
                    None => created::takes_no_query(tokens)?,
                }
                if created::is_over_others(tokens) {
                    self.opaque("a table over other tables", "");
                }
                if has("replace") {
                    self.about(tokens, 1, Effect::Drop, "CREATE TABLE")?;
                }
                self.plain(Effect::Define, "CREATE TABLE")
            }
            "index" => self.index(tokens, Effect::Define, "CREATE INDEX"),
            "database" | "schema" | "sequence" => self.plain(Effect::Define, "CREATE DATABASE"),
            _ => Err(unsupported("this form of CREATE", "create a table, view, index or function")),
        }
    }

    fn temporary_table(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        if let Some((name, query)) = created::filled(tokens) {
            self.consumed(query, "CREATE TEMPORARY TABLE AS")?;
            self.temporary.extend(name.name().map(str::to_owned));
            return self.session("CREATE TEMPORARY TABLE");
        }
        created::takes_no_query(tokens)?;
        let Some(name) = created::temporary(tokens) else {
            let hint = "name one table, without its database, its columns, and an engine such as InnoDB";
            return Err(unsupported("this form of CREATE TEMPORARY TABLE", hint));
        };
        self.temporary.push(name.to_owned());
        self.session("CREATE TEMPORARY TABLE")
    }

    fn session(&mut self, tag: &'static str) -> Result<Outcome, Refusal> {
        self.effect(Effect::Session, "");
        Ok(Outcome::of(tag))
    }

    fn privilege(&mut self, tag: &'static str) -> Result<Outcome, Refusal> {
        Ok(Outcome { secret: true, ..self.plain(Effect::Privilege, tag)? })
    }

    /// An effect on nothing that has a name here. It commits implicitly.
    fn plain(&mut self, effect: Effect, tag: &'static str) -> Result<Outcome, Refusal> {
        self.effect(effect, "");
        Ok(Outcome { transaction: TransactionChange::Commit, ..Outcome::of(tag) })
    }

    /// An effect on the tables that are named from a token on.
    fn about(
        &mut self,
        tokens: &[Token<'_>],
        from: usize,
        effect: Effect,
        tag: &'static str,
    ) -> Result<Outcome, Refusal> {
        let found = names(tokens, from);
        for (database, name) in &found {
            if let Some(database) = database.as_ref().filter(|d| !self.is_own(d)) {
                return Err(other_database(database));
            }
            // One that does not exist is the server's to refuse.
            if let Ok(relation) = self.relation_named(None, name) {
                self.table(relation, true);
            }
            self.effect(effect, name);
        }
        if found.is_empty() {
            self.effect(effect, "");
        }
        Ok(Outcome { transaction: TransactionChange::Commit, ..Outcome::of(tag) })
    }

    /// The same where the outcome may tell of any value in the tables.
    fn whole(
        &mut self,
        tokens: &[Token<'_>],
        from: usize,
        effect: Effect,
        tag: &'static str,
    ) -> Result<Outcome, Refusal> {
        for (_, name) in names(tokens, from) {
            match self.relation_named(None, &name) {
                Ok(relation) => self.used_whole(relation, tag),
                Err(_) => self.opaque(format!("table {name}, which is not known"), ""),
            }
        }
        self.about(tokens, from, effect, tag)
    }

    fn index(&mut self, tokens: &[Token<'_>], effect: Effect, tag: &'static str) -> Result<Outcome, Refusal> {
        match tokens.iter().position(|t| t.is_word("on")) {
            Some(on) => self.whole(tokens, on + 1, effect, tag),
            None => Err(unsupported("this form of INDEX", "name its table behind ON")),
        }
    }

    fn renamed(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        for token in tokens.iter().skip(2).filter_map(Token::name) {
            self.effect(Effect::Alter, token);
            if let Ok(relation) = self.relation_named(None, token) {
                self.table(relation, true);
            }
        }
        self.plain(Effect::Alter, "RENAME TABLE")
    }
}

/// The names, with their databases, in the list that begins behind the words of a statement's kind.
pub fn names(tokens: &[Token<'_>], from: usize) -> Vec<(Option<String>, String)> {
    let is_noise = |t: &&Token<'_>| t.kind == Kind::Word && NOISE.contains(&t.value.to_ascii_lowercase().as_str());
    let rest = tokens.get(from..).unwrap_or_default();
    let skipped = rest.iter().take_while(is_noise).count();
    let mut rest = rest.get(skipped..).unwrap_or_default().iter();
    let mut found = Vec::new();
    while let Some(first) = rest.next().and_then(Token::name) {
        let mut name = (None, first.to_owned());
        let mut next = rest.next();
        if next.is_some_and(|t| t.is("."))
            && let Some(second) = rest.next().and_then(Token::name)
        {
            name = (Some(name.1), second.to_owned());
            next = rest.next();
        }
        found.push(name);
        if !next.is_some_and(|t| t.is(",")) {
            break;
        }
    }
    found
}
