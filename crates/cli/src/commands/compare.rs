//! `reclra compare`: several rules on the same network, data, optimiser, budget and seeds; a table and plots.

use super::{environment, machine, runs_home, settings, thread_count};
use crate::args::{CompareArgs, Voice};
use crate::board::Board;
use crate::failure::Failure;
use crate::output::{count, path_text};
use crate::signals::stop_flag;
use reclra::Device;
use reclra_train::columns::Columns;
use reclra_train::compare::{self, Request, Row, Trial};
use reclra_train::data::Dataset;
use reclra_train::record::Record;
use reclra_train::report::replaceable;
use reclra_train::run::open;
use reclra_train::runs::{self, Environment, Keeping, RunFolder, Shared};
use reclra_train::spec::{DataFacts, DataSpec, Settings, block_rule_names, rule_names};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(voice: Voice, args: &CompareArgs) -> Result<(), Failure> {
    if args.spec.flags.rule.is_some() {
        return Err(Failure::Usage("--rule names one rule; name those to compare with --rules a,b".to_owned()));
    }
    let columns = Columns::try_from(args.columns.clone()).map_err(|why| Failure::Usage(format!("--columns: {why}")))?;
    let grid = args.grid.iter().map(|g| Settings::values(g)).collect::<Result<_, _>>()?;
    let base = settings(args.spec.spec.as_deref(), &args.spec.flags)?;
    let blocks = base.get("net.model").and_then(|m| m.as_str()).is_some_and(|m| m != "mlp");
    let rules: Vec<String> = match args.rules.as_slice() {
        [] if blocks => block_rule_names().into_iter().map(str::to_owned).collect(),
        [] => rule_names().into_iter().map(str::to_owned).collect(),
        some => some.to_vec(),
    };
    let request = Request { base, rules, grid, seeds: args.seeds };
    let dataset = open(&request.base)?;
    let facts = DataFacts::of(&*dataset);
    let cores = thread_count(args.machine);
    let jobs = args.jobs.unwrap_or(cores);
    let out = args.out.clone().unwrap_or_else(|| runs_home().join("compare"));
    if out.join(runs::SPEC).exists() {
        let line = format!("{}: is the folder of a run; name another for the comparison with --out", out.display());
        return Err(Failure::Usage(line));
    }
    let each = (cores / jobs).max(1);
    let data = DataSpec { name: facts.name.clone(), ..DataSpec::default() };
    let dir = request.base.get("data.dir").and_then(|d| d.as_str()).filter(|d| !d.is_empty()).map(Path::new);
    let environment = environment(&data, dir, &facts, &Device::cpu(each))?;
    let (keeping, stop) = (args.keep.keeping(Keeping::OF_MANY), stop_flag());
    let work = Work { voice, dataset, facts: &facts, environment, out: &out, jobs: (jobs, each), keeping, stop };

    // The same command, and one with more seeds, goes on in its folder; another does not take its place.
    let vacant = |trials: &[Trial]| match args.overwrite {
        _ if !out.exists() => Ok(()),
        true => Ok(()),
        false => compare::replaceable(&out, trials)
            .and_then(|()| replaceable(&out.join(runs::REPORT), false))
            .map_err(|e| Failure::Usage(e.to_string())),
    };
    let (trials, tuned) = match args.tune {
        None => (compare::plan(&request, &facts)?, None),
        Some(most) => {
            let trials = compare::plan_tuning(&request, usize::from(most), &facts)?;
            let each = trials.len() / request.rules.len().max(1);
            voice.note(format_args!(
                "tuning: {} of each rule on one seed, chosen by validation error",
                count(each, "trial")
            ));
            let _held = RunFolder::hold(&out)?;
            let rows = work.make(trials)?;
            (compare::chosen(&request, &rows, &facts)?, Some(rows))
        }
    };
    if trials.iter().all(|t| t.specs.is_err())
        && let Some(Err(why)) = trials.first().map(|t| &t.specs)
    {
        return Err(Failure::Usage(why.clone()));
    }
    vacant(&trials)?;
    let _held = RunFolder::hold(&out)?;
    let rows = work.make(trials)?;
    let how = format!("{} at a time", count(work.jobs.0, "run"));
    let seeds: Vec<String> = (request.seed()..).take(request.seeds as usize).map(|s| s.to_string()).collect();
    let heading = format!(
        "Data {}, seeds {}, {how}. Mean and standard deviation over the seeds; errors after the last epoch. Made by",
        facts.name,
        seeds.join(", "),
    );
    let shown = (args.target, &columns);
    let mut paths = compare::written(&rows, tuned.as_deref(), &out, &machine(args.machine), &heading, shown)?;
    let place = |row: &Row, r: &Record| runs::place(&out.join(row.trial.folder()), r.seed, |there| there == r.spec);
    let folders = rows.iter().flat_map(|row| row.records.iter().map(move |r| place(row, r)));
    paths.push(super::report::of_many(&out, folders)?);
    voice.object(
        "comparison",
        &json!({ "rows": compare::json(&rows), "files": paths.iter().map(path_text).collect::<Vec<_>>() }),
    )?;
    if let Some(tuned) = tuned {
        voice.note(compare::markdown(&tuned, args.target, &columns));
    }
    voice.result(compare::markdown(&rows, args.target, &columns).trim_end())?;
    voice.note(format_args!("written to {}", out.display()));
    Ok(())
}

/// What all runs of a command share.
struct Work<'a> {
    voice: Voice,
    dataset: Arc<dyn Dataset>,
    facts: &'a DataFacts,
    environment: Environment,
    out: &'a Path,
    /// Runs at a time, threads of each.
    jobs: (usize, usize),
    keeping: Keeping,
    stop: Arc<AtomicBool>,
}

impl Work<'_> {
    fn make(&self, trials: Vec<Trial>) -> Result<Vec<Row>, Failure> {
        let total = trials.iter().filter_map(|t| t.specs.as_ref().ok()).map(Vec::len).sum();
        let board = Board::new(self.voice, total);
        let shared = Shared {
            dataset: &*self.dataset,
            facts: self.facts,
            environment: &self.environment,
            keeping: self.keeping,
            stop: &self.stop,
        };
        let records = compare::run(&trials, &shared, self.out, self.jobs, &board);
        board.finish();
        Ok(compare::rows(trials, records?))
    }
}
