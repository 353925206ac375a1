//! Set-up shared by commands: the settings of a spec, the device, the environment of a run.

use crate::args::{MachineArgs, SpecFlags, VERSION};
use crate::failure::Failure;
use crate::output::{count, quoted};
use reclra::{Device, Level};
use reclra_data::files;
use reclra_train::experiment::Machine;
use reclra_train::runs::{Environment, data_files, now};
use reclra_train::spec::{DataFacts, DataSpec, Settings, Value, canonical, same};
use std::path::{Path, PathBuf};

/// The settings of a spec file with the flags over them.
pub(super) fn settings(spec: Option<&Path>, flags: &SpecFlags) -> Result<Settings, Failure> {
    let settings = match spec.or(flags.config.as_deref()) {
        Some(path) => read_settings(path)?,
        None => Settings::default(),
    };
    Ok(settings.with(&given(flags)?))
}

/// The settings of the command line alone; a key that is given twice must be given the same value.
pub(super) fn given(flags: &SpecFlags) -> Result<Settings, Failure> {
    let mut given = Given::default();
    for assignment in &flags.sets {
        let (key, value) = Settings::assignment(assignment)?;
        given.put(key, value, "--set")?;
    }
    for (key, flag, value) in [
        ("preset", "--preset", &flags.preset),
        ("data.name", "--data", &flags.data),
        ("data.dir", "--data-dir", &flags.data_dir),
        ("net.arch", "--arch", &flags.arch),
    ] {
        if let Some(text) = value {
            given.put(key, text.as_str().into(), flag)?;
        }
    }
    if let Some(model) = &flags.model {
        read_model(&mut given, model)?;
    }
    for (key, flag, value) in [
        ("net.width", "--width", &flags.width),
        ("rule.inner", "--inner", &flags.inner),
        ("net.act", "--act", &flags.act),
        ("rule.name", "--rule", &flags.rule),
        ("rule.wiring", "--wiring", &flags.wiring),
        ("rule.beta", "--beta", &flags.beta),
        ("train.epochs", "--epochs", &flags.epochs),
        ("train.batch", "--batch", &flags.batch),
        ("optim.lr", "--lr", &flags.lr),
        ("optim.schedule", "--schedule", &flags.schedule),
        ("data.shift", "--shift", &flags.shift),
        ("seed", "--seed", &flags.seed),
    ] {
        if let Some(text) = value {
            given.put(key, Settings::assignment(&format!("{key}={text}"))?.1, flag)?;
        }
    }
    if flags.track_alignment {
        given.put("train.alignment", true.into(), "--track-alignment")?;
    }
    Ok(given.settings)
}

/// Settings of a command line, and which flag has set each key.
#[derive(Default)]
struct Given {
    settings: Settings,
    by: Vec<(String, &'static str)>,
}

impl Given {
    fn put(&mut self, key: &str, value: Value, flag: &'static str) -> Result<(), Failure> {
        let before = self.settings.get(key).cloned();
        self.settings.put(key, value, if flag == "--set" { flag } else { "command line" })?;
        if let (Some(before), Some(now)) = (before, self.settings.get(key))
            && !same(&before, now)
        {
            let first = self.by.iter().find(|(k, _)| k == key).map_or("--set", |(_, flag)| flag);
            let line = format!("{key} is given twice, {before} by {first} and {now} by {flag}; leave one out");
            return Err(Failure::Usage(line));
        }
        self.by.push((key.to_owned(), flag));
        Ok(())
    }
}

/// A model by name, or a TOML file of layers, whose text the spec then holds.
fn read_model(given: &mut Given, model: &str) -> Result<(), Failure> {
    let path = Path::new(model);
    let is_file = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    if !is_file {
        return given.put("net.model", model.into(), "--model");
    }
    let remedy = "name a model (`reclra list models`) or a TOML file of layers";
    let text = files::read_text(path, remedy)?;
    // A file with the settings of a run, where its blocks are wanted.
    if Settings::parse(&text, model).is_ok_and(|s| s.keys().next().is_some()) {
        let line = format!(
            "{model}: is a spec, no model; give it with --config, or name a TOML file of [[block]]s with --model"
        );
        return Err(Failure::Usage(line));
    }
    given.put("net.model", "custom".into(), "--model")?;
    given.put("net.layers", text.into(), "--model")
}

fn read_settings(path: &Path) -> Result<Settings, Failure> {
    let remedy = "name a spec in TOML; `reclra train --print-spec` prints one";
    let spec = path.join(reclra_train::runs::SPEC);
    if spec.is_file() {
        let (run, spec) = (quoted(path), quoted(&spec));
        let line = format!(
            "{}: is the folder of a run; name its spec, {spec}, or go on with the run: `reclra resume {run}`",
            path.display()
        );
        return Err(Failure::Usage(line));
    }
    if path.join(reclra_train::compare::TABLE).is_file() {
        let line = format!(
            "{}: is the folder of a comparison; `reclra report {}` shows it, and the command that made it goes on with it",
            path.display(),
            quoted(path)
        );
        return Err(Failure::Usage(line));
    }
    if let Some(rule) = path.to_str().filter(|name| !path.exists() && canonical("rule.name", name).is_some()) {
        let line = format!(
            "{rule}: is a rule, where a spec belongs; name one rule with --rule {rule}, several to compare with --rules A,{rule}"
        );
        return Err(Failure::Usage(line));
    }
    let bytes = files::read_given(path, files::TEXT, remedy)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Usage(format!("{}: is no text in UTF-8; {remedy}", path.display())))?;
    Ok(Settings::parse(&text, &path.display().to_string())?)
}

pub(super) fn thread_count(machine: MachineArgs) -> usize {
    machine.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// The processor; `RECLRA_SIMD` holds it to an instruction set, for tests and measurements.
pub(super) fn device(machine: MachineArgs) -> Result<Device, Failure> {
    let threads = thread_count(machine);
    let Some(wanted) = std::env::var_os("RECLRA_SIMD") else { return Ok(Device::cpu(threads)) };
    let wanted = wanted.to_string_lossy();
    let all = Level::available();
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    let found = all.iter().find(|l| plain(&l.to_string()) == plain(&wanted));
    found.and_then(|&level| Device::cpu_at(threads, level)).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(Level::to_string).collect();
        Failure::Usage(format!("RECLRA_SIMD = {wanted}: this processor has {}; unset it", names.join(", ")))
    })
}

/// What computes, in words.
pub(super) fn processor(device: &Device) -> String {
    let (whole, threads) = (device.to_string(), device.threads());
    whole.replace(&format!("{threads} threads"), &count(threads, "thread"))
}

/// The machine, for the heading of results.
pub(super) fn machine(args: MachineArgs) -> Machine {
    let threads = thread_count(args);
    let cpu = reclra_train::runs::cpu();
    let description = format!("{cpu}, {}, {}", count(threads, "thread"), Level::best());
    Machine { version: VERSION.to_owned(), description, threads }
}

/// Where runs are kept that are given no folder: `RECLRA_RUNS`, else `runs`.
pub(super) fn runs_home() -> PathBuf {
    std::env::var_os("RECLRA_RUNS").filter(|v| !v.is_empty()).map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// Where a run is made, with the data it reads.
pub(super) fn environment(
    spec: &DataSpec,
    dir: Option<&Path>,
    facts: &DataFacts,
    device: &Device,
) -> Result<Environment, Failure> {
    let data = data_files(spec, dir)?;
    Ok(Environment { data, facts: Some(facts.clone()), ..surroundings(device.threads(), &device.to_string()) })
}

/// The same without data.
pub(super) fn surroundings(threads: usize, device: &str) -> Environment {
    let (version, commit) = VERSION.split_once(' ').unwrap_or((VERSION, ""));
    Environment {
        version: version.to_owned(),
        commit: commit.trim_matches(['(', ')']).to_owned(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: reclra_train::runs::cpu(),
        features: device.rsplit(", ").next().unwrap_or(device).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads,
        // Where the program lies is no part of what was asked.
        command: std::iter::once("reclra".to_owned())
            .chain(std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()))
            .collect(),
        started: now(),
        ..Environment::default()
    }
}
