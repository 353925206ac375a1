//! The page as a browser's parser reads it: for one run and several, finished or not, with names that need care.

use super::*;
use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use reclra::{Device, Learner};
use reclra_data::{DataFacts, Dataset};
use reclra_train::fit::{EpochReport, fit};
use reclra_train::model;
use reclra_train::record::Record;
use reclra_train::run::{Prepared, prepare};
use reclra_train::runs::View;
use reclra_train::runs::view::Standing;
use reclra_train::runs::{DataFile, Environment, StepRow};
use reclra_train::spec::{RunSpec, Settings};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use toml::Value;

fn prepared(sets: &[(&str, Value)]) -> Prepared {
    let mut settings = Settings::parse("net.arch = \"64-20-20-10\"\ntrain.epochs = 4", "spec").unwrap();
    sets.iter().for_each(|(key, value)| settings.put(key, value.clone(), "test").unwrap());
    prepare(&settings).unwrap()
}

/// A run of a small network on the digits, with what was made of it.
pub(crate) fn trained<V: Into<Value> + Copy>(sets: &[(&str, V)]) -> (View, Learner, Arc<dyn Dataset>) {
    let sets: Vec<(&str, Value)> = sets.iter().map(|&(k, v)| (k, v.into())).collect();
    let Prepared { spec, facts, dataset } = prepared(&sets);
    let outcome = fit(&spec, &*dataset, Device::cpu(1), &mut (), &AtomicBool::new(false)).unwrap();
    let record = Record { test: outcome.test, seconds: 1.5, ..Record::unfinished(&spec, outcome.epochs).unwrap() };
    let steps = (1..9).map(|n| step(n, 2.0 / n as f64)).collect();
    let view = of("run", Standing::Finished, spec, facts, record, steps);
    (view, outcome.learner, dataset)
}

fn step(n: u64, loss: f64) -> StepRow {
    StepRow { epoch: 1, step: n, loss, error: 0.5, discrepancy: 0.1, learning_rate: 0.1, layers: Vec::new() }
}

/// A run that says what its spec says, with two epochs that were never made.
pub(crate) fn view(name: &str, sets: &[(&str, Value)]) -> View {
    let Prepared { spec, facts, .. } = prepared(sets);
    let epoch = |epoch, error| EpochReport { epoch, train_error: error, train_loss: error, ..EpochReport::default() };
    let record = Record::unfinished(&spec, vec![epoch(1, 0.5), epoch(2, 0.25)]).unwrap();
    of(name, Standing::Interrupted, spec, facts, record, Vec::new())
}

fn of(name: &str, standing: Standing, spec: RunSpec, facts: DataFacts, record: Record, steps: Vec<StepRow>) -> View {
    let environment = Environment {
        version: "9.9".into(),
        commit: "0123456789".into(),
        cpu: "a processor".into(),
        command: vec!["reclra".into(), "train".into()],
        started: "2026-01-01T00:00:00Z".into(),
        data: vec![DataFile { file: "images".into(), bytes: 12_345, sha256: "ab".repeat(32) }],
        ..Environment::default()
    };
    let folder = PathBuf::from("runs").join(name);
    View { folder, name: name.into(), standing, spec, facts, record, steps, environment: Some(environment) }
}

/// A page that has been parsed.
struct Page {
    html: String,
    nodes: Vec<Handle>,
}

impl Page {
    /// Parses it; a page that a parser has to mend is wrong.
    fn of(subjects: &[Subject<'_>]) -> Page {
        let html = render(subjects);
        let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html.as_str());
        assert!(dom.errors.borrow().is_empty(), "{:?}", dom.errors.borrow());
        let mut nodes = Vec::new();
        walk(&dom.document, &mut nodes);
        let page = Page { html, nodes };
        page.check();
        page
    }

    fn named(&self, name: &str) -> Vec<&Handle> {
        self.nodes.iter().filter(|n| tag(n) == name).collect()
    }

    /// Headings of sections.
    fn sections(&self) -> Vec<String> {
        self.named("section").iter().map(|s| attribute(s, "id").unwrap()).collect()
    }

    /// All that is said in the section of that id.
    fn section(&self, id: &str) -> String {
        let section = self.named("section").into_iter().find(|s| attribute(s, "id").as_deref() == Some(id));
        text(section.unwrap_or_else(|| panic!("no section {id}")))
    }

    /// What holds for every page.
    fn check(&self) {
        // Nothing is loaded from elsewhere.
        for n in &self.nodes {
            for name in ["src", "href", "xlink:href", "srcset", "data", "action", "poster"] {
                if let Some(v) = attribute(n, name) {
                    assert!(v.starts_with('#') || v.starts_with("data:image/png;base64,"), "{name} = {v}");
                }
            }
            assert!(!["link", "iframe", "object", "embed", "base"].contains(&tag(n).as_str()), "{}", tag(n));
            assert!(attribute(n, "style").is_none_or(|s| !s.contains("url(")));
        }
        let styles: String = self.named("style").iter().map(|s| text(s)).collect();
        assert!(!styles.contains("url(") && !styles.contains("@import"));
        let scripts: String = self.named("script").iter().map(|s| text(s)).collect();
        assert!(!["fetch(", "XMLHttpRequest", "import(", "http:", "https:"].iter().any(|w| scripts.contains(w)));
        // Every link leads to a part, no id is there twice, every picture has a text.
        let mut ids: Vec<String> = self.nodes.iter().filter_map(|n| attribute(n, "id")).collect();
        let links = self.named("a").iter().filter_map(|a| attribute(a, "href")).collect::<Vec<_>>();
        assert!(links.len() >= 5 && links.iter().all(|l| ids.contains(&l[1..].to_owned())), "{links:?}");
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(self.named("img").iter().all(|i| attribute(i, "alt").is_some_and(|a| a.len() > 5)));
        let drawn = self.named("svg").into_iter().filter(|s| attribute(s, "aria-hidden").is_none());
        assert!(drawn.into_iter().all(|s| attribute(s, "aria-label").is_some_and(|a| a.len() > 10)));
        assert!(self.named("th").iter().all(|h| attribute(h, "scope").is_some()));
        assert!(!self.html.contains("NaN") && !self.html.contains("Some("));
    }
}

fn walk(node: &Handle, nodes: &mut Vec<Handle>) {
    nodes.push(node.clone());
    node.children.borrow().iter().for_each(|c| walk(c, nodes));
}

fn tag(node: &Handle) -> String {
    if let NodeData::Element { name, .. } = &node.data { name.local.to_string() } else { String::new() }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    attrs.borrow().iter().find(|a| *a.name.local == *wanted).map(|a| a.value.to_string())
}

fn text(node: &Handle) -> String {
    let mut nodes = Vec::new();
    walk(node, &mut nodes);
    let said = |n: &Handle| {
        if let NodeData::Text { contents } = &n.data { contents.borrow().to_string() } else { String::new() }
    };
    nodes.iter().map(said).collect()
}

const ALL: [&str; 11] =
    ["run", "spec", "data", "curves", "classes", "layers", "network", "mistakes", "weights", "timing", "claims"];

#[test]
fn a_finished_run_has_every_part() {
    let (view, mut learner, dataset) = trained(&[("train.alignment", true)]);
    let subject = Subject::with(&view, &mut learner, &*dataset).unwrap();
    let page = Page::of(&[subject]);
    assert_eq!(page.sections(), ALL);
    assert_eq!(
        page.named("a").iter().map(|a| attribute(a, "href").unwrap()).collect::<Vec<_>>(),
        ALL.map(|s| format!("#{s}"))
    );
    let (test, last) = (view.record.test_error().unwrap(), view.record.epochs.last().unwrap());
    let run = page.section("run");
    assert!(
        run.contains(&format!("{test:.2} %")) && run.contains(&format!("{:.2} %", 100.0 * last.train_error)),
        "{run}"
    );
    for part in ["finished", "reclra train", "0123456789", "a processor", "2026-01-01", "1,9"] {
        assert!(run.contains(part), "{part} in {run}");
    }
    assert!(page.section("spec").contains("arch = \"64-20-20-10\""));
    let data = page.section("data");
    for part in [
        "1,438",
        "359 in the test part",
        "144 images of the training part",
        "seed 0",
        "divided by 16",
        "1 pixel each way",
        "12,345",
    ] {
        assert!(data.contains(part), "{part} in {data}");
    }
    // Error, loss, discrepancy, rate; three of steps; three of layers.
    assert_eq!(page.named("figure").len(), 10);
    assert_eq!(page.section("curves").matches("\"one batch\"").count(), 3);
    assert!(page.section("layers").contains("b2") && page.section("layers").contains("0\u{b0} is the direction"));
    let wrong = view.record.test.unwrap().wrong;
    let matrix = page.section("classes");
    assert!(matrix.contains("macro mean359") && matrix.contains(&wrong.to_string()), "{matrix}");
    // As many pictures as there are mistakes and units.
    assert_eq!(page.named("img").len(), wrong.min(24) + 20);
    assert!(page.section("network").contains("out to b2, ") || page.section("network").contains("b2 to b1"));
    assert!(page.section("claims").contains("no figure for this rule"));
    assert!(page.section("timing").contains("--timing"));
}

#[test]
fn what_is_missing_is_left_out_and_named() {
    let view = view("a", &[]);
    let page = Page::of(&[Subject::bare(&view)]);
    assert_eq!(page.sections(), ALL);
    for (section, part) in [("classes", "confusion matrix"), ("mistakes", "worst mistakes"), ("weights", "weights")] {
        let said = page.section(section);
        assert!(said.contains(part) && said.contains("model.safetensors is not in the folder"), "{said}");
    }
    assert!(page.section("run").contains("interrupted and can be resumed") && page.named("img").is_empty());
    assert!(page.section("run").contains("not judged") && page.section("run").contains("after epoch 2"));
    let nothing =
        View { record: Record { epochs: Vec::new(), ..view.record.clone() }, environment: None, ..view.clone() };
    let page = Page::of(&[Subject::bare(&nothing)]);
    assert!(page.section("curves").contains("no epoch yet") && page.section("data").contains("not written down"));
}

#[test]
fn what_all_of_several_runs_lack_is_said_once_for_each_reason() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(model::FILE), "not looked into").unwrap();
    let named = |name: &str, seed: i64| View { folder: dir.path().to_owned(), ..view(name, &[("seed", seed.into())]) };
    let mut views: Vec<View> = (0..15).map(|n| named(&format!("seed-{n}"), n)).collect();
    let page = Page::of(&views.iter().map(Subject::bare).collect::<Vec<_>>());
    let said = page.section("classes");
    assert!(said.contains("Confusion matrices") && said.contains("in the folder of each run"), "{said}");
    assert!(!said.contains("is not in the folder"), "{said}");
    assert_eq!(page.html.matches("cannot be shown").count(), 1);
    let sections = page.sections();
    assert!(!sections.contains(&"mistakes".to_owned()) && !sections.contains(&"weights".to_owned()), "{sections:?}");
    // One that has no network is named with its own reason.
    views[3].folder = PathBuf::from("nowhere");
    let page = Page::of(&views.iter().map(Subject::bare).collect::<Vec<_>>());
    let said = page.section("classes");
    assert!(
        said.contains("seed-3: model.safetensors is not in the folder") && said.contains("seed-2, seed-4"),
        "{said}"
    );
    assert_eq!(page.html.matches("cannot be shown").count(), 2);
}

#[test]
fn folders_of_one_name_are_told_apart_by_as_little_as_needed() {
    let named = |folder: &str| View { folder: PathBuf::from(folder), ..view("seed-0", &[]) };
    let views =
        ["runs/compare/rec-lra/seed-0", "runs/compare/backprop/seed-0", "runs/compare/gap-2/tanh/seed-0"].map(named);
    let page = Page::of(&views.iter().map(Subject::bare).collect::<Vec<_>>());
    let titles: Vec<String> = page.named("summary").iter().map(|s| text(s)).filter(|t| t.contains("seed-0")).collect();
    assert_eq!(
        titles[..3],
        ["rec-lra/seed-0", "backprop/seed-0", "tanh/seed-0"].map(|t| t.replace('/', std::path::MAIN_SEPARATOR_STR))
    );
}

#[test]
fn weights_from_elsewhere_are_judged_and_have_no_time() {
    let (mut view, mut learner, dataset) = trained(&[("train.epochs", 1)]);
    let wrong = view.record.test.unwrap().wrong;
    view.standing = Standing::Imported;
    view.record = Record::unfinished(&view.spec, Vec::new()).unwrap();
    assert!(view.record.seconds.is_sign_positive());
    let page = Page::of(&[Subject::with(&view, &mut learner, &*dataset).unwrap()]);
    let run = page.section("run");
    assert!(run.contains(&format!("{wrong} of 359 wrong, judged for this page")), "{run}");
    assert!(
        !run.contains("Took") && !run.contains("during the last epoch") && !page.html.contains("0 epochs of"),
        "{run}"
    );
}

#[test]
fn a_validation_error_stands_beside_its_number_of_images() {
    let mut view = view("a", &[]);
    view.record.epochs[1].validation_error = Some(18.0 / 144.0);
    let page = Page::of(&[Subject::bare(&view)]);
    assert!(page.section("run").contains("12.50 %18 of 144 wrong, after epoch 2"), "{}", page.section("run"));
    // Where broken pictures were left out the number is not known.
    view.record.epochs[1].validation_error = Some(0.123);
    let page = Page::of(&[Subject::bare(&view)]);
    assert!(page.section("run").contains("12.30 %after epoch 2"), "{}", page.section("run"));
}

#[test]
fn a_run_that_diverged_says_why() {
    let mut view = view("a", &[("rule.plasticity", "algorithm1".into())]);
    view.standing = Standing::Diverged;
    view.record.failed = Some("step 7 of epoch 3, region b1: the loss is not a finite number".into());
    view.record.epochs[1].train_loss = f64::NAN;
    let page = Page::of(&[Subject::bare(&view)]);
    let run = page.section("run");
    assert!(run.contains("It diverged: step 7 of epoch 3, region b1") && run.contains("Warning: "), "{run}");
    assert!(page.section("curves").contains("not finite"), "{}", page.section("curves"));
}

#[test]
fn names_are_escaped_everywhere() {
    let evil = "<b>&\"'</script><img src=x>";
    let (mut view, mut learner, dataset) = trained(&[("seed", 1)]);
    let mut subject = Subject::with(&view.clone(), &mut learner, &*dataset).unwrap().findings.unwrap();
    subject.mistakes.truncate(3);
    view.facts.class_names = vec![evil.to_owned(); 10];
    view.facts.name = evil.to_owned();
    view.record.failed = Some(evil.to_owned());
    view.record.warnings = vec![evil.to_owned()];
    let environment = view.environment.as_mut().unwrap();
    (environment.command, environment.cpu, environment.data[0].file) =
        (vec![evil.to_owned()], evil.to_owned(), evil.to_owned());
    for e in &mut view.record.epochs {
        e.layers.iter_mut().for_each(|l| l.region.insert_str(0, evil));
    }
    let other = of(evil, Standing::Finished, view.spec.clone(), view.facts.clone(), view.record.clone(), Vec::new());
    let one = Subject { findings: Ok(subject), title: evil.to_owned(), ..Subject::bare(&view) };
    for runs in [&[one.clone()][..], &[one, Subject::bare(&other)]] {
        let page = Page::of(runs);
        assert!(page.section("run").contains(evil) && page.section("classes").contains(evil));
        assert!(page.named("b").iter().all(|b| attribute(b, "src").is_none() && !text(b).is_empty()));
        assert!(page.named("img").iter().all(|i| attribute(i, "src").is_some_and(|s| s.starts_with("data:"))));
        assert!(!page.html.contains("<b>&\"") && !page.html.contains("<img src=x>"));
    }
}

#[test]
fn several_runs_are_held_side_by_side() {
    let views = [view("a", &[]), view("b", &[("seed", 1.into())]), view("b", &[("rule.name", "backprop".into())])];
    let subjects: Vec<Subject<'_>> = views.iter().map(Subject::bare).collect();
    let page = Page::of(&subjects);
    let means = page.section("means");
    assert!(means.contains("25.00 \u{b1} 0.00 %") && means.contains("needs at least 3 seeds"), "{means}");
    // What compares settings comes before the single runs.
    let order: Vec<String> = page.sections().into_iter().take(3).collect();
    assert_eq!(order, ["means", "curves", "run"]);
    let spec = page.section("spec");
    assert!(spec.contains("runs differ") && spec.contains("rule.name") && spec.contains("backprop"), "{spec}");
    assert!(page.section("curves").contains("bands reach"));
    // One chart a metric, one line a group; drawings of two error graphs.
    let lines = page.named("figure").into_iter().map(|f| {
        let mut nodes = Vec::new();
        walk(f, &mut nodes);
        nodes.iter().filter(|n| attribute(n, "class").as_deref() == Some("swatch")).count()
    });
    assert!(lines.clone().count() >= 4 && lines.into_iter().all(|n| n == 2));
    assert!(page.section("network").contains("rec-lra") && page.section("network").contains("backprop"));
    // Folders of one name are told apart.
    assert!(page.html.contains("runs/b") || page.html.contains("runs\\b"));
    assert!(page.html.contains("rec-lra on digits, 64-20-20-10") || page.html.contains("3 runs compared"));
}

#[test]
fn figures_of_the_paper_stand_beside_the_measured() {
    let mut view = view("a", &[]);
    view.facts.name = "mnist".into();
    view.record.test = Some(reclra_train::metrics::Evaluation { samples: 1000, wrong: 20, loss: 0.1 });
    let page = Page::of(&[Subject::bare(&view)]);
    let said = page.section("claims");
    assert!(said.contains("1.82 %2.00 %+0.18") && said.contains("0.00 %25.00 %+25.00"), "{said}");
    assert!(said.contains("Table 1, rec-LRA, tanh (ours), MNIST, Test"), "{said}");
    // The differences are those of the spec, key by key.
    for row in ["net.arch3x1024, 5x256, 8x256", "optim.lr2e-4", "train.epochs100"] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert!(!said.contains("earlier work"), "{said}");
}

#[test]
fn figures_that_the_paper_took_from_others_are_said_to_be() {
    let mut view = view("a", &[("rule.name", "feedback-alignment".into())]);
    view.facts.name = "mnist".into();
    let page = Page::of(&[Subject::bare(&view)]);
    let said = page.section("claims");
    assert!(said.contains("FA: the paper took this figure from earlier work"), "{said}");
    assert!(said.contains("the protocol behind it is not known") && !said.contains("for 500"), "{said}");
}

#[test]
fn deep_networks_with_every_wiring_are_drawn() {
    for wiring in ["chain", "gap", "full", "graph"] {
        let deep = [("net.arch", "64-8x20-10".into()), ("rule.wiring", wiring.into()), ("net.residual", 2.into())];
        let view = view("a", &deep);
        let page = Page::of(&[Subject::bare(&view)]);
        let graph = view.spec.graph().unwrap();
        let edges = view.spec.rule.build(&graph).unwrap().error_edges().len();
        let of = |class: &str| {
            page.nodes.iter().filter(|n| tag(n) == "g" && attribute(n, "class").as_deref() == Some(class)).count()
        };
        assert_eq!((of("error"), of("wave"), of("region"), of("shortcut"), of("forward")), (edges, edges, 10, 3, 9));
    }
    let wide = view("a", &[("net.arch", "64-50x4-10".into())]);
    assert!(Page::of(&[Subject::bare(&wide)]).section("network").contains("too many to be drawn"));
}

#[test]
fn rules_and_wirings_are_drawn_apart_and_groups_of_one_together() {
    // With one hidden region every rule sends its errors the same way.
    let small = ("net.arch", "64-12-10".into());
    let rule = |name: &str, lr: f64| view(name, &[small.clone(), ("rule.name", name.into()), ("optim.lr", lr.into())]);
    let views =
        [rule("rec-lra", 0.003), rule("backprop", 0.003), rule("rec-lra", 0.01), rule("feedback-alignment", 0.01)];
    let page = Page::of(&views.iter().map(Subject::bare).collect::<Vec<_>>());
    let said = page.section("network");
    let captions = ["rec-lra, optim.lr = 0.003; rec-lra, optim.lr = 0.01", "backprop, optim.lr = 0.003"];
    assert!(captions.iter().all(|c| said.contains(c)), "{said}");
    let drawings = || page.named("svg").into_iter().filter_map(|s| attribute(s, "aria-label"));
    let networks: Vec<String> = drawings().filter(|a| a.starts_with("Network of ")).collect();
    assert_eq!(networks.len(), 3);
    assert!(networks[0].ends_with("with 1 error synapse.") && networks[1].ends_with("with 1 error path."));
    assert!(said.contains("backprop has no error synapses of its own"), "{said}");
    // Two wirings are two drawings.
    let deep = |wiring: &str| view(wiring, &[("net.arch", "64-4x8-10".into()), ("rule.wiring", wiring.into())]);
    let views = [deep("chain"), deep("full")];
    let page = Page::of(&views.iter().map(Subject::bare).collect::<Vec<_>>());
    assert_eq!(page.html.matches("Drawing of the network").count(), 2);
}

#[test]
fn only_a_report_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.html");
    std::fs::write(&path, "<html>my notes</html>").unwrap();
    let error = save(&path, "new", false).unwrap_err().to_string();
    assert!(error.contains("is no report of reclra; name another file with --out") && !error.contains('\n'), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "<html>my notes</html>");
    save(&path, "new", true).unwrap();
    assert!(save(dir.path(), "new", true).unwrap_err().to_string().contains("is a folder"));
    let (mut view, mut learner, dataset) = trained(&[("train.epochs", 1)]);
    std::fs::remove_file(&path).unwrap();
    view.folder = dir.path().to_owned();
    for _ in 0..2 {
        assert_eq!(write(&view, &mut learner, &*dataset).unwrap(), path);
    }
    assert!(std::fs::read_to_string(&path).unwrap().contains(page::MARK));
}

#[test]
fn folders_are_read_with_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let (view, learner, _) = trained(&[("train.epochs", 1)]);
    model::save(dir.path(), &view.spec, &view.facts, &learner).unwrap();
    let view = View { folder: dir.path().to_owned(), ..view };
    let options = Options { device: Device::cpu(1), data_dir: None, timing: Some(Duration::from_millis(20)) };
    let html = html(std::slice::from_ref(&view), &options).unwrap();
    assert!(html.contains("Measured while this report was made") && html.contains("weights of unit 19"));
    // The network of another run in the folder is not taken for this one's.
    let mut other = view.clone();
    other.spec.seed += 1;
    let why = Subject::gather(&other, &options).unwrap().findings.unwrap_err();
    assert!(why.contains("another spec"), "{why}");
    std::fs::write(dir.path().join(model::FILE), "not a model").unwrap();
    let error = Subject::gather(&view, &options).unwrap_err().to_string();
    assert!(error.contains("model.safetensors") && !error.contains('\n'), "{error}");
}
