//! `reclra data`: fetch data sets, say what is there.

mod fetch;
mod info;

use crate::args::{DataCommand, Voice};
use crate::failure::Failure;

pub(crate) fn run(voice: Voice, command: DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Fetch(args) => fetch::run(voice, args),
        DataCommand::Info { name, data_dir } => info::run(voice, name.as_deref(), data_dir.as_deref()),
    }
}
