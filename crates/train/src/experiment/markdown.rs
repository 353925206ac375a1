//! The results of an experiment as Markdown: measured beside claimed, each seed beside their mean.

use super::{Done, Experiment, Machine, Run};
use crate::record::{Record, deviation, mean};
use std::fmt::Write as _;

/// The results as a Markdown document.
#[must_use]
pub fn markdown(experiment: &Experiment, name: &str, machine: &Machine, done: &[Done]) -> String {
    let mut text = format!("# {}\n\n{}\n\n", experiment.title, experiment.about);
    if !experiment.differs.is_empty() {
        let _ = writeln!(text, "Not as in the paper: {}\n", experiment.differs);
    }
    let seeds: Vec<String> = experiment.seeds.iter().map(u64::to_string).collect();
    let _ = writeln!(
        text,
        "Made by `reclra reproduce {}`, seed{} {}, {}. Errors in percent{}; the training error is that of the last epoch, \
         each batch before its update.\n",
        name.strip_suffix("-quick").map_or(name.to_owned(), |name| format!("{name} --quick")),
        if seeds.len() == 1 { "" } else { "s" },
        seeds.join(" and "),
        origins(done, machine),
        if seeds.len() == 1 { "" } else { ": mean ± standard deviation over the seeds (each seed)" },
    );
    let meaning = experiment.columns.meaning();
    if !meaning.is_empty() {
        let _ = writeln!(text, "{meaning}\n");
    }
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for run in &experiment.run {
        let mine: Vec<&Record> = done.iter().filter(|d| d.name == run.name).map(|d| &d.record).collect();
        if !mine.is_empty() {
            rows.push(row(experiment, run, &mine, done, &mut notes));
        }
    }
    let mut heading = ["run", "paper: test (train)", "test", "train", "validation"].map(str::to_owned).to_vec();
    heading.extend(experiment.columns.iter().flat_map(|c| [format!("paper: {}", c.heading()), c.heading().to_owned()]));
    heading.extend(["epochs", "goal", "reached", "s / epoch"].map(str::to_owned));
    heading.push(format!("time / {}", experiment.relative_to));
    // A column that has nothing to say is left out.
    let filled: Vec<usize> = (0..heading.len()).filter(|&c| rows.iter().any(|r| !r[c].is_empty())).collect();
    let line = |cells: &[String]| filled.iter().map(|&c| format!("| {} ", cells[c])).collect::<String>() + "|\n";
    text.push_str(&line(&heading));
    text.push_str(&("|---".repeat(filled.len()) + "|\n"));
    rows.iter().for_each(|r| text.push_str(&line(r)));
    for (n, note) in notes.iter().enumerate() {
        let _ = write!(text, "\n[{}] {note}\n", n + 1);
    }
    text.push_str(&alignment(experiment, done));
    if experiment.plot {
        let _ = write!(text, "\n![validation error by epoch]({name}.svg)\n");
    }
    if experiment.embed {
        let _ = write!(text, "\n![the top hidden layer as a map]({name}/embed.svg)\n");
    }
    text
}

/// Region by region the angle between a rule's update and the gradient, of the runs that measured it; nothing of none.
fn alignment(experiment: &Experiment, done: &[Done]) -> String {
    let mut regions: Vec<&str> = Vec::new();
    let last = |r: &'_ Record| r.epochs.last().map_or(Vec::new(), |e| e.alignment.clone());
    for angle in done.iter().filter_map(|d| d.record.epochs.last()).flat_map(|e| &e.alignment) {
        if !regions.contains(&angle.region.as_str()) {
            regions.push(&angle.region);
        }
    }
    if regions.is_empty() {
        return String::new();
    }
    let mut text = "\nAngle in degrees between the update of each region's synapses and the gradient after the last epoch, on 1,000 \
                    samples, mean over the seeds: 0 is the gradient's direction, below 90 descends.\n\n| run "
        .to_owned();
    regions.iter().for_each(|r| text.push_str(&format!("| {r} ")));
    text.push_str(&format!("|\n{}|\n", "|---".repeat(regions.len() + 1)));
    for run in &experiment.run {
        let angles: Vec<Vec<_>> = done.iter().filter(|d| d.name == run.name).map(|d| last(&d.record)).collect();
        if angles.iter().all(Vec::is_empty) {
            continue;
        }
        let _ = write!(text, "| {} ", run.name);
        for region in &regions {
            let of = |seed: &Vec<crate::fit::Angle>| seed.iter().find(|a| a.region == *region).map(|a| a.degrees);
            let cell = mean(&angles.iter().map(of).collect::<Vec<_>>()).map_or(NONE.to_owned(), |d| format!("{d:.1}"));
            let _ = write!(text, "| {cell} ");
        }
        text.push_str("|\n");
    }
    text
}

/// With what programs and on what machines the runs were made, the most of them first.
fn origins(done: &[Done], machine: &Machine) -> String {
    const UNKNOWN: &str = "a program and a machine that were not recorded";
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for d in done {
        let made = d.made.as_deref().unwrap_or(UNKNOWN);
        match counts.iter_mut().find(|c| c.0 == made) {
            Some(c) => c.1 += 1,
            None => counts.push((made, 1)),
        }
    }
    counts.sort_by_key(|c| std::cmp::Reverse(c.1));
    match counts.as_slice() {
        [] => format!("with {}", machine.origin()),
        [(made, _)] => format!("with {made}"),
        many => {
            let each: Vec<String> = many.iter().map(|(made, n)| format!("{n} of the runs with {made}")).collect();
            format!("in pieces: {}", each.join("; "))
        }
    }
}

fn row(experiment: &Experiment, run: &Run, mine: &[&Record], done: &[Done], notes: &mut Vec<String>) -> Vec<String> {
    let mut mark = String::new();
    let said = mine.iter().flat_map(|r| &r.warnings).chain((!run.differs.is_empty()).then_some(&run.differs));
    for note in said {
        let n = notes.iter().position(|n| n == note).unwrap_or_else(|| {
            notes.push(note.clone());
            notes.len() - 1
        });
        let number = format!(" [{}]", n + 1);
        if !mark.contains(&number) {
            mark.push_str(&number);
        }
    }
    let claimed = run.claimed.unwrap_or_default();
    let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.2}"));
    let (test, train) = (number(claimed.test), claimed.train.map_or(String::new(), |t| format!(" ({t:.2})")));
    let mut epochs: Vec<usize> = mine.iter().map(|r| r.epochs.len()).collect();
    epochs.dedup();
    let time =
        |records: &[&Record]| records.iter().map(|r| r.epoch_seconds()).sum::<f64>() / records.len().max(1) as f64;
    let base: Vec<&Record> = done.iter().filter(|d| d.name == experiment.relative_to).map(|d| &d.record).collect();
    let relative = if base.is_empty() { String::new() } else { format!("{:.2}", time(mine) / time(&base)) };
    // Of an experiment without a validation part there is nothing to say.
    let validation = figures(mine, Record::validation_error);
    let mut row = vec![
        format!("{}{mark}", run.name),
        format!("{test}{train}"),
        figures(mine, Record::test_error),
        figures(mine, Record::train_error),
        if validation == NONE { String::new() } else { validation },
    ];
    for c in experiment.columns.iter() {
        row.push(number(claimed.of(c)));
        row.push(c.plainly(mine).unwrap_or_else(|| figures(mine, |r| c.of(r))));
    }
    row.extend([
        epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        run.goal.clone(),
        run.reached(mine).to_owned(),
        format!("{:.2}", time(mine)),
        relative,
    ]);
    row
}

/// No figure, though the run came to its end.
const NONE: &str = "-";

/// **mean** ± deviation (each seed).
fn figures(records: &[&Record], of: impl Fn(&Record) -> Option<f64>) -> String {
    let values: Vec<Option<f64>> = records.iter().map(|r| of(r)).collect();
    let missing = |r: &Record| if r.failed.is_some() { "diverged" } else { NONE }.to_owned();
    let one = |(r, v): (&&Record, &Option<f64>)| v.map_or_else(|| missing(r), |v| format!("{v:.2}"));
    let each: Vec<String> = records.iter().zip(&values).map(one).collect();
    match (mean(&values), deviation(&values)) {
        (Some(m), Some(d)) => format!("**{m:.2}** ± {d:.2} ({})", each.join(", ")),
        (Some(m), None) => format!("**{m:.2}**"),
        _ if each.iter().all(|e| e == NONE) => NONE.to_owned(),
        _ => each.join(", "),
    }
}
