//! The targets and their figures as a table of `docs/benchmarks.md`, with date, machine and commit.

use super::short;
use crate::{
    figures::Figures,
    measure::Measure,
    targets::{Bound, TARGETS},
};
use anyhow::{Context as _, Result, ensure};
use std::{env, fmt::Write as _, fs, path::PathBuf, process::Command};

const BEGIN: &str = "<!-- figures: written by `micro-rs-bench --write` -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Replaces the text between the markers of the page.
pub(crate) fn write(figures: &Figures) -> Result<()> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/benchmarks.md"
    ));
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let page = replaced(&page, &section(figures, &origin()?)?)?;
    fs::write(&path, page).with_context(|| format!("cannot write {path:?}"))
}

/// The page with `section` between its markers.
fn replaced(page: &str, section: &str) -> Result<String> {
    let missing = || format!("`docs/benchmarks.md` lacks the lines {BEGIN:?} and {END:?}");
    let (before, rest) = page.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}{section}{END}{after}"))
}

/// The date, commit, machine and command of a run.
fn origin() -> Result<String> {
    let date = output("date", &["-u", "+%Y-%m-%d"])?;
    let commit = output("git", &["describe", "--always", "--dirty"])?;
    let cores = std::thread::available_parallelism()?;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let arguments: Vec<String> = env::args().skip(1).collect();
    Ok(format!(
        "Measured on {date} at commit `{commit}`, {cores} cores of {model}, by\n\
         `cargo run --profile dist -p micro-rs-bench -- {}`. Figures in bold miss their target.\n",
        arguments.join(" ")
    ))
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let run = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .with_context(|| format!("`{program}` cannot be run"))?;
    ensure!(run.status.success(), "`{program}` failed");
    Ok(String::from_utf8(run.stdout)?.trim().to_owned())
}

fn section(figures: &Figures, origin: &str) -> Result<String> {
    let mut text = format!("\n{origin}\n");
    text +=
        "| cell | system | measure | against | measured | target |\n|---|---|---|---|---:|---:|\n";
    for target in TARGETS {
        let Some(verdict) = figures.verdict(target) else {
            continue;
        };
        let (measure, unit) = target.measure.names();
        let against = match target.relative_to {
            Some((system, cell)) if cell == target.cell => system.to_owned(),
            Some((system, cell)) => format!("{system}, {cell}"),
            None => unit.to_owned(),
        };
        let sign = match target.bound {
            Bound::Max => "≤",
            Bound::Min => "≥",
        };
        let ratio = match verdict.met {
            true => short(verdict.ratio),
            false => format!("**{}**", short(verdict.ratio)),
        };
        let (cell, system, bound) = (target.cell, target.system, short(target.target));
        let measure = measure.replace('_', " ");
        writeln!(
            text,
            "| {cell} | {system} | {measure} | {against} | {ratio} | {sign} {bound} |"
        )?;
    }
    let counts: Vec<String> = figures
        .medians()
        .filter_map(|((_, measure, system), value)| match measure {
            Measure::ClientInstructions => Some(format!("{system}, client: {value:.0}")),
            Measure::ServerInstructions => Some(format!("{system}, server: {value:.0}")),
            _ => None,
        })
        .collect();
    if !counts.is_empty() {
        let counts = counts.join(" · ");
        writeln!(
            text,
            "\nInstructions a call in cell 32x64, by callgrind: {counts}."
        )?;
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_replaces_the_text_between_the_markers() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let expected = format!("a\n{BEGIN}new\n{END}b\n");
        assert_eq!(replaced(&page, "new\n").expect("it has markers"), expected);
        assert!(replaced("a\nb\n", "new\n").is_err());
    }

    #[test]
    fn page_of_benchmarks_has_the_markers() {
        replaced(include_str!("../../../docs/benchmarks.md"), "").expect("the page has markers");
    }

    #[test]
    fn missed_target_is_bold() {
        let mut figures = Figures::default();
        figures.put(0, "packages", Measure::Packages, "micro", 1000.0);
        let section = section(&figures, "here").expect("text is written");
        assert!(section.contains("| **1000** | ≤ 150 |"), "{section}");
    }
}
