//! The rules of credit assignment, one file each, in the letters of their sources.

mod backprop;
pub mod blocks;
mod equilibrium_prop;
mod feedback_alignment;
mod head_only;
mod hebbian;
mod lra_e;
mod rec_lra;
mod shared;
mod target_prop;

pub use backprop::{Backprop, BackpropConfig};
pub use equilibrium_prop::{EquilibriumProp, EquilibriumPropConfig};
pub use feedback_alignment::{DirectFeedbackAlignment, FeedbackAlignment, FeedbackConfig};
pub use head_only::HeadOnly;
pub use hebbian::{Hebbian, HebbianConfig};
pub use lra_e::{LraE, LraEConfig};
pub use rec_lra::{Plasticity, RecLra, RecLraConfig};
pub use target_prop::{TargetProp, TargetPropConfig};

/// (name, one line) of each rule.
pub const KNOWN: &[(&str, &str)] = &[
    (
        "rec-lra",
        "recursive local representation alignment (Ororbia et al. 2020); no derivatives, no backward pass, but for the \
         inside of image networks' blocks under rule.inner = \"backprop\", the default there",
    ),
    ("backprop", "backpropagation of errors: the exact gradient, through phi' and W^T"),
    ("feedback-alignment", "backprop with fixed random feedback in place of W^T (Lillicrap et al. 2016)"),
    (
        "direct-feedback-alignment",
        "the output error straight to every region by fixed random feedback (Nøkland 2016); on feature maps one weight a channel and class",
    ),
    ("lra-e", "local representation alignment with learned error synapses (Ororbia and Mali 2019); chains"),
    ("target-prop", "targets through learned inverses (Bengio 2014; Lee et al. 2015); chains of regions or blocks"),
    (
        "difference-target-prop",
        "target-prop corrected by what the inverses miss (Lee et al. 2015); chains of regions or blocks",
    ),
    ("equilibrium-prop", "contrast of two nudged equilibria (Scellier and Bengio 2017; Laborieux et al. 2021); chains"),
    ("head-only", "the output alone learns, the rest stays as it was drawn: the control"),
    ("hebbian", "Oja's subspace rule below a trained readout; no error leaves the output"),
];

/// Each plasticity of the error synapses of rec-LRA by name, with one line.
pub const PLASTICITIES: &[(&str, Plasticity, &str)] = &[
    ("mirror", Plasticity::Mirror, "dE = gamma z_i e_j^T; what the authors' code does"),
    ("fixed", Plasticity::Fixed, "dE = 0"),
    ("algorithm1", Plasticity::Algorithm1, "dE = -gamma e_i d_j^T, as printed; diverges"),
    ("algorithm2", Plasticity::Algorithm2, "dE = -gamma d_i e_j^T, as printed, index repaired; diverges"),
];
