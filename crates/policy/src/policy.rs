use std::{fmt, sync::Arc};

use querygate_mask::MaskKeys;
use querygate_record::Principal;

use crate::{
    DatabaseName, Limits,
    document::{Problems, Source},
    file::PolicyFile,
    roles::role_sets,
};

/// The policy of one database, as its file says it. It meets the database's catalog in [`Policy::bind`].
pub struct Policy {
    pub(crate) file: PolicyFile,
    pub(crate) version: Arc<str>,
    /// What its maskers may need.
    pub(crate) keys: Arc<MaskKeys>,
}

impl Policy {
    /// Reads one file by itself, without keys for maskers; a folder of them is a [`crate::PolicySet`]. Gives what an operator should look at besides.
    ///
    /// # Errors
    /// Everything that is wrong in the file, at once.
    pub fn read(source: Source, databases: &[DatabaseName], version: &str) -> Result<(Policy, Problems), Problems> {
        let keys = Arc::<MaskKeys>::default();
        match PolicyFile::read(source, databases, &keys) {
            (Some(file), problems) if !problems.has_errors() => {
                Ok((Policy { file, version: version.into(), keys }, problems))
            }
            (_, problems) => Err(problems),
        }
    }

    /// The database that it is for, as the configuration names it.
    pub fn database(&self) -> &str {
        &self.file.database
    }

    /// The version of the set that it belongs to.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether a principal may open the database at all. On behalf of someone, both must be allowed to.
    pub fn may_connect(&self, principal: &Principal) -> bool {
        role_sets(principal).iter().all(|roles| roles.has_any(&self.file.connect))
    }

    /// The bounds that its roles put on a principal: the smallest of each.
    pub fn limits(&self, principal: &Principal) -> Limits {
        let sets = role_sets(principal);
        let mine = |role: &str| sets.iter().any(|set| set.has(role));
        let limits = self.file.roles.iter().filter(|(role, _)| role == "*" || mine(role));
        limits.fold(Limits::default(), |least, (_, limits)| least.smallest(limits))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("database", &self.database())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
