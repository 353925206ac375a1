//! Runs that differ in their seed or fold alone stand together; what tells the others apart is what their specs differ in.

use super::subject::Subject;
use super::words::value;
use reclra_data::text::NONE;
use reclra_train::spec::keys::KEYS;
use reclra_train::spec::{RunSpec, Settings};
use std::collections::BTreeSet;

/// Runs of one spec, one a seed or fold.
pub(super) struct Group<'a> {
    /// What tells it apart.
    pub(super) label: String,
    /// Its runs.
    pub(super) runs: Vec<&'a Subject<'a>>,
}

/// Keys that leave the numbers of a run as they are, but for the seed, whose numbers are one draw among others.
const ASIDE: &[&str] = &["seed", "data.dir", "train.alignment"];

/// Keys that say most of a run, tried first when groups are told apart.
const TELLING: &[&str] =
    &["rule.name", "data.name", "net.model", "net.arch", "net.act", "rule.wiring", "optim.lr", "train.epochs"];

/// The runs in groups, in the order in which the first of each was named.
pub(super) fn groups<'a>(runs: &'a [Subject<'a>]) -> Vec<Group<'a>> {
    let mut found: Vec<(Vec<String>, Vec<&'a Subject<'a>>)> = Vec::new();
    for run in runs {
        let name = apart_from_seed(&run.view.spec);
        match found.iter_mut().find(|(n, _)| *n == name) {
            Some((_, members)) => members.push(run),
            None => found.push((name, vec![run])),
        }
    }
    let specs: Vec<&RunSpec> = found.iter().map(|(_, members)| &members[0].view.spec).collect();
    let labels = labels(&specs);
    found.into_iter().zip(labels).map(|((_, runs), label)| Group { label, runs }).collect()
}

impl Group<'_> {
    /// True if its runs are folds of a cross-validation.
    pub(super) fn folded(&self) -> bool {
        self.runs.iter().all(|r| r.view.spec.data.fold.is_some())
    }
}

/// The values of all keys that make it another run than one of another seed or fold.
fn apart_from_seed(spec: &RunSpec) -> Vec<String> {
    let of = |key: &str| match (key, spec.data.fold) {
        // Sizes of folds may differ by one.
        ("data.validation", Some(_)) => String::new(),
        ("data.fold", Some(fold)) => format!("of {}", fold.of),
        _ => value(spec, key),
    };
    KEYS.iter().map(|k| k.path).filter(|k| !ASIDE.contains(k)).map(of).collect()
}

/// The shortest list of keys, those that say most first, by whose values all specs differ; the values are the labels.
fn labels(specs: &[&RunSpec]) -> Vec<String> {
    let by = |keys: &[&str], spec: &RunSpec| keys.iter().map(|k| value(spec, k)).collect::<Vec<_>>();
    let kinds = |keys: &[&str]| specs.iter().map(|s| by(keys, s)).collect::<BTreeSet<_>>().len();
    let mut keys: Vec<&str> = Vec::new();
    for key in TELLING.iter().copied().chain(KEYS.iter().map(|k| k.path)).filter(|k| !ASIDE.contains(k)) {
        let more = [&keys[..], &[key]].concat();
        if kinds(&keys) < specs.len() && kinds(&more) > kinds(&keys) {
            keys = more;
        }
    }
    let word = |key: &&str, spec: &RunSpec| match *key {
        "rule.name" | "data.name" | "net.arch" | "net.act" => value(spec, key),
        key => format!("{key} = {}", value(spec, key)),
    };
    let label = |spec: &&RunSpec| match keys.is_empty() {
        true => spec.rule.name().to_owned(),
        false => keys.iter().map(|k| word(k, spec)).collect::<Vec<_>>().join(", "),
    };
    specs.iter().map(label).collect()
}

/// A key in which the specs differ, with the value of each.
pub(super) struct Difference {
    pub(super) key: &'static str,
    pub(super) values: Vec<String>,
}

/// All keys in which the specs of some runs differ; what only some rules have counts among the runs that have it.
pub(super) fn differences(runs: &[Subject<'_>]) -> Vec<Difference> {
    let all = KEYS
        .iter()
        .map(|k| Difference { key: k.path, values: runs.iter().map(|r| value(&r.view.spec, k.path)).collect() });
    let of_all = |key: &str| KEYS.iter().any(|k| k.path == key && k.rules.is_empty());
    let differs = |d: &Difference| {
        let there: BTreeSet<&String> = d.values.iter().filter(|v| of_all(d.key) || *v != NONE).collect();
        there.len() > 1
    };
    all.filter(differs).collect()
}

/// Keys of one run that are not what nobody would have set: (key, value, default for the same data, network and rule).
pub(super) fn unusual(run: &Subject<'_>) -> Vec<(&'static str, String, String)> {
    let (spec, facts) = (&run.view.spec, &run.view.facts);
    let mut plain = Settings::default().kept();
    for key in ["data.name", "data.size", "net.model", "net.layers", "net.width", "net.arch", "net.act", "rule.name"] {
        if let Some(v) = spec.value(key) {
            // A key that a spec has is known.
            let _ = plain.put(key, v.clone(), "spec");
        }
    }
    let Ok(default) = RunSpec::resolve(&plain, facts) else { return Vec::new() };
    let changed = KEYS.iter().map(|k| (k.path, value(spec, k.path), value(&default, k.path)));
    changed.filter(|(key, is, was)| is != was && *key != "seed").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::view;

    #[test]
    fn seeds_stand_together_and_labels_are_as_short_as_they_can_be() {
        let views = [
            view("a", &[("seed", 0.into())]),
            view("b", &[("rule.name", "backprop".into())]),
            view("c", &[("seed", 1.into()), ("train.alignment", true.into())]),
            view("d", &[("rule.name", "backprop".into()), ("optim.lr", 0.01.into())]),
        ];
        let subjects: Vec<Subject<'_>> = views.iter().map(Subject::bare).collect();
        let groups = groups(&subjects);
        let shown: Vec<(String, usize)> = groups.iter().map(|g| (g.label.clone(), g.runs.len())).collect();
        let wanted =
            [("rec-lra, optim.lr = 0.003", 2), ("backprop, optim.lr = 0.003", 1), ("backprop, optim.lr = 0.01", 1)];
        assert_eq!(shown, wanted.map(|(l, n)| (l.to_owned(), n)));
        let keys: Vec<&str> = differences(&subjects[..2]).iter().map(|d| d.key).collect();
        assert!(
            keys.contains(&"rule.name") && !keys.contains(&"rule.wiring") && !keys.contains(&"optim.lr"),
            "{keys:?}"
        );
        assert_eq!(
            unusual(&subjects[3]),
            [("optim.lr", "0.01", "0.003"), ("train.epochs", "4", "100")].map(|(k, a, b)| (
                k,
                a.to_owned(),
                b.to_owned()
            ))
        );
    }
}
