//! The operations of a block, made from what a spec says of its layers.

use crate::error::{Error, Result, check};
use crate::layer::Layer;
use crate::layers::LayerSpec;
use reclra_compute::maps::Extent;
use std::sync::Arc;

/// One operation of a block, with its place among the block's parameters.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The operation.
    pub layer: Arc<dyn Layer>,
    /// `conv1`, `norm2`, `shortcut.conv1`: unique in the block.
    pub name: String,
    /// Where its parameters begin among those of the block.
    pub first: usize,
    /// How many they are.
    pub params: usize,
}

/// The operations that `layers` stand for, one after the other on an input of that extent.
pub(super) fn stages(
    block: &str,
    layers: &[LayerSpec],
    from: Extent,
    prefix: &str,
    names: &mut Vec<String>,
    first: &mut usize,
) -> Result<Vec<Stage>> {
    let (mut list, mut from) = (Vec::new(), from);
    for spec in layers {
        let built = spec.build(from).map_err(|error| match error {
            Error::Setting { name, value, want } => {
                Error::Setting { name: "block", value: block.to_owned(), want: format!("{name} {value} {want}") }
            }
            other => other,
        })?;
        for layer in built {
            let kind = format!("{prefix}{}", layer.kind());
            let number = names.iter().filter(|n| **n == kind).count() + 1;
            names.push(kind.clone());
            let params = layer.params().len();
            from = layer.to();
            let numbers: u128 = layer.params().iter().map(|p| p.shape[0] as u128 * p.shape[1].max(1) as u128).sum();
            let units = from.channels as u128 * from.height as u128 * from.width as u128;
            let want = format!(
                "{} comes to {from} units and {numbers} parameters, more than 2^28 or 2^31; make it smaller",
                layer.kind()
            );
            check(units <= 1 << 28 && numbers <= 1 << 31, "block", block, &want)?;
            list.push(Stage { layer, name: format!("{kind}{number}"), first: *first, params });
            *first += params;
        }
    }
    hold_offsets(&mut list);
    Ok(list)
}

/// Holds every bias and shift that a batch norm further on takes out.
fn hold_offsets(stages: &mut [Stage]) {
    let mut removed = false;
    for stage in stages.iter_mut().rev() {
        if let Some(held) = stage.layer.with_held_offset().filter(|_| removed) {
            stage.layer = held;
        }
        removed = stage.layer.removes_offsets() || (removed && stage.layer.passes_offsets());
    }
}

/// Activations above the first synapses.
pub(super) fn activations(path: &[Stage]) -> impl DoubleEndedIterator<Item = usize> + '_ {
    let first = path.iter().position(|s| s.layer.has_synapses()).unwrap_or(path.len());
    (first..path.len()).filter(|&k| path[k].layer.phi().is_some())
}
