//! `reclra man`: manual pages, made from what the command line says of itself.

use crate::args::{Cli, Voice};
use crate::failure::Failure;
use crate::output::path_text;
use clap::CommandFactory;
use reclra_data::files::{writable_folder, write_atomically};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(voice: Voice, out: Option<&Path>, overwrite: bool) -> Result<(), Failure> {
    let mut command = Cli::command();
    // Names of the commands below, their synopses and global options.
    command.build();
    let Some(folder) = out else { return Ok(std::io::stdout().lock().write_all(&page(&command)?)?) };
    writable_folder(folder)?;
    let mut pages = Vec::new();
    all(&command, &mut pages)?;
    let other = |(name, page): &&(String, Vec<u8>)| std::fs::read(folder.join(name)).is_ok_and(|there| there != *page);
    if let Some((name, _)) = pages.iter().find(other).filter(|_| !overwrite) {
        let line = "is there already and says something else; name another folder with --out or add --overwrite";
        return Err(Failure::Usage(format!("{}: {line}", folder.join(name).display())));
    }
    for (name, page) in &pages {
        write_atomically(&folder.join(name), page)?;
    }
    voice.object(
        "man",
        &serde_json::json!({ "folder": path_text(folder), "pages": pages.iter().map(|p| &p.0).collect::<Vec<_>>() }),
    )?;
    voice.note(format_args!("{} pages in {}; read one with man -l", pages.len(), folder.display()));
    Ok(())
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// The page of a command and those of the commands below it: (file, content).
fn all(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.1"), page(command)?));
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| all(c, pages))
}
