//! The readers on real exports. The data is not part of the tree; where it is absent each test says so.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use twinseal_twin::{Cell, SignalKind, ingest};

/// The CSV files of a folder of the shared data, sorted; `None` (and a printed reason) where it is absent.
fn files(folder: &str) -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let _ = writeln!(std::io::stderr(), "skipped: {} is absent", folder.display());
        return None;
    };
    let mut files: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "csv"));
    files.sort();
    Some(files)
}

#[test]
fn dexcom_exports() {
    let Some(files) = files("cgm_bigideas/dexcom") else { return };
    // EGV rows of participants 001 to 010, counted with `grep -c ,EGV,`.
    let rows = [2561, 2119, 2302, 2164, 2558, 2847, 2207, 2505, 2306, 2148];
    assert_eq!(files.len(), rows.len());
    for (path, rows) in files.iter().zip(rows) {
        let recording = ingest::open(path, 0).unwrap();
        let report = recording.report;
        assert_eq!((report.readings, report.dropped), (rows, 0), "{}", path.display());
        assert_eq!(recording.series.observed_count() + report.censored, rows);
        assert!(!recording.personal.is_empty());
        assert!(recording.series.observed().all(|(_, v)| (40.0..=400.0).contains(&v)));
    }
}

#[test]
fn harmonised_glucose() {
    for (folder, censored) in [("cgm_azt1d", 0), ("cgm_physiocgm", 19)] {
        let Some(files) = files(folder) else { return };
        assert!(files.len() >= 5);
        let mut seen = 0;
        for path in files {
            let recording = ingest::open(&path, 0).unwrap();
            let report = recording.report;
            assert!(report.dropped * 100 < report.readings, "{} {report:?}", path.display());
            seen += report.censored;
        }
        assert_eq!(seen, censored, "the Low and High readings of {folder}");
    }
}

#[test]
fn e4_electrodermal_activity() {
    let Some(files) = files("eda_stresspredict") else { return };
    let mut read = 0;
    for path in files.iter().filter(|p| p.to_string_lossy().ends_with("_EDA.csv")) {
        let recording = ingest::open(path, 60).unwrap();
        let series = recording.series;
        assert_eq!((series.kind(), series.step_ms()), (SignalKind::EdaMicrosiemens, 250));
        assert_eq!(series.cells()[0], Cell::BelowRange, "the E4 starts with an exact 0");
        read += 1;
    }
    assert_eq!(read, 20);
}
