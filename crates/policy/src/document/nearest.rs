/// The candidate that was most likely meant: the one with the fewest typing errors, if those are few for its length.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    candidates
        .into_iter()
        .map(|c| (distance(c), c))
        .min()
        .filter(|(d, c)| *d <= c.chars().count().max(name.chars().count()).div_ceil(3))
        .map(|(_, c)| c)
}
