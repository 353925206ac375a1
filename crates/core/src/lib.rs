//! Recursive local representation alignment: deep networks that learn without backpropagation.
//!
//! A training step in fifteen lines:
//!
//! ```
//! use reclra::{Device, Graph, Learner, Optim, Phi, RecLra, RecLraConfig};
//!
//! // Four points in the plane, two classes that no line parts (exclusive or).
//! let x = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
//! let labels = [0, 1, 1, 0];
//!
//! let graph = Graph::mlp(&[2, 16, 16, 2], Phi::Tanh, None)?;
//! let rule = RecLra::new(RecLraConfig::default(), &graph)?; // chain wiring, beta 0.1, E mirrors W
//! let optim = Optim { rate: 1e-2, ..Optim::default() };
//! let mut net = Learner::new(graph, Box::new(rule), 0.5, optim, Device::cpu(1), 1)?;
//! for _ in 0..300 {
//!     net.step(&x, &labels); // forward, targets and error neurons, local updates
//! }
//! assert_eq!(net.evaluate(&x, &labels).wrong, 0);
//! # Ok::<(), reclra::Error>(())
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`graph`] | regions and forward synapses, checked |
//! | [`block`], [`layer`], [`layers`] | image networks: regions that are graphs themselves, of layers on feature maps |
//! | [`models`] | image networks by name |
//! | [`wiring`] | error synapses, checked, in waves |
//! | [`phi`] | activations |
//! | [`rule`], [`rules`] | how error neurons appear: the trait, and one file a rule |
//! | [`optim`] | schedules, re-projection, Adam, momentum |
//! | [`learner`] | all of it with numbers in it |
//! | [`state`] | what has to be kept so that training goes on to the same bits |
//!
//! This crate reads no file, no clock and no environment, prints nothing and starts no thread of its own.

pub mod block;
pub mod error;
mod forward;
pub mod graph;
pub mod layer;
pub mod layers;
pub mod learner;
mod measure;
pub mod models;
pub mod optim;
pub mod param;
mod params;
mod particles;
pub mod phi;
pub mod rule;
pub mod rules;
mod signals;
pub mod spare;
pub mod state;
mod updates;
pub mod wiring;

pub use block::{Block, BlockSpec};
pub use error::{Error, Result};
pub use forward::evaluation_numbers;
pub use graph::{Graph, GraphBuilder};
pub use layer::Noise;
pub use layers::LayerSpec;
pub use learner::{Learner, StepReport};
pub use optim::Optim;
pub use phi::Phi;
/// The room below: phases, tensors and randomness, for rules and measurements of your own.
pub use reclra_compute as compute;
pub use reclra_compute::maps::{Extent, Window};
pub use reclra_compute::pointwise::Mismatch;
pub use reclra_compute::{Device, Level, Tensor, Verdict};
pub use rules::{Backprop, BackpropConfig, Plasticity, RecLra, RecLraConfig};
pub use rules::{DirectFeedbackAlignment, FeedbackAlignment, FeedbackConfig, LraE, LraEConfig};
pub use rules::{
    EquilibriumProp, EquilibriumPropConfig, HeadOnly, Hebbian, HebbianConfig, TargetProp, TargetPropConfig,
};
pub use wiring::Wiring;
