//! Taking weights from elsewhere: a safetensors file, PyTorch's say, whose tensors become W and b of a network by a map of
//! names, or without one where their names say which is which.
//!
//! The rule's own synapses are drawn from the seed, as at a fresh start, so that training can go on from here.

mod map;
mod plan;
mod wanted;

pub use map::NameMap;

use crate::export::PREPROCESSING;
use crate::model;
use crate::spec::{RunSpec, SpecError};
use half::{bf16, f16};
use plan::{Link, Origin, plan};
use reclra::rule::ParamId;
use reclra::{Device, Learner};
use reclra_data::files::{self, FileError};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::path::Path;
use wanted::{Wanted, nearest};

/// A parameter with the values it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Which parameter.
    pub param: ParamId,
    /// Its name: `W.in->b1`, `b.b1`.
    pub name: String,
    /// Its shape: W is n_to x n_from, b is n_to.
    pub shape: Vec<usize>,
    /// Name of the tensor in the file.
    pub from: String,
    /// Type of its numbers in the file.
    pub dtype: String,
    /// Whether the file held it as n_from x n_to.
    pub transposed: bool,
    /// Row by row; each a finite float32.
    pub values: Vec<f64>,
}

/// What was read from a file of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Every W and b of the network, in the order of its regions.
    pub tensors: Vec<Imported>,
    /// Tensors that are none of the network's: batches that PyTorch's BatchNorm has counted, and what prepares the images of an
    /// export.
    pub passed_over: Vec<String>,
}

/// W and b for the network of `spec` from a safetensors file (F32, F16, BF16, F64), or from the model in a run folder. A
/// model of ours gives what its evaluation uses: the averaged weights where the run kept them. Without a map, names must be
/// ours, or number the layers as `torch.nn.Sequential` does. The W of a convolution may have its window in dimensions of its
/// own.
///
/// # Errors
/// Names the file and the tensor: one that is missing, unused, out of shape, of another type, not finite.
pub fn read(path: &Path, map: Option<&NameMap>, spec: &RunSpec) -> Result<Weights, FileError> {
    let path = &if path.is_dir() { path.join(model::FILE) } else { path.to_owned() };
    let remedy = "name a safetensors file; `safetensors.torch.save_file(net.state_dict(), FILE)` writes one";
    let bad = |what: String| FileError { path: path.clone(), what, remedy };
    let bytes = files::read(path, files::NUMBERS, remedy)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| bad(format!("no whole safetensors file ({})", files::plain(&e.to_string()))))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
    let ours = header.metadata().as_ref().is_some_and(|m| m.contains_key(model::FORMAT.0));
    let tensors: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let mut names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = wanted(spec)?;
    let images = spec.net.image.is_some();
    let export = header.metadata().as_ref().is_some_and(|m| m.contains_key(PREPROCESSING));
    let origin = Origin { ours, export, images };
    let links = plan(path, &names, map, &wanted, origin)?;
    let mut list = Vec::new();
    for (want, Link { from, transpose }) in wanted.into_iter().zip(links) {
        let Some(view) = tensors.get(&from) else {
            let what = format!("lacks the tensor {from}, which is to be {}{}", want.name, nearest(&from, &names));
            let remedy = match images {
                true => "name the tensors it holds with --map, or set --model to fit the weights",
                false => "name the tensors it holds with --map, or set --arch to fit the weights",
            };
            return Err(FileError { path: path.clone(), what, remedy });
        };
        let values = values(path, &want, &from, view, (transpose, images))?;
        let (Wanted { param, name, shape, .. }, dtype) = (want, view.dtype().to_string());
        list.push(Imported { param, name, shape, from, dtype, transposed: transpose, values });
    }
    let passed = names.iter().filter(|n| !ours && origin.passes_over(n) && list.iter().all(|i| i.from != **n));
    let passed_over = passed.map(|n| (*n).to_owned()).collect();
    Ok(Weights { tensors: list, passed_over })
}

/// Values for every W and b of the network of `spec` from a run folder or a weights file whose names need no map: what
/// another run may start from in place of random weights.
///
/// # Errors
/// As [`read`].
pub fn weights_of(path: &Path, spec: &RunSpec) -> Result<Vec<(ParamId, Vec<f64>)>, FileError> {
    Ok(read(path, None, spec)?.tensors.into_iter().map(|i| (i.param, i.values)).collect())
}

/// A network that starts from these weights; the rule's own synapses are drawn from the seed of the spec.
///
/// # Errors
/// None for a resolved spec and weights that were read for it.
pub fn learner(spec: &RunSpec, weights: &[Imported], device: Device) -> Result<Learner, SpecError> {
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    let mut learner = Learner::new(graph, rule, spec.net.w_std, spec.optim(1), device, spec.seed)?;
    weights.iter().try_for_each(|w| learner.set(w.param, &w.values))?;
    Ok(learner)
}

/// W and b of the network, in the order of its regions.
fn wanted(spec: &RunSpec) -> Result<Vec<Wanted>, FileError> {
    let graph = spec.graph().map_err(|e| FileError {
        path: model::SPEC_FILE.into(),
        what: e.to_string(),
        remedy: "mend the spec",
    })?;
    let mut list = Vec::new();
    let mut specs = graph.param_specs(0.0).into_iter();
    for (region, r) in graph.regions().iter().enumerate() {
        let kernels = r.inside.iter().flat_map(|block| block.stages()).flat_map(|s| {
            let own = s.layer.params().into_iter();
            own.map(|p| s.layer.kernel().filter(|_| p.is_weight()))
        });
        // A dense region has no kernels.
        let kernels = kernels.chain(std::iter::repeat(None));
        let all = specs.by_ref().take(r.params.len()).zip(kernels).enumerate();
        list.extend(all.map(|(n, (p, kernel))| Wanted {
            param: graph.inside(region, n),
            name: p.name.to_string(),
            shape: p.dims(),
            kernel,
            is_dense: r.inside.is_none(),
        }));
    }
    Ok(list)
}

/// The numbers of a tensor, checked, in the order in which the parameter has them.
fn values(
    path: &Path,
    want: &Wanted,
    from: &str,
    view: &TensorView<'_>,
    (transpose, images): (bool, bool),
) -> Result<Vec<f64>, FileError> {
    let bad = |what: String, remedy| Err(FileError { path: path.to_owned(), what, remedy });
    let turned = |shape: &[usize]| shape.iter().rev().copied().collect::<Vec<_>>();
    let shape = view.shape();
    let fits = if transpose { turned(shape) == want.shape } else { want.is_held_as(shape) };
    if !fits {
        let needs = if transpose { format!("{:?}", turned(&want.shape)) } else { want.shapes() };
        let what = format!("{from} is {shape:?} where {} needs {needs}", want.name);
        // TensorFlow holds a kernel as rows, columns, inputs, outputs.
        let channels_last = want.kernel.is_some_and(|[out, from, rows, columns]| shape == [rows, columns, from, out]);
        let remedy = match want.shape.len() == 2 {
            true if transpose && shape == want.shape => "remove its transpose from the map",
            true if !transpose && turned(shape) == want.shape => "give it `transpose = true` in the map",
            true if channels_last => {
                "bring it into that order before it is saved, as by numpy.transpose(w, (3, 2, 0, 1))"
            }
            _ if images => "set --model to fit the weights, or map another tensor",
            _ => "set --arch to fit the weights, or map another tensor",
        };
        return bad(what, remedy);
    }
    let Some(numbers) = numbers(view) else {
        let what = format!("{from} holds {} numbers; F32, F16, BF16 and F64 can be read", view.dtype());
        return bad(what, "convert it before it is saved");
    };
    // As float32, in which the network computes: what does not fit there is infinite.
    let numbers: Vec<f64> = numbers.into_iter().map(|v| f64::from(v as f32)).collect();
    if numbers.iter().any(|v| !v.is_finite()) {
        return bad(format!("{from} holds numbers that are not finite in float32"), "give weights that are numbers");
    }
    match (transpose, &want.shape[..]) {
        (true, &[rows, cols]) => Ok((0..rows * cols).map(|i| numbers[(i % cols) * rows + i / cols]).collect()),
        _ => Ok(numbers),
    }
}

/// The elements in float64, each exactly; `None` for a type that is no float.
fn numbers(view: &TensorView<'_>) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&c| from(c)).collect()
    }
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F32 => each(bytes, |c| f32::from_le_bytes(c).into()),
        Dtype::F16 => each(bytes, |c| f16::from_le_bytes(c).into()),
        Dtype::BF16 => each(bytes, |c| bf16::from_le_bytes(c).into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
