//! The table that is printed, what a row of it says, and the machine it was measured on.

use std::time::Duration;

use crate::Outcome;

/// One figure.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What was reached.
    pub reached: String,
    /// The physical limit: what it is, and what it came to in the same run.
    pub limit: String,
    /// Reached to limit.
    pub ratio: String,
    /// What issue 2 aims at, and whether that is met.
    pub aim: String,
}

/// All rows, printed at the end.
pub struct Table {
    rows: Vec<Row>,
    quick: bool,
    load: String,
}

impl Table {
    /// Notes how busy the machine is before anything runs.
    pub fn begin(quick: bool) -> Table {
        Table { rows: vec![], quick, load: load() }
    }

    /// Adds a figure.
    pub fn row(
        &mut self,
        what: impl Into<String>,
        reached: impl Into<String>,
        limit: impl Into<String>,
        ratio: impl Into<String>,
        aim: impl Into<String>,
    ) {
        let [what, reached, limit] = [what.into(), reached.into(), limit.into()];
        eprintln!("  {what}: {reached} (limit: {limit})");
        self.rows.push(Row { what, reached, limit, ratio: ratio.into(), aim: aim.into() });
    }

    /// Prints the machine and the rows, ready for a README.
    pub fn print(&self) {
        if self.quick {
            println!("**A quick run, to see that it works: these figures say little.**\n");
        }
        println!("Measured on {}; load {} before and {} after.\n", machine(), self.load, load());
        println!("| | reached | physical limit, before / after | ratio | aim |");
        println!("|---|---|---|---|---|");
        for Row { what, reached, limit, ratio, aim } in &self.rows {
            println!("| {what} | {reached} | {limit} | {ratio} | {aim} |");
        }
    }
}

/// A figure between two measurements of its limit, repeated; medians.
pub struct Sandwich {
    /// The limit before.
    pub before: f64,
    /// The figure.
    pub reached: f64,
    /// The limit after.
    pub after: f64,
}

impl Sandwich {
    /// Measures the limit, the figure, and the limit again, `times` over.
    pub fn measure(
        times: usize,
        mut limit: impl FnMut() -> Outcome<f64>,
        mut figure: impl FnMut() -> Outcome<f64>,
    ) -> Outcome<Sandwich> {
        let (mut before, mut reached, mut after) = (vec![], vec![], vec![]);
        for _ in 0..times {
            before.push(limit()?);
            reached.push(figure()?);
            after.push(limit()?);
        }
        Ok(Sandwich { before: median(before), reached: median(reached), after: median(after) })
    }

    /// Reached to the mean of both limits.
    pub fn ratio(&self) -> f64 {
        self.reached * 2.0 / (self.before + self.after)
    }

    /// The limit as text, both measurements of it.
    pub fn limits(&self, show: impl Fn(f64) -> String) -> String {
        format!("{} / {}", show(self.before), show(self.after))
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `share` of all are at or below.
pub fn percentile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let index = (times.len() as f64 * share).ceil() as usize;
    times.get(index.clamp(1, times.len().max(1)) - 1).copied().unwrap_or_default()
}

/// `12,345 /s`
pub fn per_second(rate: f64) -> String {
    format!("{} /s", thousands(rate.round() as u64))
}

/// A time in milliseconds, with as many digits as mean something.
pub fn ms(seconds: f64) -> String {
    match seconds * 1000.0 {
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms if ms >= 1.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// `1,234,567`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An aim, and whether it is met.
pub fn aim(text: &str, met: bool) -> String {
    format!("{text}: {}", if met { "met" } else { "**not met**" })
}

/// Cores, processor, kernel, and the file system of the folder that is measured in.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = std::env::temp_dir();
    format!(
        "{cores} cores ({}), {} {}, {} under {}",
        cpu.unwrap_or("unknown"),
        std::env::consts::OS,
        kernel.trim(),
        file_system(&folder).unwrap_or_else(|| "an unknown file system".into()),
        folder.display()
    )
}

/// The type of the file system that holds `folder`: the longest mount point above it.
fn file_system(folder: &std::path::Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?)).filter(|(point, _)| folder.starts_with(point))
    });
    mounts.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}
