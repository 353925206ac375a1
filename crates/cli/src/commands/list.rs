//! `reclra list`: what can be named on the command line and in specs.

use crate::args::{ListArgs, Voice};
use crate::failure::Failure;
use crate::topics::LISTS;
use reclra_train::paper;
use reclra_train::spec::keys::page;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: &ListArgs) -> Result<(), Failure> {
    let topic = args.topic.as_deref();
    if args.page {
        let page = if topic == Some("claims") { paper::page() } else { page() };
        return voice.result(page.trim_end());
    }
    for (n, (name, entries)) in LISTS.iter().filter(|l| topic.is_none_or(|chosen| chosen == l.0)).enumerate() {
        let entries = entries();
        for (entry, about) in &entries {
            voice.object("entry", &json!({ "topic": name, "name": entry, "about": about }))?;
        }
        if topic.is_none() {
            voice.result(format_args!("{}{name}", if n > 0 { "\n" } else { "" }))?;
        }
        let width = entries.iter().map(|e| e.0.len()).max().unwrap_or(0);
        for (entry, about) in entries {
            voice.result(format_args!("  {entry:width$}  {about}"))?;
        }
    }
    Ok(())
}
