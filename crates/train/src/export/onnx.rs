//! The forward network as an ONNX graph: from stored bytes to what the network is given, then a Gemm a synapse, an Add a shortcut, and the activation, whose node bears the
//! region's name. The batch is a dimension of any size.

use super::forward::{ExportError, Forward, Input, PREPROCESSING, Tensor, floats};
use super::nodes::{INPUT, initial, node};
use super::pixels;
use super::proto::{
    ATTRIBUTE_FLOAT, ATTRIBUTE_INT, AttributeProto, Dimension, FLOAT, GraphProto, INT64, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorType, TypeProto, ValueInfoProto,
};
use prost::Message;
use reclra::graph::{Region, RegionId};
use reclra::{Graph, Phi, phi};

/// Version of the file's layout: old enough for every reader in use.
const IR_VERSION: i64 = 8;
/// Version of the operators: the first in which softmax is over one axis.
const OPSET: i64 = 13;
/// The graph's output.
const OUTPUT: &str = "probabilities";
/// A protobuf message holds no more.
const LARGEST: usize = i32::MAX as usize;

/// The bytes of the file.
///
/// # Errors
/// If an activation is not in ONNX, or the file would be too large.
pub(super) fn write(forward: &Forward) -> Result<Vec<u8>, ExportError> {
    let (graph, facts) = (&forward.graph, &forward.facts);
    if graph.has_blocks() {
        return Err(ExportError::Blocks);
    }
    let mut initializer: Vec<TensorProto> = forward.tensors.iter().map(initial).collect();
    let mut nodes = Vec::new();
    let raw = forward.input == Input::Pixels;
    if raw {
        pixels::nodes(forward, &mut nodes, &mut initializer);
    }
    for i in 1..graph.regions().len() {
        region(graph, i, raw, &mut nodes)?;
    }
    let text = |key: &str| forward.metadata.iter().find(|m| m.0 == key).map(|m| m.1.clone()).unwrap_or_default();
    let (first, last) = (&graph.regions()[0], &graph.regions()[graph.output()]);
    let about = format!("probabilities of the classes {}, one sample a row", text("reclra.classes"));
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "reclra".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!("{} {} for {}", text("reclra.arch"), text("reclra.activation"), facts.name),
        graph: Some(GraphProto {
            node: nodes,
            name: "forward".to_owned(),
            initializer,
            input: vec![value(INPUT, first.width, text(PREPROCESSING))],
            output: vec![value(OUTPUT, last.width, about)],
        }),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: (forward.metadata.iter())
            .map(|(key, value)| StringStringEntryProto { key: (*key).to_owned(), value: value.clone() })
            .collect(),
    };
    match model.encoded_len() {
        bytes if bytes > LARGEST => Err(ExportError::TooLarge { format: "ONNX", bytes }),
        _ => Ok(model.encode_to_vec()),
    }
}

/// Nodes that compute z of a region: h is the sum of all that leads into it, then phi.
fn region(graph: &Graph, i: RegionId, raw: bool, nodes: &mut Vec<NodeProto>) -> Result<(), ExportError> {
    let r = &graph.regions()[i];
    let mut bias = r.bias.then(|| format!("b.{}", r.name));
    let mut sum: Option<String> = None;
    let add = |nodes: &mut Vec<NodeProto>, sum: Option<String>, term: String, label: &str| match sum {
        None => term,
        Some(sum) => {
            let name = format!("{}.h.{label}", r.name);
            nodes.push(node("Add", &name, vec![sum, term], name.clone(), vec![]));
            name
        }
    };
    for &k in &r.sources {
        let from = &graph.regions()[k].name;
        let name = format!("{}.from.{from}", r.name);
        let mut inputs = vec![activity(graph, k, raw), format!("W.{from}->{}", r.name)];
        inputs.extend(bias.take());
        nodes.push(node("Gemm", &name, inputs, name.clone(), vec![whole("transB", 1)]));
        sum = Some(add(nodes, sum, name, from));
    }
    for &k in &r.shortcuts {
        sum = Some(add(nodes, sum, activity(graph, k, raw), &format!("{}.shortcut", graph.regions()[k].name)));
    }
    if let Some(bias) = bias {
        sum = Some(add(nodes, sum, bias, "bias"));
    }
    let (op, attributes) = activation(r)?;
    // A checked graph has no region into which nothing leads.
    let h = sum.unwrap_or_default();
    nodes.push(node(op, &r.name, vec![h], activity(graph, i, raw), attributes));
    Ok(())
}

/// The value that holds z of a region.
fn activity(graph: &Graph, i: RegionId, raw: bool) -> String {
    match i {
        0 if !raw => INPUT.to_owned(),
        i if i == graph.output() => OUTPUT.to_owned(),
        i => graph.regions()[i].name.clone(),
    }
}

/// The operator of phi. ONNX says sign(0) = 0 as we do, and its slopes below zero meet at zero as ours do.
fn activation(region: &Region) -> Result<(&'static str, Vec<AttributeProto>), ExportError> {
    Ok(match region.phi {
        Phi::Tanh => ("Tanh", vec![]),
        Phi::Sigmoid => ("Sigmoid", vec![]),
        Phi::Relu => ("Relu", vec![]),
        Phi::LRelu { slope } => ("LeakyRelu", vec![number("alpha", slope as f32)]),
        Phi::Elu => ("Elu", vec![number("alpha", 1.0)]),
        Phi::Sign => ("Sign", vec![]),
        Phi::Identity => ("Identity", vec![]),
        Phi::Softmax => ("Softmax", vec![whole("axis", 1)]),
        other => return Err(ExportError::Activation { region: region.name.clone(), phi: phi::name(other) }),
    })
}

fn whole(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(i), r#type: ATTRIBUTE_INT, ..AttributeProto::default() }
}

fn number(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: Some(f), r#type: ATTRIBUTE_FLOAT, ..AttributeProto::default() }
}

/// N samples of `width` numbers.
fn value(name: &str, width: usize, about: String) -> ValueInfoProto {
    let any = Dimension { dim_value: None, dim_param: Some("N".to_owned()) };
    let fixed = Dimension { dim_value: Some(width as i64), dim_param: None };
    let shape = TensorShapeProto { dim: vec![any, fixed] };
    let tensor = TensorType { elem_type: FLOAT, shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }), doc_string: about }
}

/// The initializers of such a file that hold floats.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let model = ModelProto::decode(bytes).map_err(|e| format!("no whole ONNX file ({e})"))?;
    let list = model.graph.ok_or("has no graph")?.initializer;
    let one = |t: TensorProto| {
        let values = floats(&t.raw_data).filter(|_| t.data_type == FLOAT);
        let values = values.ok_or_else(|| format!("{} is no float32", t.name))?;
        Ok(Tensor { shape: t.dims.iter().map(|&n| n as usize).collect(), name: t.name, values })
    };
    list.into_iter().filter(|t| t.data_type != INT64).map(one).collect()
}
