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
    #[error("no reviewers are named for this statement: name some in the rule, or as `reviewers` of the policy file")]
    NoReviewers,
    /// As many wait already as may.
    #[error("{what} already waits for reviewers with {limit} {unit}, the most that may: let one be decided, or cancel it")]
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
    #[error("there is no request {id}: `querygate approvals list` shows those that wait")]
    Unknown {
        /// What was asked for.
        id: HoldId,
    },
    /// It has ended already.
    #[error("request {id} is {ruling} already: nothing is left to decide")]
    Ended {
        /// The request.
        id: HoldId,
        /// How it ended.
        ruling: &'static str,
    },
    /// Its time is over.
    #[error("request {id} has expired: the statement must be sent again")]
    Expired {
        /// The request.
        id: HoldId,
    },
    /// Whoever asked went away a moment ago.
    #[error("whoever asked {id} has gone: nothing is left to decide")]
    AskerGone {
        /// The request.
        id: HoldId,
    },
    /// The reviewer has none of the roles that may decide.
    #[error("{reviewer} may not decide on {id}: that takes an account with one of the roles {}", roles.join(", "))]
    NotReviewer {
        /// The request.
        id: HoldId,
        /// Who tried.
        reviewer: String,
        /// Who may.
        roles: Vec<String>,
    },
    /// The reviewer asked for it, or is someone that the asker acts for, or acts for one of them.
    #[error("{reviewer} may not decide on {id}, because {involved} is behind it: another reviewer must")]
    Involved {
        /// The request.
        id: HoldId,
        /// Who tried.
        reviewer: String,
        /// Who is on both sides.
        involved: String,
    },
    /// A decision needs words.
    #[error("say why: the words go into the log, and to the one who asked when you deny")]
    NoReason,
    /// Too many words.
    #[error("the reason is longer than {limit} bytes: shorten it")]
    LongReason {
        /// The bound.
        limit: usize,
    },
    /// It could not be written down, so it doesn't count; the statement waits on.
    #[error("the decision does not count: {0}")]
    Store(#[from] StoreError),
}
