//! The forward network as safetensors: W and b under the names of the saved model, with metadata.

use super::forward::{Forward, Tensor, floats};
use reclra_data::format::safetensors::with_metadata;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// The bytes of the file.
///
/// # Errors
/// What the format could not hold.
pub(super) fn write(forward: &Forward) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> = forward.tensors.iter().map(Tensor::bytes).collect();
    let mut views = Vec::new();
    for (tensor, bytes) in forward.tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(|e| e.to_string())?;
        views.push((tensor.name.as_str(), view));
    }
    let metadata = forward.metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
    let file = safetensors::serialize(views, None).map_err(|e| e.to_string())?;
    Ok(with_metadata(file, &metadata))
}

/// The tensors of such a file.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("no whole safetensors file ({e})"))?;
    let one = |(name, view): (String, TensorView<'_>)| {
        let values = floats(view.data()).filter(|_| view.dtype() == Dtype::F32);
        let values = values.ok_or_else(|| format!("{name} is no float32"))?;
        Ok(Tensor { shape: view.shape().to_vec(), name, values })
    };
    file.tensors().into_iter().map(one).collect()
}
