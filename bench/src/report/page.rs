//! The targets as a table of the README, between two markers, with where and when they were measured.

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

/// Replaces what stands between the markers of the README.
pub(crate) fn write(figures: &Figures) -> Result<()> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let page = replaced(&page, &section(figures, &origin()?)?)?;
    fs::write(&path, page).with_context(|| format!("cannot write {path:?}"))
}

/// The page with another section between its markers.
fn replaced(page: &str, section: &str) -> Result<String> {
    let missing = || format!("the README lacks the lines {BEGIN:?} and {END:?}");
    let (before, rest) = page.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}{section}{END}{after}"))
}

/// When, where and of what the figures are.
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
         `cargo run --profile dist -p micro-rs-bench -- {}`. Those in bold miss their target.\n",
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
    fn a_section_replaces_the_one_between_the_markers() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let expected = format!("a\n{BEGIN}new\n{END}b\n");
        assert_eq!(replaced(&page, "new\n").expect("it has markers"), expected);
        assert!(replaced("a\nb\n", "new\n").is_err());
    }

    #[test]
    fn the_readme_has_the_markers() {
        replaced(include_str!("../../../README.md"), "").expect("the README has markers");
    }

    #[test]
    fn a_missed_target_is_bold() {
        let mut figures = Figures::default();
        figures.put(0, "packages", Measure::Packages, "micro", 1000.0);
        let section = section(&figures, "here").expect("text is written");
        assert!(section.contains("| **1000** | ≤ 150 |"), "{section}");
    }
}
