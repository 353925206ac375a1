//! The network of a run, from its folder.

use super::checkpoint;
use super::names::{CHECKPOINTS, RESULT};
use super::view::locked;
use crate::model::{self, FILE, Model, SPEC_FILE};
use reclra::Device;
use reclra_data::files::FileError;
use std::path::{Path, PathBuf};

/// Reads a saved model: a run folder, a checkpoint's folder, or the file itself. Of a run that is not over, the network
/// of its newest checkpoint.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load_model(path: &Path, device: Device) -> Result<Model, FileError> {
    let (asked, path) = (path, &file_of(path));
    if !path.exists() {
        unbegun(asked)?;
    }
    model::load(path, device)
}

/// Refuses a run that has kept nothing yet, in other words than what is no run at all.
fn unbegun(folder: &Path) -> Result<(), FileError> {
    if !folder.join(SPEC_FILE).is_file() || folder.join(RESULT).exists() {
        return Ok(());
    }
    let what = match checkpoint::list(&folder.join(CHECKPOINTS)) {
        Ok(all) if !all.is_empty() => "holds a run without a checkpoint that is whole",
        _ => "holds a run without a checkpoint yet",
    };
    let remedy = match locked(folder) {
        true => "wait until it has written one",
        false => "go on with it first: `reclra resume` with this folder",
    };
    Err(FileError { path: folder.to_owned(), what: what.to_owned(), remedy })
}

/// The file that holds the network of a run or checkpoint.
fn file_of(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let (own, state) = (path.join(FILE), path.join(checkpoint::STATE));
    if state.exists() {
        return state;
    }
    // Of a run that is not over the newest checkpoint that is whole; the network of a shorter run may lie beside it.
    let over = own.exists() && path.join(RESULT).exists();
    let all = if over { Vec::new() } else { checkpoint::list(&path.join(CHECKPOINTS)).unwrap_or_default() };
    let whole = all.into_iter().find(|c| checkpoint::load(&c.path).is_ok());
    whole.map_or(own, |c| c.path.join(checkpoint::STATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{save, save_with};
    use crate::spec::{DataFacts, RunSpec, Settings};
    use reclra::Learner;
    use reclra_data::Prepare;
    use safetensors::tensor::TensorView;

    fn trained(average: f64) -> (RunSpec, DataFacts, Learner) {
        let facts = crate::spec::toy_facts("toy", 3, 3, 50, 5);
        let mut settings = Settings::parse("net.arch = \"9-5-4-3\"\ntrain.batch = 4", "spec").unwrap();
        settings.put("optim.average", average, "test").unwrap();
        let spec = RunSpec::resolve(&settings, &facts).unwrap();
        let graph = spec.graph().unwrap();
        let rule = spec.rule.build(&graph).unwrap();
        let mut learner = Learner::new(graph, rule, 0.3, spec.optim(1), Device::cpu(1), 3).unwrap();
        let x: Vec<f32> = (0..36).map(|i| (i as f32 * 0.7).sin()).collect();
        for _ in 0..20 {
            learner.step(&x, &[0, 1, 2, 1]);
        }
        (spec, facts, learner)
    }

    #[test]
    fn a_saved_model_comes_back_to_the_bit() {
        for average in [0.0, 0.9] {
            let (spec, facts, mut learner) = trained(average);
            let dir = tempfile::tempdir().unwrap();
            save(dir.path(), &spec, &facts, &learner).unwrap();
            let mut model = load_model(dir.path(), Device::cpu(1)).unwrap();
            assert_eq!((&model.spec, &model.facts, model.steps), (&spec, &facts, 20));
            let values = |l: &Learner| {
                let all = l.parameters().into_iter().chain(l.averaged().unwrap_or_default());
                all.map(|p| (p.name.clone(), p.values())).collect::<Vec<_>>()
            };
            assert_eq!(values(&model.learner), values(&learner));
            let x = [0.3_f32, 0.1, -0.5, 0.9, 0.0, 1.0, 0.2, -0.7, 0.4];
            assert_eq!(model.learner.predict(&x), learner.predict(&x));
            let bytes = std::fs::read(dir.path().join(FILE)).unwrap();
            save(dir.path(), &spec, &facts, &learner).unwrap();
            assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), bytes, "the same network is the same file");
            let names: Vec<String> = model.learner.parameters().into_iter().map(|p| p.name).collect();
            assert_eq!(names[..3], ["W.in->b1", "b.b1", "W.b1->b2"]);
            assert!(names.contains(&"E.out->b2".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn what_is_done_to_images_is_kept_with_the_network() {
        let (spec, facts, learner) = trained(0.0);
        let line = "mean-std none 1 3 3 abc";
        let mut given = |name: &str, _: &[usize]| Ok::<_, ()>(vec![if name == "prepare.mean" { 0.25 } else { 0.5 }]);
        let prepare = Prepare::restore(line, &mut given).unwrap().unwrap();
        let dir = tempfile::tempdir().unwrap();
        save_with(dir.path(), &spec, &facts, &learner, Some(&prepare)).unwrap();
        let model = load_model(dir.path(), Device::cpu(1)).unwrap();
        assert_eq!(model.prepare.as_ref(), Some(&prepare));
        let mut image = [0.75; 9];
        prepare.apply(&mut image);
        assert_eq!(image, [1.0; 9]);
        save(dir.path(), &spec, &facts, &learner).unwrap();
        assert_eq!(load_model(dir.path(), Device::cpu(1)).unwrap().prepare, None);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_named() {
        let (spec, facts, learner) = trained(0.0);
        let dir = tempfile::tempdir().unwrap();
        let path = save(dir.path(), &spec, &facts, &learner).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = load_model(&path, Device::cpu(1)).unwrap_err().to_string();
            assert!(error.contains(FILE) && error.contains("safetensors") && !error.contains('\n'), "{cut}: {error}");
        }
        let mut nan = whole.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, nan).unwrap();
        assert!(load_model(&path, Device::cpu(1)).unwrap_err().to_string().contains("not finite"));
        let foreign = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap();
        std::fs::write(&path, foreign).unwrap();
        assert!(load_model(&path, Device::cpu(1)).unwrap_err().to_string().contains("no reclra model"));
        std::fs::remove_file(&path).unwrap();
        let begun = load_model(dir.path(), Device::cpu(1)).unwrap_err().to_string();
        assert!(begun.contains("without a checkpoint yet; go on with it first: `reclra resume`"), "{begun}");
        std::fs::write(dir.path().join(RESULT), "{}").unwrap();
        assert!(load_model(dir.path(), Device::cpu(1)).unwrap_err().missing());
        let missing = load_model(&dir.path().join("none"), Device::cpu(1)).unwrap_err().to_string();
        assert!(missing.contains("no such file"), "{missing}");
    }
}
