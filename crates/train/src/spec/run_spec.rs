//! [`RunSpec`]: a run, resolved.

use super::error::{Result, SpecError};
use super::mlp::epochs_of_paper;
use super::nets::NetSpec;
use super::optim::OptimSpec;
use super::preset::{PRESETS, small};
use super::read::{Reader, Settings};
use super::rules::RuleSpec;
use super::{data, image, mlp, optim, rules};
use reclra::optim::Schedule;
use reclra::{Graph, Optim};
use reclra_data::{DataError, DataFacts, DataSpec, Dataset, Loader, Split};
use toml::{Table, Value};

/// A run, resolved: the same spec and data give the same run to the bit.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// All randomness follows from it.
    pub seed: u64,
    /// The data.
    pub data: DataSpec,
    /// The network.
    pub net: NetSpec,
    /// The rule.
    pub rule: RuleSpec,
    optim: OptimSpec,
    /// Passes over the training part.
    pub epochs: u64,
    /// Samples a step.
    pub batch: usize,
    /// Whether the angle between updates and gradient is measured after every epoch.
    pub alignment: bool,
    table: Table,
}

impl RunSpec {
    /// Fills in every default, and checks everything against the data.
    ///
    /// # Errors
    /// One line that names the key and the remedy.
    pub fn resolve(settings: &Settings, facts: &DataFacts) -> Result<RunSpec> {
        let mut r = Reader::new(settings);
        let seed = r.count("seed", 0)?;
        let preset = r.pick("preset", "default", PRESETS)?;
        r.preset = (preset.defaults)(facts, settings.get("net.model").and_then(Value::as_str));
        r.paper = preset.is_paper;
        let data = data::read(&mut r, facts)?;
        // Checked where the rule is read; the network and the optimiser only look at it.
        let rule_name = settings.get("rule.name").and_then(Value::as_str).unwrap_or_default();
        let model = r.text("net.model", "mlp")?;
        r.only_of(&model)?;
        let wiring = settings.get("rule.wiring").and_then(Value::as_str).unwrap_or_default();
        let net = if model == "mlp" {
            mlp::net(&mut r, facts, rule_name)?
        } else {
            let inner = settings.get("rule.inner").and_then(Value::as_str).unwrap_or_default();
            image::net(&mut r, facts, &model, [rule_name, wiring, inner])?
        };
        let rule = rules::read(&mut r, facts, &net)?;
        let optim = optim::read(&mut r, facts, &net, &rule)?;
        let epochs = r.positive(
            "train.epochs",
            match (net.image.is_some(), small(facts)) {
                (false, _) if r.paper => epochs_of_paper(&net),
                (true, true) => 30,
                (true, false) => 10,
                (false, true) => 100,
                (false, false) => 12,
            },
        )?;
        let trained = facts.train - data.validation;
        let usual = match (net.image.is_some(), small(facts)) {
            (true, true) => 16,
            (true, false) => 64,
            (false, _) => 32,
        };
        let batch = usize::try_from(r.positive("train.batch", usual.min(trained as u64))?).unwrap_or(usize::MAX);
        if batch > trained {
            let want = format!("must be at most the {trained} training images");
            return Err(SpecError::bad("train.batch", &Value::Integer(batch as i64), want));
        }
        let alignment = r.flag("train.alignment", false)?;
        let kept = r.kept();
        let spec = RunSpec { seed, data, net, rule, optim, epochs, batch, alignment, table: r.resolved.clone() };
        let graph = spec.graph()?;
        if !kept {
            image::normalisable(&graph, batch, trained)?;
        }
        if let Some(gap) =
            spec.net.residual.filter(|_| graph.regions().iter().all(|region| region.shortcuts.is_empty()))
        {
            let want = format!(
                "gives no region of {} a shortcut: region l has one from l - {gap} where l mod {gap} = 0 and both have one width; \
                 set another gap, or 0 for none",
                spec.network()
            );
            r.refused("net.residual", &Value::Integer(gap as i64), want)?;
        }
        spec.rule.build(&graph)?;
        spec.optim(1).check()?;
        Ok(spec)
    }

    /// The network.
    ///
    /// # Errors
    /// None for a resolved spec.
    pub fn graph(&self) -> Result<Graph> {
        if let Some(image) = &self.net.image {
            return Ok(Graph::of_blocks(image.input, image.blocks.clone())?);
        }
        Ok(Graph::mlp_with(&self.net.widths, self.net.act, self.net.residual, self.net.bias)?)
    }

    /// The network in a word: its widths and activation, or the model and its width.
    #[must_use]
    pub fn network(&self) -> String {
        let text = |key: &str| self.value(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(image) = &self.net.image else { return format!("{} {}", text("net.arch"), self.net.act.name()) };
        let width = self.value("net.width").and_then(Value::as_integer).filter(|&w| w > 0);
        width.map_or_else(|| image.model.clone(), |w| format!("{} f={w}", image.model))
    }

    /// The optimiser, for epochs of so many steps.
    #[must_use]
    pub fn optim(&self, steps_per_epoch: u64) -> Optim {
        let steps = |epochs: f64| (epochs * steps_per_epoch as f64).round() as u64;
        let mut optim = self.optim.optim;
        optim.warmup = steps(self.optim.warmup_epochs);
        optim.total = self.epochs.saturating_mul(steps_per_epoch);
        if let Schedule::Step { every, .. } = &mut optim.schedule {
            *every = self.optim.step_epochs.saturating_mul(steps_per_epoch).max(1);
        }
        optim
    }

    /// The value of a key, if it applies to this run.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<&Value> {
        match path.split_once('.') {
            Some((section, name)) => self.table.get(section)?.get(name),
            None => self.table.get(path),
        }
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.net.widths.last().copied().unwrap_or(0)
    }

    /// Whether a resolved spec says the same as this one: word for word, or once the keys that its version did not have yet are
    /// given their defaults. The preset by which the values came about does not count.
    #[must_use]
    pub fn is_that_of(&self, text: &str, facts: &DataFacts) -> bool {
        let filled = || RunSpec::resolve(&Settings::parse(text, "").ok()?.kept(), facts).ok();
        text == self.to_toml() || filled().is_some_and(|spec| spec.values() == self.values())
    }

    /// All keys with their values, but for the preset.
    pub(super) fn values(&self) -> Table {
        let mut table = self.table.clone();
        table.remove("preset");
        table
    }

    /// The resolved spec as TOML: every key with its value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.table).unwrap_or_default()
    }

    /// Returns the split of a run: a fold of the training part if its spec names one, else samples drawn for validation.
    ///
    /// # Errors
    /// As [`Split::new`].
    pub fn split(&self, dataset: &dyn Dataset) -> Result<Split, DataError> {
        match self.data.fold {
            None => Split::new(dataset, self.data.validation, self.seed),
            Some(fold) => Split::fold(dataset, fold, self.seed),
        }
    }

    /// Returns the loader of the batches of a run.
    #[must_use]
    pub fn loader<'a>(&self, dataset: &'a dyn Dataset, split: &'a Split) -> Loader<'a> {
        Loader::new(dataset, split, self.batch, self.data.shift, self.seed).augmented(self.data.augment)
    }
}
