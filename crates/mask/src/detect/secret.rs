use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

use super::{Detected, Finding};

/// What credentials begin with, and how many further characters they have at least.
const PREFIXES: &[(&str, usize)] = &[
    ("AGE-SECRET-KEY-1", 50),
    ("AIza", 35),
    ("AKIA", 16),
    ("ASIA", 16),
    ("SG.", 50),
    ("dckr_pat_", 20),
    ("dop_v1_", 60),
    ("github_pat_", 20),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("glpat-", 20),
    ("hf_", 30),
    ("hvs.", 20),
    ("npm_", 30),
    ("pk_live_", 16),
    ("pypi-AgEI", 20),
    ("rk_live_", 16),
    ("shpat_", 30),
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("whsec_", 20),
    ("xoxa-", 10),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("ya29.", 30),
];

/// Credentials: by their issuers' prefixes, and by forms of their own.
pub(super) struct Secrets {
    prefixes: AhoCorasick,
    forms: Regex,
}

impl Secrets {
    pub(super) fn new() -> Option<Secrets> {
        let words = PREFIXES.iter().map(|(prefix, _)| prefix);
        let prefixes = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).ok()?;
        let forms = Regex::new(concat!(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=:,\s-]*",
            r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
            r"|(?i:\bbearer +)[A-Za-z0-9._~+/-]{20,}=*",
            r"|(?i:\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)\b) *[=:] *[^\s,;\[][^\s,;]{5,}",
        ))
        .ok()?;
        Some(Secrets { prefixes, forms })
    }

    pub(super) fn find(&self, text: &str) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.forms.find_iter(text).map(|m| (m.range(), Detected::Secret)).collect();
        let mut end = 0;
        for start in self.prefixes.find_iter(text) {
            let touched = text.get(..start.start()).is_some_and(|before| before.ends_with(char::is_alphanumeric));
            if touched || start.start() < end {
                continue;
            }
            let rest = text.get(start.end()..).unwrap_or_default();
            let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
            let least = PREFIXES.get(start.pattern().as_usize()).map_or(0, |(_, least)| *least);
            if length >= least {
                end = start.end() + length;
                found.push((start.start()..end, Detected::Secret));
            }
        }
        found
    }
}
