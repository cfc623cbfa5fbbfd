use querygate_record::HoldId;

/// The log can't be written. The text is for operators and holds no data of a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log can't be written: {0}")]
pub struct StoreError(pub String);

/// Why a statement can't be held. It must be refused then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody could ever decide.
    #[error("nobody may approve this statement: its rule and its policy file name no reviewers")]
    NoReviewers,
    /// As many wait already as may.
    #[error("{what} already waits for reviewers with {limit} {unit}, the most that may")]
    Full {
        /// Who: this session, this principal, the gateway.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// It could not be written down that it waits.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a decision does not count. Nothing has changed, except for [`DecideError::Expired`] and [`DecideError::AskerGone`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// No such request, at least not lately.
    #[error("there is no request {id}")]
    Unknown {
        /// What was asked for.
        id: HoldId,
    },
    /// It has ended already.
    #[error("request {id} is {ruling} already")]
    Ended {
        /// The request.
        id: HoldId,
        /// How it ended.
        ruling: &'static str,
    },
    /// Another reviewer's decision is being written down.
    #[error("somebody decides on {id} at this moment")]
    Deciding {
        /// The request.
        id: HoldId,
    },
    /// Its time is over.
    #[error("request {id} has expired")]
    Expired {
        /// The request.
        id: HoldId,
    },
    /// Whoever asked went away a moment ago.
    #[error("whoever asked {id} has gone")]
    AskerGone {
        /// The request.
        id: HoldId,
    },
    /// The reviewer has none of the roles that may decide.
    #[error("{reviewer} may not decide on {id}: it has none of the roles {}", roles.join(", "))]
    NotReviewer {
        /// The request.
        id: HoldId,
        /// Who tried.
        reviewer: String,
        /// Who may.
        roles: Vec<String>,
    },
    /// The reviewer asked for it, or is someone that the asker acts for, or acts for one of them.
    #[error("{reviewer} may not decide on {id}, because {involved} is behind it")]
    Involved {
        /// The request.
        id: HoldId,
        /// Who tried.
        reviewer: String,
        /// Who is on both sides.
        involved: String,
    },
    /// A decision needs words.
    #[error("a decision needs a reason")]
    NoReason,
    /// Too many words.
    #[error("the reason is longer than {limit} bytes")]
    LongReason {
        /// The bound.
        limit: usize,
    },
    /// It could not be written down, so it doesn't count; the statement waits on.
    #[error("the decision does not count: {0}")]
    Store(#[from] StoreError),
}

impl AskError {
    /// What to do about it, for the one whose statement is refused.
    pub fn remedy(&self) -> &'static str {
        match self {
            AskError::NoReviewers => "ask for `reviewers` in the policy file of this database",
            AskError::Full { .. } => "wait until one of them is decided, or cancel one",
            AskError::Store(_) => "nothing can be held until the gateway can write its log again",
        }
    }
}

impl DecideError {
    /// What to do about it, for the one who decides.
    pub fn remedy(&self) -> &'static str {
        match self {
            DecideError::Unknown { .. } => "`querygate approvals list` shows those that wait",
            DecideError::Deciding { .. } => "look again in a moment",
            DecideError::Ended { .. } => "nothing is left to decide",
            DecideError::Expired { .. } | DecideError::AskerGone { .. } => "the statement must be sent again",
            DecideError::NotReviewer { .. } => "act as an account that has one of them",
            DecideError::Involved { .. } => "another reviewer must decide",
            DecideError::NoReason => "the words go into the log and, when you deny, to the one who asked",
            DecideError::LongReason { .. } => "shorten it",
            DecideError::Store(_) => "the statement still waits: decide again when the gateway can write its log",
        }
    }
}
