//! The entry for MySQL and MariaDB: a text becomes statements.

use std::{ops::ControlFlow, ops::Range};

use foldhash::HashMap;
use querygate_record::{Barrier, Effect, Named, TransactionChange};
use sqlparser::ast::{Expr, SetExpr, Visit, visit_expressions, visit_relations};

use super::{
    Lexer,
    call::CALL,
    forms, parser,
    reading::{Outcome, Reading, unsupported},
    scope::Column,
    set::SET,
    show::WARNINGS,
};
use crate::{
    Limits,
    analyse::not_understood,
    catalog::Catalog,
    guard::{self, Part},
    literals::literals,
    postgres::lexer::{Kind, Token},
    session::Settings,
    statement::{Opaque, Output, Refusal, RefusalKind, Statement},
};

/// What stands for COM_RESET_CONNECTION, which has no text: judged and logged as a statement of these words, which the servers don't know.
pub const RESET_CONNECTION: &str = "RESET CONNECTION";

/// Analyses a text: one [`Statement`] per statement of the text, in order. A text that can't be parsed is one statement over the whole text.
pub fn analyse(text: &str, catalog: &Catalog, settings: &Settings, limits: &Limits) -> Vec<Statement> {
    let parts = match guard::read_with(Lexer::of(text, catalog), text, limits) {
        Ok(parts) => parts,
        Err(refusal) => return vec![not_understood(0..text.len(), Vec::new(), refusal)],
    };
    let mut settings = settings.clone();
    let mut statements: Vec<Statement> = Vec::with_capacity(parts.len());
    for part in &parts {
        let statement = understand(part, catalog, &settings);
        if let Some(refusal) = statement.unanalysed.clone().filter(|r| r.kind == RefusalKind::Unparsed) {
            let literals = parts.iter().flat_map(|part| literals(&part.tokens, &HashMap::default(), false)).collect();
            return vec![not_understood(0..text.len(), literals, refusal)];
        }
        settings.temporary.extend(statement.temporary.iter().cloned());
        statements.push(statement);
    }
    if statements.len() > 1 {
        statements.iter_mut().filter(|s| s.tag == WARNINGS).for_each(tells_of_another);
    }
    if statements.len() > 1
        && let Some(statement) = statements.iter_mut().find(|s| is_only_alone(s))
    {
        let construct = format!("{} of this form beside other statements", statement.tag);
        let refusal = unsupported(&construct, "send it alone");
        *statement = not_understood(statement.range.clone(), std::mem::take(&mut statement.literals), refusal);
    }
    statements
}

/// Whether a statement has its meaning only as the whole of a text: what stands beside it could not be told from its results, or be judged.
fn is_only_alone(statement: &Statement) -> bool {
    statement.instead.is_some()
        || statement.tag == CALL
        || (statement.tag == SET && statement.barrier == Barrier::Unknown)
}

/// What shows warnings beside other statements of a text shows theirs.
fn tells_of_another(statement: &mut Statement) {
    statement.instead = None;
    statement.opaque.push(Opaque { construct: WARNINGS.into(), object: "".into(), position: None });
}

fn understand(part: &Part<'_>, catalog: &Catalog, settings: &Settings) -> Statement {
    let mut reading = Reading::new(catalog, settings);
    let range: Range<usize> = part.range.clone();
    match reading.statement(&part.tokens) {
        Ok(outcome) => {
            reading.parameters = part.tokens.iter().filter(|t| t.kind == Kind::Parameter).count();
            let found = literals(&part.tokens, &HashMap::default(), outcome.secret);
            reading.finish(range, outcome, found)
        }
        Err(refusal) => not_understood(range, literals(&part.tokens, &HashMap::default(), false), refusal),
    }
}

impl Reading<'_> {
    /// Reads one statement.
    pub fn statement(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let Some(first) = tokens.first() else { return Ok(Outcome::of("")) };
        let word = if first.kind == Kind::Word { first.value.to_ascii_lowercase() } else { String::new() };
        if word != "create"
            && let Some(colon) = tokens.iter().find(|t| t.is(":"))
        {
            let refusal = unsupported("a colon outside a routine", "leave it out");
            return Err(Refusal { position: Some(colon.position), ..refusal });
        }
        if !matches!(word.as_str(), "set" | "create")
            && let Some(assignment) = tokens.iter().find(|t| t.is(":="))
        {
            let refusal = unsupported("an assignment in an expression", "use SET");
            return Err(Refusal { position: Some(assignment.position), ..refusal });
        }
        match word.as_str() {
            "select" | "with" | "values" => self.select_statement(tokens),
            "do" => self.calculate(tokens),
            "" if first.is("(") => self.select_statement(tokens),
            "insert" | "replace" => self.changed(tokens, "INSERT"),
            "update" => self.changed(tokens, "UPDATE"),
            "delete" => self.changed(tokens, "DELETE"),
            "begin" | "start" | "commit" | "rollback" | "savepoint" | "release" => self.transaction(tokens),
            "set" => self.set(tokens),
            "show" => self.show(tokens),
            "describe" | "desc" | "explain" => self.explain(tokens),
            "use" => self.use_database(tokens),
            "kill" => self.kill(tokens),
            "prepare" => self.prepare(tokens),
            "call" => self.call(tokens),
            "execute" => self.execute(tokens),
            "deallocate" => self.deallocate(tokens),
            "drop" if tokens.get(1).is_some_and(|t| t.is_word("prepare")) => self.deallocate(tokens),
            "reset" if matches!(tokens, [_, what] if what.is_word("connection")) => Ok(self.reset()),
            _ => self.define(tokens),
        }
    }

    fn select_statement(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        if let Some(query) = forms::without_variables(tokens) {
            self.consumed(&query, "SELECT ... INTO")?;
            return Ok(Outcome::of("SELECT"));
        }
        self.outermost = true;
        let columns = self.whole_query(forms::unlocked(tokens))?;
        if self.unlisted_star {
            // Where each of them stands is not known.
            let construct = "`*` of a temporary table".into();
            columns.iter().for_each(|column| self.used_origin(&column.origin, &construct));
        }
        let outputs = columns.into_iter().map(|c| Output { name: c.name, origin: c.origin }).collect();
        Ok(Outcome { outputs: Some(outputs).filter(|_| !self.unlisted_star), ..Outcome::of("SELECT") })
    }

    fn whole_query(&mut self, tokens: &[Token<'_>]) -> Result<Vec<Column>, Refusal> {
        let query = parser::whole(tokens, |parser| parser.parse_query())?;
        self.outermost &= query.with.is_none() && matches!(*query.body, SetExpr::Select(_));
        let columns = self.query(&query, None)?;
        self.check_whole(&*query)?;
        Ok(columns)
    }

    /// A query whose result goes elsewhere than to the client: every column of it counts as used.
    pub fn consumed(&mut self, tokens: &[Token<'_>], construct: &str) -> Result<(), Refusal> {
        let construct = construct.into();
        let columns = self.whole_query(forms::unlocked(tokens))?;
        columns.iter().for_each(|column| self.used_origin(&column.origin, &construct));
        Ok(())
    }

    /// Reads DO: expressions whose values nobody sees.
    fn calculate(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        self.consumed(&forms::as_query(tokens), "DO")?;
        self.effect(Effect::Read, "");
        Ok(Outcome::of("DO"))
    }

    fn changed(&mut self, tokens: &[Token<'_>], tag: &'static str) -> Result<Outcome, Refusal> {
        use sqlparser::ast::Statement as Tree;
        let tree = parser::whole(tokens, |parser| parser.parse_statement())?;
        let returned = match &tree {
            Tree::Insert(insert) => self.insert(insert),
            Tree::Update(update) => self.update(update).map(|()| None),
            Tree::Delete(delete) => self.delete(delete),
            _ => Err(unsupported("a statement of this form", "write INSERT, UPDATE or DELETE")),
        }?;
        self.check_whole(&tree)?;
        let output = |c: Column| Output { name: c.name, origin: c.origin };
        let outputs = returned.map(|columns| columns.into_iter().map(output).collect());
        Ok(Outcome { outputs, ..Outcome::of(tag) })
    }

    /// A check on this reading: no name in an expression and no relation of the tree was passed over.
    fn check_whole(&self, tree: &impl Visit) -> Result<(), Refusal> {
        let (mut names, mut relations) = (0_usize, 0_usize);
        let _ = visit_expressions(tree, |expr: &Expr| {
            names += usize::from(matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
            ControlFlow::<()>::Continue(())
        });
        let _ = visit_relations(tree, |_| {
            relations += 1;
            ControlFlow::<()>::Continue(())
        });
        if names > self.names_read || relations > self.relations_read {
            return Err(unsupported("a part of the statement that was not read", "write it in a simpler form"));
        }
        Ok(())
    }

    /// The session is as after its log-in: nothing is open, prepared or set, but for what the gateway sees when it looks again.
    fn reset(&mut self) -> Outcome {
        self.effect(Effect::Session, "");
        Outcome {
            transaction: TransactionChange::Rollback,
            barrier: Barrier::Unknown,
            named: Some(Named::Deallocate(None)),
            ..Outcome::of("RESET CONNECTION")
        }
    }

    fn transaction(&mut self, tokens: &[Token<'_>]) -> Result<Outcome, Refusal> {
        let words: Vec<String> = tokens.iter().map(|t| t.value.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        use TransactionChange as Change;
        let (tag, change) = match words[..] {
            ["begin"] | ["begin", "work"] => ("BEGIN", Change::Begin),
            ["start", "transaction"]
            | ["start", "transaction", "read", "only" | "write"]
            | ["start", "transaction", "with", "consistent", "snapshot"] => ("START TRANSACTION", Change::Begin),
            ["commit"] | ["commit", "work"] => ("COMMIT", Change::Commit),
            ["rollback"] | ["rollback", "work"] => ("ROLLBACK", Change::Rollback),
            ["rollback", "to", _]
            | ["rollback", "to", "savepoint", _]
            | ["rollback", "work", "to", _]
            | ["rollback", "work", "to", "savepoint", _] => ("ROLLBACK", Change::RollbackTo),
            ["savepoint", _] => ("SAVEPOINT", Change::Savepoint),
            ["release", "savepoint", _] => ("RELEASE", Change::Release),
            ["start", ..] => return self.define(tokens),
            _ => return Err(unsupported("transaction control of this form", "write BEGIN, COMMIT or ROLLBACK alone")),
        };
        self.effect(Effect::Session, "");
        Ok(Outcome { transaction: change, ..Outcome::of(tag) })
    }
}
