//! Whether the rings of a routed design differ in nothing but silicon: every loop has the same wires and the same pins,
//! by nextpnr's delays, and the counters are faster than the rings that clock them.
//!
//! The rings of `engine/rings.rs` are known by the names of their LUTs, `first_17_1_0`: side, tile, half, and the LUT in
//! the loop. Were one loop longer, the bit of its pair would be the same on every board.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::nextpnr::Report;
use super::tool;
use crate::Error;
use crate::engine::rings::RINGS;

/// LUTs of a ring.
const LUTS: usize = 3;
/// Counters must be this much faster than the rings; both are nominal, and drift together.
const COUNTER_MARGIN: f64 = 1.2;

/// The rings of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loops {
    /// How many there are.
    pub loops: u32,
    /// Delay of the three wires of each, by static timing, in picoseconds.
    pub wires_ps: u32,
    /// What each oscillates at, by static timing, in megahertz.
    pub ring_mhz: f64,
    /// What the slower of the two counters can run at, in megahertz.
    pub counter_mhz: f64,
}

impl std::fmt::Display for Loops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { loops, wires_ps, ring_mhz, counter_mhz } = self;
        write!(
            f,
            "{loops} rings alike ({wires_ps} ps of wire, {ring_mhz} MHz; counters to {counter_mhz} MHz)"
        )
    }
}

/// A LUT on the way round a ring: the pin the loop comes in by, the delay of the wire to it, and of the LUT from it.
type Stop = (String, u32, u32);

/// Reads `top.sdf` and `report.json` in `dir`.
///
/// # Errors
/// [`Error::Rings`] if there are not [`RINGS`] loops, or not all alike, or the counters are too slow.
pub fn check(dir: &Path) -> Result<Loops, Error> {
    let sdf = tool::read(&dir.join("top.sdf"))?;
    let report = Report::read(&dir.join("report.json"), "nextpnr-ice40")?;
    check_text(&String::from_utf8_lossy(&sdf), report.counter_mhz())
}

/// [`check`] of the text of an SDF file; the slower counter can run at `counter_mhz`.
pub fn check_text(sdf: &str, counter_mhz: f64) -> Result<Loops, Error> {
    let loops = read(sdf);
    let failed = |reason: String| Error::Rings { reason };
    if loops.len() != RINGS {
        return Err(failed(format!("{} loops instead of {RINGS}", loops.len())));
    }
    let Some((name, first)) = loops.first_key_value() else {
        return Err(failed("no loops".to_owned()));
    };
    if first.len() != LUTS {
        return Err(failed(format!("{name} has {} LUTs instead of {LUTS}", first.len())));
    }
    let unlike: Vec<&str> =
        loops.iter().filter(|(_, stops)| *stops != first).map(|(name, _)| name.as_str()).collect();
    if let [other, ..] = unlike[..] {
        let count = unlike.len();
        return Err(failed(format!(
            "{count} differ from {name}, {other} is {:?}, not {first:?}",
            loops[other]
        )));
    }
    let wires_ps = first.values().map(|stop| stop.1).sum();
    let luts_ps: u32 = first.values().map(|stop| stop.2).sum();
    let ring_mhz = 1e6 / f64::from(2 * (wires_ps + luts_ps));
    if counter_mhz < COUNTER_MARGIN * ring_mhz || !counter_mhz.is_finite() {
        return Err(failed(format!("counters reach {counter_mhz:.1} MHz, rings {ring_mhz:.1} MHz")));
    }
    let rounded = |mhz: f64| (mhz * 10.0).round() / 10.0;
    Ok(Loops {
        loops: RINGS as u32,
        wires_ps,
        ring_mhz: rounded(ring_mhz),
        counter_mhz: rounded(counter_mhz),
    })
}

/// The LUTs of every loop, by the ring's name and the LUT's number.
fn read(sdf: &str) -> BTreeMap<String, BTreeMap<u8, Stop>> {
    let mut wires = vec![];
    let mut luts = BTreeMap::new();
    let mut instance = None;
    for line in sdf.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["(INTERCONNECT", from, to, delay, ..] => {
                if let (Some((ring, _)), Some((at, lut))) = (ring_of(from), ring_of(to))
                    && ring == at
                    && let (Some((_, pin)), Some(ps)) = (to.rsplit_once('/'), picoseconds(delay))
                {
                    wires.push((ring, lut, pin.to_owned(), ps));
                }
            }
            ["(INSTANCE", name] => instance = ring_of(name),
            ["(IOPATH", pin, "O", delay, ..] => {
                if let (Some(at), Some(ps)) = (&instance, picoseconds(delay)) {
                    luts.insert((at.clone(), pin.to_owned()), ps);
                }
            }
            _ => {}
        }
    }
    let mut loops = BTreeMap::<String, BTreeMap<u8, Stop>>::new();
    for (ring, lut, pin, wire) in wires {
        let through = luts.get(&((ring.clone(), lut), pin.clone())).copied().unwrap_or(0);
        loops.entry(ring).or_default().insert(lut, (pin, wire, through));
    }
    loops
}

/// The first of a triple like `(874:874:874)`.
fn picoseconds(triple: &str) -> Option<u32> {
    triple.trim_start_matches('(').split(':').next()?.parse().ok()
}

/// `first_17_1` and 0 of the cell `core.rings.first_17_1_0_LC` or its pin, however it is escaped.
fn ring_of(pin: &str) -> Option<(String, u8)> {
    let name: String = pin.chars().filter(|c| *c != '\\').collect();
    let at = name.find("first_").or_else(|| name.find("second_"))?;
    let parts: Vec<&str> = name[at..].split(['_', '/', ')']).collect();
    let [side, tile, half, lut, "LC", ..] = parts[..] else { return None };
    tile.parse::<u32>().ok()?;
    half.parse::<u32>().ok()?;
    Some((format!("{side}_{tile}_{half}"), lut.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nextpnr writes it; the wire into the last LUT of ring `second_3_1` takes `last_ps`.
    fn sdf(rings: usize, last_ps: u32) -> String {
        let mut text = String::new();
        for ring in 0..rings {
            let side = if ring % 2 == 0 { "first" } else { "second" };
            let name = format!("core\\$rings.{side}_{}_{}", ring / 4, ring / 2 % 2);
            for lut in 0..3 {
                let ps = if lut == 2 && name.ends_with("second_3_1") { last_ps } else { 588 };
                let (from, to) = (format!("{name}_{}_LC", (lut + 2) % 3), format!("{name}_{lut}_LC"));
                text += &format!(
                    "(INTERCONNECT {from}/O {to}/I0 ({ps}:{ps}:{ps}) ({ps}:{ps}:{ps}))\n\
                     (INTERCONNECT core.enable_LC/O {to}/I1 (7:7:7) (7:7:7))\n\
                     (INSTANCE {to})\n(IOPATH I1 O (7:7:7) (7:7:7))\n(IOPATH I0 O (448:449:449) (448:449:449))\n"
                );
            }
        }
        text + "(INSTANCE core.first_count_1_LC)\n(IOPATH I0 O (9:9:9) (9:9:9))\n"
    }

    fn reason(text: &str, counter_mhz: f64) -> String {
        match check_text(text, counter_mhz) {
            Err(Error::Rings { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn loops_alike_pass_and_are_measured() {
        let loops = check_text(&sdf(RINGS, 588), 250.0).unwrap();
        assert_eq!(loops, Loops { loops: 512, wires_ps: 1764, ring_mhz: 160.9, counter_mhz: 250.0 });
    }

    #[test]
    fn a_picosecond_a_missing_ring_and_slow_counters_fail() {
        assert!(reason(&sdf(RINGS, 589), 250.0).starts_with("1 differ from first_0_0, second_3_1 is"));
        assert_eq!(reason(&sdf(RINGS - 1, 588), 250.0), "511 loops instead of 512");
        assert_eq!(reason("", 250.0), "0 loops instead of 512");
        assert_eq!(reason(&sdf(RINGS, 588), 190.0), "counters reach 190.0 MHz, rings 160.9 MHz");
        assert!(reason(&sdf(RINGS, 588), f64::INFINITY).starts_with("counters"));
    }
}
