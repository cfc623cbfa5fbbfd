use std::{fs, path::Path, path::PathBuf, sync::Arc};

use querygate_mask::MaskKeys;

use crate::{
    Policy,
    case::{self, Case},
    document::{Problem, Problems, Severity, Source},
    file::{DatabaseName, PolicyFile},
};

/// The most policy files (tests included) of a folder.
pub const MAX_FILES: usize = 1_000;

/// All policies of a folder: immutable, shared, with one version over all files.
#[derive(Debug)]
pub struct PolicySet {
    policies: Vec<Arc<Policy>>,
    cases: Vec<(String, Vec<Case>)>,
    version: Arc<str>,
    warnings: Problems,
}

impl PolicySet {
    /// Reads every `*.toml` of a folder: policies, and their tests in `*.test.toml`. All or nothing: one error and none of it is loaded.
    /// `keys` are those that maskers may name.
    pub fn load(folder: &Path, databases: &[DatabaseName], keys: &Arc<MaskKeys>) -> Result<PolicySet, Problems> {
        let mut problems = Problems::default();
        let (mut policies, mut tests) = (Vec::new(), Vec::new());
        for path in list(folder).map_err(|problem| one(*problem))? {
            match Source::open(&path) {
                Ok(source) if is_test(&path) => tests.push((path, source)),
                Ok(source) => policies.push((path, source)),
                Err(problem) => problems.push(problem),
            }
        }
        let version = version(policies.iter().map(|(path, source)| (path.as_path(), source.text())), keys);
        let mut set = PolicySet { policies: Vec::new(), cases: Vec::new(), version, warnings: Problems::default() };
        let mut stems = Vec::new();
        for (path, source) in policies {
            let (file, found) = PolicyFile::read(source, databases, keys);
            problems.extend(found);
            let Some(file) = file else { continue };
            problems.extend(set.twin(&file));
            stems.push((stem(&path), file.database.value.clone()));
            set.policies.push(Arc::new(Policy { file, version: Arc::clone(&set.version), keys: Arc::clone(keys) }));
        }
        for (path, source) in tests {
            let database = stems.iter().find(|(s, _)| *s == stem(&path)).map(|(_, database)| database.clone());
            let (cases, found) = case::read(source, database.as_deref());
            problems.extend(found);
            set.cases.extend(database.map(|database| (database, cases)));
        }
        problems.extend(set.without_policy(folder, databases));
        if problems.has_errors() {
            return Err(problems);
        }
        set.warnings = problems;
        Ok(set)
    }

    /// A hash over all policy files and the keys that maskers may name: what a decision belongs to.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The policy of a database; none: it opens to nobody.
    pub fn database(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies.iter().find(|p| p.database() == name)
    }

    /// Every policy.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.iter()
    }

    /// The test cases that stand beside a database's policy.
    pub fn cases(&self, database: &str) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |(d, _)| d == database).flat_map(|(_, cases)| cases)
    }

    /// What an operator should look at.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// Two files for one database are an error: which of them would count?
    fn twin(&self, file: &PolicyFile) -> Problems {
        let twin = self.database(&file.database);
        twin.map(|other| {
            one(Problem {
                severity: Severity::Error,
                source: Arc::clone(&file.source),
                span: Some(file.database.span.clone()),
                message: format!("{} is for database {:?} too", other.file.source.name(), file.database.value),
                remedy: Some("keep one policy file for each database".to_owned()),
            })
        })
        .unwrap_or_default()
    }

    fn without_policy(&self, folder: &Path, databases: &[DatabaseName]) -> Problems {
        let mut problems = Problems::default();
        for database in databases.iter().filter(|d| self.database(&d.name).is_none()) {
            problems.push(Problem {
                severity: Severity::Warning,
                source: Arc::new(Source::new(folder.display().to_string(), "")),
                span: None,
                message: format!("no file is for database {:?}: it opens to nobody", database.name),
                remedy: Some(format!("write {}.toml with `database = {:?}`", database.name, database.name)),
            });
        }
        problems
    }
}

fn one(problem: Problem) -> Problems {
    let mut problems = Problems::default();
    problems.push(problem);
    problems
}

/// The folder's TOML files in the order of their names; hidden ones are an editor's affair.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Box<Problem>> {
    let complain = |message: String, remedy: &str| {
        Box::new(Problem {
            severity: Severity::Error,
            source: Arc::new(Source::new(folder.display().to_string(), "")),
            span: None,
            message,
            remedy: Some(remedy.to_owned()),
        })
    };
    let unreadable = |e: std::io::Error| {
        complain(
            format!("the policies folder can't be read: {e}"),
            "make the folder, or set `policies` in the configuration",
        )
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.ends_with(".toml") && !name.starts_with('.') {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(complain(format!("more than {MAX_FILES} files"), "check that it is the right folder"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_test(path: &Path) -> bool {
    path.to_str().is_some_and(|p| p.ends_with(".test.toml"))
}

/// `shop` of `shop.toml` and `shop.test.toml`: what belongs together.
fn stem(path: &Path) -> String {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.trim_end_matches(".toml").trim_end_matches(".test").to_owned()
}

fn version<'a>(files: impl Iterator<Item = (&'a Path, &'a str)>, keys: &MaskKeys) -> Arc<str> {
    let mut hasher = blake3::Hasher::new();
    for (path, text) in files {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        parts(&mut hasher, [name, text]);
    }
    for key in keys.iter() {
        parts(&mut hasher, [key.name(), key.id()]);
    }
    hasher.finalize().to_hex().chars().take(32).collect::<String>().into()
}

fn parts(hasher: &mut blake3::Hasher, parts: [&str; 2]) {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
}

#[cfg(test)]
mod tests;
