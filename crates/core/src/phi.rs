//! Activations phi by name, and what goes well with each.

pub use reclra_compute::pointwise::{CustomPhi, Phi};

/// An activation a user can name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// As written in a spec or after `--act`.
    pub name: &'static str,
    /// One line for `reclra list`.
    pub about: &'static str,
    /// The activation.
    pub phi: Phi,
}

/// All activations a hidden region can be given by name.
pub const KNOWN: &[Known] = &[
    Known { name: "tanh", about: "tanh h; the paper's best", phi: Phi::Tanh },
    Known { name: "sigmoid", about: "1 / (1 + exp(-h)); deep nets want the full wiring", phi: Phi::Sigmoid },
    Known { name: "relu", about: "max(h, 0)", phi: Phi::Relu },
    Known { name: "lrelu", about: "h, or 0.01 h below zero", phi: Phi::LRelu { slope: 0.01 } },
    Known { name: "elu", about: "h, or exp(h) - 1 below zero", phi: Phi::Elu },
    Known { name: "sign", about: "-1 or 1: no derivative, none is needed", phi: Phi::Sign },
    Known { name: "identity", about: "h; a linear network", phi: Phi::Identity },
];

/// The activation of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<Phi> {
    KNOWN.iter().find(|k| k.name == name).map(|k| k.phi)
}

/// The name of an activation.
#[must_use]
pub fn name(phi: Phi) -> &'static str {
    phi.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_activation_is_what_it_is_called() {
        for known in KNOWN {
            assert_eq!((by_name(known.name), name(known.phi)), (Some(known.phi), known.name));
        }
    }
}
