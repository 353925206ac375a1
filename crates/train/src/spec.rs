//! [`RunSpec`]: what one TOML file says about a run, validated once, into a type that cannot be wrong.
//!
//! Settings are collected as users write them ([`Settings`]), then resolved: every key gets its value, where nothing was
//! set the default that suits the data set, activation and depth (method section 5). The resolved spec prints as TOML
//! that gives the same run again.

mod data;
mod image;
pub mod keys;
mod layers;
mod optim;
pub mod preset;
mod read;
mod rules;
mod words;

pub use data::opening;
pub use image::ImageNet;
pub(crate) use read::line_of;
pub use read::{Settings, same};
pub use reclra_data::{DataFacts, DataSpec};
pub use rules::{RuleSpec, names as rule_names, of_blocks as block_rule_names, tuning};
pub use words::{SHORT, canonical};

use optim::OptimSpec;
use read::Reader;
use reclra::optim::Schedule;
use reclra::{Graph, Optim, Phi, phi};
use toml::Table;
pub use toml::Value;

/// What is wrong with a spec: one line that names the key and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Not TOML.
    #[error("{origin}, line {line}: {what}; mend the TOML syntax there")]
    Syntax {
        /// The file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`{hint}{}", if .hint.is_empty() { "; `reclra list keys` shows all" } else { "" })]
    UnknownKey {
        /// The file or flag.
        origin: String,
        /// As written.
        key: String,
        /// `, did you mean ...?` or nothing.
        hint: String,
    },
    /// `--set` without a value.
    #[error("--set {0}: write it as key=value, optim.lr=1e-3 say")]
    Assignment(String),
    /// `--grid` without values.
    #[error("--grid {0}: write it as key=value,value, optim.lr=1e-3,3e-3 say")]
    Grid(String),
    /// `--grid` with a value twice.
    #[error("--grid {0}: names a value twice; leave one out")]
    Repeated(String),
    /// A value that does not do.
    #[error("{key} = {value}: {want}")]
    Value {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What it must be.
        want: String,
    },
    /// A key of another rule.
    #[error("{key} is no setting of {rule}; it belongs to {owners}: remove it or choose another rule.name")]
    Foreign {
        /// The key.
        key: &'static str,
        /// The rule chosen.
        rule: String,
        /// The rules that have it.
        owners: String,
    },
    /// A key of another kind of network.
    #[error(
        "{key} is no setting of net.model {model}; it belongs to {}: remove it or choose another net.model",
        if *.mlp { "mlp" } else { "image networks" }
    )]
    OtherNet {
        /// The key.
        key: &'static str,
        /// The model chosen.
        model: String,
        /// Whether the key is one of multilayer perceptrons.
        mlp: bool,
    },
    /// More memory than there is.
    #[error(
        "this run takes {} of memory and {} are to be had: {remedy}, or free some (`reclra inspect` says what takes it)",
        size_of(*.needs), size_of(*.free)
    )]
    Memory {
        /// Bytes it takes.
        needs: u64,
        /// Bytes there are.
        free: u64,
        /// What takes less.
        remedy: &'static str,
    },
    /// A network or rule that cannot be.
    #[error("{}", reclra_data::files::one_line(&.0.to_string()))]
    Core(#[from] reclra::Error),
}

impl SpecError {
    pub(crate) fn bad(key: &str, value: &Value, want: String) -> SpecError {
        SpecError::Value { key: key.to_owned(), value: read::shown(value), want }
    }
}

/// Megabytes, from a gigabyte on gigabytes.
fn size_of(bytes: u64) -> String {
    if bytes < 1_000_000_000 { format!("{} MB", bytes / 1_000_000) } else { format!("{:.2} GB", bytes as f64 * 1e-9) }
}

/// Shorthand of this room.
pub type Result<T, E = SpecError> = std::result::Result<T, E>;

/// The network of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct NetSpec {
    /// The blocks of an image network; then the settings of a multilayer perceptron below are of no account.
    pub image: Option<ImageNet>,
    /// Widths from input to output; of an image network those two alone.
    pub widths: Vec<usize>,
    /// Activation of hidden regions.
    pub act: Phi,
    /// Residual gap.
    pub residual: Option<usize>,
    /// Whether there are biases.
    pub bias: bool,
    /// Standard deviation of W at the start.
    pub w_std: f64,
}

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
        let preset = r.pick("preset", "default", preset::PRESETS)?;
        r.preset = (preset.defaults)(facts, settings.get("net.model").and_then(Value::as_str));
        r.paper = preset.is_paper;
        let data = data::read(&mut r, facts)?;
        // Checked where the rule is read; the network and the optimiser only look at it.
        let rule_name = settings.get("rule.name").and_then(Value::as_str).unwrap_or_default();
        let model = r.text("net.model", "mlp")?;
        r.only_of(&model)?;
        let wiring = settings.get("rule.wiring").and_then(Value::as_str).unwrap_or_default();
        let net = if model == "mlp" {
            net(&mut r, facts, rule_name)?
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
    fn values(&self) -> Table {
        let mut table = self.table.clone();
        table.remove("preset");
        table
    }

    /// The resolved spec as TOML: every key with its value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.table).unwrap_or_default()
    }
}

/// Whether a data set is so small that the settings of MNIST, a hundred thousand steps of 2e-4 from small weights, do not
/// carry over. Those used instead were chosen by validation error over twenty seeds.
fn small(facts: &DataFacts) -> bool {
    facts.train < 5_000
}

/// Largest number of regions and of units in one: beyond, an architecture is a typing mistake.
const LARGEST: (usize, usize) = (1000, 1 << 20);

/// Reads 784-3x256-10 as 784, 256, 256, 256, 10.
fn widths(arch: &str) -> Option<Vec<usize>> {
    let mut widths = Vec::new();
    for part in arch.split('-') {
        let (times, width) = part.split_once('x').unwrap_or(("1", part));
        let (times, width): (usize, usize) = (times.trim().parse().ok()?, width.trim().parse().ok()?);
        if times == 0 || width == 0 || width > LARGEST.1 || widths.len() + times > LARGEST.0 {
            return None;
        }
        widths.extend(std::iter::repeat_n(width, times));
    }
    (widths.len() >= 2).then_some(widths)
}

/// Width of input and output of an architecture.
pub(crate) fn ends(arch: &str) -> Option<(usize, usize)> {
    widths(arch).map(|w| (w[0], w[w.len() - 1]))
}

/// Epochs of table 1 for such hidden layers; sigmoid units are in figure 4 only.
fn epochs_of_paper(net: &NetSpec) -> u64 {
    let hidden = &net.widths[1..net.widths.len() - 1];
    let long = [5, 8].contains(&hidden.len()) && hidden.iter().all(|&w| w == 256) && net.act != Phi::Sigmoid;
    if long { 500 } else { 100 }
}

fn net(r: &mut Reader<'_>, facts: &DataFacts, rule: &str) -> Result<NetSpec> {
    let fitting = |hidden: &str| format!("{}-{hidden}-{}", facts.pixels(), facts.classes());
    let arch = r.text("net.arch", &fitting("3x256"))?;
    let value = Value::String(arch.clone());
    let widths = widths(&arch).ok_or_else(|| {
        let want = format!(
            "must be widths joined by dashes, each at least 1 and at most {}, no more than {} of them, such as {}",
            LARGEST.1,
            LARGEST.0,
            fitting("3x256")
        );
        SpecError::bad("net.arch", &value, want)
    })?;
    if (widths[0], widths[widths.len() - 1]) != (facts.pixels(), facts.classes()) {
        let inner: Vec<&str> = arch.split('-').collect();
        let inner = inner[1..inner.len() - 1].join("-");
        let remedy = if inner.is_empty() { format!("{}-{}", facts.pixels(), facts.classes()) } else { fitting(&inner) };
        let (name, pixels, classes) = (&facts.name, facts.pixels(), facts.classes());
        let want = format!("does not fit {name}, which has {pixels} pixels and {classes} classes; write {remedy}");
        return Err(SpecError::bad("net.arch", &value, want));
    }
    let known: Vec<(&str, Phi)> = phi::KNOWN.iter().map(|k| (k.name, k.phi)).collect();
    let act = r.pick("net.act", "tanh", &known)?;
    let residual = Some(r.count("net.residual", 0)? as usize).filter(|&g| g > 0);
    let bias = r.flag("net.bias", true)?;
    let deep = widths.len() > 5;
    let w_std = if act == Phi::Sigmoid && deep {
        0.025
    } else if small(facts) && !r.paper && !(rule == "equilibrium-prop" && widths.len() > 3) {
        0.15
    } else {
        0.05
    };
    let w_std = r.number("net.w_std", w_std)?;
    if w_std < 0.0 || (w_std > 1e6 && !r.kept()) {
        return Err(SpecError::bad("net.w_std", &Value::Float(w_std), "must lie between 0 and a million".into()));
    }
    Ok(NetSpec { image: None, widths, act, residual, bias, w_std })
}

/// Facts of a made-up data set of square grey images, for tests.
#[cfg(test)]
pub(crate) fn toy_facts(name: &str, side: usize, classes: usize, train: usize, validation: usize) -> DataFacts {
    DataFacts {
        name: name.to_owned(),
        class_names: (0..classes).map(|c| c.to_string()).collect(),
        white: 255,
        train,
        validation,
        published: None,
        shape: reclra_data::ImageShape { channels: 1, height: side, width: side },
    }
}

#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod tests;
