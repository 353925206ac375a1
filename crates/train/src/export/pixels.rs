//! From stored pixels to what the network is given: as tensors, as nodes of an ONNX graph, and in words.

use super::forward::{Format, Forward, Input, Tensor};
use super::nodes::{self, INPUT};
use super::proto::{NodeProto, TensorProto};
use crate::model::Model;
use reclra_data::prepare::{CENTRE, LEAST, MEAN, STD, ZCA};
use reclra_data::{Normalise, Prepare};

/// The initializer that stored bytes are divided by.
const WHITE: &str = "white";
/// The initializer below which no deviation of an image is divided by.
const LEAST_STD: &str = "prepare.least";
/// Shapes: planes of channels, and back to a row.
const PLANES: &str = "prepare.planes";
const ROW: &str = "prepare.row";

/// The tensors with which images are prepared. In a graph, mean and deviation are as long as a row of x.
pub(super) fn tensors(prepare: &Prepare, format: Format) -> Vec<Tensor> {
    let shape = prepare.shape();
    let plane = shape.height * shape.width;
    let one = |t: reclra::state::Kept| {
        if format == Format::Onnx && [MEAN, STD].contains(&t.name.as_str()) {
            let values = t.values.iter().flat_map(|&v| std::iter::repeat_n(v, plane)).collect();
            return Tensor { name: t.name, shape: vec![shape.len()], values };
        }
        Tensor { name: t.name, shape: t.shape, values: t.values }
    };
    prepare.tensors().into_iter().map(one).collect()
}

/// Nodes and further initializers that make the activity of the input region out of stored bytes.
pub(super) fn nodes(forward: &Forward, nodes: &mut Vec<NodeProto>, initializer: &mut Vec<TensorProto>) {
    let number = |name: &str, value: f32| {
        nodes::initial(&Tensor { name: name.to_owned(), shape: Vec::new(), values: vec![value] })
    };
    initializer.push(number(WHITE, f32::from(forward.facts.white)));
    let first = forward.graph.regions()[0].name.clone();
    let mut put = |op: &str, label: &str, inputs: [&str; 2], attributes| {
        let name = format!("{first}.{label}");
        let inputs = inputs.into_iter().filter(|i| !i.is_empty()).map(str::to_owned).collect();
        nodes.push(nodes::node(op, &name, inputs, name.clone(), attributes));
        name
    };
    let mut x = put("Div", "scaled", [INPUT, WHITE], vec![]);
    if let Some(prepare) = &forward.prepare {
        let normalise = prepare.normalisation();
        match normalise {
            Normalise::None => {}
            Normalise::MeanStd => {
                let centred = put("Sub", "centred", [&x, MEAN], vec![]);
                x = put("Div", "normalised", [&centred, STD], vec![]);
            }
            Normalise::Gcn | Normalise::GcnStd => {
                let shape = prepare.shape();
                // The batch, whatever its size, stays as it is.
                initializer
                    .push(nodes::shape(PLANES, &[0, shape.channels as i64, (shape.height * shape.width) as i64]));
                initializer.push(nodes::shape(ROW, &[0, shape.len() as i64]));
                let planes = put("Reshape", "planes", [&x, PLANES], vec![]);
                let mean = put("ReduceMean", "mean", [&planes, ""], vec![nodes::axes(&[2])]);
                let mut now = put("Sub", "centred", [&planes, &mean], vec![]);
                if normalise == Normalise::GcnStd {
                    initializer.push(number(LEAST_STD, LEAST as f32));
                    let squares = put("Mul", "squares", [&now, &now], vec![]);
                    let variance = put("ReduceMean", "variance", [&squares, ""], vec![nodes::axes(&[1, 2])]);
                    let root = put("Sqrt", "std", [&variance, ""], vec![]);
                    let scale = put("Max", "scale", [&root, LEAST_STD], vec![]);
                    now = put("Div", "normalised", [&now, &scale], vec![]);
                }
                x = put("Reshape", "row", [&now, ROW], vec![]);
            }
        }
        if prepare.whitens() {
            let centred = put("Sub", "whitening.centred", [&x, CENTRE], vec![]);
            put("MatMul", "whitened", [&centred, ZCA], vec![]);
        }
    }
    // The last of them ends the region, and bears its name.
    if let Some(last) = nodes.last_mut() {
        (last.name, last.output) = (first.clone(), vec![first]);
    }
}

/// What x is, in words that suffice to compute it.
pub(super) fn words(model: &Model, format: Format, input: Input) -> String {
    let (shape, white) = (model.facts.shape, model.facts.white);
    let pixels = format!(
        "one image a row of x: {} channel{} of {} x {} pixels, channel by channel, row by row",
        shape.channels,
        if shape.channels == 1 { "" } else { "s" },
        shape.height,
        shape.width
    );
    let then =
        if format == Format::Npz { then(model, input).replace("prepare.", "prepare_") } else { then(model, input) };
    if format == Format::Onnx && input == Input::Pixels {
        let then = if then.is_empty() { "" } else { ", then prepares it" };
        return format!(
            "{pixels}, each the stored byte (0 to {white}) as a float; the graph divides it by {white}{then}"
        );
    }
    format!("{pixels}, each the stored byte (0 to {white}) divided by {white}{then}")
}

/// What is done after the division.
fn then(model: &Model, input: Input) -> String {
    let Some(prepare) = &model.prepare else {
        // A checkpoint, or weights from elsewhere.
        let data = &model.spec.data;
        let zca = data.zca.map_or(String::new(), |e| format!(", data.zca = true with data.zca_epsilon = {e}"));
        return match data.normalise {
            Normalise::None if data.zca.is_none() => String::new(),
            n => format!(", then prepared by data.normalise = {}{zca}, fitted on the training images", n.name()),
        };
    };
    let tensors = prepare.tensors();
    // Without the tensors the numbers themselves are told, where they are few.
    let told = |name: &str| match tensors.iter().find(|t| t.name == name) {
        Some(t) if input == Input::Prepared => format!("{:?}", t.values),
        _ => name.to_owned(),
    };
    let first = match prepare.normalisation() {
        Normalise::None => String::new(),
        Normalise::MeanStd => {
            format!(
                ", then less the mean of its channel, {}, and divided by the deviation of its channel, {}",
                told(MEAN),
                told(STD)
            )
        }
        Normalise::Gcn => ", then less the mean of its channel of this image".to_owned(),
        Normalise::GcnStd => {
            ", then less the mean of its channel of this image, and divided by the root of the mean square of \
                              all that is left of this image, or by 1/1024 where that is larger"
                .to_owned()
        }
    };
    let whitened = match (prepare.whitens(), input) {
        (false, _) => "",
        (true, Input::Pixels) => ", then whitened: x = (x - prepare.centre) prepare.zca",
        (true, Input::Prepared) => {
            ", then whitened (ZCA) by a matrix that is not in this file, but in an export without --prepared-input"
        }
    };
    format!("{first}{whitened}")
}
