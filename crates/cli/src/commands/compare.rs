//! `reclra compare`: several rules on the same network, data, optimiser, budget and seeds; a table and plots.

use super::setup::{environment, given, machine, runs_home, settings, thread_count};
use crate::args::{CompareArgs, Voice};
use crate::board::{Board, Stage};
use crate::failure::Failure;
use crate::output::{count, path_text};
use crate::signals::stop_flag;
use reclra::Device;
use reclra_data::Dataset;
use reclra_report::plot::of_comparison;
use reclra_report::{replaceable, write_at_end};
use reclra_train::columns::Columns;
use reclra_train::compare::{self, Request, Results, Row, Trial};
use reclra_train::run::open;
use reclra_train::runs::{self, Environment, Keeping, RunFolder, Shared};
use reclra_train::spec::{DataFacts, DataSpec, Settings, block_rule_names, canonical, rule_names};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Seeds on which settings are tried, where nothing is said of it; the help names them.
const TUNING_SEEDS: u64 = 3;

pub(crate) fn run(voice: Voice, args: &CompareArgs) -> Result<(), Failure> {
    if args.spec.flags.rule.is_some() {
        return Err(Failure::Usage("--rule names one rule; name those to compare with --rules a,b".to_owned()));
    }
    let columns = Columns::try_from(args.columns.clone()).map_err(|why| Failure::Usage(format!("--columns: {why}")))?;
    let grid: Vec<_> = args.grid.iter().map(|g| Settings::values(g)).collect::<Result<_, _>>()?;
    let base = settings(args.spec.spec.as_deref(), &args.spec.flags)?;
    let fixed = given(&args.spec.flags)?;
    if let Some((key, _)) = grid.iter().find(|(key, _)| fixed.get(key).is_some()) {
        return Err(Failure::Usage(format!("{key} is given twice, by --grid and by a flag or --set; leave one out")));
    }
    let blocks = base.get("net.model").and_then(|m| m.as_str()).is_some_and(|m| m != "mlp");
    let rules: Vec<String> = match args.rules.as_slice() {
        [] if blocks => block_rule_names().into_iter().map(str::to_owned).collect(),
        [] => rule_names().into_iter().map(str::to_owned).collect(),
        some => some.iter().map(|r| canonical("rule.name", r).map_or_else(|| r.clone(), str::to_owned)).collect(),
    };
    if args.tune_seeds.is_some() && args.tune.is_none() && grid.is_empty() {
        let line = "--tune-seeds: nothing is tried without --tune or --grid; add one of them, or leave it out";
        return Err(Failure::Usage(line.to_owned()));
    }
    let seeds = |asked| if args.cross_validate.is_some() { 1 } else { asked };
    let request = Request {
        base,
        rules,
        grid,
        tune: args.tune.map(usize::from),
        seeds: seeds(args.seeds),
        folds: args.cross_validate.map(usize::from),
        tuning_seeds: seeds(args.tune_seeds.unwrap_or(TUNING_SEEDS)),
    };
    let dataset = open(&request.base)?;
    let facts = DataFacts::of(&*dataset);
    dataset.notes().iter().for_each(|line| voice.note(line));
    let plan = compare::plan(&request, &facts)?;
    let all = plan.reported(&[]);
    if all.iter().all(|t| t.specs.is_err())
        && let Some(Err(why)) = all.first().map(|t| &t.specs)
    {
        return Err(Failure::Usage(why.clone()));
    }
    let cores = thread_count(args.machine);
    let jobs = args.jobs.unwrap_or(cores);
    let out = args.out.clone().unwrap_or_else(|| runs_home().join("compare"));
    if out.join(runs::SPEC).exists() {
        let line = format!("{}: is the folder of a run; name another for the comparison with --out", out.display());
        return Err(Failure::Usage(line));
    }
    // The same command, and one with more seeds, goes on in its folder; another does not take its place.
    if out.exists() && !args.overwrite {
        compare::replaceable(&out, &plan, &facts)
            .and_then(|()| replaceable(&out.join(runs::REPORT), false))
            .map_err(|e| Failure::Usage(e.to_string()))?;
    }
    let each = (cores / jobs).max(1);
    let data = DataSpec { name: facts.name.clone(), ..DataSpec::default() };
    let dir = request.base.get("data.dir").and_then(|d| d.as_str()).filter(|d| !d.is_empty()).map(Path::new);
    let environment = environment(&data, dir, &facts, &Device::cpu(each))?;
    let (keeping, stop) = (args.keep.keeping(Keeping::OF_MANY), stop_flag());
    let work = Work { voice, dataset, facts: &facts, environment, out: &out, jobs: (jobs, each), keeping, stop };
    let (to_try, to_report) = plan.sizes();
    let _held = RunFolder::hold(&out)?;
    let tried = if to_try > 0 {
        voice.note(format_args!(
            "{} to try {} and choose one of each rule by validation error, then {} to report",
            count(to_try, "run"),
            count(plan.tried.len(), "setting"),
            count(to_report, "run"),
        ));
        work.make(plan.tried.clone(), Stage::Trial)?
    } else {
        Vec::new()
    };
    let rows = work.make(plan.reported(&tried), Stage::Report)?;
    let results = Results { rows: &rows, tried: &tried, target: args.target, columns: &columns, jobs };
    let mut paths = results.write(&out, &machine(args.machine), &of_comparison(&results, &out)?)?;
    paths.push(super::report::of_many(&out, rows.iter().flat_map(|row| row.trial.folders(&out, &facts)))?);
    let mut object = results.json();
    object["files"] = paths.iter().map(path_text).collect();
    voice.object("comparison", &object)?;
    if !tried.is_empty() {
        voice.result(results.tried())?;
    }
    voice.result(results.markdown().trim_end())?;
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
    fn make(&self, trials: Vec<Trial>, stage: Stage) -> Result<Vec<Row>, Failure> {
        let total = trials.iter().map(|t| t.runs().len()).sum();
        let board = Board::new(self.voice, stage, total);
        let shared = Shared {
            dataset: &*self.dataset,
            facts: self.facts,
            environment: &self.environment,
            keeping: self.keeping,
            stop: &self.stop,
            report: write_at_end,
        };
        let folder = match stage {
            Stage::Trial => &self.out.join(compare::TRIED),
            Stage::Report => self.out,
        };
        let records = compare::run(&trials, &shared, folder, self.jobs, &board);
        board.finish();
        Ok(match stage {
            Stage::Trial => compare::tried_rows(trials, &records?),
            Stage::Report => compare::rows(trials, records?),
        })
    }
}
