//! The judge of the simulation: a text says itself what becomes of it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use querygate_mask::{FieldMask, FieldType, Kind, Masker, NullRule};
use querygate_policy::{FieldPlan, MaskPlan, MaskedColumns, Refusal, RefusalKind};
use querygate_record::{Barrier, Copy, CopyDirection, CopyFormat, Facts, Named, TransactionChange, Value, Verdict};
use querygate_session::{Judge, Judgement, Part, Question};
use querygate_sql::statement::ColumnId;

use crate::server::{Meaning, read};

pub const SECRET: ColumnId = ColumnId { table: 1, attribute: 2 };

#[derive(Default)]
pub struct Scripted {
    pub masked: bool,
    pub setting: u32,
    pub catalog: u32,
    /// The open transaction has defined something.
    pub defined: bool,
    /// What it sees is not known.
    pub stale: bool,
    pub failed: bool,
    /// Everybody's catalog must be looked at.
    pub unseen: bool,
    /// Judgements that are not to be had before one is.
    pub not_now: u32,
}

impl Scripted {
    fn plan(&self, kind: &str) -> Arc<MaskPlan> {
        if !self.masked {
            return Arc::default();
        }
        let mask = FieldMask::compile(&Masker::Redact, NullRule::default(), &FieldType::new(Kind::Text, 25)).unwrap();
        let field = FieldPlan { column: SECRET, name: "secret".into(), mask: Arc::new(mask) };
        let fields = if kind == "secret" { vec![None, Some(field)] } else { Vec::new() };
        let masked_columns: Arc<MaskedColumns> = Arc::new([SECRET].into_iter().collect());
        Arc::new(MaskPlan::new(fields, kind == "secret", masked_columns))
    }

    fn stamp(&self) -> u128 {
        stamp((self.setting, self.catalog))
    }

    fn part(&self, text: &str) -> Part {
        let words: Vec<&str> = text.split(' ').collect();
        let mut part = Part { tag: "STEP", masks: self.plan(words[0]), ..Part::default() };
        match words[..] {
            ["begin"] => part.transaction = TransactionChange::Begin,
            ["commit"] => part.transaction = TransactionChange::Commit,
            ["rollback"] => {
                part.transaction = TransactionChange::Rollback;
                part.barrier = Barrier::Unknown;
            }
            ["set", _] => part.barrier = Barrier::Unknown,
            ["define", _] => {
                part.defines = true;
                part.late = true;
            }
            ["copyin"] => part.copy = Some(copy(CopyDirection::FromStdin)),
            ["copyout"] => part.copy = Some(copy(CopyDirection::ToStdout)),
            ["prepare", name, kind, _] => {
                part.named = Some(Named::Prepare(name.to_owned()));
                part.masks = self.plan(kind);
            }
            ["execute", name] => part.named = Some(Named::Execute(name.to_owned())),
            ["deallocate", name] => part.named = Some(Named::Deallocate(Some(name.to_owned()))),
            _ => {}
        }
        part
    }

    pub fn judgement(&self, text: &str) -> Judgement {
        let said = read(text);
        let verdict = match said.mark {
            '!' => Verdict::Block,
            '?' => Verdict::Approve,
            _ => Verdict::Allow,
        };
        let refusal = (verdict == Verdict::Block).then(|| Refusal {
            kind: RefusalKind::Blocked,
            message: "blocked by policy".to_owned(),
            detail: String::new(),
            hint: String::new(),
            position: None,
        });
        let parts: Vec<Part> = said.parts.iter().filter(|p| !p.is_empty()).map(|p| self.part(p)).collect();
        Judgement {
            text: text.into(),
            stamp: self.stamp(),
            verdict,
            refusal,
            rule: "rule".into(),
            reviewers: Vec::new(),
            expires: Duration::from_secs(1),
            hold_in_transaction: None,
            durable: false,
            changes: false,
            facts: Arc::new(Facts::default()),
            facts_id: OnceLock::new(),
            apart: None,
            rewritten: None,
            parts,
            hashed_parameters: Arc::default(),
        }
    }
}

fn copy(direction: CopyDirection) -> Copy {
    Copy { direction, format: CopyFormat::Text { delimiter: b'\t', null: "\\N".to_owned(), header: false } }
}

/// The judge's mark of what gives a text its meaning.
pub fn stamp((setting, catalog): Meaning) -> u128 {
    u128::from(setting) | u128::from(catalog) << 32
}

/// A text that no catalog bears on.
pub fn is_control(text: &str) -> bool {
    read(text).parts.iter().all(|part| matches!(*part, "begin" | "commit" | "rollback"))
}

impl Judge for Scripted {
    fn judge(&mut self, text: &str) -> Option<Arc<Judgement>> {
        if self.not_now > 0 {
            self.not_now -= 1;
            return None;
        }
        if self.unseen && !is_control(text) {
            return None;
        }
        assert!(!self.stale || self.failed || is_control(text), "{text} is judged by an old catalog");
        Some(Arc::new(self.judgement(text)))
    }

    fn is_current(&self, judgement: &Judgement) -> bool {
        judgement.stamp == self.stamp() && !self.stale && !self.unseen
    }

    fn is_masked(&self) -> bool {
        self.masked
    }

    fn values(&mut self, _: &Judgement, _: &[i16], _: &[Option<&[u8]>]) -> Vec<Value> {
        Vec::new()
    }

    fn settings_read(&mut self, row: &[Option<&[u8]>]) -> bool {
        self.setting = std::str::from_utf8(row[0].unwrap()).unwrap().parse().unwrap();
        true
    }

    fn is_inside(&self) -> bool {
        self.defined
    }

    fn question(&mut self, text: &str, failed: bool) -> Option<Question> {
        self.failed = failed;
        (self.stale && !failed && !is_control(text)).then_some(Question::Catalog)
    }

    fn answered(&mut self, _: Question, row: &[Option<&[u8]>]) -> bool {
        self.catalog = std::str::from_utf8(row[0].unwrap()).unwrap().parse().unwrap();
        self.stale = false;
        true
    }

    fn completed(&mut self, judgement: &Judgement, part: usize) {
        if judgement.parts[part].defines {
            self.defined = true;
            self.stale = true;
        }
    }

    fn settled(&mut self) {
        self.unseen |= self.defined;
        self.defined = false;
        self.stale = false;
    }
}
