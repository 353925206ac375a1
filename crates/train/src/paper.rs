//! What the paper claims: the figures of its Table 1, so that a run can be held against them.

/// A row of Table 1, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// Test error.
    pub test: f64,
    /// Training error.
    pub train: f64,
}

/// How the networks of Table 1 were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Hidden regions and epochs.
    pub networks: &'static str,
    /// Optimiser and learning rate.
    pub optimiser: &'static str,
    /// Samples a step.
    pub batch: usize,
}

/// The same for all rows.
pub const PROTOCOL: Protocol =
    Protocol { networks: "5 or 8 of 256 for 500 epochs, or 3 of 1024 for 100", optimiser: "adam, 2e-4", batch: 32 };

/// Where the figures stand.
pub const SOURCE: &str = "arXiv 2002.03911, Table 1";

const fn row(rule: &'static str, act: &'static str, mnist: [f64; 2], fashion: [f64; 2]) -> Row {
    Row { rule, act, mnist, fashion }
}

struct Row {
    rule: &'static str,
    act: &'static str,
    /// Test, training.
    mnist: [f64; 2],
    fashion: [f64; 2],
}

/// The paper gives the activation of rec-LRA alone; this project trains the other rules with tanh to compare them.
const TABLE: &[Row] = &[
    row("backprop", "tanh", [1.48, 0.00], [12.98, 12.10]),
    row("target-prop", "tanh", [1.86, 0.00], [19.66, 21.08]),
    row("equilibrium-prop", "tanh", [9.21, 7.59], [20.97, 16.56]),
    row("lra-e", "tanh", [1.97, 0.16], [12.31, 9.84]),
    row("feedback-alignment", "tanh", [1.85, 0.00], [12.89, 12.09]),
    row("direct-feedback-alignment", "tanh", [2.75, 0.85], [13.09, 12.58]),
    row("rec-lra", "tanh", [1.82, 0.00], [11.87, 6.57]),
    row("rec-lra", "lrelu", [2.26, 0.22], [14.13, 8.95]),
    row("rec-lra", "elu", [1.93, 0.09], [13.17, 9.39]),
    row("rec-lra", "sign", [2.33, 0.85], [14.88, 12.42]),
];

/// What Table 1 says of a rule with an activation on a data set, all by the names of a spec; none if it is silent.
#[must_use]
pub fn claimed(rule: &str, act: &str, data: &str) -> Option<Claim> {
    let row = TABLE.iter().find(|r| r.rule == rule && r.act == act)?;
    let [test, train] = match data {
        "mnist" => row.mnist,
        "fashion-mnist" => row.fashion,
        _ => return None,
    };
    Some(Claim { test, train })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_table() {
        let of = |rule, act, data| claimed(rule, act, data).map(|c| (c.test, c.train));
        assert_eq!(of("rec-lra", "tanh", "mnist"), Some((1.82, 0.0)));
        assert_eq!(of("rec-lra", "sign", "fashion-mnist"), Some((14.88, 12.42)));
        assert_eq!(of("equilibrium-prop", "tanh", "mnist"), Some((9.21, 7.59)));
        assert_eq!((of("rec-lra", "sigmoid", "mnist"), of("rec-lra", "tanh", "digits")), (None, None));
    }

    #[test]
    fn names_are_those_of_a_spec() {
        let (rules, acts) = (crate::spec::rule_names(), reclra::phi::KNOWN);
        assert!(TABLE.iter().all(|r| rules.contains(&r.rule) && acts.iter().any(|k| k.name == r.act)));
        let data = ["mnist", "fashion-mnist"];
        assert!(data.iter().all(|d| crate::data::entry(d).is_ok() && claimed("backprop", "tanh", d).is_some()));
    }
}
