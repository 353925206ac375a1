//! All that a step changes, by name: what has to be kept so that training can go on to the very same bits.
//!
//! Everything else follows from the settings: the randomness of a step is a function of the seed and the step's number.

use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::params::Named;
use crate::rule::{ParamId, Role, Signal};
use reclra_compute::Tensor;

/// Prefixes of what belongs to a parameter: its moving average, its first and second moment.
const AVERAGE: &str = "average.";
const FIRST: &str = "first.";
const SECOND: &str = "second.";
/// Prefix of the kept states of a region, one row a sample.
const PARTICLES: &str = "particles.";
/// Which samples have a kept state: 1 or 0.
const SEEN: &str = "particles.seen";

/// One tensor of a learner's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// `W.in->b1`, `average.W.in->b1`, `first.W.in->b1`, `particles.b1`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The elements, row by row.
    pub values: Vec<f32>,
}

impl Kept {
    fn of(name: String, tensor: &Tensor) -> Kept {
        Kept { name, shape: tensor.shape().to_vec(), values: tensor.to_f32() }
    }

    fn named(prefix: &str, n: &Named<'_>) -> Kept {
        Kept { name: format!("{prefix}{}", n.name), shape: n.shape.clone(), values: n.values() }
    }
}

impl Learner {
    /// Everything that a step changes, besides the number of steps: parameters, their moving average, moments, and the
    /// states that a rule keeps of samples.
    #[must_use]
    pub fn state(&self) -> Vec<Kept> {
        let mut all: Vec<Kept> = self.parameters().iter().map(|n| Kept::named("", n)).collect();
        all.extend(self.averaged().unwrap_or_default().iter().map(|n| Kept::named(AVERAGE, n)));
        for (param, moments) in self.updated().zip(&self.moments) {
            for (prefix, tensor) in [(FIRST, &moments.first), (SECOND, &moments.second)] {
                all.extend(tensor.iter().map(|t| Kept::of(format!("{prefix}{}", self.name_of(param)), t)));
            }
        }
        let seen = self.particles.seen();
        for (region, width, states) in self.particles.states().filter(|_| !seen.is_empty()) {
            let name = format!("{PARTICLES}{}", self.graph.regions()[region].name);
            all.push(Kept { name, shape: vec![states.len() / width.max(1), width], values: states.to_vec() });
        }
        if !seen.is_empty() {
            let values = seen.iter().map(|&s| f32::from(u8::from(s))).collect();
            all.push(Kept { name: SEEN.to_owned(), shape: vec![seen.len()], values });
        }
        all
    }

    /// Puts a state back that [`Learner::state`] gave after `steps` steps of a learner with the same settings.
    ///
    /// # Errors
    /// Names what is missing, too much or of another shape; the learner is then not to be used.
    pub fn restore(&mut self, steps: u64, state: &[Kept]) -> Result<()> {
        let mut used = 0;
        let mut find = |name: &str, shape: Option<&[usize]>| {
            let kept = state.iter().find(|k| k.name == name).ok_or_else(|| missing(name, "is missing"))?;
            used += 1;
            let fits =
                shape.is_none_or(|s| s == kept.shape) && kept.shape.iter().product::<usize>() == kept.values.len();
            if fits { Ok(kept) } else { Err(missing(name, "has another shape than this network needs")) }
        };
        let own = |n: &Named<'_>| (n.name.clone(), n.shape.clone(), n.param);
        let wanted: Vec<_> = self.parameters().iter().map(own).collect();
        let averaged: Vec<_> = self.averaged().unwrap_or_default().iter().map(own).collect();
        fn wide(k: &Kept) -> impl ExactSizeIterator<Item = f64> {
            k.values.iter().map(|&v| f64::from(v))
        }
        for (name, shape, param) in &wanted {
            self.params.fill(*param, wide(find(name, Some(shape))?))?;
        }
        for (name, shape, param) in &averaged {
            let kept = find(&format!("{AVERAGE}{name}"), Some(shape))?;
            self.set_averaged(*param, wide(kept))?;
        }
        let names: Vec<String> = self.updated().map(|param| self.name_of(param).to_owned()).collect();
        for (name, moments) in names.iter().zip(&mut self.moments) {
            for (prefix, tensor) in [(FIRST, &mut moments.first), (SECOND, &mut moments.second)] {
                if let Some(tensor) = tensor {
                    tensor.copy_from_f32(&find(&format!("{prefix}{name}"), Some(tensor.shape()))?.values);
                }
            }
        }
        let persistent = self.particles.states().map(|(region, width, _)| (region, width)).collect::<Vec<_>>();
        if state.iter().all(|k| k.name != SEEN) {
            self.particles.restore(vec![Vec::new(); persistent.len()], Vec::new());
        } else {
            let seen: Vec<bool> = find(SEEN, None)?.values.iter().map(|&v| v != 0.0).collect();
            let mut states = Vec::new();
            for (region, width) in persistent {
                let name = format!("{PARTICLES}{}", self.graph.regions()[region].name);
                states.push(find(&name, Some(&[seen.len(), width]))?.values.clone());
            }
            self.particles.restore(states, seen);
        }
        // Moments of offsets that were trained once and are held now say nothing.
        let held = state.iter().filter(|k| self.is_held_moment(&k.name)).count();
        if used + held < state.len() {
            let extra = state
                .iter()
                .filter(|k| !self.is_held_moment(&k.name))
                .map(|k| k.name.as_str())
                .find(|n| !self.knows(n))
                .unwrap_or("a tensor");
            return Err(missing(extra, "is no part of this network"));
        }
        self.steps = steps;
        Ok(())
    }

    /// Mean |e| of each region over its units and the last batch; 0 for the input.
    #[must_use]
    pub fn mean_errors(&self) -> Vec<f64> {
        let mean = |n: usize| {
            let e = Signal::E(n).of(&self.activity, &self.errors).to_f32();
            e.iter().map(|v| f64::from(v.abs())).sum::<f64>() / e.len().max(1) as f64
        };
        (0..self.graph.regions().len()).map(mean).collect()
    }

    /// Every parameter that has moments, in their order.
    fn updated(&self) -> impl Iterator<Item = ParamId> {
        self.updates.iter().map(|u| u.param)
    }

    fn name_of(&self, param: ParamId) -> &str {
        &self.params.spec(param).name
    }

    /// Whether it is the moment of an offset that is held.
    fn is_held_moment(&self, name: &str) -> bool {
        let Some(of) = name.strip_prefix(FIRST).or_else(|| name.strip_prefix(SECOND)) else { return false };
        self.params.ids().map(|id| self.params.spec(id)).any(|p| p.name == of && p.role == Role::Held)
    }

    fn knows(&self, name: &str) -> bool {
        self.state().iter().any(|k| k.name == name)
    }
}

fn missing(name: &str, what: &str) -> Error {
    Error::State { name: name.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Graph, Optim, Phi};
    use crate::{EquilibriumProp, EquilibriumPropConfig, Hebbian, HebbianConfig, RecLra, RecLraConfig, TargetProp};
    use crate::{TargetPropConfig, optim::Method, rule::Rule};

    fn rules(graph: &Graph) -> Vec<Box<dyn Rule>> {
        let persistent = EquilibriumPropConfig { persistent: true, ..EquilibriumPropConfig::default() };
        vec![
            Box::new(RecLra::new(RecLraConfig::default(), graph).unwrap()),
            Box::new(TargetProp::new(TargetPropConfig::default(), graph).unwrap()),
            Box::new(Hebbian::new(HebbianConfig::default(), graph).unwrap()),
            Box::new(EquilibriumProp::new(persistent, graph).unwrap()),
        ]
    }

    fn learner(n: usize, optim: Optim) -> Learner {
        let graph = Graph::mlp(&[5, 7, 6, 3], Phi::Tanh, None).unwrap();
        let rule = rules(&graph).swap_remove(n);
        Learner::new(graph, rule, 0.3, optim, Device::cpu(1), 4).unwrap()
    }

    fn steps(learner: &mut Learner, from: u32, to: u32) {
        for t in from..to {
            let x: Vec<f32> = (0..20).map(|i| ((i + t) as f32 * 0.7).sin()).collect();
            learner.step_of(&x, &[0, 1, 2, t % 3], &[t % 5, 5 + t % 5, 10 + t % 5, 15 + t % 5]);
        }
    }

    #[test]
    fn a_restored_learner_goes_on_to_the_same_bits() {
        let average = Optim { average: Some(0.9), ..Optim::default() };
        let sgd = Optim { method: Method::Sgd { momentum: 0.9, nesterov: true }, ..Optim::default() };
        for (n, optim) in [(0, average), (0, sgd), (1, Optim::default()), (2, Optim::default()), (3, Optim::default())]
        {
            let mut whole = learner(n, optim);
            let fresh = whole.state();
            whole.restore(0, &fresh).unwrap(); // Left before the first step.
            steps(&mut whole, 0, 17);
            let (kept, at) = (whole.state(), whole.steps());
            let mut names: Vec<&str> = kept.iter().map(|k| k.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), kept.len(), "each tensor has a name of its own");
            steps(&mut whole, 17, 40);
            let mut other = learner(n, optim);
            steps(&mut other, 3, 5); // Whatever it was before.
            other.restore(at, &kept).unwrap();
            assert_eq!(other.state(), kept);
            steps(&mut other, 17, 40);
            assert_eq!(other.state(), whole.state(), "rule {n}");
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let mut net = learner(0, Optim::default());
        steps(&mut net, 0, 3);
        let state = net.state();
        let error = net.restore(3, &state[1..]).unwrap_err().to_string();
        assert!(error.contains("W.in->b1 is missing"), "{error}");
        let mut other = state.clone();
        other[0].shape.reverse();
        assert!(net.restore(3, &other).unwrap_err().to_string().contains("W.in->b1 has another shape"));
        let mut more = state.clone();
        more.push(Kept { name: "W.x".into(), shape: vec![1], values: vec![0.0] });
        assert!(net.restore(3, &more).unwrap_err().to_string().contains("W.x is no part"));
        net.restore(3, &state).unwrap();
    }

    #[test]
    fn mean_errors_are_those_of_the_last_batch() {
        let mut net = learner(0, Optim::default());
        steps(&mut net, 0, 1);
        let e = net.errors().e[2].to_vec();
        let naive = e.iter().map(|v| v.abs()).sum::<f64>() / e.len() as f64;
        assert!(naive > 0.0 && (net.mean_errors()[2] - naive).abs() < 1e-12);
        assert_eq!(net.mean_errors()[0], 0.0);
    }
}
