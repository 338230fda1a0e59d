//! What is printed, and written beside: `target/bench/results.json`, and what `plot` draws of it.

use std::{fs, path::Path};

use serde::Serialize;

use crate::server::Contestant;

/// Descriptors that a server keeps for other things than subscribers. nginx begins to let go of connections when a
/// sixteenth of them is left.
const MARGIN: usize = 2_000;

/// All results of a run.
#[derive(Serialize)]
pub struct Report {
    pub rounds: usize,
    /// Connections that one process can have here.
    pub connections: usize,
    machine: String,
    /// Who took part: version and settings.
    contestants: Vec<String>,
    tables: Vec<Table>,
}

/// The answer to one question.
#[derive(Serialize)]
pub struct Table {
    pub name: &'static str,
    pub question: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// What is to be known of it.
    pub notes: Vec<String>,
}

impl Report {
    /// Begins a report: says where it runs.
    pub fn begin(rounds: usize, descriptors: usize) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let (model, kernel) = (model.trim_start_matches(['\t', ' ', ':']), kernel.trim());
        let machine = format!("{} × {model}, Linux {kernel}", crate::process::processors());
        println!("{machine}; medians of {rounds}; servers on one processor, clients on the others\n");
        let terms = |one: Contestant| format!("{}: {}", one.name(), one.terms());
        let contestants: Vec<String> = crate::server::all().into_iter().map(terms).collect();
        contestants.iter().for_each(|contestant| println!("- {contestant}"));
        println!();
        Self { rounds, connections: descriptors.saturating_sub(MARGIN), machine, contestants, tables: Vec::new() }
    }

    /// Prints a table.
    pub fn add(&mut self, table: Table) {
        println!("### {}\n", table.question);
        println!("| {} |", table.columns.join(" | "));
        println!("|---|{}", "---:|".repeat(table.columns.len() - 1));
        table.rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
        println!();
        table.notes.iter().for_each(|note| println!("- {note}"));
        println!();
        self.tables.push(table);
    }

    /// Writes all of it beside.
    pub fn write(&self) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("results.json"), serde_json::to_string_pretty(self).unwrap()).unwrap();
        if let Some(drawing) = crate::plot::draw(&self.tables) {
            fs::write(dir.join("plot.svg"), drawing).unwrap();
        }
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// So many parts of a thousand of sorted values.
pub fn percentile(sorted: &[u32], thousandths: usize) -> f64 {
    sorted.get(sorted.len() * thousandths / 1000).map_or(f64::NAN, |&value| f64::from(value))
}
