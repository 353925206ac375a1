//! `reclra export`: the forward network of a run as a file for other programs.

use super::setup::device;
use crate::args::{ExportArgs, FormatName, MachineArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, shape, table};
use reclra_train::export::{ExportError, FOLDER, Format, Input, NAME, export};
use reclra_train::model;
use reclra_train::runs;
use std::path::PathBuf;

pub(crate) fn run(voice: Voice, args: &ExportArgs) -> Result<(), Failure> {
    let format = match args.format {
        FormatName::Safetensors => Format::Safetensors,
        FormatName::Npz => Format::Npz,
        FormatName::Onnx => Format::Onnx,
    };
    let input = if args.prepared_input { Input::Prepared } else { Input::Pixels };
    let model = runs::load_model(&args.run, device(MachineArgs { threads: Some(1) })?)?;
    let path = args.out.clone().unwrap_or_else(|| beside(args, format));
    if path.is_dir() {
        let line = format!("{}: is a folder, and an export is a file; name one in it with --out", path.display());
        return Err(Failure::Usage(line));
    }
    if path.exists() && !args.overwrite {
        let line = format!("{}: is there already; name another file with --out or add --overwrite", path.display());
        return Err(Failure::Usage(line));
    }
    // An export lacks what a run needs to be a run: it must not take its place.
    if args.run.join(model::FILE).canonicalize().or_else(|_| args.run.canonicalize()).ok() == path.canonicalize().ok() {
        let line = format!("{}: is the trained network itself; name another file with --out", path.display());
        return Err(Failure::Usage(line));
    }
    if reclra_train::runs::is_kept(&path) {
        let line = format!("{}: is a file that a run keeps; name another file with --out", path.display());
        return Err(Failure::Usage(line));
    }
    let others = [Format::Safetensors, Format::Npz, Format::Onnx].into_iter().filter(|f| *f != format);
    let is_end = |other: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(other));
    if let Some(other) = others.map(Format::name).find(|other| is_end(other)) {
        let line = format!("{}: ends as a file of --format {other}; end it in .{}", path.display(), format.name());
        return Err(Failure::Usage(line));
    }
    let named = |e: ExportError| match e {
        ExportError::Unprepared => Failure::Other(format!("{}: {e}", args.run.display())),
        e => e.into(),
    };
    let written = export(&model, format, input, &path).map_err(named)?;
    voice.object("export", &written)?;
    if voice.quiet {
        return voice.result(written.path.display());
    }
    let rows: Vec<Vec<String>> = written.tensors.iter().map(|t| vec![t.name.clone(), shape(&t.shape)]).collect();
    voice.result(table(&["tensor", "shape"], &rows))?;
    voice.note(format_args!("input: {}", written.preprocessing));
    voice.result(format_args!(
        "{}: {} ({} weights), {}, read back and found equal",
        written.path.display(),
        count(written.tensors.len(), "tensor"),
        written.weights,
        count(written.bytes as usize, "byte")
    ))
}

/// In the run's folder, in a folder of its own.
fn beside(args: &ExportArgs, format: Format) -> PathBuf {
    let run = if args.run.is_dir() { args.run.clone() } else { args.run.with_file_name("") };
    run.join(FOLDER).join(format!("{NAME}.{}", format.name()))
}
