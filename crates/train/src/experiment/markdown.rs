//! The results of an experiment as Markdown: measured beside claimed, each seed beside their mean.

use super::done::{Done, Machine};
use super::file::Experiment;
use super::run::{Choose, Claimed, Run};
use crate::paper::{Difference, Measure, differences, listed};
use crate::record::{Record, deviation, mean};
use crate::spec::RunSpec;
use std::fmt::Write as _;

/// The results as a Markdown document. `specs` are those of the runs, by their place in the experiment: what differs from the
/// paper's settings is found from them.
#[must_use]
pub fn markdown(
    experiment: &Experiment,
    name: &str,
    machine: &Machine,
    specs: &[(usize, &RunSpec)],
    done: &[Done],
) -> String {
    let mut text = format!("# {}\n\n{}\n\n", experiment.title, experiment.about);
    if !experiment.differs.is_empty() {
        let _ = writeln!(text, "Not as in the paper: {}\n", experiment.differs);
    }
    // With --quick nothing is compared with the paper.
    let specs = if name.ends_with("-quick") { &[] } else { specs };
    let mut differing: Vec<Result<Vec<Difference>, String>> = (0..experiment.run.len())
        .map(|n| {
            specs.iter().find(|s| s.0 == n).map_or(Ok(Vec::new()), |s| differences(s.1).map_err(|e| e.to_string()))
        })
        .collect();
    for (run, own) in experiment.run.iter().zip(&mut differing) {
        // Of figures from earlier work the table says so.
        if let (Some(_), Ok(own)) = (run.claimed.as_ref().and_then(Claimed::row).and_then(|c| c.origin()), own) {
            own.retain(|d| d.key != "rule.name");
        }
    }
    let common = common(&mut differing);
    if !common.is_empty() {
        let all = if experiment.run.len() > 1 { " in all rows" } else { "" };
        let _ = writeln!(text, "Differs from the paper's settings{all}: {}.\n", listed(&common));
    }
    let shown: Vec<Done> = done.iter().map(|d| Done { record: experiment.choose.of(&d.record), ..d.clone() }).collect();
    let done = &shown[..];
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
    if experiment.choose == Choose::Validation {
        text.push_str(
            "The test part is judged by the network of the epoch with the lowest validation error; - where that was not kept.\n\n",
        );
    }
    let meaning = experiment.columns.meaning();
    if !meaning.is_empty() {
        let _ = writeln!(text, "{meaning}\n");
    }
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for (run, own) in experiment.run.iter().zip(&differing) {
        let mine: Vec<&Record> = done.iter().filter(|d| d.name == run.name).map(|d| &d.record).collect();
        if !mine.is_empty() {
            let differs = if experiment.preset == "paper" { said_of(own) } else { None };
            rows.push(row(experiment, run, &mine, (done, differs), &mut notes));
        }
    }
    let mut heading = ["run", "paper: test (train)", "test", "train", "validation"].map(str::to_owned).to_vec();
    heading.extend(experiment.columns.iter().flat_map(|c| [format!("paper: {}", c.heading()), c.heading().to_owned()]));
    heading.extend(["epochs", "goal", "reached", "paper: min / epoch", "s / epoch"].map(str::to_owned));
    heading.extend(["paper: ", ""].map(|of| format!("{of}time / {}", experiment.relative_to)));
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

/// The differences that all runs have, taken out of each.
fn common(all: &mut [Result<Vec<Difference>, String>]) -> Vec<Difference> {
    let Some(Ok(first)) = all.first() else { return Vec::new() };
    let everywhere = |d: &Difference| all.iter().all(|own| own.as_ref().is_ok_and(|own| own.contains(d)));
    let common: Vec<Difference> = first.iter().filter(|d| everywhere(d)).cloned().collect();
    for own in all.iter_mut().flatten() {
        own.retain(|d| !common.contains(d));
    }
    common
}

/// What is said of a row's own differences, if it has any.
fn said_of(own: &Result<Vec<Difference>, String>) -> Option<String> {
    match own {
        Ok(own) if own.is_empty() => None,
        Ok(own) => Some(format!("differs from the paper's settings: {}", listed(own))),
        Err(e) => Some(format!("cannot be compared with the paper's settings: {e}")),
    }
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

fn row(
    experiment: &Experiment,
    run: &Run,
    mine: &[&Record],
    (done, differs): (&[Done], Option<String>),
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut mark = String::new();
    let claim = run.claimed.as_ref().and_then(Claimed::row);
    let mut said: Vec<String> = mine.iter().flat_map(|r| r.warnings.clone()).collect();
    said.extend(claim.iter().flat_map(|c| c.origin().into_iter().chain(c.notes())));
    said.extend(differs);
    said.extend(Some(run.differs.clone()).filter(|d| !d.is_empty()));
    for note in said {
        let n = notes.iter().position(|n| *n == note).unwrap_or_else(|| {
            notes.push(note);
            notes.len() - 1
        });
        let number = format!(" [{}]", n + 1);
        if !mark.contains(&number) {
            mark.push_str(&number);
        }
    }
    let claimed = |m: Measure| run.claimed.as_ref().and_then(|c| c.value(m));
    let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.2}"));
    let (test, train) =
        (number(claimed(Measure::Test)), claimed(Measure::Train).map_or(String::new(), |t| format!(" ({t:.2})")));
    let mut epochs: Vec<usize> = mine.iter().map(|r| r.epochs.len()).collect();
    epochs.dedup();
    let time =
        |records: &[&Record]| records.iter().map(|r| r.epoch_seconds()).sum::<f64>() / records.len().max(1) as f64;
    let base: Vec<&Record> = done.iter().filter(|d| d.name == experiment.relative_to).map(|d| &d.record).collect();
    // Times of runs that shared a machine are no measure of speed: they are shown where they are compared.
    let timed = !experiment.relative_to.is_empty();
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
        row.push(number(run.claimed.as_ref().and_then(|claimed| claimed.of(c))));
        row.push(c.plainly(mine).unwrap_or_else(|| figures(mine, |r| c.of(r))));
    }
    row.extend([
        epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        run.goal.clone(),
        run.reached(mine).to_owned(),
        span(minutes(run)),
        if timed { format!("{:.2}", time(mine)) } else { String::new() },
        span(claimed_ratio(experiment, run)),
        relative,
    ]);
    row
}

/// Least and most minutes of an epoch that are reported for a run.
fn minutes(run: &Run) -> Option<[f64; 2]> {
    let claimed = run.claimed.as_ref()?;
    Some([claimed.value(Measure::EpochLeast)?, claimed.value(Measure::EpochMost)?])
}

/// The reported times as ratios to those of the run that times are compared with.
fn claimed_ratio(experiment: &Experiment, run: &Run) -> Option<[f64; 2]> {
    let [least, most] = minutes(run)?;
    let base = minutes(experiment.run.iter().find(|r| r.name == experiment.relative_to)?)?;
    (run.name != experiment.relative_to).then(|| [least / base[1], most / base[0]])
}

/// `2.50 - 2.70`, or one number.
fn span(of: Option<[f64; 2]>) -> String {
    match of {
        None => String::new(),
        Some([a, b]) if a == b => format!("{a:.2}"),
        Some([a, b]) => format!("{a:.2} - {b:.2}"),
    }
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
