//! Parts of an ONNX graph: nodes, attributes, initializers.

use super::forward::Tensor;
use super::proto::{ATTRIBUTE_INTS, AttributeProto, FLOAT, INT64, NodeProto, TensorProto};

/// The graph's input.
pub(super) const INPUT: &str = "x";

/// A node of one output.
pub(super) fn node(
    op: &str,
    name: &str,
    input: Vec<String>,
    output: String,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto { op_type: op.to_owned(), name: name.to_owned(), input, output: vec![output], attribute }
}

/// The axes that a reduction goes over; they stay, with one place.
pub(super) fn axes(axes: &[i64]) -> AttributeProto {
    AttributeProto { name: "axes".to_owned(), ints: axes.to_vec(), r#type: ATTRIBUTE_INTS, ..AttributeProto::default() }
}

/// An initializer that holds a shape.
pub(super) fn shape(name: &str, sizes: &[i64]) -> TensorProto {
    let raw_data = sizes.iter().flat_map(|s| s.to_le_bytes()).collect();
    TensorProto { dims: vec![sizes.len() as i64], data_type: INT64, name: name.to_owned(), raw_data }
}

/// An initializer that holds a tensor.
pub(super) fn initial(tensor: &Tensor) -> TensorProto {
    let dims = tensor.shape.iter().map(|&n| n as i64).collect();
    TensorProto { dims, data_type: FLOAT, name: tensor.name.clone(), raw_data: tensor.bytes() }
}
