//! Comparisons: rules times a grid of settings times seeds, each run in a folder of its own, with tables and plots.
//!
//! A comparison is planned before anything runs ([`plan`]): settings that belong to one rule go to that rule alone, and
//! what a rule refuses is a row that says so. Finished runs are found again by their spec, so that an interrupted
//! comparison goes on where it was.

mod store;
mod table;

pub use store::{CompareError, Watch, run};
pub use table::{Row, csv, json, markdown, replaceable, rows, written};

use crate::spec::{DataFacts, RunSpec, Settings, SpecError, keys, rule_names, tuning};
use reclra_compute::rng::Key;
use toml::Value;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Settings of all runs.
    pub base: Settings,
    /// The rules.
    pub rules: Vec<String>,
    /// Keys and the values each takes, for every rule that has the key.
    pub grid: Vec<(String, Vec<Value>)>,
    /// How many seeds: the one of the settings and those after it.
    pub seeds: u64,
}

/// One setting of one rule: a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The rule.
    pub rule: String,
    /// What sets it apart from the rule's other trials, `optim.lr=1e-3` say; empty if there is one only.
    pub label: String,
    /// Its settings.
    pub settings: Settings,
    /// The resolved spec of each seed, or why the rule refuses.
    pub specs: Result<Vec<RunSpec>, String>,
}

impl Trial {
    /// Rule and label.
    #[must_use]
    pub fn name(&self) -> String {
        if self.label.is_empty() { self.rule.clone() } else { format!("{} {}", self.rule, self.label) }
    }

    /// Name of its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.=".contains(c) { c } else { '_' };
        self.name().chars().map(kept).collect()
    }
}

/// Makes the trials of every rule.
///
/// # Errors
/// One line that names the rule or key that is wrong. What a rule merely cannot do is no error but a trial that says so.
pub fn plan(request: &Request, facts: &DataFacts) -> Result<Vec<Trial>, SpecError> {
    check(request)?;
    let mut trials = Vec::new();
    for rule in &request.rules {
        let grid: Vec<&(String, Vec<Value>)> = request.grid.iter().filter(|(key, _)| applies(key, rule)).collect();
        let mut points = vec![Vec::new()];
        for (key, values) in grid {
            let longer = |point: &Vec<(String, Value)>| {
                let point = point.clone();
                values.iter().map(move |v| [point.clone(), vec![(key.clone(), v.clone())]].concat())
            };
            points = points.iter().flat_map(longer).collect();
        }
        for point in points {
            trials.push(trial(request, rule, &point, facts)?);
        }
    }
    Ok(trials)
}

/// Makes `count` trials of every rule from the values that are worth trying for it, the defaults first: each rule gets
/// the same number, which is the largest that all have. One seed.
///
/// # Errors
/// As [`plan`].
pub fn plan_tuning(request: &Request, count: usize, facts: &DataFacts) -> Result<Vec<Trial>, SpecError> {
    check(request)?;
    let one = Request { seeds: 1, ..request.clone() };
    let spaces: Vec<Vec<Vec<(String, Value)>>> = request.rules.iter().map(|rule| space(&one, rule)).collect();
    let count = spaces.iter().map(|s| s.len() + 1).min().unwrap_or(1).min(count.max(1));
    let mut trials = Vec::new();
    for (rule, space) in request.rules.iter().zip(&spaces) {
        trials.push(Trial { label: "defaults".to_owned(), ..trial(&one, rule, &[], facts)? });
        // Which are tried is decided by the seed, so that a repeated command tries the same.
        let order = Key::new(one.seed()).child_named("tuning").child_named(rule).permutation(space.len());
        for &n in order.iter().take(count - 1) {
            trials.push(trial(&one, rule, &space[n as usize], facts)?);
        }
    }
    Ok(trials)
}

/// Every combination of the values worth trying, but for keys that the request sets itself.
fn space(request: &Request, rule: &str) -> Vec<Vec<(String, Value)>> {
    let mut points: Vec<Vec<(String, Value)>> = vec![Vec::new()];
    let image = request.base.get("net.model").and_then(Value::as_str).is_some_and(|m| m != "mlp");
    for (key, values) in tuning(rule, image) {
        if request.base.get(key).is_none() {
            let longer = |point: &Vec<(String, Value)>| {
                let point = point.clone();
                values.iter().map(move |v| [point.clone(), vec![((*key).to_owned(), Value::Float(*v))]].concat())
            };
            points = points.iter().flat_map(longer).collect();
        }
    }
    points.retain(|p| !p.is_empty());
    points
}

/// The best trial of each rule by mean validation error, with all seeds of the request, as the trials to be reported.
/// A rule none of whose trials came to an end keeps its first.
///
/// # Errors
/// As [`plan`].
pub fn chosen(request: &Request, tuned: &[Row], facts: &DataFacts) -> Result<Vec<Trial>, SpecError> {
    let mut trials = Vec::new();
    for rule in &request.rules {
        let mine: Vec<&Row> = tuned.iter().filter(|r| r.trial.rule == *rule).collect();
        let best = mine.iter().find(|r| r.chosen).or(mine.first());
        if let Some(best) = best {
            trials.push(with_seeds(request, rule, &best.trial.label, &best.trial.settings, facts)?);
        }
    }
    Ok(trials)
}

impl Request {
    /// The first seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.base.get("seed").and_then(Value::as_integer).map_or(0, |s| s.max(0) as u64)
    }
}

/// What is wrong for all rules is wrong.
fn check(request: &Request) -> Result<(), SpecError> {
    let names = rule_names();
    for (n, rule) in request.rules.iter().enumerate() {
        let value = Value::String(rule.clone());
        if !names.contains(&rule.as_str()) {
            let want = format!("must be one of {}{}", names.join(", "), crate::spec::did_you_mean(rule, &names));
            return Err(SpecError::bad("--rules", &value, want));
        }
        if request.rules[..n].contains(rule) {
            return Err(SpecError::bad("--rules", &value, "is named twice; remove one".to_owned()));
        }
    }
    for (n, (key, _)) in request.grid.iter().enumerate() {
        if ["seed", "rule.name", "data.name", "data.dir"].contains(&key.as_str()) {
            let want = "cannot vary in --grid; use --seeds, --rules or another command".to_owned();
            return Err(SpecError::bad("--grid", &Value::String(key.clone()), want));
        }
        if request.grid[..n].iter().any(|(k, _)| k == key) {
            let want = "is varied twice; give all its values in one --grid".to_owned();
            return Err(SpecError::bad("--grid", &Value::String(key.clone()), want));
        }
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

/// Whether a rule has a key.
fn applies(key: &str, rule: &str) -> bool {
    keys::find(key).is_none_or(|k| k.rules.is_empty() || k.rules.contains(&rule))
}

fn trial(request: &Request, rule: &str, point: &[(String, Value)], facts: &DataFacts) -> Result<Trial, SpecError> {
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
    let label: Vec<String> = point.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
    with_seeds(request, rule, &label.join(" "), &settings, facts)
}

/// A value as after `--set`.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Float(x) if *x != 0.0 && !(1e-2..1e6).contains(&x.abs()) => format!("{x:e}"),
        v => v.to_string(),
    }
}

fn with_seeds(
    request: &Request,
    rule: &str,
    label: &str,
    settings: &Settings,
    facts: &DataFacts,
) -> Result<Trial, SpecError> {
    let mut specs = Ok(Vec::new());
    for seed in request.seed()..request.seed().saturating_add(request.seeds) {
        let mut settings = settings.clone();
        settings.put("seed", seed as i64, "--seeds")?;
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
    Ok(Trial { rule: rule.to_owned(), label: label.to_owned(), settings: settings.clone(), specs })
}

#[cfg(test)]
mod tests;
