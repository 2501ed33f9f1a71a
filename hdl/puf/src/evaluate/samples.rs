//! Frequencies of a population of chips: from files, or from virtual chips. One file a chip, rows rings, columns samples.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{MAX_CHIPS, MAX_FILE_BYTES, MAX_FREQUENCIES};
use crate::Error;
use crate::silicon::{Condition, Foundry};

/// Fewest and most frequencies that are believed, in hertz.
const BELIEVED_HZ: std::ops::RangeInclusive<f64> = 1e3..=1e10;
/// Most rings of a chip, and most samples of a ring.
const MAX_SIDE: usize = 65_536;

/// Frequencies in hertz of several chips with equally many rings and samples.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Rings of a chip; even.
    pub rings: usize,
    /// Samples of a ring.
    pub samples: usize,
    /// What every chip is called: its file.
    pub names: Vec<String>,
    /// Of every chip, ring by ring.
    pub chips: Vec<Vec<f64>>,
}

impl Samples {
    /// Reads every `*.csv` of a folder, in the order of their names.
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
            let path = entry.map_err(Error::file(folder))?.path();
            if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
                files.push(path);
            }
            if files.len() > MAX_CHIPS {
                return Err(Error::TooManyChips { folder: folder.into(), limit: MAX_CHIPS });
            }
        }
        files.sort();
        match files.len() {
            0 => return Err(Error::NoChips { folder: folder.into() }),
            1 => return Err(Error::TooFewChips { folder: folder.into(), found: 1 }),
            _ => {}
        }
        let mut all: Option<Self> = None;
        for path in files {
            let (rings, samples, chip) = read_chip(&path)?;
            let so_far = all.as_ref().map_or(0, |a| a.chips.len());
            if (so_far + 1) * rings * samples > MAX_FREQUENCIES {
                return Err(Error::TooManyFrequencies { folder: folder.into(), limit: MAX_FREQUENCIES });
            }
            let name =
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().escape_debug().to_string();
            match &mut all {
                None => all = Some(Self { rings, samples, names: vec![name], chips: vec![chip] }),
                Some(all) if (all.rings, all.samples) == (rings, samples) => {
                    all.names.push(name);
                    all.chips.push(chip);
                }
                Some(all) => {
                    let what = format!(
                        "{rings} rings of {samples} samples where the first file has {} of {}",
                        all.rings, all.samples
                    );
                    return Err(Error::Shape { path, what });
                }
            }
        }
        all.ok_or_else(|| Error::NoChips { folder: folder.into() })
    }

    /// `samples` samples of one power-up of each of `chips` virtual chips.
    pub fn of_virtual_chips(
        foundry: &Foundry,
        seed: u64,
        chips: usize,
        samples: usize,
        at: &Condition,
    ) -> Self {
        let names = (0..chips).map(|number| format!("virtual chip {number}")).collect();
        let chips = (0..chips as u64)
            .map(|number| {
                let mut on = foundry.numbered(seed, number).power_up(at, 0);
                let mut chip = vec![0.0; crate::RINGS * samples];
                for s in 0..samples {
                    for (ring, hertz) in on.sample().into_iter().enumerate() {
                        chip[ring * samples + s] = hertz;
                    }
                }
                chip
            })
            .collect();
        Self { rings: crate::RINGS, samples, names, chips }
    }

    /// The same without the chips of these numbers.
    pub fn without(self, numbers: &[usize]) -> Self {
        let kept = |number: &usize| !numbers.contains(number);
        let names = (0..).zip(self.names).filter(|(number, _)| kept(number)).map(|(_, name)| name).collect();
        let chips = (0..).zip(self.chips).filter(|(number, _)| kept(number)).map(|(_, chip)| chip).collect();
        Self { names, chips, ..self }
    }

    /// The samples of one ring.
    pub fn ring(&self, chip: usize, ring: usize) -> &[f64] {
        &self.chips[chip][ring * self.samples..][..self.samples]
    }
}

/// Rings, samples and frequencies of one file.
fn read_chip(path: &Path) -> Result<(usize, usize, Vec<f64>), Error> {
    // Opening a pipe would wait for whoever writes to it.
    if !std::fs::metadata(path).map_err(Error::file(path))?.is_file() {
        return Err(Error::Shape { path: path.into(), what: "not a file".into() });
    }
    let file = std::fs::File::open(path).map_err(Error::file(path))?;
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(Error::file(path))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let bytes = std::fs::metadata(path).map_err(Error::file(path))?.len();
        return Err(Error::FileTooLarge { path: path.into(), bytes, limit: MAX_FILE_BYTES });
    }
    let shape = |what: String| Error::Shape { path: PathBuf::from(path), what };
    let (mut rings, mut samples, mut values) = (0, 0, Vec::new());
    // What spreadsheets put before UTF-8.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    for (line, row) in text.split(|b| *b == b'\n').enumerate() {
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        if row.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A comma after the last sample ends it.
        let row = row.strip_suffix(b",").unwrap_or(row);
        let before = values.len();
        for (column, field) in row.split(|b| *b == b',').enumerate() {
            let hertz = std::str::from_utf8(field).ok().and_then(|f| f.trim().parse::<f64>().ok());
            match hertz.filter(|hertz| BELIEVED_HZ.contains(hertz)) {
                Some(hertz) if column < MAX_SIDE => values.push(hertz),
                _ => return Err(Error::Frequency { path: path.into(), line: line + 1, column: column + 1 }),
            }
        }
        let found = values.len() - before;
        if rings == 0 {
            samples = found;
        } else if found != samples {
            return Err(shape(format!(
                "line {} has {found} samples, the lines before have {samples}",
                line + 1
            )));
        }
        rings += 1;
    }
    match rings {
        0 => Err(shape("no ring".into())),
        odd if odd % 2 == 1 => Err(shape(format!("{odd} rings do not make pairs"))),
        many if many > MAX_SIDE => Err(shape(format!("{many} rings, the limit is {MAX_SIDE}"))),
        _ if samples < 2 => Err(shape("one sample a ring shows no noise".into())),
        _ => Ok((rings, samples, values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    const GOOD: &[u8] = b"2e8,200000001,\r\n199999999,200000002,\n\n";

    #[test]
    fn chips_are_read_in_the_order_of_their_names() {
        let f = folder(&[("b.csv", b"1e6,2e6\n3e6,4e6"), ("a.CSV", GOOD), ("notes.txt", b"no csv")]);
        let s = Samples::from_folder(f.path()).unwrap();
        assert_eq!((s.rings, s.samples, s.chips.len()), (2, 2, 2));
        assert_eq!(s.ring(0, 1), [199_999_999.0, 200_000_002.0]);
        assert_eq!(s.ring(1, 0), [1e6, 2e6]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        let marked = [b"\xef\xbb\xbf", GOOD].concat();
        let f = folder(&[("a.csv", &marked), ("b.csv", GOOD)]);
        let s = Samples::from_folder(f.path()).unwrap();
        assert_eq!(s.chips[0], s.chips[1]);
        // Only at the start, and only once.
        let f = folder(&[("a.csv", &[b"\xef\xbb\xbf", marked.as_slice()].concat()), ("b.csv", GOOD)]);
        assert!(matches!(Samples::from_folder(f.path()), Err(Error::Frequency { line: 1, column: 1, .. })));
    }

    #[test]
    fn chips_are_left_out_with_their_names() {
        let f = folder(&[("a.csv", b"1e6,1e6\n1e6,1e6"), ("b.csv", GOOD), ("c.csv", b"3e6,3e6\n3e6,3e6")]);
        let s = Samples::from_folder(f.path()).unwrap().without(&[1]);
        assert_eq!((s.names, s.chips[1][0]), (vec!["a.csv".to_owned(), "c.csv".to_owned()], 3e6));
    }

    #[test]
    fn hostile_files_are_refused_with_their_place() {
        let place = |bad: &[u8]| {
            let f = folder(&[("a.csv", GOOD), ("b.csv", bad)]);
            Samples::from_folder(f.path()).unwrap_err()
        };
        for bad in [
            &b"2e8,x\n2e8,2e8"[..],
            b"2e8,\n2e8",
            b"2e8,-2e8\n2e8,2e8",
            b"2e8,nan\n",
            b"2e8,inf\n",
            b"2e8,\xff\xfe\n",
            b"2e8,0\n",
            b"ring,sample\n",
            b"2e8;2e8\n2e8;2e8\n",
            b"2e8,,2e8\n",
        ] {
            match place(bad) {
                Error::Frequency { line: 1, column, .. } => assert!(column <= 2),
                Error::Shape { .. } => assert_eq!(bad, b"2e8,\n2e8"),
                other => panic!("{bad:?}: {other}"),
            }
        }
        assert!(matches!(place(b"1e6,1e6\n1e6,1e6\n1e6,y\n"), Error::Frequency { line: 3, column: 2, .. }));
        for (bad, what) in [
            (&b""[..], "no ring"),
            (b"1e6,1e6\n", "do not make pairs"),
            (b"1e6,1e6\n1e6\n", "line 2 has 1 samples"),
            (b"1e6\n1e6\n", "one sample"),
            (b"1e6,1e6\n1e6,1e6\n1e6,1e6\n1e6,1e6\n", "4 rings of 2 samples where the first file has 2 of 2"),
        ] {
            let error = place(bad);
            assert!(matches!(&error, Error::Shape { .. }) && error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn only_files_of_a_sensible_size_are_read() {
        let f = folder(&[("a.csv", GOOD)]);
        let pipe = f.path().join("b.csv");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = Samples::from_folder(f.path()).unwrap_err();
        assert!(error.to_string().contains("b.csv: not a file"), "{error}");
        std::fs::remove_file(&pipe).unwrap();
        std::fs::create_dir(&pipe).unwrap();
        assert!(matches!(Samples::from_folder(f.path()), Err(Error::Shape { .. })));
        std::fs::remove_dir(&pipe).unwrap();
        // A hole: large without taking place.
        std::fs::File::create(&pipe).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(Samples::from_folder(f.path()), Err(Error::FileTooLarge { .. })));
    }

    #[test]
    fn folders_without_a_population_are_refused() {
        let empty = folder(&[]);
        assert!(matches!(Samples::from_folder(empty.path()), Err(Error::NoChips { .. })));
        let one = folder(&[("a.csv", GOOD)]);
        assert!(matches!(Samples::from_folder(one.path()), Err(Error::TooFewChips { found: 1, .. })));
        assert!(matches!(Samples::from_folder(&empty.path().join("none")), Err(Error::File { .. })));
        let file = one.path().join("a.csv");
        assert!(matches!(Samples::from_folder(&file), Err(Error::File { .. })));
    }
}
