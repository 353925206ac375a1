//! `reclra data`: fetch data sets, say what is there.

use crate::args::{DataCommand, Voice};
use crate::failure::Failure;

pub(crate) fn run(_voice: Voice, _command: DataCommand) -> Result<(), Failure> {
    Err(Failure::Other("not here yet".into()))
}
