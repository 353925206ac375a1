//! A learning rule of one's own, from scratch, beside rec-LRA: direct feedback of the SIGN of the output error.
//!
//! Each hidden region i is told, through fixed random synapses F_i, only which outputs are too large and which too
//! small, never by how much: e_i = phi'(h_i) * F_i sign(e_L). A rule says which synapses it keeps, which local updates
//! follow, and how error neurons appear; forward pass, optimiser, saving and threads are the library's.
//!
//! `cargo run --release --example own_rule`

use reclra::compute::dense::{Message, Receive, Response};
use reclra::compute::rng::Key;
use reclra::optim::{Optim, Schedule};
use reclra::rule::{ParamSpec, Rule, Step, Update, network_updates};
use reclra::{Device, Graph, Learner, Phi, RecLra, RecLraConfig, Result};

/// The rule. It has no state: what changes is handed to it.
#[derive(Debug)]
struct SignFeedback;

impl Rule for SignFeedback {
    fn name(&self) -> &'static str {
        "sign-feedback"
    }

    /// One random matrix from the output to each hidden region.
    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        graph.hidden().map(|i| ParamSpec::feedback("F", graph, graph.output(), i, 0.1)).collect()
    }

    /// Every W and b learns from the error neurons of its region; the feedback stays as it was drawn.
    fn updates(&self, graph: &Graph) -> Vec<Update> {
        network_updates(graph, |_| true, &[])
    }

    /// e_L is there; make the others.
    fn error_neurons(&self, step: &mut Step<'_>) {
        let e_out = &step.errors.e[step.graph.output()];
        let signs: Vec<f64> = e_out.to_vec().iter().map(|e| e.signum()).collect();
        let signs = step.device.tensor(e_out.shape(), &signs);
        // No region waits for another, so all of them form one wave. Outputs are lent to the wave and put back.
        let errors = &mut *step.errors;
        let mut wave: Vec<Receive<'_>> = (step.graph.hidden().zip(step.params.own()))
            .map(|(i, synapse)| Receive {
                messages: [Message { synapse, e: &signs }].into_iter().collect(),
                shortcuts: Default::default(),
                h: &step.activity.h[i],
                z: &step.activity.z[i],
                phi: step.graph.regions()[i].phi,
                response: Response::Derivative,
                d: std::mem::take(&mut errors.d[i]),
                y: std::mem::take(&mut errors.y[i]),
                e: std::mem::take(&mut errors.e[i]),
                discrepancy: 0.0,
            })
            .collect();
        step.device.receive(&mut wave);
        for (i, done) in step.graph.hidden().zip(wave) {
            (errors.d[i], errors.y[i], errors.e[i]) = (done.d, done.y, done.e);
        }
    }
}

/// Points in the square, classed by the quadrant's parity: exclusive or, with a soft edge.
fn quadrants(samples: usize, key: Key) -> (Vec<f32>, Vec<u32>) {
    let x: Vec<f32> = key.normal(2 * samples, 1.0).iter().map(|&v| v as f32).collect();
    let labels = x.chunks(2).map(|p| u32::from((p[0] > 0.0) != (p[1] > 0.0))).collect();
    (x, labels)
}

/// Test error of a rule on the quadrants.
fn trained(rule: Box<dyn Rule>, graph: &Graph) -> Result<f64> {
    let (x, labels) = quadrants(1000, Key::new(3).child(0));
    let (test_x, test_labels) = quadrants(1000, Key::new(3).child(1));
    let optim = Optim { rate: 1e-2, schedule: Schedule::Linear, total: 600, ..Optim::default() };
    let mut net = Learner::new(graph.clone(), rule, 0.3, optim, Device::cpu(2), 1)?;
    for step in 0..600 {
        let at = 50 * (step % 20);
        net.step(&x[2 * at..2 * (at + 50)], &labels[at..at + 50]);
    }
    let error = net.evaluate(&test_x, &test_labels).wrong as f64 / test_labels.len() as f64;
    println!("{:14} test error {:5.2} %", net.rule().name(), 100.0 * error);
    Ok(error)
}

/// The hidden regions must learn for this: a network of which only the output learns is the third line. Returns the
/// three errors.
pub(crate) fn run() -> Result<[f64; 3]> {
    let graph = Graph::mlp(&[2, 24, 24, 2], Phi::Tanh, None)?;
    let rec_lra = RecLra::new(RecLraConfig::default(), &graph)?;
    Ok([
        trained(Box::new(rec_lra), &graph)?,
        trained(Box::new(SignFeedback), &graph)?,
        trained(Box::new(OutputOnly), &graph)?,
    ])
}

/// The baseline: hidden regions stay as they were drawn.
#[derive(Debug)]
struct OutputOnly;

impl Rule for OutputOnly {
    fn name(&self) -> &'static str {
        "output-only"
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        network_updates(graph, |i| i == graph.output(), &[])
    }

    fn error_neurons(&self, _: &mut Step<'_>) {}
}

#[allow(dead_code)] // a test includes this file and calls `run`
fn main() -> Result<()> {
    run().map(drop)
}
