//! The `[optim]` section: the optimizer and its schedule, with the defaults that suit the data, activation and rule.

use super::error::{Result, SpecError};
use super::nets::NetSpec;
use super::preset::small;
use super::read::Reader;
use super::rules::RuleSpec;
use reclra::optim::{Method, Schedule};
use reclra::{Optim, Phi};
use reclra_data::DataFacts;
use toml::Value;

/// The optimiser of a run, in epochs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OptimSpec {
    pub(super) optim: Optim,
    pub(super) warmup_epochs: f64,
    pub(super) step_epochs: u64,
}

/// The settings of all methods; each takes its own.
#[derive(Clone, Copy, Default)]
pub(super) struct Momenta {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    momentum: f64,
    nesterov: bool,
}

/// A method, of its settings.
type MethodKind = fn(Momenta) -> Method;
/// A schedule, of the factor of a step.
type ScheduleKind = fn(f64) -> Schedule;

/// The methods by name.
pub(super) const METHODS: &[(&str, MethodKind)] = &[
    ("adam", |m| Method::Adam { beta1: m.beta1, beta2: m.beta2, epsilon: m.epsilon }),
    ("sgd", |m| Method::Sgd { momentum: m.momentum, nesterov: m.nesterov }),
];

/// The schedules by name, of the factor of a step.
pub(super) const SCHEDULES: &[(&str, ScheduleKind)] = &[
    ("constant", |_| Schedule::Constant),
    ("linear", |_| Schedule::Linear),
    ("cosine", |_| Schedule::Cosine),
    ("step", |factor| Schedule::Step { every: 1, factor }),
];

pub(super) fn read(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec, rule: &RuleSpec) -> Result<OptimSpec> {
    let method = r.pick("optim.name", "adam", METHODS)?;
    let is_sgd = matches!(method(Momenta::default()), Method::Sgd { .. });
    if is_sgd {
        // The rates of presets are those of Adam.
        r.preset.remove("optim.lr");
    }
    let sign = net.act == Phi::Sign;
    let brisk = sign || small(facts) || net.image.is_some();
    let rate = r.number(
        "optim.lr",
        if is_sgd {
            0.1
        } else if sign {
            1e-3
        } else if rule.is_independent() && !small(facts) {
            // Blocks that know of each other by the output alone bear more.
            1e-2
        } else if small(facts) || net.image.is_some() {
            3e-3
        } else if ["equilibrium-prop", "hebbian"].contains(&rule.name()) {
            // Slow at 2e-4: the one for its falling rates, the other as only its readout is told the label.
            1e-3
        } else {
            2e-4
        },
    )?;
    let schedule = r.pick("optim.schedule", if brisk { "linear" } else { "constant" }, SCHEDULES)?;
    let warmup_epochs = r.number("optim.warmup_epochs", 0.0)?;
    if warmup_epochs < 0.0 {
        let value = Value::Float(warmup_epochs);
        return Err(SpecError::bad("optim.warmup_epochs", &value, "must be 0 or more".into()));
    }
    let step_epochs = r.positive("optim.step_epochs", 10)?;
    let factor = r.number("optim.step_factor", 0.1)?;
    let (beta1, beta2) = (r.number("optim.beta1", 0.9)?, r.number("optim.beta2", 0.999)?);
    let epsilon = r.number("optim.epsilon", 1e-8)?;
    let (momentum, nesterov) = (r.number("optim.momentum", 0.9)?, r.flag("optim.nesterov", false)?);
    let by = "the schedule step only; set optim.schedule = \"step\"";
    let is_step = matches!(schedule(factor), Schedule::Step { .. });
    r.unread("optim.step_epochs", 10, is_step, by)?;
    r.unread("optim.step_factor", 0.1, is_step, by)?;
    for (key, default) in [("optim.beta1", 0.9), ("optim.beta2", 0.999), ("optim.epsilon", 1e-8)] {
        r.unread(key, default, !is_sgd, "adam only; set optim.name = \"adam\"")?;
    }
    r.unread("optim.momentum", 0.9, is_sgd, "sgd only; set optim.name = \"sgd\"")?;
    r.unread("optim.nesterov", false, is_sgd, "sgd only; set optim.name = \"sgd\"")?;
    let decay = r.number("optim.weight_decay", 0.0)?;
    let some = |x: f64| (x != 0.0).then_some(x);
    let radius = some(r.number("optim.radius", if sign || net.image.is_some() { 0.0 } else { 1.0 })?);
    let average = some(r.number("optim.average", 0.0)?);
    let optim = Optim {
        method: method(Momenta { beta1, beta2, epsilon, momentum, nesterov }),
        rate,
        schedule: schedule(factor),
        warmup: 0,
        total: u64::MAX,
        decay,
        radius,
        average,
    };
    Ok(OptimSpec { optim, warmup_epochs, step_epochs })
}
