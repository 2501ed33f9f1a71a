//! The boards the project knows, from `boards.toml`, and the ports of this machine where one may be plugged in.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serialport::{SerialPortInfo, SerialPortType};

use crate::link::Serial;
use crate::{Board, Error, Options};

/// A board as `boards.toml` describes it, as far as the host needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct BoardKind {
    /// For people.
    pub title: String,
    /// Clock of the engines in hertz.
    pub clock_hz: u32,
    /// Bits per second of its UART.
    pub baud: u32,
    /// Bridges it is reached by.
    pub usb: Vec<UsbId>,
    /// Names as in [`twinseal_wire::engines::ALL`].
    pub engines: Vec<String>,
}

/// A USB device, and the interface of it that leads to the board.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct UsbId {
    /// Vendor.
    pub vid: u16,
    /// Product.
    pub pid: u16,
    /// `bInterfaceNumber`, counted from zero; any if `None`.
    pub interface: Option<u8>,
}

/// A port that may lead to a board: nothing was sent to it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name in `boards.toml`.
    pub board: String,
    /// Path of the port.
    pub port: String,
    /// Bits per second of that board.
    pub baud: u32,
    /// USB serial number, to tell two boards of a kind apart.
    pub serial_number: Option<String>,
}

impl Candidate {
    /// Opens the port and the board on it. The board is called after its kind and its bridge's serial number, or its port
    /// if that has none: helper data are filed under this name, and ports change theirs.
    ///
    /// # Errors
    /// As [`Serial::open`] and [`Board::open`]; bridges are common, so [`Error::Silent`] may just mean another device.
    pub fn open(&self, options: Options) -> Result<Board, Error> {
        let which = self.serial_number.as_ref().unwrap_or(&self.port);
        let name = options.name.or_else(|| Some(format!("{} {which}", self.board)));
        Board::open(Box::new(Serial::open(&self.port, self.baud)?), Options { name, ..options })
    }
}

/// Every board of `boards.toml`, by name.
///
/// # Errors
/// [`Error::BoardsFile`].
pub fn kinds() -> Result<BTreeMap<String, BoardKind>, Error> {
    parse(include_str!("../../boards.toml"))
}

fn parse(text: &str) -> Result<BTreeMap<String, BoardKind>, Error> {
    toml::from_str(text).map_err(|e| Error::BoardsFile(e.to_string()))
}

/// The ports of this machine that may lead to a board, in the order of their paths. A pseudo-terminal is never among them:
/// name it yourself.
///
/// # Errors
/// [`Error::Ports`], [`Error::BoardsFile`].
pub fn discover() -> Result<Vec<Candidate>, Error> {
    // `serialport` panics without it, as in a container that has no sysfs.
    if cfg!(target_os = "linux") && !Path::new("/sys/class/tty").is_dir() {
        return Err(Error::Ports("/sys/class/tty is not there".into()));
    }
    let ports = serialport::available_ports().map_err(|e| Error::Ports(e.to_string()))?;
    Ok(candidates(&kinds()?, ports))
}

/// Every pair of a port and a board whose USB ids fit.
fn candidates(kinds: &BTreeMap<String, BoardKind>, mut ports: Vec<SerialPortInfo>) -> Vec<Candidate> {
    ports.sort_by(|a, b| a.port_name.cmp(&b.port_name));
    let mut found = Vec::new();
    for port in ports {
        let SerialPortType::UsbPort(usb) = port.port_type else { continue };
        let fits = |id: &UsbId| {
            // A system that does not tell the interface must not hide the board.
            let interface_fits =
                id.interface.is_none() || usb.interface.is_none() || id.interface == usb.interface;
            (id.vid, id.pid) == (usb.vid, usb.pid) && interface_fits
        };
        found.extend(kinds.iter().filter(|(_, kind)| kind.usb.iter().any(fits)).map(|(name, kind)| {
            Candidate {
                board: name.clone(),
                port: port.port_name.clone(),
                baud: kind.baud,
                serial_number: usb.serial_number.clone(),
            }
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serialport::UsbPortInfo;

    fn usb(path: &str, vid: u16, pid: u16, interface: Option<u8>) -> SerialPortInfo {
        let info = UsbPortInfo {
            vid,
            pid,
            serial_number: Some("s1".into()),
            manufacturer: None,
            product: None,
            interface,
        };
        SerialPortInfo { port_name: path.into(), port_type: SerialPortType::UsbPort(info) }
    }

    #[test]
    fn the_file_names_engines_that_exist() {
        let kinds = kinds().unwrap();
        assert_eq!(kinds["hx8k"].baud, 3_000_000);
        for engine in kinds.values().flat_map(|kind| &kind.engines) {
            assert!(twinseal_wire::engines::ALL.iter().any(|(_, name)| name == engine), "{engine}");
        }
        assert_eq!(parse("[x]\nbaud = 1").unwrap_err().code(), "TSL-DRV-019");
    }

    #[test]
    fn ports_are_matched_by_ids_and_interface() {
        let ports = vec![
            usb("/dev/ttyUSB3", 0x0403, 0x6010, None),
            usb("/dev/ttyUSB1", 0x0403, 0x6010, Some(1)),
            usb("/dev/ttyUSB0", 0x0403, 0x6010, Some(0)),
            usb("/dev/ttyUSB2", 0x0403, 0x6011, Some(1)),
            usb("/dev/ttyUSB4", 0x1209, 0x6010, Some(1)),
            SerialPortInfo { port_name: "/dev/ttyS0".into(), port_type: SerialPortType::PciPort },
        ];
        let candidate = |path: &str| Candidate {
            board: "hx8k".into(),
            port: path.into(),
            baud: 3_000_000,
            serial_number: Some("s1".into()),
        };
        let kinds = parse(
            "[hx8k]\ntitle = ''\nclock_hz = 1\nbaud = 3_000_000\nengines = []\n\
             usb = [{ vid = 0x0403, pid = 0x6010, interface = 1 }]\n\
             [sim]\ntitle = ''\nclock_hz = 1\nbaud = 1\nengines = []\nusb = []",
        );
        assert_eq!(
            candidates(&kinds.unwrap(), ports),
            [candidate("/dev/ttyUSB1"), candidate("/dev/ttyUSB3")]
        );
    }
}
