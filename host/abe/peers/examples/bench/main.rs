//! Measures `twinseal-abe` beside rabe 0.4.2, Charm's RW15 (from a file) and the scheme as the paper writes it,
//! in one run on one thread: `make bench-abe`.
//!
//! ```text
//! bench [--quick] [--charm FILE] [--out FOLDER] [--readme FILE]
//! ```
//!
//! Prints the tables. `--out` writes every figure as CSV, and the plot; `--readme` replaces the tables between
//! the marks in a file. `--quick` measures fewer sizes with fewer repetitions and is for trying out.

mod figures;
mod measure;
mod naive;
mod ours;
mod plot;
mod rabe_schemes;
mod report;

use figures::Figures;
use measure::Effort;
use std::error::Error;
use std::path::PathBuf;

/// Around the tables in a readme.
const MARKS: [&str; 2] = ["<!-- written by make bench-abe -->", "<!-- until here -->"];

fn main() -> Result<(), Box<dyn Error>> {
    let (mut quick, mut charm, mut out, mut readme) = (false, None, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => quick = true,
            "--out" => out = Some(PathBuf::from(value()?)),
            "--readme" => readme = Some(PathBuf::from(value()?)),
            "--charm" => charm = Some(PathBuf::from(value()?)),
            _ => return Err(format!("unknown argument {argument}; see the top of main.rs").into()),
        }
    }
    let (sizes, effort): (&[usize], _) =
        if quick { (&[5, 10], Effort::QUICK) } else { (&[5, 10, 20, 30, 100], Effort::FULL) };

    let mut figures = Figures::default();
    for n in sizes {
        eprintln!("{n} attributes");
        ours::measure(*n, effort, &mut figures)?;
        naive::measure(*n, effort, &mut figures);
        rabe_schemes::measure(*n, effort, &mut figures).map_err(|error| error.to_string())?;
    }
    match &charm {
        Some(file) if file.exists() => figures.read_csv(&std::fs::read_to_string(file)?)?,
        _ => eprintln!("no figures of Charm: see host/abe/peers/charm/run.sh"),
    }
    let batch = ours::batch(10, effort)?;

    let report = report::markdown(&figures, sizes, &batch);
    println!("{report}");
    if let Some(folder) = out {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("figures.csv"), figures.csv())?;
        std::fs::write(folder.join("fig4b.svg"), report::fig4b(&figures, sizes))?;
    }
    if let Some(file) = readme {
        let text = std::fs::read_to_string(&file)?;
        let (before, rest) = text.split_once(MARKS[0]).ok_or("the readme has no first mark")?;
        let (_, after) = rest.split_once(MARKS[1]).ok_or("the readme has no second mark")?;
        std::fs::write(&file, format!("{before}{}\n{report}{}{after}", MARKS[0], MARKS[1]))?;
    }
    Ok(())
}
