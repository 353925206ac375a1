//! rec-LRA takes no derivative of an activation and never reads a forward weight: an activation whose derivative
//! panics trains, and forward weights replaced by NaN for the rule's eyes change no bit.

mod common;

use common::{bits, clouds, learner, loss_over};
use reclra::compute::dense::{Receive, Response};
use reclra::optim::Optim;
use reclra::phi::CustomPhi;
use reclra::rule::{ParamSpec, Rule, Step, Update};
use reclra::{Device, Graph, Level, Phi, Plasticity, RecLra, RecLraConfig, Tensor, Wiring};

/// Bent, odd, and without a derivative that anybody may ask for.
const PROBE: Phi =
    Phi::Custom(CustomPhi { name: "probe", f: |h| h / (1.0 + h.abs()), df: |_| panic!("a derivative was asked for") });

fn config(wiring: Wiring, plasticity: Plasticity) -> RecLraConfig {
    RecLraConfig { wiring, plasticity, ..RecLraConfig::default() }
}

#[test]
fn an_activation_whose_derivative_panics_trains() {
    let data = clouds(32, 4, 3, 1);
    let graph = Graph::mlp(&[4, 12, 12, 12, 3], PROBE, Some(2)).unwrap();
    for device in Level::available().into_iter().filter_map(|l| Device::cpu_at(1, l)).chain([Device::oracle()]) {
        for wiring in [Wiring::Chain, Wiring::Gap(2), Wiring::Full, Wiring::Graph(2)] {
            for plasticity in [Plasticity::Mirror, Plasticity::Fixed] {
                let rule = RecLra::new(config(wiring.clone(), plasticity), &graph).unwrap();
                let optim = Optim { rate: 3e-3, ..Optim::default() };
                let [before, after] = loss_over(&mut learner(&graph, rule, 0.3, optim, &device), &data, 300);
                assert!(after < 0.3 * before, "{device}, {wiring:?}, {plasticity:?}: {before} -> {after}");
            }
        }
    }
}

/// The probe of the test above does go off: a rule that asks for a derivative meets the panic.
#[test]
#[should_panic(expected = "a derivative was asked for")]
fn the_probe_panics_when_asked() {
    let device = Device::cpu(1);
    let x = device.zeros(&[2, 2]);
    let [d, y, e] = [(); 3].map(|()| device.zeros(&[2, 2]));
    let (messages, shortcuts, response) = (Default::default(), Default::default(), Response::Derivative);
    device.receive(&mut [Receive {
        messages,
        shortcuts,
        h: &x,
        z: &x,
        phi: PROBE,
        response,
        d,
        y,
        e,
        discrepancy: 0.0,
    }]);
}

/// What a rule is kept from seeing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Blinded {
    Nothing,
    /// NaN in place of every W.
    WeightsAreNan,
    /// Not even tensors in place of W: an index into the list would panic.
    NoWeights,
    /// NaN in place of its own synapses E.
    OwnAreNan,
}

/// rec-LRA that is shown a step with something missing.
#[derive(Debug)]
struct Blind(RecLra, Blinded);

impl Rule for Blind {
    fn name(&self) -> &'static str {
        "blind rec-LRA"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        self.0.params(graph)
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        self.0.updates(graph)
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let nan = |t: &Tensor| step.device.tensor(t.shape(), &vec![f64::NAN; t.len()]);
        let mut params = step.params.clone();
        for id in params.ids() {
            let is_weight = !params.is_own(id) && params.spec(id).is_weight();
            match self.1 {
                Blinded::WeightsAreNan if is_weight => params[id] = nan(&params[id]),
                Blinded::NoWeights if is_weight => params[id] = Tensor::default(),
                Blinded::OwnAreNan if params.is_own(id) => params[id] = nan(&params[id]),
                _ => {}
            }
        }
        let Step { device, graph, key, activity, .. } = *step;
        let (params, errors, insides) = (&params, &mut *step.errors, &mut *step.insides);
        self.0.error_neurons(&mut Step { device, graph, params, insides, key, activity, errors });
    }
}

#[test]
fn no_forward_weight_is_read_by_the_rule() {
    let data = clouds(20, 4, 3, 2);
    let graph = Graph::mlp(&[4, 9, 9, 9, 9, 3], Phi::Tanh, Some(2)).unwrap();
    for wiring in [Wiring::Chain, Wiring::Gap(2), Wiring::Full, Wiring::Graph(2)] {
        for plasticity in [Plasticity::Mirror, Plasticity::Fixed, Plasticity::Algorithm1, Plasticity::Algorithm2] {
            let trained = |blinded| {
                let rule = Blind(RecLra::new(config(wiring.clone(), plasticity), &graph).unwrap(), blinded);
                let mut net = learner(&graph, rule, 0.2, Optim::default(), &Device::cpu(1));
                for _ in 0..20 {
                    net.step(&data.x, &data.labels);
                }
                bits(&net)
            };
            let seeing = trained(Blinded::Nothing);
            for blinded in [Blinded::WeightsAreNan, Blinded::NoWeights] {
                assert!(seeing == trained(blinded), "{wiring:?}, {plasticity:?}: {blinded:?} changed the training");
            }
            // The same blindfold over the synapses that it does read is noticed at once.
            assert!(seeing != trained(Blinded::OwnAreNan), "{wiring:?}, {plasticity:?}: E is not read either");
        }
    }
}
