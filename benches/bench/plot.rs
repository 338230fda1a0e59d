//! What is drawn: `target/bench/plot.svg`, a chart of what deliveries cost and one of what idle subscribers hold.
//!
//! Each chart has bars from one origin; where values lie far apart, lengths are logarithmic. All colours are given, so
//! that it is the same on a light page and on a dark one.

use std::fmt::Write;

use crate::{question::fanout::modest, report::Table};

const WIDTH: usize = 760;
/// Where bars begin, and the most that one is long: its value is written behind it.
const LEFT: usize = 190;
const LONGEST: f64 = 410.0;
const BAR: usize = 18;
const GAP: usize = 8;
const TITLE: usize = 34;
/// The name of a group above its bars, and what is below them.
const ABOVE: usize = 26;
const BELOW: usize = 20;

/// Below this part of the deliveries, in percent, a server has not kept up.
const KEPT_UP: f64 = 95.0;

const BACKGROUND: &str = "#f7f8fa";
const INK: &str = "#1d2430";
const FAINT: &str = "#667085";
const LINE: &str = "#d5dae2";
const OURS: &str = "#0f766e";
const OTHERS: &str = "#94a3b8";

/// A chart: groups of bars under one title.
struct Chart {
    title: &'static str,
    unit: &'static str,
    logarithmic: bool,
    groups: Vec<Group>,
}

/// The bars of one table.
struct Group {
    name: String,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    value: f64,
    /// What is to be known of it.
    remark: String,
}

/// The drawing of a report's tables; none where nothing was asked that is drawn.
pub fn draw(tables: &[Table]) -> Option<String> {
    let modest = modest();
    let cost = |table: &&Table| modest.contains(&table.question);
    let memory = |table: &&Table| table.name == "memory";
    let charts = [
        Chart {
            title: "What a delivery costs the server",
            unit: "µs of CPU time",
            logarithmic: false,
            groups: tables.iter().filter(cost).map(|table| Group::of(table, "server CPU µs each")).collect(),
        },
        Chart {
            title: "What an idle subscriber holds in the server’s memory",
            unit: "KiB",
            logarithmic: true,
            groups: tables.iter().filter(memory).map(|table| Group::of(table, "KiB of the server for each")).collect(),
        },
    ];
    let charts: Vec<Chart> = charts.into_iter().filter(|chart| !chart.groups.is_empty()).collect();
    (!charts.is_empty()).then(|| page(&charts))
}

impl Group {
    /// The rows of a table, with the values of one column. Who has none there, having delivered nothing, has no bar.
    fn of(table: &Table, column: &str) -> Self {
        let column = table.columns.iter().position(|name| name == column).expect("the table has this column");
        let share = table.columns.iter().position(|name| name == "of those due");
        let bar = |row: &Vec<String>| {
            let share = share.map(|share| row[share].trim_end_matches(" %").parse::<f64>().unwrap_or(0.0));
            let remark = share.filter(|share| *share < KEPT_UP).map(|share| format!(" ({share:.0} % came)"));
            let value = row[column].parse().ok()?;
            Some(Bar { name: row[0].replace('`', ""), value, remark: remark.unwrap_or_default() })
        };
        Self { name: table.question.clone(), bars: table.rows.iter().filter_map(bar).collect() }
    }

    fn height(&self) -> usize {
        ABOVE + self.bars.len() * (BAR + GAP) + BELOW
    }
}

impl Chart {
    fn height(&self) -> usize {
        TITLE + self.groups.iter().map(Group::height).sum::<usize>() + 16
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value)
    }

    /// From where to where lengths go: from 0, or between powers of ten, the first of which is below all values.
    fn scale(&self) -> (f64, f64) {
        let most = self.values().fold(0.01, f64::max);
        let least = self.values().filter(|value| *value > 0.0).fold(most, f64::min);
        let power = |value: f64| 10_f64.powf(value);
        if self.logarithmic { (power(least.log10().ceil() - 1.0), power(most.log10().ceil())) } else { (0.0, most) }
    }

    fn length(&self, value: f64) -> f64 {
        let (from, to) = self.scale();
        let share = if self.logarithmic { (value.max(from) / from).log10() / (to / from).log10() } else { value / to };
        (LONGEST * share).max(1.0)
    }

    /// Draws it from `top` on.
    fn draw(&self, svg: &mut String, top: usize) {
        let scale = if self.logarithmic { ", logarithmic" } else { "" };
        text(svg, 24, top + 20, "title", self.title);
        text(svg, WIDTH - 24, top + 20, "unit", &format!("{}{scale}", self.unit));
        let mut y = top + TITLE;
        for group in &self.groups {
            text(svg, 24, y + 16, "group", &group.name);
            self.lines(svg, y + ABOVE - 2, y + ABOVE + group.bars.len() * (BAR + GAP) - GAP + 2);
            for (number, bar) in group.bars.iter().enumerate() {
                self.bar(svg, y + ABOVE + number * (BAR + GAP), bar);
            }
            y += group.height();
        }
    }

    fn bar(&self, svg: &mut String, y: usize, Bar { name, value, remark }: &Bar) {
        let (length, colour) = (self.length(*value), if name.starts_with("Rowcast") { OURS } else { OTHERS });
        text(svg, LEFT - 10, y + 13, "name", name);
        writeln!(svg, r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{BAR}" rx="2" fill="{colour}"/>"#)
            .unwrap();
        text(svg, LEFT + length as usize + 8, y + 13, "value", &format!("{value:.2}{remark}"));
    }

    /// The axis; where lengths are logarithmic, a line at each power of ten.
    fn lines(&self, svg: &mut String, from: usize, to: usize) {
        let (least, most) = self.scale();
        let powers = if self.logarithmic { (most / least).log10().round() as i32 } else { 0 };
        for power in 0..=powers {
            let value = least * 10_f64.powi(power);
            let x = LEFT + if power == 0 { 0 } else { self.length(value) as usize };
            writeln!(svg, r#"<path d="M{x} {from}V{to}" stroke="{LINE}"/>"#).unwrap();
            if self.logarithmic {
                text(svg, x, to + 12, "power", &format!("{}", (value * 1e6).round() / 1e6));
            }
        }
    }
}

fn page(charts: &[Chart]) -> String {
    let height = 16 + charts.iter().map(Chart::height).sum::<usize>();
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">
<style>
text {{ font: 13px system-ui, sans-serif; fill: {INK} }}
.title {{ font-size: 16px; font-weight: 600 }}
.unit, .group {{ fill: {FAINT} }}
.unit, .name {{ text-anchor: end }}
.power {{ font-size: 11px; fill: {FAINT}; text-anchor: middle }}
.value {{ font-variant-numeric: tabular-nums; stroke: {BACKGROUND}; stroke-width: 4px; paint-order: stroke }}
</style>
<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>
"#
    );
    let mut top = 16;
    for chart in charts {
        chart.draw(&mut svg, top);
        top += chart.height();
    }
    svg + "</svg>\n"
}

fn text(svg: &mut String, x: usize, y: usize, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, r#"<text x="{x}" y="{y}" class="{class}">{text}</text>"#).unwrap();
}
