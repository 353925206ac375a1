//! The golden cases: four tiny networks, computed by an independent prototype in float64. Every array of the file is
//! used: to 1e-12 through the oracle device, to 1e-6 absolute through the float32 kernels of every instruction set.

use reclra::optim::{Method, Optim};
use reclra::rule::ParamId;
use reclra::wiring::ErrorGraph;
use reclra::{Device, Graph, Learner, Level, Phi, Plasticity, RecLra, RecLraConfig, Wiring};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The file, and which of its arrays have been asked for.
struct Golden {
    root: Value,
    used: RefCell<BTreeSet<String>>,
}

impl Golden {
    fn new() -> Golden {
        let root = serde_json::from_str(include_str!("golden/rec_lra.json")).expect("the golden file is JSON");
        Golden { root, used: RefCell::default() }
    }

    fn value(&self, path: &str) -> &Value {
        self.root.pointer(path).unwrap_or_else(|| panic!("{path} is not in the golden file"))
    }

    fn number(&self, path: &str) -> f64 {
        self.value(path).as_f64().unwrap_or_else(|| panic!("{path} is no number"))
    }

    fn text(&self, path: &str) -> &str {
        self.value(path).as_str().unwrap_or_else(|| panic!("{path} is no text"))
    }

    /// An array as it stands, marked as used.
    fn array(&self, path: &str) -> &Vec<Value> {
        self.used.borrow_mut().insert(path.to_owned());
        self.value(path).as_array().unwrap_or_else(|| panic!("{path} is no array"))
    }

    /// The numbers of an array or matrix, row by row.
    fn numbers(&self, path: &str) -> Vec<f64> {
        let flat = |v: &Value| match v {
            Value::Array(row) => row.clone(),
            v => vec![v.clone()],
        };
        let all = self.array(path).iter().flat_map(flat);
        all.map(|v| v.as_f64().unwrap_or_else(|| panic!("{path} holds {v}"))).collect()
    }

    /// Paths of all arrays: vectors and matrices are leaves, lists of objects are walked.
    fn arrays(&self) -> BTreeSet<String> {
        fn walk(value: &Value, path: String, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(map) => map.iter().for_each(|(k, v)| walk(v, format!("{path}/{k}"), found)),
                Value::Array(list) if list.iter().any(Value::is_object) => {
                    list.iter().enumerate().for_each(|(i, v)| walk(v, format!("{path}/{i}"), found));
                }
                Value::Array(_) => {
                    found.insert(path);
                }
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.root, String::new(), &mut found);
        found
    }
}

/// One case of the file: how to build it, and how to look its arrays up.
struct Case<'a> {
    golden: &'a Golden,
    /// JSON pointer of the case.
    at: String,
    name: &'a str,
    graph: Graph,
    /// (j, i) of each error synapse, in the order in which the wiring lays them.
    edges: Vec<(usize, usize)>,
    device: Device,
    tolerance: f64,
}

impl<'a> Case<'a> {
    fn new(golden: &'a Golden, n: usize, device: &Device, tolerance: f64) -> Case<'a> {
        let at = format!("/cases/{n}");
        let path = |what: &str| format!("{at}/{what}");
        let sizes: Vec<usize> = golden.numbers(&path("sizes")).iter().map(|&v| v as usize).collect();
        let phi = match golden.text(&path("act")) {
            "lrelu" => Phi::LRelu { slope: golden.number(&path("leak")) },
            name => reclra::phi::by_name(name).expect("a known activation"),
        };
        let gap = match golden.text(&path("residual_forward")) {
            "none" => None,
            "h_l += z_{l-g} when l%g==0, l<L, l-g>=1" => Some(golden.number(&path("g")) as usize),
            other => panic!("unknown shortcuts: {other}"),
        };
        let edge = |v: &Value| {
            let (j, i) = v.as_str().and_then(|s| s.split_once("->")).expect("an edge reads j->i");
            let layer = |s: &str| s.parse::<usize>().expect("a layer");
            (layer(j), layer(i))
        };
        let graph = Graph::mlp(&sizes, phi, gap).expect("a valid network");
        let (name, device) = (golden.text(&path("name")), device.clone());
        let mut case = Case { golden, at, name, graph, edges: Vec::new(), device, tolerance };

        // The wiring, asked for by name, lays the synapses of the file.
        let listed: BTreeSet<(usize, usize)> = golden.array(&case.path("edges")).iter().map(edge).collect();
        let laid = ErrorGraph::new(&case.graph, &case.wiring(), None).expect("a valid wiring");
        case.edges = laid.synapses().iter().map(|s| (s.from, s.to)).collect();
        assert_eq!(case.edges.iter().copied().collect::<BTreeSet<_>>(), listed, "{name}");
        case
    }

    fn path(&self, what: &str) -> String {
        format!("{}/{what}", self.at)
    }

    fn number(&self, what: &str) -> f64 {
        self.golden.number(&self.path(what))
    }

    fn wiring(&self) -> Wiring {
        let gap = self.number("g") as usize;
        match self.golden.text(&self.path("wiring")) {
            "chain" => Wiring::Chain,
            "gap" => Wiring::Gap(gap),
            "full" => Wiring::Full,
            "graph" => Wiring::Graph(gap),
            other => panic!("unknown wiring: {other}"),
        }
    }

    /// A learner with the case's W, b and E.
    fn learner(&self, plasticity: Plasticity, optim: Optim) -> Learner {
        let (beta, gamma) = (self.number("beta"), self.number("gamma"));
        let config = RecLraConfig { wiring: self.wiring(), beta, gamma, plasticity, ..RecLraConfig::default() };
        let rule = RecLra::new(config, &self.graph).expect("a valid wiring");
        let mut net = Learner::new(self.graph.clone(), Box::new(rule), 1.0, optim, self.device.clone(), 0)
            .expect("valid settings");
        let wanted: Vec<(ParamId, String)> =
            net.parameters().iter().map(|p| (p.param, self.path(&self.key(p.param, ["W", "b", "E"])))).collect();
        for (param, path) in wanted {
            net.set(param, &self.golden.numbers(&path)).expect("the shapes of the file");
        }
        net
    }

    /// Where a parameter, or what belongs to it, stands in the file, under one of three headings.
    fn key(&self, param: ParamId, [w, b, e]: [&str; 3]) -> String {
        let graph = &self.graph;
        let Some(region) = graph.region_of(param) else {
            let (from, to) = &self.edges[param.index() - graph.own(0).index()];
            return format!("{e}/{from}->{to}");
        };
        if graph.bias(region) == Some(param) {
            return format!("{b}/{region}");
        }
        assert_eq!(param, graph.weight(region, 0), "one source a region in these networks");
        format!("{w}/{region}")
    }

    fn errors_of(&self, net: &mut Learner) {
        let labels: Vec<u32> = self.golden.numbers(&self.path("labels")).iter().map(|&v| v as u32).collect();
        net.errors_of_f64(&self.golden.numbers(&self.path("x")), &labels);
    }

    fn compare(&self, what: &str, got: &[f64]) {
        let want = self.golden.numbers(&self.path(what));
        assert_eq!(got.len(), want.len(), "{} {what}: sizes differ", self.name);
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            let near = (g - w).abs() <= self.tolerance;
            assert!(near, "{} on {}: {what}[{i}] is {g}, should be {w}", self.name, self.device);
        }
    }

    /// W, b and E of one plain step of rate 1, taken off what they were: the update as re-projection leaves it.
    fn reprojected(&self) -> Vec<(ParamId, Vec<f64>)> {
        let method = Method::Sgd { momentum: 0.0, nesterov: false };
        let optim = Optim { method, rate: 1.0, radius: Some(self.number("clip_c")), ..Optim::default() };
        let mut net = self.learner(Plasticity::Mirror, optim);
        let before: Vec<_> = net.parameters().iter().map(|p| (p.param, p.to_vec())).collect();
        self.errors_of(&mut net);
        net.update();
        let change = |(param, old): (ParamId, Vec<f64>)| {
            let new = net.parameters().into_iter().find(|p| p.param == param).expect("it is still there").to_vec();
            (param, old.iter().zip(new).map(|(a, b)| a - b).collect())
        };
        before.into_iter().map(change).collect()
    }

    fn check(&self) {
        for (plasticity, heading) in [
            (Plasticity::Mirror, "dE/transpose"),
            (Plasticity::Algorithm1, "dE/alg1"),
            (Plasticity::Algorithm2, "dE/alg2"),
        ] {
            let mut net = self.learner(plasticity, Optim::default());
            self.errors_of(&mut net);
            self.signals(&net);
            let updates = net.updates();
            assert_eq!(updates.len(), net.parameters().len(), "{}: every parameter has its update", self.name);
            for (param, d) in updates {
                // E is kept as its transpose, and so is its update.
                let (rows, cols, d) = (d.rows(), d.cols(), d.to_vec());
                let turned = (0..rows * cols).map(|i| d[(i % rows) * cols + i / rows]).collect();
                let d: Vec<f64> = if self.graph.region_of(param).is_none() { turned } else { d };
                self.compare(&self.key(param, ["dW", "db", heading]), &d);
            }
        }
        for (param, change) in self.reprojected() {
            // The file has no re-projected biases: they are not re-projected.
            self.compare(&self.key(param, ["dW_reprojected", "db", "dE_transpose_reprojected"]), &change);
        }
        let optim = Optim { rate: 2e-4, radius: Some(self.number("clip_c")), ..Optim::default() };
        let mut net = self.learner(Plasticity::Mirror, optim);
        self.errors_of(&mut net);
        net.update();
        let w1 = net.parameters().into_iter().find(|p| p.name == "W.in->b1").expect("the first layer").to_vec();
        self.compare("W1_after_one_adam_step_lr2e-4", &w1);
    }

    /// h, z, e, d, y of every layer and sample.
    fn signals(&self, net: &Learner) {
        let (activity, errors) = (net.activity(), net.errors());
        for (letter, first, tensors) in [
            ("h", 1, &activity.h),
            ("z", 0, &activity.z),
            ("e", 1, &errors.e),
            ("d", 1, &errors.d),
            ("y", 1, &errors.y),
        ] {
            for (l, t) in tensors.iter().enumerate().skip(first) {
                let (values, samples) = (t.to_vec(), t.cols());
                for s in 0..samples {
                    let column: Vec<f64> = values.iter().skip(s).step_by(samples).copied().collect();
                    self.compare(&format!("activity/{letter}/{s}/{l}"), &column);
                }
            }
        }
    }
}

fn check(device: &Device, tolerance: f64) {
    let golden = Golden::new();
    let cases = golden.value("/cases").as_array().map_or(0, Vec::len);
    (0..cases).for_each(|n| Case::new(&golden, n, device, tolerance).check());
    let (used, all) = (golden.used.borrow(), golden.arrays());
    let missed: Vec<_> = all.difference(&used).collect();
    assert!(missed.is_empty(), "arrays of the golden file that no comparison has used: {missed:?}");
    // Four cases, counted once by hand: a file that lost a part must not pass.
    assert_eq!((cases, used.len()), (4, all.len()));
    assert_eq!(all.len(), ARRAYS);
}

/// Arrays in the golden file.
const ARRAYS: usize = 313;

#[test]
fn golden_values_in_float64() {
    check(&Device::oracle(), 1e-12);
}

#[test]
fn golden_values_in_float32_on_every_instruction_set() {
    for level in Level::available() {
        check(&Device::cpu_at(2, level).expect("the level is available"), 1e-6);
    }
}
