//! The chip a simulated board is made with, so that no two boards have the same rings and one board keeps its own.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use twinseal_puf::silicon::{Chip, Condition, Device, PowerUp, ROOM};

use crate::SimError;

/// A chip, and how it is switched on.
#[derive(Clone, PartialEq)]
pub struct Silicon {
    seed: [u8; 32],
    /// Drawn when the board is switched on, if `None`.
    power_up: Option<u64>,
    condition: Condition,
}

/// Whoever has the seed has every key of the board.
impl fmt::Debug for Silicon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silicon")
            .field("power_up", &self.power_up)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}

impl From<[u8; 32]> for Silicon {
    /// The chip of `seed` at room temperature; every power-up has new noise.
    fn from(seed: [u8; 32]) -> Self {
        Self { seed, power_up: None, condition: ROOM }
    }
}

impl Silicon {
    /// The device whose rings are simulated.
    pub const DEVICE: Device = Device::Hx8k;

    /// A chip that nobody has seen before.
    pub fn random() -> Result<Self, SimError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(SimError::Random)?;
        Ok(seed.into())
    }

    /// The chip whose seed is in `path`, 64 hex digits; a new one, readable by the owner only, if there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, SimError> {
        let failed = |source| SimError::SiliconFile { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => unhex(text.trim_ascii_end())
                .map(Self::from)
                .ok_or_else(|| SimError::SiliconDamaged { path: path.to_owned() }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let silicon = Self::random()?;
                silicon.write(path).map_err(failed)?;
                Ok(silicon)
            }
            Err(e) if e.kind() == ErrorKind::InvalidData => {
                Err(SimError::SiliconDamaged { path: path.to_owned() })
            }
            Err(e) => Err(failed(e)),
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        for byte in self.seed {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    }

    /// The same chip, switched on for the `number`-th time: with the same number it makes the same noise.
    pub fn power_up(self, number: u64) -> Self {
        Self { power_up: Some(number), ..self }
    }

    /// The same chip under other conditions.
    pub fn at(self, condition: Condition) -> Self {
        Self { condition, ..self }
    }

    /// Temperature, supply and age.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    pub(crate) fn switched_on(&self) -> Result<PowerUp, SimError> {
        let number = match self.power_up {
            Some(number) => number,
            None => getrandom::u64().map_err(SimError::Random)?,
        };
        let chip = Chip::of_the_project(self.seed, Self::DEVICE).map_err(SimError::Silicon)?;
        Ok(chip.power_up(&self.condition, number))
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut seed = [0; 32];
    if text.len() != 64 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chip");
        let made = Silicon::from_file(&path).unwrap();
        assert_eq!(Silicon::from_file(&path).unwrap(), made);
        assert_ne!(Silicon::from_file(&folder.path().join("other")).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let good = fs::read(&path).unwrap();
        for bad in
            [&b""[..], &good[..63], &[&good[..], b"00"].concat(), &[b'g'; 64], &[0xFF; 64], &[b'+'; 64]]
        {
            fs::write(&path, bad).unwrap();
            let error = Silicon::from_file(&path).unwrap_err();
            assert_eq!(error.code(), "TSL-SIM-010", "{error}");
        }
        let nowhere = Silicon::from_file(&folder.path().join("no/such/folder")).unwrap_err();
        assert_eq!(nowhere.code(), "TSL-SIM-009", "{nowhere}");
    }

    #[test]
    fn nothing_printed_tells_the_seed() {
        let shown = format!("{:?}", Silicon::from([0xC3; 32]).power_up(7));
        assert!(
            shown.contains("power_up: Some(7)") && !shown.contains("c3") && !shown.contains("195"),
            "{shown}"
        );
    }
}
