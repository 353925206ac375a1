//! Image networks and their rules from the cases of the reference.

use crate::build::{self, Spec, phi};
use reclra::block::BlockSpec;
use reclra::layer::Noise;
use reclra::layers::LayerSpec;
use reclra::rule::Rule;
use reclra::rules::blocks::{
    BlockWiring, Inner, MapPlasticity, MapSynapse, Message, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks,
};
use reclra::{Extent, Graph, HeadOnly, Window};

fn layer(spec: Spec<'_>) -> LayerSpec {
    let window = || Window::square(spec.count("k"), spec.count("stride"), spec.count("pad"));
    let level = || spec.number("level");
    let noise = || match spec.0["noise"].as_str() {
        Some("gaussian") => Noise::Gaussian(level()),
        Some(_) => Noise::Uniform(level()),
        None => Noise::None,
    };
    let out = || spec.count("out");
    match spec.text("kind") {
        "conv" => {
            let groups = spec.number_or("groups", 1.0) as usize;
            LayerSpec::Conv { out: out(), window: window(), groups, bias: spec.flag("bias"), gain: 1.0 }
        }
        "noise-map" => LayerSpec::NoiseMap { out: out(), noise: noise(), gain: 1.0 },
        "norm" => {
            LayerSpec::BatchNorm { epsilon: spec.number_or("epsilon", 1e-5), momentum: spec.number_or("momentum", 0.1) }
        }
        "act" => LayerSpec::Act(phi(spec.text("phi"))),
        "max-pool" => LayerSpec::MaxPool(window()),
        "mean-pool" => LayerSpec::MeanPool(window()),
        "global-mean" => LayerSpec::GlobalMean,
        "pad" => LayerSpec::Pad(spec.count("by")),
        "dropout" => LayerSpec::Dropout(spec.number("share")),
        "dense" => LayerSpec::Dense { out: out(), bias: spec.flag("bias"), gain: 1.0 },
        other => panic!("unknown layer: {other}"),
    }
}

/// An image network.
pub(crate) fn graph(spec: Spec<'_>) -> Graph {
    let [channels, height, width] = spec.numbers("input")[..] else { panic!("three extents") };
    let input = Extent::new(channels as usize, height as usize, width as usize);
    let block = |b: &serde_json::Value| {
        let b = Spec(b);
        let layers = |key: &str| b.list(key).iter().map(|l| layer(Spec(l))).collect();
        let shortcut = b.has("shortcut").then(|| layers("shortcut"));
        BlockSpec { name: b.text("name").into(), path: layers("path"), shortcut, phi: phi(b.text("phi")) }
    };
    Graph::of_blocks(input, spec.list("blocks").iter().map(block).collect()).expect("a valid network")
}

fn rec_lra(spec: Spec<'_>) -> RecLraBlocksConfig {
    RecLraBlocksConfig {
        wiring: match spec.text("wiring") {
            "skip" => BlockWiring::Skip,
            "layer" => BlockWiring::Layer,
            "gap" => BlockWiring::Gap(spec.count("gap")),
            _ => BlockWiring::List(spec.pairs("synapses")),
        },
        stem_inside: spec.flag("stem_inside"),
        inner: match spec.0["inner"].as_str() {
            Some("rec-lra") => Inner::RecLra,
            Some("hebbian") => Inner::Hebbian,
            _ => Inner::Backprop,
        },
        synapse: match spec.0["synapse"].as_str() {
            Some("grid") => MapSynapse::Grid(spec.count("grid")),
            Some("full") => MapSynapse::Full,
            Some("low-rank") => MapSynapse::LowRank(spec.count("rank")),
            Some("seeded") => MapSynapse::Seeded,
            _ => MapSynapse::Channel,
        },
        plasticity: match spec.0["plasticity"].as_str() {
            Some("mirror") => MapPlasticity::Mirror,
            Some("fixed") => MapPlasticity::Fixed,
            _ => MapPlasticity::Readout,
        },
        message: match spec.0["message"].as_str() {
            Some("readout") => Message::Readout,
            Some("both") => Message::Both,
            _ => Message::Output,
        },
        beta: spec.number("beta"),
        std: spec.number_or("e_std", 0.1),
        twin_std: spec.number_or("twin_std", 0.0),
        twins_learn: !spec.has("twins_learn") || spec.flag("twins_learn"),
        rate: spec.number_or("e_rate", 1.0),
        mismatch: build::mismatch(spec),
    }
}

/// The rule of a case on an image network.
pub(crate) fn rule(spec: Spec<'_>, graph: &Graph) -> Box<dyn Rule> {
    fn boxed<R: Rule + 'static>(rule: reclra::Result<R>) -> Box<dyn Rule> {
        Box::new(rule.expect("valid settings"))
    }
    match spec.text("name") {
        "rec-lra" => boxed(RecLraBlocks::new(rec_lra(spec), graph)),
        "backprop" => Box::new(reclra::Backprop::of(graph)),
        "feedback-alignment" => boxed(reclra::FeedbackAlignment::new(reclra::FeedbackConfig { std: 1.0 }, graph)),
        "direct-feedback-alignment" => {
            boxed(reclra::DirectFeedbackAlignment::new(reclra::FeedbackConfig { std: 1.0 }, graph))
        }
        "target-prop" if spec.flag("difference") => {
            boxed(TargetPropBlocks::difference(build::target_prop(spec), graph))
        }
        "target-prop" => boxed(TargetPropBlocks::new(build::target_prop(spec), graph)),
        "hebbian" => boxed(reclra::Hebbian::new(build::hebbian(spec), graph)),
        "head-only" => Box::new(HeadOnly),
        other => panic!("unknown rule: {other}"),
    }
}
