//! `reclra data info`: files, counts, classes and brightness of data sets.

use crate::args::Voice;
use crate::failure::Failure;
use crate::output::grouped;
use reclra_data::{self as data, FileInfo, Info, Measured};
use std::path::Path;

pub(super) fn run(voice: Voice, name: Option<&str>, dir: Option<&Path>) -> Result<(), Failure> {
    if let Some(name) = name {
        let info = data::info(data::entry(name)?, dir);
        voice.object("data", &info)?;
        return match info.problem {
            Some(line) => Err(Failure::Other(line)),
            None => show(voice, &info),
        };
    }
    for (n, entry) in data::entries().iter().enumerate() {
        let info = data::info(entry, dir);
        voice.object("data", &info)?;
        if n > 0 {
            voice.result("")?;
        }
        show(voice, &info)?;
    }
    Ok(())
}

fn show(voice: Voice, info: &Info) -> Result<(), Failure> {
    let line = |key: &str, text: &str| voice.result(format_args!("  {key:10}  {text}"));
    voice.result(format_args!("{}: {}", info.name, info.about))?;
    let found: Vec<&FileInfo> = info.files.iter().filter(|f| f.path.is_some()).collect();
    for file in &found {
        let path = file.path.as_deref().map(|p| p.display().to_string()).unwrap_or_default();
        let verdict = match &file.wrong {
            _ if file.published => "content as published".to_owned(),
            Some(why) => format!("not as published: {why}"),
            None => "no file".to_owned(),
        };
        line("file", &format!("{path}, {} bytes, {verdict}", grouped(file.bytes as usize)))?;
    }
    if let Some(measured) = &info.measured {
        return facts(measured, line);
    }
    let missing: Vec<&str> = info.files.iter().filter(|f| f.path.is_none()).map(|f| f.name).collect();
    // Unpacked files, or those of the user's own, have no list of what is missing.
    if missing.is_empty() || info.looked.is_empty() {
        return line("problem", info.problem.as_deref().unwrap_or_default());
    }
    line("missing", &missing.join(", "))?;
    let looked: Vec<String> = info.looked.iter().map(|f| f.display().to_string()).collect();
    line("looked in", &looked.join(" and "))?;
    line("fetch with", &format!("reclra data fetch {}", info.name))
}

fn facts(m: &Measured, line: impl Fn(&str, &str) -> Result<(), Failure>) -> Result<(), Failure> {
    let range = |[least, most]: [usize; 2]| {
        if least == most { grouped(least) } else { format!("{} to {}", grouped(least), grouped(most)) }
    };
    let colour = if m.shape.channels == 1 { "grey".to_owned() } else { format!("{} channels", m.shape.channels) };
    line("images", &format!("{} for training, {} for testing", grouped(m.train), grouped(m.test)))?;
    line("shape", &format!("{}x{} pixels, {colour}", m.shape.height, m.shape.width))?;
    line("classes", &format!("{}: {}", m.classes.len(), m.classes.join(", ")))?;
    let (train, test) = (range(m.train_per_class), range(m.test_per_class));
    line("per class", &format!("{train} for training, {test} for testing"))?;
    let of =
        if m.looked_at == m.train { "training part".to_owned() } else { format!("{} of them", grouped(m.looked_at)) };
    line("pixels", &format!("mean {:.4}, standard deviation {:.4} ({of}, from 0 to 1)", m.mean, m.std))?;
    if m.channels.len() > 1 {
        let each: Vec<String> = m.channels.iter().map(|[mean, std]| format!("{mean:.4} \u{b1} {std:.4}")).collect();
        line("channels", &each.join(", "))?;
    }
    if !m.in_memory {
        line("decoding", "each picture when it is asked for")?;
    }
    m.notes.iter().try_for_each(|note| line("note", note))
}
