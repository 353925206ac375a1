//! Which runs a comparison takes: settings of each rule, the seeds on which they are tried, the seeds that are reported.

use super::rows::Row;
use super::trial::{Request, Trial};
use crate::spec::{DataFacts, RunSpec, Settings, SpecError, keys, rule_names, tuning};
use reclra_compute::rng::Key;
use toml::Value;

/// Most seeds that can be reported: those on which settings are tried begin that far from the first of them.
pub const MOST_SEEDS: u64 = 1000;

/// Standard deviations of W worth trying on multilayer perceptrons, for every rule: the paper's range, and what suits small
/// data sets.
const W_STDS: &[f64] = &[0.025, 0.05, 0.1, 0.15];

/// Keys with their values: a setting.
type Point = Vec<(String, Value)>;

/// The runs of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The settings of rules that have several, each with the seeds on which it is tried; none where nothing is to be chosen.
    pub tried: Vec<Trial>,
    /// All settings of all rules, each with the seeds that are reported.
    all: Vec<Trial>,
}

impl Plan {
    /// The trials that are reported, one a rule: where several settings were tried, that of the lowest mean validation error;
    /// the first if none came to an end.
    #[must_use]
    pub fn reported(&self, tried: &[Row]) -> Vec<Trial> {
        let best = |rule: &str| tried.iter().find(|r| r.chosen && r.trial.rule == rule).map(|r| r.trial.name());
        let mut reported: Vec<Trial> = Vec::new();
        for trial in &self.all {
            let first = reported.iter().all(|t| t.rule != trial.rule);
            if best(&trial.rule).map_or(first, |name| name == trial.name()) {
                reported.push(trial.clone());
            }
        }
        reported
    }

    /// Every run that may be made.
    pub fn runs(&self) -> impl Iterator<Item = &RunSpec> {
        self.tried.iter().chain(&self.all).flat_map(|t| t.runs())
    }

    /// The number of runs on which settings are tried, and the most that are then made for the table.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        let size = |trials: &[Trial]| trials.iter().map(|t| t.runs().len()).sum();
        (size(&self.tried), size(&self.reported(&[])))
    }
}

/// Plans all runs.
///
/// # Errors
/// One line that names the rule or key that is wrong. What a rule merely cannot do is no error but a trial that says so.
pub fn plan(request: &Request, facts: &DataFacts) -> Result<Plan, SpecError> {
    check(request)?;
    let points = match request.tune {
        Some(count) => drawn(request, count, facts)?,
        None => request.rules.iter().map(|rule| (combinations(request, rule), false)).collect(),
    };
    let (mut tried, mut all) = (Vec::new(), Vec::new());
    let replicates = [replicates(request, 0, request.seeds), replicates(request, MOST_SEEDS, request.tuning_seeds)];
    for (rule, (points, defaults)) in request.rules.iter().zip(&points) {
        for (n, point) in points.iter().enumerate() {
            let label = (*defaults && n == 0).then_some("defaults");
            all.push(trial(request, (rule, label), point, &replicates[0], facts)?);
            if points.len() > 1 {
                tried.push(trial(request, (rule, label), point, &replicates[1], facts)?);
            }
        }
    }
    if tried.iter().flat_map(Trial::runs).any(|s| s.data.validation == 0) {
        let want = "must be at least 1, as --tune and --grid choose by the validation error".to_owned();
        return Err(SpecError::bad("data.validation", &Value::Integer(0), want));
    }
    Ok(Plan { tried, all })
}

/// Seed and fold of each run of a setting, from so many seeds after the first.
fn replicates(request: &Request, after: u64, seeds: u64) -> Vec<Point> {
    let first = request.seed().saturating_add(after);
    let mut all = Vec::new();
    for seed in first..first.saturating_add(seeds) {
        let seed = ("seed".to_owned(), Value::Integer(seed as i64));
        match request.folds {
            None => all.push(vec![seed]),
            Some(folds) => all
                .extend((1..=folds).map(|part| {
                    vec![seed.clone(), ("data.fold".to_owned(), Value::String(format!("{part}/{folds}")))]
                })),
        }
    }
    all
}

/// Every combination of the values of the grid for keys that the rule has.
fn combinations(request: &Request, rule: &str) -> Vec<Point> {
    product(request.grid.iter().filter(|(key, _)| applies(key, rule)).cloned())
}

/// Every combination of values.
fn product(axes: impl Iterator<Item = (String, Vec<Value>)>) -> Vec<Point> {
    let mut points = vec![Vec::new()];
    for (key, values) in axes {
        let longer = |point: &Point| {
            let point = point.clone();
            let key = &key;
            values.iter().map(move |v| [point.clone(), vec![(key.clone(), v.clone())]].concat()).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    points
}

/// `count` settings of every rule from those worth trying, the defaults first: each rule gets the same number, which is the
/// largest that all have. The second value is true as the first setting is that of the defaults.
fn drawn(request: &Request, count: usize, facts: &DataFacts) -> Result<Vec<(Vec<Point>, bool)>, SpecError> {
    let spaces: Vec<Vec<Point>> =
        request.rules.iter().map(|rule| space(request, rule, facts)).collect::<Result<_, _>>()?;
    let count = spaces.iter().map(|s| s.len() + 1).min().unwrap_or(1).min(count.max(1));
    let draw = |(rule, space): (&String, &Vec<Point>)| {
        // Which are tried is decided by the seed, so that a repeated command tries the same.
        let order = Key::new(request.seed()).child_named("tuning").child_named(rule).permutation(space.len());
        let others = order.iter().take(count - 1).map(|&n| space[n as usize].clone());
        (std::iter::once(Vec::new()).chain(others).collect(), true)
    };
    Ok(request.rules.iter().zip(&spaces).map(draw).collect())
}

/// Every combination of the values worth trying, the rule's own defaults among them, but for keys that the request sets itself
/// and for the defaults as a whole.
fn space(request: &Request, rule: &str, facts: &DataFacts) -> Result<Vec<Point>, SpecError> {
    let plain = trial(request, (rule, None), &[], &replicates(request, 0, 1), facts)?;
    let default = |key: &str| plain.runs().first().and_then(|s| s.value(key)).and_then(Value::as_float);
    let image = request.base.get("net.model").and_then(Value::as_str).is_some_and(|m| m != "mlp");
    let mut axes = tuning(rule, image).to_vec();
    if !image && axes.iter().all(|(key, _)| *key != "net.w_std") {
        axes.push(("net.w_std", W_STDS));
    }
    axes.retain(|(key, _)| request.base.get(key).is_none());
    let with_default = |&(key, values): &(&str, &[f64])| {
        let mut values = values.to_vec();
        values.extend(default(key).filter(|v| !values.contains(v)));
        (key.to_owned(), values.into_iter().map(Value::Float).collect())
    };
    let mut points = product(axes.iter().map(with_default));
    points.retain(|p| p.iter().any(|(key, v)| v.as_float() != default(key)));
    Ok(points)
}

/// What is wrong for all rules is wrong.
fn check(request: &Request) -> Result<(), SpecError> {
    let names = rule_names();
    for (n, rule) in request.rules.iter().enumerate() {
        let value = Value::String(rule.clone());
        if !names.contains(&rule.as_str()) {
            let want = format!("must be one of {}{}", names.join(", "), reclra_data::hint::did_you_mean(rule, &names));
            return Err(SpecError::bad("--rules", &value, want));
        }
        if request.rules[..n].contains(rule) {
            return Err(SpecError::bad("--rules", &value, "is named twice; remove one".to_owned()));
        }
    }
    for (n, (key, _)) in request.grid.iter().enumerate() {
        if ["seed", "rule.name", "data.name", "data.dir", "data.fold"].contains(&key.as_str()) {
            let want = "cannot vary in --grid; use --seeds, --rules, --cross-validate or another command".to_owned();
            return Err(SpecError::bad("--grid", &Value::String(key.clone()), want));
        }
        if request.grid[..n].iter().any(|(k, _)| k == key) {
            let want = "is varied twice; give all its values in one --grid".to_owned();
            return Err(SpecError::bad("--grid", &Value::String(key.clone()), want));
        }
    }
    if let Some(folds) = request.folds {
        let fixed = ["data.fold", "data.validation"].into_iter().find_map(|k| Some((k, request.base.get(k)?)));
        if let Some((key, value)) = fixed {
            let want = format!("is set by --cross-validate {folds}, each fold in its turn; remove it");
            return Err(SpecError::bad(key, value, want));
        }
    }
    let after = match request.tune.is_some() || !request.grid.is_empty() {
        true => MOST_SEEDS.saturating_add(request.tuning_seeds),
        false => request.seeds,
    };
    if request.seed().saturating_add(after) > i64::MAX as u64 + 1 {
        let want = "must leave room for the seeds after it; choose a smaller one".to_owned();
        return Err(SpecError::bad("seed", &Value::Integer(request.seed() as i64), want));
    }
    // A key that none of the rules has is a mistake; one that some have is left out of the others.
    let varied = request.grid.iter().map(|(k, _)| k.as_str());
    for key in request.base.keys().chain(varied) {
        let known = keys::find(key);
        if let Some(known) = known.filter(|_| !request.rules.iter().any(|r| applies(key, r))) {
            let (rule, owners) = (request.rules.join(", "), known.rules.join(", "));
            return Err(SpecError::Foreign { key: known.path, rule, owners });
        }
    }
    Ok(())
}

/// True if a rule has a key.
fn applies(key: &str, rule: &str) -> bool {
    keys::find(key).is_none_or(|k| k.rules.is_empty() || k.rules.contains(&rule))
}

/// A setting of a rule with its seeds and folds; its label is made of its keys and values where none is given.
fn trial(
    request: &Request,
    (rule, label): (&str, Option<&str>),
    point: &[(String, Value)],
    replicates: &[Point],
    facts: &DataFacts,
) -> Result<Trial, SpecError> {
    let mut settings = Settings::default();
    for key in request.base.keys().filter(|key| applies(key, rule)) {
        if let Some(value) = request.base.get(key) {
            settings.put(key, value.clone(), "compare")?;
        }
    }
    for (key, value) in point {
        settings.put(key, value.clone(), "--grid")?;
    }
    settings.put("rule.name", rule, "--rules")?;
    let mut specs = Ok(Vec::new());
    for replicate in replicates {
        let mut settings = settings.clone();
        for (key, value) in replicate {
            settings.put(key, value.clone(), "compare")?;
        }
        match (RunSpec::resolve(&settings, facts), &mut specs) {
            (Ok(spec), Ok(specs)) => specs.push(spec),
            // The rule cannot do this network or setting: a result, not a mistake of the user's.
            (Err(SpecError::Core(e @ reclra::Error::Unsuited { .. })), _) => {
                specs = Err(e.to_string());
                break;
            }
            (Err(e), _) => return Err(e),
            (Ok(_), Err(_)) => break,
        }
    }
    let of_point = || point.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(" ");
    Ok(Trial { rule: rule.to_owned(), label: label.map_or_else(of_point, str::to_owned), specs })
}

/// A value as after `--set`.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Float(x) if *x != 0.0 && !(1e-2..1e6).contains(&x.abs()) => format!("{x:e}"),
        v => v.to_string(),
    }
}
