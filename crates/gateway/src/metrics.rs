//! Prometheus metrics. Labels hold names of effects and verdicts, never data or identities.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};
use querygate_record::{Effect, Facts, Verdict};

/// Seconds: from 5 us to 1 s.
const LATENCY_BUCKETS: &[f64] =
    &[5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 1.0];

/// What the gateway counts.
#[derive(Debug)]
pub struct Metrics {
    /// Sessions that are open.
    pub sessions: IntGauge,
    /// Log-ins that were refused.
    pub refused_logins: IntCounter,
    /// Statements: for each verdict, for each effect. Looked up once, since looking a label up takes a lock that all event loops share.
    statements: Vec<Vec<IntCounter>>,
    /// What the gateway adds before a statement is sent, the log included.
    pub added: Histogram,
    /// Analysis and policy of a text that was not remembered.
    judging: Histogram,
    /// Bytes of entries that wait to be appended.
    pub log_queue: IntGauge,
    /// Fields masked.
    pub masked_fields: IntCounter,
    /// Alarms raised.
    pub alarms: IntCounter,
    /// Statements that wait for reviewers.
    pub held: IntGauge,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let gauge = |name, help| keep(registry, IntGauge::new(name, help)?);
        let counter = |name, help| keep(registry, IntCounter::new(name, help)?);
        let histogram = |name: &str, help: &str| {
            keep(registry, Histogram::with_opts(HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec()))?)
        };
        let statements = Opts::new("querygate_statements_total", "Statements, by verdict and effect.");
        Ok(Metrics {
            sessions: gauge("querygate_sessions", "Sessions that are open.")?,
            refused_logins: counter("querygate_refused_logins_total", "Log-ins that were refused.")?,
            statements: by_verdict(&keep(registry, IntCounterVec::new(statements, &["verdict", "effect"])?)?),
            added: histogram(
                "querygate_added_seconds",
                "Time from a statement's arrival until it is sent on, its log entry included.",
            )?,
            judging: histogram("querygate_judging_seconds", "Analysis and policy of a text that was not remembered.")?,
            log_queue: gauge("querygate_log_queue_bytes", "Bytes of log entries that wait to be appended.")?,
            masked_fields: counter("querygate_masked_fields_total", "Fields of results that were masked.")?,
            alarms: counter("querygate_alarms_total", "Alarms raised.")?,
            held: gauge("querygate_held_statements", "Statements that wait for reviewers.")?,
        })
    }

    /// Notes how long a judgement took.
    pub fn judged(&self, took: Duration) {
        self.judging.observe(took.as_secs_f64());
    }

    /// Notes a statement that is about to run or was refused.
    pub fn statement(&self, facts: &Facts) {
        let Some(counters) = self.statements.get(facts.verdict.map_or(0, |v| v as usize + 1)) else { return };
        let count = |index| counters.get(index).into_iter().for_each(IntCounter::inc);
        match facts.effects.as_slice() {
            [] => count(0),
            effects => effects.iter().for_each(|(effect, _)| count(*effect as usize + 1)),
        }
    }
}

/// The counters in the order of [`Verdict`] and [`Effect`], with "none" before the first of each.
fn by_verdict(statements: &IntCounterVec) -> Vec<Vec<IntCounter>> {
    let verdicts = ["none"].into_iter().chain([Verdict::Allow, Verdict::Approve, Verdict::Block].map(Verdict::name));
    let effects = || ["none"].into_iter().chain(Effect::ALL.iter().map(|effect| effect.name()));
    let by_effect = |verdict| effects().map(|effect| statements.with_label_values(&[verdict, effect])).collect();
    verdicts.map(by_effect).collect()
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_counted_under_its_own_verdict_and_effects() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        for verdict in [Verdict::Allow, Verdict::Approve, Verdict::Block] {
            for effect in Effect::ALL {
                let effects = vec![(*effect, Vec::new())];
                metrics.statement(&Facts { effects, verdict: Some(verdict), ..Facts::default() });
            }
        }
        metrics.statement(&Facts::default());
        let families = registry.gather();
        let statements = families.iter().find(|f| f.name() == "querygate_statements_total").unwrap();
        let counted: Vec<(Vec<&str>, f64)> = statements
            .get_metric()
            .iter()
            .map(|m| (m.get_label().iter().map(|l| l.value()).collect(), m.get_counter().get_value()))
            .collect();
        for (labels, count) in counted {
            // Labels in the order of their names: effect, verdict.
            let expected = match labels[..] {
                ["none", "none"] => 1.0,
                ["none", _] | [_, "none"] => 0.0,
                _ => 1.0,
            };
            assert_eq!(count, expected, "{labels:?}");
        }
    }
}
