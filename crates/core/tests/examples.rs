//! The examples run, and do what they say.

#[path = "../examples/own_rule.rs"]
mod own_rule;
#[path = "../examples/two_moons.rs"]
mod two_moons;

#[test]
fn two_moons_ends_under_two_percent() {
    let error = two_moons::run().expect("the example's settings are valid");
    assert!(error < 0.02, "{error}");
}

#[test]
fn a_rule_of_ones_own_learns() {
    let [rec_lra, own, output_only] = own_rule::run().expect("the example's settings are valid");
    assert!(rec_lra < 0.03 && own < 0.05, "rec-LRA {rec_lra}, own rule {own}");
    // Without hidden learning it is not to be had, so the own rule's hidden regions do learn.
    assert!(output_only > 2.0 * own, "output only {output_only}, own rule {own}");
}
