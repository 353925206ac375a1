//! What can be wrong with a graph, a wiring or a setting. Everything is checked where it enters; after that,
//! arithmetic does not return results.

/// A network, wiring or setting that cannot be. Each message is one line that names the culprit and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A region that does not exist.
    #[error("unknown region `{name}`{}; regions are {}", suggestion(.similar), .known.join(", "))]
    UnknownRegion {
        /// As written.
        name: String,
        /// The nearest name there is.
        similar: Option<String>,
        /// All there are.
        known: Vec<String>,
    },
    /// Two regions of one name.
    #[error("two regions are called `{0}`; give each a name of its own")]
    DuplicateRegion(String),
    /// A region of width zero.
    #[error("region `{0}` has no units; give it a width of at least 1")]
    EmptyRegion(String),
    /// A softmax that is not the output: it is no function of a single unit, so no target follows from it.
    #[error("region `{0}` is a softmax; only the output, which is added last, can be one")]
    SoftmaxInside(String),
    /// A synapse given twice.
    #[error("the {kind} synapse {from}->{to} is given twice; remove one")]
    DuplicateSynapse {
        /// forward or error
        kind: &'static str,
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
    },
    /// Synapses that lead back to where they began.
    #[error("the {kind} synapses form a cycle through region `{region}` ({path}); remove one of them")]
    Cycle {
        /// forward or error
        kind: &'static str,
        /// A region on the cycle.
        region: String,
        /// The cycle written out.
        path: String,
    },
    /// A shortcut between regions of different widths.
    #[error("the shortcut {from}->{to} joins {from_width} units to {to_width}; a shortcut needs equal widths")]
    Shape {
        /// Sender.
        from: String,
        /// Its width.
        from_width: usize,
        /// Receiver.
        to: String,
        /// Its width.
        to_width: usize,
    },
    /// A tensor of a kept state that does not fit.
    #[error("{name} {what}; take a state of a run with the same settings")]
    State {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A region that no input reaches, or that no error reaches.
    #[error("region `{region}` is unreachable: {why}")]
    Unreachable {
        /// The region.
        region: String,
        /// What is missing, and the remedy.
        why: String,
    },
    /// A synapse at a place where none can be.
    #[error("the {kind} synapse {from}->{to} cannot be: {why}")]
    Misplaced {
        /// forward or error
        kind: &'static str,
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
        /// Why.
        why: &'static str,
    },
    /// A rule and a network that do not go together.
    #[error("the rule {rule} cannot train region `{region}`, which {has}: {why}; {remedy}")]
    Unsuited {
        /// Name of the rule.
        rule: &'static str,
        /// The region.
        region: String,
        /// What it is about the region.
        has: String,
        /// Why the rule cannot do with it.
        why: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A setting out of its range.
    #[error("{name} = {value}: {want}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// As given.
        value: String,
        /// What it must be.
        want: String,
    },
}

fn suggestion(similar: &Option<String>) -> String {
    similar.as_ref().map_or(String::new(), |s| format!(", did you mean `{s}`?"))
}

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An [`Error::Setting`] unless `ok`.
pub(crate) fn check(ok: bool, name: &'static str, value: impl ToString, want: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Setting { name, value: value.to_string(), want: want.to_owned() }) }
}
