//! What one event loop remembers of judgements: by exact text, and for texts that differ in constants alone.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, OnceLock},
};

use querygate_policy::{LiteralKey, Pattern};
use querygate_session::Judgement;
use querygate_sql::Shape;

/// Judgements that one event loop remembers, of each of the two kinds.
const REMEMBERED_MAX: usize = 4096;
/// Longer texts are judged each time.
pub const REMEMBERED_TEXT_MAX: usize = 16 * 1024;

/// Shared by the sessions of one event loop.
pub type Cache = Rc<RefCell<Remembered>>;

/// An empty cache.
pub fn cache() -> Cache {
    let texts = quick_cache::unsync::Cache::new(REMEMBERED_MAX);
    let shapes = quick_cache::unsync::Cache::new(REMEMBERED_MAX);
    Rc::new(RefCell::new(Remembered { texts, shapes }))
}

/// Judgements by keys that hold what they depend on: text or shape, catalog, policy, roles and settings.
pub struct Remembered {
    /// Of exact texts.
    pub texts: quick_cache::unsync::Cache<[u8; 32], Arc<Judgement>>,
    /// Of shapes.
    pub shapes: quick_cache::unsync::Cache<[u8; 32], Arc<Known>>,
}

/// A judgement that holds for every text of a shape.
pub struct Known {
    /// Of the text of that shape that was judged.
    pub judgement: Arc<Judgement>,
    /// What the others have in common with it.
    pub pattern: Pattern,
}

impl Known {
    /// The judgement of another text of the shape.
    pub fn judgement(&self, text: &str, shape: &Shape<'_>, key: LiteralKey<'_>) -> Option<Judgement> {
        let facts = Arc::new(self.pattern.facts(&self.judgement.facts, text, shape, key)?);
        Some(Judgement { text: text.into(), facts, facts_id: OnceLock::new(), ..(*self.judgement).clone() })
    }
}
