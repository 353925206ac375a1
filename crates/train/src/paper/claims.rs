//! The paper's figures, table by table.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The paper.
pub const SOURCE: &str = "arXiv 2002.03911";

/// The papers from which figures of the origin `literature` were taken.
pub const EARLIER: &str = "[3] Bartunov et al. 2018, [26] Ororbia and Mali 2019";

pub(super) const FILE: &str = include_str!("../../data/paper.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    table: Vec<Table>,
    figure: Vec<Figure>,
    perceptrons: Protocol,
    images: Protocol,
}

/// A quantity that the paper reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Training error, in percent.
    Train,
    /// Test error, top-1, in percent.
    Test,
    /// Top-5 test error, in percent.
    Top5,
    /// Accuracy on the test part, in percent.
    Accuracy,
    /// F1, in percent.
    F1,
    /// Precision, in percent.
    Precision,
    /// Recall, in percent.
    Recall,
    /// Minutes of an epoch, the least of a range.
    EpochLeast,
    /// Minutes of an epoch, the most of a range.
    EpochMost,
    /// Minutes of a whole run.
    Total,
}

impl Measure {
    /// As the file names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Measure::Train => "train",
            Measure::Test => "test",
            Measure::Top5 => "top5",
            Measure::Accuracy => "accuracy",
            Measure::F1 => "f1",
            Measure::Precision => "precision",
            Measure::Recall => "recall",
            Measure::EpochLeast => "epoch_least",
            Measure::EpochMost => "epoch_most",
            Measure::Total => "total",
        }
    }
}

/// By whom the network of a figure was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By the authors, under the settings of section 4.
    Paper,
    /// By the authors of earlier papers, under settings that the paper does not give.
    Literature,
}

/// A table of the paper for one data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// First part of the ids of its rows.
    pub id: String,
    /// Where it is printed.
    pub source: String,
    /// The data set by its name in a spec; `imagenet` for ILSVRC-2010.
    pub data: String,
    /// Unit of all figures.
    pub unit: String,
    /// The printed heading of each column.
    pub columns: BTreeMap<Measure, String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// A contradiction in the table, if there is one.
    #[serde(default)]
    pub note: String,
}

/// A row of a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Last part of its id.
    pub id: String,
    /// As printed.
    pub row: String,
    /// The rule by its name in a spec.
    pub rule: String,
    /// Activation, where the paper names it.
    #[serde(default)]
    pub act: Option<String>,
    /// The image network: a model, or a description in words.
    #[serde(default)]
    pub net: Option<String>,
    /// By whom it was trained.
    pub origin: Origin,
    /// The figures.
    pub values: BTreeMap<Measure, f64>,
    /// A remark on the figures.
    #[serde(default)]
    pub note: String,
}

/// A figure that the paper shows without numbers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Its id.
    pub id: String,
    /// Where it is printed.
    pub source: String,
    /// What it shows.
    pub about: String,
}

/// The settings under which the authors trained a kind of network.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// Where the paper gives them, in words.
    #[serde(rename = "where")]
    pub place: String,
    /// Data sets.
    pub data: Vec<String>,
    /// Hidden layers, or the model.
    pub networks: Vec<String>,
    /// Activations of hidden layers.
    pub activations: Vec<String>,
    /// Rules that the authors trained themselves.
    pub rules: Vec<String>,
    /// Keys of a spec that the paper leaves open.
    pub open: Vec<String>,
    /// Keys of a spec with their values.
    pub set: toml::Table,
}

fn file() -> &'static File {
    static READ: OnceLock<File> = OnceLock::new();
    READ.get_or_init(|| toml::from_str(FILE).unwrap_or_default())
}

/// All tables.
#[must_use]
pub fn tables() -> &'static [Table] {
    &file().table
}

/// All figures that are shown without numbers.
#[must_use]
pub fn figures() -> &'static [Figure] {
    &file().figure
}

/// The settings for image networks, or for perceptrons.
#[must_use]
pub fn protocol(image: bool) -> &'static Protocol {
    if image { &file().images } else { &file().perceptrons }
}

/// A row of a table: what a run can be compared with.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The table.
    pub table: &'static Table,
    /// The row.
    pub row: &'static Row,
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Claim {
    /// `table1/mnist/rec-lra-tanh`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.table.id, self.row.id)
    }

    /// A figure, if the row has it.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        self.row.values.get(&measure).copied()
    }

    /// Where a figure is printed: table, row and column.
    #[must_use]
    pub fn place(&self, measure: Measure) -> String {
        let column = self.table.columns.get(&measure).map_or("", String::as_str);
        format!("{}, {}, {column}", self.table.source, self.row.row)
    }

    /// The statement that the figure was taken from earlier papers, if it was.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        (self.row.origin == Origin::Literature).then(|| {
            format!("the paper took this figure from earlier work ({EARLIER}); the protocol behind it is not known")
        })
    }

    /// The row in a line: where it is printed, its figures, whose they are.
    #[must_use]
    pub fn line(&self) -> String {
        let (table, row) = (self.table, self.row);
        let figures: Vec<String> =
            row.values.iter().map(|(m, v)| format!("{} {} {}", m.name(), printed(*v), table.unit)).collect();
        let origin = if row.origin == Origin::Paper { "" } else { "; from earlier work" };
        format!("{}, {} on {}: {}{origin}", table.source, row.row, table.data, figures.join(", "))
    }

    /// Remarks on the row and its table.
    pub fn notes(&self) -> impl Iterator<Item = String> + use<> {
        let of_table = format!("{}: {}", self.table.source, self.table.note);
        let of_row = format!("{}, {}: {}", self.table.source, self.row.row, self.row.note);
        let all = [(&self.row.note, of_row), (&self.table.note, of_table)];
        all.into_iter().filter(|(note, _)| !note.is_empty()).map(|(_, line)| line).collect::<Vec<_>>().into_iter()
    }
}

/// All rows of all tables.
pub fn claims() -> impl Iterator<Item = Claim> {
    tables().iter().flat_map(|table| table.rows.iter().map(move |row| Claim { table, row }))
}

/// The row of that id.
#[must_use]
pub fn claim(id: &str) -> Option<Claim> {
    claims().find(|c| c.id() == id)
}

/// The rows that a network can be compared with: those of its rule and data set, and of a perceptron its activation. Of rows
/// without an activation a perceptron with tanh is meant, as in this project's comparisons. `data` is the name of the data set
/// in a spec; images in a folder with a thousand classes count as `imagenet`.
#[must_use]
pub fn claimed(rule: &str, act: &str, image: bool, data: &str) -> Vec<Claim> {
    let fits = |c: &Claim| {
        let perceptron = protocol(false).data.contains(&c.table.data);
        let act_fits = image || c.row.act.as_deref().unwrap_or("tanh") == act;
        c.table.data == data && c.row.rule == rule && perceptron != image && act_fits && c.table.unit == "%"
    };
    let mut found: Vec<Claim> = claims().filter(fits).collect();
    // The authors' own before those of others.
    if found.iter().any(|c| c.row.origin == Origin::Paper) {
        found.retain(|c| c.row.origin == Origin::Paper);
    }
    found
}

/// The data set of a run as the tables name it.
#[must_use]
pub fn data_of(name: &str, classes: usize) -> &str {
    if name == "image-folder" && classes == 1000 { "imagenet" } else { name }
}

/// A figure with at least two decimals, and no more than it has.
pub(super) fn printed(value: f64) -> String {
    let (short, all) = (format!("{value:.2}"), value.to_string());
    if short.len() > all.len() { short } else { all }
}
