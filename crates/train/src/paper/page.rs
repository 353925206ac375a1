//! The page of the documentation that lists every figure of the paper.

use super::claims::{Origin, SOURCE, figures, printed, protocol, tables};
use std::fmt::Write as _;

/// Every figure with its table, row and column, as Markdown.
#[must_use]
pub fn page() -> String {
    let mut text = format!(
        "# The paper's figures\n\nEvery figure of {SOURCE} that this project quotes, as printed, with the id by which experiments \
         name it (`claimed = \"ID\"`). Rows of the origin *literature* were taken by the authors from earlier papers ({}), \
         whose protocols are not known here; the others they trained themselves. This page is made by \
         `reclra list claims --page`, from `crates/train/data/paper.toml`.\n",
        super::EARLIER
    );
    for table in tables() {
        let _ = write!(text, "\n## {}, {} ({})\n\n| id | row |", table.source, table.data, table.unit);
        table.columns.values().for_each(|c| text.push_str(&format!(" {c} |")));
        let _ = write!(text, " origin |\n|---|---|{}---|\n", "---|".repeat(table.columns.len()));
        for row in &table.rows {
            let _ = write!(text, "| `{}/{}` | {} |", table.id, row.id, row.row);
            for measure in table.columns.keys() {
                let value = row.values.get(measure).map_or(String::new(), |v| printed(*v));
                let _ = write!(text, " {value} |");
            }
            text.push_str(if row.origin == Origin::Paper { " paper |\n" } else { " literature |\n" });
        }
        if !table.note.is_empty() {
            let _ = write!(text, "\nNote: {}.\n", table.note);
        }
        for row in table.rows.iter().filter(|r| !r.note.is_empty()) {
            let _ = write!(text, "\n{}: {}.\n", row.row, row.note);
        }
    }
    text.push_str("\n## Figures\n\n");
    figures().iter().for_each(|f| text.push_str(&format!("- {}: {}.\n", f.source, f.about)));
    text.push_str("\n## Settings\n");
    for (name, image) in [("Perceptrons", false), ("Image networks", true)] {
        let protocol = protocol(image);
        let _ = write!(text, "\n{name}. {}.", protocol.place);
        let set: Vec<String> = protocol.set.iter().map(|(key, value)| format!("`{key} = {value}`")).collect();
        let _ = write!(text, " As keys of the preset `paper`: {}.", set.join(", "));
        let open: Vec<String> = protocol.open.iter().map(|key| format!("`{key}`")).collect();
        let _ = writeln!(text, " Not said by the paper, or only as a range: {}.", open.join(", "));
    }
    text
}
