//! Golden cases of image networks, computed by PyTorch (`golden/blocks.py`): forward, error neurons and updates of a tiny
//! residual net under the three inner rules, to 1e-10 through the oracle and to 1e-5 through the kernels.

use reclra::block::BlockSpec;
use reclra::layers::LayerSpec;
use reclra::rules::blocks::{BlockWiring, Inner, MapPlasticity, RecLraBlocks, RecLraBlocksConfig};
use reclra::{Device, Extent, Graph, Learner, Level, Optim, Phi};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn graph(input: Extent, classes: usize) -> Graph {
    let conv = |out: usize, kernel: usize, stride: usize| LayerSpec::conv(out, kernel, stride, kernel / 2);
    let (bn, act) = (LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Relu));
    let block = |name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi| BlockSpec {
        name: name.into(),
        path,
        shortcut,
        phi,
    };
    let body = |c: usize, stride: usize| vec![conv(c, 3, stride), bn.clone(), act.clone(), conv(c, 3, 1), bn.clone()];
    let head = vec![LayerSpec::GlobalMean, LayerSpec::Dense { out: classes, bias: true, gain: 1.0 }];
    let blocks = vec![
        block("stem", vec![conv(3, 3, 1), bn.clone()], None, Phi::Relu),
        block("b1", body(3, 1), Some(vec![]), Phi::Relu),
        block("b2", body(4, 2), Some(vec![conv(4, 1, 2), bn.clone()]), Phi::Relu),
        block("out", head, None, Phi::Softmax),
    ];
    Graph::of_blocks(input, blocks).unwrap()
}

fn config(case: &Value) -> RecLraBlocksConfig {
    let text = |key: &str| case[key].as_str().expect("text");
    RecLraBlocksConfig {
        wiring: if text("wiring") == "skip" { BlockWiring::Skip } else { BlockWiring::Layer },
        inner: match text("inner") {
            "backprop" => Inner::Backprop,
            "rec-lra" => Inner::RecLra,
            _ => Inner::Hebbian,
        },
        plasticity: match text("plasticity") {
            "mirror" => MapPlasticity::Mirror,
            "readout" => MapPlasticity::Readout,
            _ => MapPlasticity::Fixed,
        },
        twins_learn: text("plasticity") != "fixed",
        twin_std: 1.0,
        beta: case["beta"].as_f64().expect("a number"),
        ..RecLraBlocksConfig::default()
    }
}

#[track_caller]
fn agree(what: &str, ours: &[f64], theirs: &[f64], within: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= within * (1.0 + b.abs()), "{what}[{i}]: {a} against {b}");
    }
}

#[test]
fn a_tiny_residual_net_agrees_with_pytorch() {
    let root: Value = serde_json::from_str(include_str!("golden/blocks.json")).expect("the golden file is JSON");
    let side = |n: usize| root["input"][n].as_u64().expect("a count") as usize;
    let input = Extent::new(side(0), side(1), side(2));
    let labels: Vec<u32> = numbers(&root["labels"]).iter().map(|&v| v as u32).collect();
    let x = numbers(&root["x"]);
    let graph = graph(input, 3);
    let fast = Level::available().into_iter().filter_map(|l| Device::cpu_at(2, l)).map(|d| (d, 1e-5));
    for (device, within) in [(Device::oracle(), 1e-10)].into_iter().chain(fast) {
        for case in root["cases"].as_array().expect("a list") {
            let rule = RecLraBlocks::new(config(case), &graph).unwrap();
            let mut net =
                Learner::new(graph.clone(), Box::new(rule), 1.0, Optim::default(), device.clone(), 1).unwrap();
            let named: Vec<_> = net.parameters().iter().map(|n| (n.param, n.name.clone())).collect();
            for (param, name) in &named {
                match root["parameters"].get(name) {
                    Some(values) => net.set(*param, &numbers(values)).unwrap(),
                    None => assert!(name.ends_with("mean") || name.ends_with("variance"), "{name} is not in the file"),
                }
            }
            net.errors_of_f64(&x, &labels);
            let label = |what: &str| format!("{device}, {} {}: {what}", case["wiring"], case["inner"]);
            for (i, region) in graph.regions().iter().enumerate().skip(1) {
                let of = |list: &Value| numbers(&list[&region.name]);
                agree(&label(&format!("h {}", region.name)), &net.activity().h[i].to_vec(), &of(&root["h"]), within);
                agree(&label(&format!("z {}", region.name)), &net.activity().z[i].to_vec(), &of(&root["z"]), within);
                agree(&label(&format!("e {}", region.name)), &net.errors().e[i].to_vec(), &of(&case["e"]), within);
            }
            let updates = net.updates();
            let expected = case["updates"].as_object().expect("an object");
            assert_eq!(updates.len(), expected.len(), "{}", label("as many updates"));
            for (param, delta) in updates {
                let name = &named.iter().find(|(p, _)| *p == param).expect("a name").1;
                let mut theirs: Vec<f64> = numbers(&expected[name]).iter().map(|v| v / labels.len() as f64).collect();
                if name.starts_with("E.out->") {
                    // Kept as M = E^T.
                    let channels = theirs.len() / 3;
                    theirs = (0..theirs.len()).map(|i| theirs[(i % channels) * 3 + i / channels]).collect();
                }
                agree(&label(name), &delta.to_vec(), &theirs, within);
            }
        }
    }
}
