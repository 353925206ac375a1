//! Exports of small networks, opened again.

use super::*;
use crate::model::save;
use crate::runs::load_model;
use crate::spec::{RunSpec, Settings, toy_facts};
use prost::Message;
use reclra::{Device, Learner};

/// A saved model with a few steps behind it.
fn trained(folder: &Path, settings: &str) -> Model {
    let facts = toy_facts("toy", 3, 3, 50, 5);
    let spec = RunSpec::resolve(&Settings::parse(settings, "spec").unwrap(), &facts).unwrap();
    let graph = spec.graph().unwrap();
    let rule = spec.rule.build(&graph).unwrap();
    let mut learner = Learner::new(graph, rule, 0.3, spec.optim(1), Device::cpu(1), 3).unwrap();
    let x: Vec<f32> = (0..36).map(|i| (i as f32 * 0.7).sin()).collect();
    for _ in 0..5 {
        learner.step(&x, &[0, 1, 2, 1]);
    }
    save(folder, &spec, &facts, &learner).unwrap();
    load_model(folder, Device::cpu(1)).unwrap()
}

const ALL: [(Format, Input); 4] = [
    (Format::Onnx, Input::Prepared),
    (Format::Onnx, Input::Pixels),
    (Format::Safetensors, Input::Pixels),
    (Format::Npz, Input::Pixels),
];

fn proto(model: &Model, input: Input) -> proto::ModelProto {
    let bytes = onnx::write(&forward(model, Format::Onnx, input)).unwrap();
    proto::ModelProto::decode(&bytes[..]).unwrap()
}

#[test]
fn the_average_is_what_is_written_and_nothing_of_the_rule() {
    let dir = tempfile::tempdir().unwrap();
    for (average, kind) in [(0.0, "trained"), (0.9, "averaged")] {
        let text = format!("net.arch = \"9-5-4-3\"\ntrain.batch = 4\noptim.average = {average}");
        let model = trained(dir.path(), &text);
        let plain = model.learner.parameters().into_iter().map(|p| (p.name.clone(), p.values()));
        let average = model.learner.averaged().map(|l| l.into_iter().map(|p| (p.name.clone(), p.values())).collect());
        let want: Vec<_> = average.unwrap_or_else(|| plain.filter(|(n, _)| !n.starts_with("E.")).collect());
        assert_eq!(want.len(), 6);
        for (n, (format, input)) in ALL.into_iter().enumerate() {
            let path = dir.path().join(format!("deep/{n}.{}", format.name()));
            let written = export(&model, format, input, &path).unwrap();
            assert_eq!((written.weights, written.bytes), (kind, std::fs::metadata(&path).unwrap().len()));
            let bytes = std::fs::read(&path).unwrap();
            let mut found = match format {
                Format::Onnx => onnx::read(&bytes).unwrap(),
                Format::Safetensors => tensors::read(&bytes).unwrap(),
                Format::Npz => npz::read(&bytes).unwrap(),
            };
            found.retain(|t| t.name != "white");
            let name = |n: &str| if format == Format::Npz { npz::portable(n) } else { n.to_owned() };
            let mut want: Vec<_> = want.iter().map(|(n, v)| (name(n), v.clone())).collect();
            let mut found: Vec<_> = found.into_iter().map(|t| (t.name, t.values)).collect();
            want.sort_by(|a, b| a.0.cmp(&b.0));
            found.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(found, want, "{}", path.display());
            // The same network gives the same file; safetensors orders its metadata by chance.
            export(&model, format, input, &path).unwrap();
            let again = std::fs::read(&path).unwrap();
            assert!(
                again == bytes || (format == Format::Safetensors && again.len() == bytes.len()),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_graph_names_its_nodes_after_regions() {
    let dir = tempfile::tempdir().unwrap();
    let model = trained(dir.path(), "net.arch = \"9-3x5-3\"\ntrain.batch = 4\nnet.residual = 1\nnet.act = \"lrelu\"");
    let graph = proto(&model, Input::Prepared).graph.unwrap();
    let said: Vec<String> = graph
        .node
        .iter()
        .map(|n| format!("{} = {}({}) {}", n.output[0], n.op_type, n.input.join(", "), n.name))
        .collect();
    assert_eq!(
        said,
        [
            "b1.from.in = Gemm(x, W.in->b1, b.b1) b1.from.in",
            "b1 = LeakyRelu(b1.from.in) b1",
            "b2.from.b1 = Gemm(b1, W.b1->b2, b.b2) b2.from.b1",
            "b2.h.b1.shortcut = Add(b2.from.b1, b1) b2.h.b1.shortcut",
            "b2 = LeakyRelu(b2.h.b1.shortcut) b2",
            "b3.from.b2 = Gemm(b2, W.b2->b3, b.b3) b3.from.b2",
            "b3.h.b2.shortcut = Add(b3.from.b2, b2) b3.h.b2.shortcut",
            "b3 = LeakyRelu(b3.h.b2.shortcut) b3",
            "out.from.b3 = Gemm(b3, W.b3->out, b.out) out.from.b3",
            "probabilities = Softmax(out.from.b3) out",
        ]
    );
    assert_eq!(graph.node[1].attribute[0].f, Some(0.01));
    let raw = proto(&model, Input::Pixels).graph.unwrap();
    assert_eq!((raw.node[0].op_type.as_str(), &raw.node[0].input[..]), ("Div", &["x", "white"].map(String::from)[..]));
    assert_eq!(raw.node[1].input[0], "in");
    assert_eq!(raw.initializer.last().unwrap().raw_data, 255.0_f32.to_le_bytes());
}

#[test]
fn a_file_says_how_to_feed_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = trained(dir.path(), "net.arch = \"9-5-3\"\ntrain.batch = 4\ndata.dir = \"far/away\"");
    for (input, word) in [(Input::Prepared, "divided by 255"), (Input::Pixels, "the graph divides it by 255")] {
        let props = proto(&model, input).metadata_props;
        let of = |key: &str| props.iter().find(|p| p.key == key).map(|p| p.value.as_str()).unwrap();
        assert!(of("reclra.preprocessing").contains(word) && of("reclra.preprocessing").contains("1 channel of 3 x 3"));
        assert_eq!((of("reclra.classes"), of("reclra.arch")), ("[\"0\",\"1\",\"2\"]", "9-5-3"));
        assert_eq!((of("reclra.dataset"), of("reclra.activation"), of("reclra.steps")), ("toy", "tanh", "5"));
        // The spec without the folder of this machine, but still the spec.
        let spec = of("reclra.spec");
        assert!(!spec.contains("far/away"), "{spec}");
        let again = RunSpec::resolve(&Settings::parse(spec, "spec").unwrap(), &model.facts).unwrap();
        assert_eq!((again.net, again.rule), (model.spec.net.clone(), model.spec.rule.clone()));
    }
}

#[test]
fn a_network_that_settles_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let rule = "rule.name = \"equilibrium-prop\"\ntrain.batch = 4\nnet.act = \"sigmoid\"";
    let deep = trained(dir.path(), &format!("net.arch = \"9-5-4-3\"\n{rule}"));
    let path = dir.path().join("a.onnx");
    let error = export(&deep, Format::Onnx, Input::Pixels, &path).unwrap_err().to_string();
    assert!(error.contains("equilibrium-prop") && error.contains("settle") && !path.exists(), "{error}");
    // The free state of one hidden region is its forward pass.
    let shallow = trained(dir.path(), &format!("net.arch = \"9-5-3\"\n{rule}"));
    export(&shallow, Format::Onnx, Input::Pixels, &path).unwrap();
}

#[test]
fn a_member_for_numpy_is_as_numpy_writes_it() {
    // numpy.save of np.arange(6, dtype=np.float32).reshape(2, 3)
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    let numbers: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let theirs = [b"\x93NUMPY\x01\x00v\x00", format!("{header:117}\n").as_bytes(), &numbers].concat();
    let tensor = npz::tensor("a", &theirs).unwrap();
    assert_eq!((tensor.shape, tensor.values), (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!(npz::portable("W.in->b1"), "W_in_b1");
}
